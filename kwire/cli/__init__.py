"""The command line: one module a subcommand, each with `add_arguments(parser)` and `run(arguments) -> exit
code`.

Rules: what is asked for goes to standard output, everything else to standard error. A failure that a person
can mend is one message with the cause and the next step, and exit code 1 (2 for a wrong command line).
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from typing import Any, Final

from kwire import __version__
from kwire.cli.refusal import Refusal

_SUBCOMMANDS: Final = {
    "serve": "run a broker",
    "run": "run a command with a broker of its own",
    "health": "ask a broker whether it serves",
    "export-config": "print a server.properties with which a real Kafka starts on a data directory",
    "log": "look at a data directory: what it holds, whether it is in order",
}
"""Each with its line of help. Only the module of the one that is asked for is imported."""


def run_command_line(arguments: list[str]) -> int:
    """Parses a command line and runs its subcommand."""
    parser = argparse.ArgumentParser(
        prog="kwire",
        description="A broker that speaks Kafka's wire protocol. Point any Kafka client at localhost:9092.",
        epilog="Start one now: kwire serve",
    )
    parser.add_argument("--version", action="version", version=f"kwire {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for name, line in _SUBCOMMANDS.items():
        subparsers.add_parser(name, help=line, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    module: Any = None
    if chosen == "serve":
        # What is imported and built until the broker is ready stays; looking through it for garbage costs a
        # tenth of the start. It is turned on again when clients are served.
        gc.disable()
    if chosen in _SUBCOMMANDS:
        module = importlib.import_module(f"kwire.cli.{chosen.replace('-', '_')}")
        subparsers.choices[chosen].description = module.DESCRIPTION
        module.add_arguments(subparsers.choices[chosen])
    # What is behind -- is somebody else's command line, with options and dashes of its own.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, command = arguments[:end], arguments[end + 1 :]
    parsed, surplus = parser.parse_known_args(options)
    # argparse would blame the command as a whole; the subcommand's usage is what helps.
    usage = subparsers.choices[parsed.subcommand]
    if parsed.subcommand == "run":
        if surplus and surplus[0].startswith("-"):
            usage.error(f"unrecognized arguments: {' '.join(surplus)}")
        if not command or surplus:
            usage.error("the command goes behind --, e.g. kwire run -- pytest -q")
        parsed.options, parsed.command = options[options.index("run") + 1 :], command
    elif surplus or end < len(arguments):
        usage.error(f"unrecognized arguments: {' '.join(surplus + arguments[end:])}")
    elif parsed.subcommand == "serve" and parsed.from_environment:
        from kwire.cli.environment import options_from

        try:
            more = options_from(os.environ)
        except Refusal as refusal:
            print(f"kwire: {refusal}", file=sys.stderr)
            return 1
        parsed = parser.parse_args(["serve", *more, *options[options.index("serve") + 1 :]])
    exit_code: int = module.run(parsed)
    return exit_code
