"""Runs that lose power while acknowledgements wait for the disk."""

from __future__ import annotations

import pytest

from tests.simulation.run import run_seed


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 21])
def test_what_was_synced_before_it_was_acknowledged_outlives_losses_of_power(seed: int) -> None:
    """From this seed on, until the power went often enough: what happens in a run changes with the code."""
    outlived = 0
    for each in range(seed, seed + 12):
        report = run_seed(each, short=True)
        assert report.violations == []
        if report.faults["power loss"]:
            outlived += report.met["acknowledged record outlived a loss of power"]
        if outlived > 10:
            return
    raise AssertionError(f"in twelve runs {outlived} acknowledged records have outlived a loss of power")
