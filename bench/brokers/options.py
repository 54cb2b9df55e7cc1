"""The options by which every command of bench/ that loads one broker is told which."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.brokers import KINDS, Broker, Given
from bench.brokers.python import ROOT, Kwire


def add_broker_options(parser: argparse.ArgumentParser) -> None:
    """`--broker`, `--tree` and `--bootstrap`."""
    parser.add_argument("--broker", choices=sorted(KINDS), default="kwire", help="which to start")
    parser.add_argument("--tree", type=Path, default=ROOT, help="kwire of this checkout instead of ours")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a broker that runs already, instead")


def broker_of(options: argparse.Namespace, kwire_options: Sequence[str] = ()) -> Broker:
    """The broker that was asked for, not built yet; `kwire_options` are for `kwire serve`."""
    if options.bootstrap:
        return Given(options.bootstrap, options.bootstrap)
    if options.broker != "kwire":
        return KINDS[options.broker]()
    return Kwire(tree=options.tree, options=kwire_options)
