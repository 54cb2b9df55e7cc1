"""The short form of scripts/crashes: clients of our own alone, and a few kills."""

from __future__ import annotations

import pytest
import trio

from tests.crashes.log_load.run import Run as LogRun
from tests.crashes.run import Run

pytestmark = pytest.mark.slow

SEED, KILLS = 18798, 6
"""Of the broker while there is a Produce, a TxnOffsetCommit; of clients in the midst of a transaction."""
DRAIN_SECONDS = 45.0
LOG_SEED, LOG_KILLS = 3, 4


def test_every_input_is_in_every_output_once_whoever_is_killed() -> None:
    lines: list[str] = []
    run = Run(SEED, KILLS, librdkafka_python=None, tell=lines.append, drain_seconds=DRAIN_SECONDS)
    summary = trio.run(run.run)
    assert summary.kills.total() == KILLS == len(lines)
    assert sum(summary.cut.values()) >= KILLS
    assert set(summary.outputs.values()) == {summary.inputs}


def test_whatever_a_log_has_told_stays_true_whenever_the_broker_is_killed() -> None:
    lines: list[str] = []
    summary = trio.run(LogRun(LOG_SEED, LOG_KILLS, lines.append).run)
    assert summary.kills == LOG_KILLS == len(lines)
    assert summary.cut["Produce"]
    assert summary.happened["rolling"]
