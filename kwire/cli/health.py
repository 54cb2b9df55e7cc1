"""`kwire health`: whether a broker answers, for a container's health check and for scripts that wait.

Rules: one connection, one ApiVersions request, one deadline for all of it; exit code 0 for an answer without
error, 1 for anything else, with one line that says what. Light: it runs every few seconds beside the broker.
"""

from __future__ import annotations

import argparse
import os
import socket
import struct
import sys
import time

from kwire.cli.refusal import Refusal

DESCRIPTION = """\
Asks a broker for its API versions. Exit code 0 when it answers, 1 when it does not.

    until kwire health; do sleep 1; done"""

DEFAULT = ("127.0.0.1", 9092)
_API_VERSIONS, _VERSION, _CORRELATION_ID = 18, 0, 7
_MAX_ANSWER_BYTES = 65536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `kwire health`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--address", metavar="HOST:PORT", type=_address, help="the broker (default: localhost:9092)"
    )
    where.add_argument(
        "--from-environment",
        action="store_true",
        help="the broker that `kwire serve --from-environment` runs in this container",
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=5.0, help="how long to wait (default: 5)"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when the broker answers."""
    try:
        host, port = arguments.address or DEFAULT
        if arguments.from_environment:
            host, port = _served_here()
        try:
            count = ask(host, port, arguments.timeout)
        except OSError as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise Refusal(f"no broker at {host}:{port}: {reason}") from error
    except Refusal as refusal:
        print(f"kwire: {refusal}", file=sys.stderr)
        return 1
    print(f"{host}:{port} serves {count} APIs")
    return 0


def _served_here() -> tuple[str, int]:
    """Where `kwire serve --from-environment` listens, given the same variables. Raises Refusal."""
    from kwire.broker.listeners import DEFAULT_PORT, EVERY_ADDRESS, ListenerError
    from kwire.broker.node_settings import nodes_of
    from kwire.cli import serve
    from kwire.cli.environment import options_from
    from kwire.cli.properties import properties_from
    from kwire.config import BrokerConfig
    from kwire.config_def import InvalidValue

    parser = argparse.ArgumentParser(exit_on_error=False)
    serve.add_arguments(parser)
    try:
        options, unknown = parser.parse_known_args(["--from-environment", *options_from(os.environ)])
        if unknown:
            raise Refusal(f"KWIRE_OPTIONS has what `kwire serve` does not know: {' '.join(unknown)}")
        config = BrokerConfig(properties_from(options, os.environ).properties)
        count = options.brokers or max(len(options.rack), 1)
        (_, [first, *_]), *_ = nodes_of(config, count, "", (DEFAULT_PORT,), options.rack)
    except (argparse.ArgumentError, InvalidValue, ListenerError) as error:
        raise Refusal(str(error)) from error
    return "127.0.0.1" if first.host in EVERY_ADDRESS else first.host, first.port


def ask(host: str, port: int, timeout_seconds: float) -> int:
    """How many APIs the broker serves. Raises OSError, and Refusal for an answer that is not a broker's."""
    deadline = time.monotonic() + timeout_seconds
    with socket.create_connection((host, port), timeout_seconds) as sock:
        sock.sendall(struct.pack(">ihhih", 10, _API_VERSIONS, _VERSION, _CORRELATION_ID, -1))
        (size,) = struct.unpack(">i", _receive(sock, 4, deadline))
        if not 10 <= size <= _MAX_ANSWER_BYTES:
            raise Refusal(f"what listens at {host}:{port} is no Kafka broker")
        answer = _receive(sock, size, deadline)
    correlation_id, error, count = struct.unpack_from(">ihi", answer)
    if correlation_id != _CORRELATION_ID or error != 0:
        raise Refusal(f"{host}:{port} answers with error {error}")
    return int(count)


def _receive(sock: socket.socket, size: int, deadline: float) -> bytes:
    received = b""
    while len(received) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        some = sock.recv(size - len(received))
        if not some:
            raise ConnectionResetError(0, "it closed the connection")
        received += some
    return received


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not host or bare_ipv6 or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address; HOST:PORT is, e.g. localhost:9092 or [::1]:9092"
        )
    return host.strip("[]"), int(port)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds: above 0, up to 3600")
    return seconds
