"""A few short runs of the simulation, and that a seed says everything. The long form is scripts/simulate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import run_seed

ROOT = Path(__file__).resolve().parent.parent.parent
HASH_OF_A_SEED = """
from tests.simulation.run import run_seed
report = run_seed(3, short=True)
print(report.trace_hash, report.operations)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_every_promise_is_kept(seed: int) -> None:
    report = run_seed(seed, short=True)
    assert report.violations == []
    assert report.operations > 400
    assert report.faults.total() > 3


@pytest.mark.slow
def test_a_seed_gives_the_same_run_in_every_process() -> None:
    def told(hash_seed: str) -> str:
        places = [str(ROOT), str(ROOT / "codecs"), str(ROOT / "storage")]
        environment = dict(os.environ, PYTHONHASHSEED=hash_seed, PYTHONPATH=os.pathsep.join(places))
        command = [sys.executable, "-c", HASH_OF_A_SEED]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert told("1") == told("2") != ""
