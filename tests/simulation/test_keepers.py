"""Runs that lose power while acknowledgements wait for the disk."""

from __future__ import annotations

import pytest

from tests.simulation.run import run_seed
from tests.tries import seeds


@pytest.mark.slow
@pytest.mark.parametrize("first", seeds([6, 9]))
def test_what_was_synced_before_it_was_acknowledged_outlives_losses_of_power(first: int) -> None:
    losses = outlived = 0
    for seed in range(first, first + 3):
        report = run_seed(seed, short=True, loses_power=True)
        assert report.violations == []
        losses += report.faults["power loss"]
        outlived += report.met["acknowledged record outlived a loss of power"]
    assert losses
    assert outlived > 10
