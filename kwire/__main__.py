"""`python -m kwire` and the `kwire` command."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs a subcommand; gives the exit code."""
    from kwire.cli import run_command_line

    return run_command_line(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
