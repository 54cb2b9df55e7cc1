"""`python -m bench.limits [--quick] [--directory DIR]`: what this machine can do, one figure a line."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.limits import UNITS, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="move fewer bytes")
    parser.add_argument("--directory", type=Path, help="where files are written (default: the temporary one)")
    options = parser.parse_args()
    for name, figure in measure(options.directory, quick=options.quick).items():
        print(f"{name:36} {figure:16.6g} {UNITS[name]}")


if __name__ == "__main__":
    main()
