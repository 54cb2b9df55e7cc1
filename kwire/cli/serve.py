"""`kwire serve`: a broker on this machine, until it is stopped.

Prints one line, `kwire ready: HOST:PORT[,HOST:PORT ...]`, to standard output once clients are served (one
address a broker); logs go to standard error. SIGTERM and SIGINT answer what is in progress and close cleanly.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kwire.cli.refusal import Refusal

if TYPE_CHECKING:
    from kwire.cli.control import Questions

DESCRIPTION = """\
Runs a broker on this machine until Ctrl-C. With no option it listens on port 9092 of localhost
(127.0.0.1 and ::1) and keeps its data in a directory of yours, which it names when it starts."""

SET_HELP = (
    "a broker setting, as in server.properties, e.g. --set auto.create.topics.enable=false; may be repeated"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `kwire serve`."""
    add_broker_arguments(parser, port="9092; 0 takes a free one", data=shown(default_data()))
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="stop when standard input ends, as it does when the process that holds its other end is gone",
    )
    parser.add_argument(
        "--request-log",
        metavar="N",
        type=_number,
        default=0,
        help="keep the last N requests, decoded; with --exit-with-stdin, a line `requests` asks for them",
    )
    parser.add_argument(
        "--from-environment",
        action="store_true",
        help="as in a container: settings from KAFKA_* variables and a mounted server.properties, listen on "
        "every address, advertise localhost unless told otherwise (docs/container.md)",
    )


def add_broker_arguments(parser: argparse.ArgumentParser, *, port: str, data: str) -> None:
    """Declares what a broker is started with; `port` and `data` say what happens when they are not given."""
    parser.add_argument(
        "--host", metavar="H", help="address to listen on (default: localhost; 0.0.0.0 for all)"
    )
    parser.add_argument(
        "--port",
        metavar="P",
        type=_ports,
        help=f"port to listen on, instead of the settings' listeners (default: {port}); "
        "broker N gets P+N-1, or give one for each: 9092,29092,39092",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help=f"directory to keep data in (default: {data}); an older one keeps its feature levels",
    )
    where.add_argument("--memory", action="store_true", help="keep everything in memory, nothing on disk")
    parser.add_argument(
        "--brokers",
        metavar="N",
        type=_count,
        help="brokers in the cluster (default: 1, or as many as there are ports or racks)",
    )
    parser.add_argument(
        "--rack",
        metavar="R",
        type=_racks,
        default=[],
        help="the rack of all brokers, or one for each: a,b,c (default: the setting broker.rack)",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="a server.properties file to start from")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="settings", help=SET_HELP
    )
    parser.add_argument(
        "--verbose", action="store_true", help="log every connection that is closed, not only faults"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until stopped; 0 after a clean stop, 1 when the broker cannot run as asked."""
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("kwire.broker.recovering").setLevel(logging.INFO)  # who waits wants to know for what
    try:
        return _serve(arguments)
    except Refusal as refusal:
        print(f"kwire: {refusal}", file=sys.stderr)
        return 1


def _serve(arguments: argparse.Namespace) -> int:
    from kwire.cli.postponed import import_trio

    import_trio()
    import trio

    from kwire.cli.garbage import keep_pauses_short
    from kwire.cli.settings import settings_from
    from kwire.server.launch import CannotStart, DiskFailed, Running, run_broker

    settings = settings_from(arguments, default_data)
    questions: Questions = {}  # what may be asked by a line on standard input
    if arguments.request_log:
        from kwire.server.request_log import RequestLog

        settings.request_log = RequestLog(arguments.request_log)
        questions["requests"] = settings.request_log.entries
    raise_open_files_limit()

    async def serve() -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                running: Running | None = None
                told = False

                def stop() -> None:
                    nonlocal told
                    if running is None or told:
                        nursery.cancel_scope.cancel()
                    else:
                        running.stop()
                        told = True

                async def stop_on_signal() -> None:
                    async for _ in signals:
                        stop()

                async def stop_with_standard_input() -> None:
                    from kwire.cli.control import follow_standard_input

                    await follow_standard_input(questions)
                    stop()

                nursery.start_soon(stop_on_signal)
                if arguments.exit_with_stdin:
                    nursery.start_soon(stop_with_standard_input)
                started: Running = await nursery.start(run_broker, settings)
                running = started
                for path in settings.data or ():
                    print(f"kwire: data in {shown(path)}", file=sys.stderr, flush=True)
                print(f"kwire ready: {','.join(started.addresses)}", flush=True)
                if arguments.from_environment:
                    from kwire.cli.environment import started_in_kafkas_words

                    print(started_in_kafkas_words(next(iter(started.cluster.nodes))), flush=True)
                keep_pauses_short()
                nursery.start_soon(_make_ready)
                await started.stopped.wait()
                nursery.cancel_scope.cancel()

    refusal: BaseException | None = None
    try:
        trio.run(serve)
    except* (CannotStart, DiskFailed) as refusals:
        # What an except* clause raises would come out as a group.
        refusal = refusals
        while isinstance(refusal, BaseExceptionGroup):
            refusal = refusal.exceptions[0]
    if refusal is not None:
        raise Refusal(str(refusal)) from refusal
    return 0


async def _make_ready() -> None:
    from kwire.server.warm_up import warm_up

    await warm_up()
    gc.freeze()  # this stays too


def default_data() -> Path:
    """Where data is kept when nobody says: the user's data directory, or one in /var/tmp if there is none or
    it is a git checkout.
    """
    base = os.environ.get("XDG_DATA_HOME")
    home = _home()
    if base and os.path.isabs(base):
        chosen = Path(base) / "kwire"
    elif home is not None:
        chosen = home / ".local" / "share" / "kwire"
    else:
        return _without_home()
    return _without_home() if any((parent / ".git").exists() for parent in chosen.parents) else chosen


def _without_home() -> Path:
    return Path("/var/tmp") / f"kwire-{os.getuid()}"


def _home() -> Path | None:
    """The user's home; None for a user that is only a number, as containers have them."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def raise_open_files_limit() -> None:
    """Raises the soft limit of open files to the hard one: a broker holds a file and a socket for
    everything.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            logging.getLogger("kwire.cli").warning("the limit of open files stays at %d", soft)


def shown(path: Path) -> str:
    home = str(_home() or "")
    text = str(path)
    return "~" + text[len(home) :] if home and text.startswith(home + os.sep) else text


def _ports(text: str) -> list[int]:
    ports = text.split(",")
    for port in ports:
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise argparse.ArgumentTypeError(f"{port!r} is no port: 0 to 65535")
    return [int(port) for port in ports]


def _racks(text: str) -> list[str]:
    racks = [rack.strip() for rack in text.split(",")]
    if not all(racks):
        raise argparse.ArgumentTypeError(f"{text!r} has a rack without a name")
    return racks


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests: 0 to 100000")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of brokers: 1 to 100")
    return int(text)
