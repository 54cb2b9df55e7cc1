"""Runs that lose power while acknowledgements wait for the disk."""

from __future__ import annotations

import pytest

from tests.simulation.run import run_seed


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 21])
def test_what_was_synced_before_it_was_acknowledged_outlives_losses_of_power(seed: int) -> None:
    report = run_seed(seed, short=True)
    assert report.violations == []
    assert report.faults["power loss"]
    assert report.met["acknowledged record outlived a loss of power"] > 10
