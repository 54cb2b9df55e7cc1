"""The short form of scripts/crashes: clients of our own alone, and a few kills."""

from __future__ import annotations

import pytest
import trio

from tests.crashes.run import Run

pytestmark = pytest.mark.slow

SEED, KILLS = 18798, 6
"""Of the broker while there is a Produce, a TxnOffsetCommit; of clients in the midst of a transaction."""
DRAIN_SECONDS = 45.0


def test_every_input_is_in_every_output_once_whoever_is_killed() -> None:
    lines: list[str] = []
    run = Run(SEED, KILLS, librdkafka_python=None, tell=lines.append, drain_seconds=DRAIN_SECONDS)
    summary = trio.run(run.run)
    assert summary.kills.total() == KILLS == len(lines)
    assert sum(summary.cut.values()) >= KILLS
    assert set(summary.outputs.values()) == {summary.inputs}
