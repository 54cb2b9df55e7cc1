"""The command line: one module a subcommand, each with `add_arguments(parser)` and `run(arguments) -> exit
code`.

Rules: what is asked for goes to standard output, everything else to standard error. A failure that a person
can mend is one message with the cause and the next step, and exit code 1 (2 for a wrong command line).
"""

from __future__ import annotations

import argparse

from kwire import __version__
from kwire.cli import serve

_SUBCOMMANDS = {"serve": serve}


def run(arguments: list[str]) -> int:
    """Parses a command line and runs its subcommand."""
    parser = argparse.ArgumentParser(
        prog="kwire",
        description="A broker that speaks Kafka's wire protocol. Point any Kafka client at localhost:9092.",
        epilog="Start one now: kwire serve",
    )
    parser.add_argument("--version", action="version", version=f"kwire {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for name, module in _SUBCOMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
    parsed, surplus = parser.parse_known_args(arguments)
    if surplus:
        # argparse would blame the command as a whole; the subcommand's usage is what helps.
        subparsers.choices[parsed.subcommand].error(f"unrecognized arguments: {' '.join(surplus)}")
    exit_code: int = _SUBCOMMANDS[parsed.subcommand].run(parsed)
    return exit_code
