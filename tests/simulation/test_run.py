"""Whole runs: a seed repeats exactly, in any process; it leaves nothing behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation.run import run_seed

PROGRAM = """
from tests.simulation.run import run_seed
report = run_seed({seed}, short=True)
print(report.trace_hash, report.operations, sorted(report.faults.items()), report.violations)
"""


def said_by_another_process(seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(seed=seed)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_repeats_exactly_in_any_process(seed: int) -> None:
    report = run_seed(seed, short=True)
    here = f"{report.trace_hash} {report.operations} {sorted(report.faults.items())} {report.violations}"
    assert said_by_another_process(seed, "1") == here
    assert said_by_another_process(seed, "2") == here


def of_kwire() -> Counter[str]:
    """How many objects there are of kwire's own classes."""
    gc.collect()
    kinds = Counter(
        f"{type(each).__module__}.{type(each).__qualname__}"
        for each in gc.get_objects()
        if type(each).__module__.startswith(
            ("kwire.broker", "kwire.server", "kwire.partitions", "kwire.runtime")
        )
    )
    return Counter({kind: count for kind, count in kinds.items() if not kind.endswith("Settings")})


@pytest.mark.slow
def test_nothing_is_left_of_a_run_in_memory() -> None:
    run_seed(1, short=True)
    before = of_kwire()
    run_seed(2, short=True)
    run_seed(3, short=True)
    assert of_kwire() - before == Counter()
