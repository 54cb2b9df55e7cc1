"""At most, at least and exactly once: a consumer is killed at the worst moment, and another goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from client import read
from compat.broker import Broker
from confluent_kafka import Consumer

Fill = Callable[..., list[bytes]]
WORKER = Path(__file__).with_name("worker.py")


def run(*arguments: str, kill: bool) -> list[str]:
    """Run the worker to its worst moment; then kill it, or let it end.  What it said that it did."""
    with subprocess.Popen(
        [sys.executable, WORKER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdin is not None
        did = []
        for line in worker.stdout:
            if line == "there\n":
                if kill:
                    worker.kill()
                else:
                    worker.stdin.write("\n")
                    worker.stdin.flush()
            else:
                did.append(line.split()[1])
    assert worker.returncode == (-9 if kill else 0)
    return did


def test_at_most_once(
    broker: Broker, topic: str, group: str, fill: Fill, make_consumer: Callable[..., Consumer]
) -> None:
    fill(topic, 5)
    assert run("at-most-once", broker.bootstrap, group, topic, kill=True) == []
    fill(topic, 1, start=5)
    # the five were committed and are lost; the next reader sees only what came after
    assert [m.value() for m in read(make_consumer(topic, group_id=group), 1, timeout_s=40)] == [b"5"]


def test_at_least_once(
    broker: Broker, topic: str, group: str, fill: Fill, make_consumer: Callable[..., Consumer]
) -> None:
    fill(topic, 5)
    once = run("at-least-once", broker.bootstrap, group, topic, kill=True)
    assert once == ["0", "1", "2", "3", "4"]
    # done and not committed: they are done again
    assert run("at-least-once", broker.bootstrap, group, topic, kill=False) == once


def test_exactly_once(
    broker: Broker,
    topic: str,
    group: str,
    fill: Fill,
    make_topic: Callable[..., str],
    make_consumer: Callable[..., Consumer],
) -> None:
    target = make_topic()
    fill(topic, 5)
    run("exactly-once", broker.bootstrap, group, topic, target, kill=True)
    run("exactly-once", broker.bootstrap, group, topic, target, kill=False)
    committed = make_consumer(target, **{"isolation.level": "read_committed"})
    assert [m.value() for m in read(committed, 5, timeout_s=40)] == [b"0", b"1", b"2", b"3", b"4"]
    everything = make_consumer(target, **{"isolation.level": "read_uncommitted"})
    assert len(read(everything, 10)) == 10


@pytest.mark.fast
def test_a_killed_member_is_missed_after_its_session_timeout(
    broker: Broker, topic: str, group: str, fill: Fill, make_consumer: Callable[..., Consumer]
) -> None:
    fill(topic, 5)
    run("at-least-once", broker.bootstrap, group, topic, kill=True)
    assert len(read(make_consumer(topic, group_id=group), 5, timeout_s=40)) == 5
