"""The command behind `scripts/kafka`: serve, tool, fetch."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from .broker import Kafka, tool_command
from .cluster import KafkaCluster
from .jars import OracleError, cache_root, fetch

_EXAMPLES = """examples:
  scripts/kafka serve --version 4.4.0 --port 9092 --set num.partitions=3
  scripts/kafka serve --listener SASL=SASL_PLAINTEXT --user alice=secret
  scripts/kafka serve --brokers 3
  scripts/kafka tool org.apache.kafka.tools.TopicCommand --bootstrap-server 127.0.0.1:9092 --list
  scripts/kafka tool --version 2.6.2 kafka.admin.TopicCommand --bootstrap-server 127.0.0.1:9092 --list
"""


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            return _serve(options)
        if options.command == "tool":
            command = tool_command(options.version, options.main_class, options.arguments)
            os.execv(command[0], command)
        print(f"kafka {options.version}: {len(fetch(options.version))} jars in {cache_root()}")
        return 0
    except OracleError as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1


def _serve(options: argparse.Namespace) -> int:
    kafka: Kafka | KafkaCluster
    if options.brokers == 3:
        if options.port or options.data or options.listener or options.user:
            raise OracleError("three brokers have free ports, temporary data, one listener and no users")
        kafka = KafkaCluster(options.version, dict(options.set))
    else:
        kafka = Kafka(
            options.version,
            dict(options.set),
            port=options.port,
            data=options.data,
            listeners=dict(options.listener),
            users=dict(options.user),
        )
    # A signal unwinds through `with`, which ends the broker.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        with kafka:
            others = ""
            if isinstance(kafka, Kafka):
                others = "".join(f" {name}={kafka.address(name)}" for name, _ in options.listener)
            print(f"kafka ready: {kafka.bootstrap}{others}", flush=True)
            if options.exit_with_stdin:
                threading.Thread(target=_leave_when_stdin_ends, daemon=True).start()
            status = kafka.wait()
        print("kafka: the broker ended by itself", file=sys.stderr)
        return status or 1
    except KeyboardInterrupt:
        return 0


def _leave(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _leave_when_stdin_ends() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/kafka",
        description="Run a real Apache Kafka from Maven Central.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="start brokers; prints `kafka ready: HOST:PORT[,...]`")
    serve.add_argument(
        "--port", type=int, default=0, help="port of the PLAINTEXT listener (default: a free one)"
    )
    serve.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="how many (default: 1)")
    serve.add_argument("--data", type=Path, help="directory to keep data in (default: a temporary one)")
    serve.add_argument("--set", type=_pair, action="append", default=[], metavar="KEY=VALUE")
    serve.add_argument("--listener", type=_pair, action="append", default=[], metavar="NAME=PROTOCOL")
    serve.add_argument("--user", type=_pair, action="append", default=[], metavar="NAME=PASSWORD")
    serve.add_argument("--exit-with-stdin", action="store_true", help="end when standard input ends")

    tool = commands.add_parser("tool", help="run the main class of one of Kafka's tools")
    fetching = commands.add_parser("fetch", help="download a release into the cache")
    for command in (serve, tool, fetching):
        command.add_argument("--version", default="4.4.0")
    tool.add_argument("main_class")
    tool.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
