"""A few short runs of the simulation. The long form is scripts/simulate."""

from __future__ import annotations

import pytest

from tests.simulation.run import run_seed
from tests.tries import seeds


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds([*range(1, 6), 7]))
def test_every_promise_is_kept(seed: int) -> None:
    report = run_seed(seed, short=True)
    assert report.violations == []
    assert report.operations > 400
    assert report.faults.total() > 3
