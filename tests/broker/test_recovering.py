"""A recovery that takes a while says how far it is, a line a second."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import trio
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.memory import MemoryLog

from kwire.broker.recovering import recover
from kwire.coordinators.metadata.image import PartitionImage
from kwire.partitions.partition import Partition
from kwire.partitions.threads import instead_of_threads
from tests.storage.batches import fill
from tests.storage.disks import TOPIC_ID


def opened() -> Partition:
    log = MemoryLog(LogConfig())
    fill(log, 10, value=b"v" * 1_000_000)
    return Partition("t", TOPIC_ID, 0, log, lambda: 0, state=PartitionImage(0, (1,), (1,), 1, 0))


def refused() -> Partition:
    raise StorageError("reading it failed")


def lines(seconds_a_log: float, caplog: pytest.LogCaptureFixture) -> list[str]:
    async def slowly(job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
        await trio.sleep(seconds_a_log)
        return job()

    async def main() -> None:
        instead_of_threads.set(slowly)
        await recover([("a-0", opened), ("b-0", refused), ("c-0", opened)])

    caplog.set_level(logging.INFO, "kwire.broker.recovering")
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return [record.getMessage() for record in caplog.records]


def test_it_says_how_far_it_is_every_second(caplog: pytest.LogCaptureFixture) -> None:
    told = lines(1.3, caplog)
    assert "the last stop was not clean: recovered 0 of 3 logs, 0.0 GB; now a-0" in told[0]
    assert "recovering b-0 failed: reading it failed" in told
    assert told[-2:] == [
        "the last stop was not clean: recovered 2 of 3 logs, 0.0 GB; now c-0",
        "recovered 3 of 3 logs, 0.0 GB",
    ]
    assert len(told) == 5


def test_a_short_one_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(0.3, caplog) == ["recovering b-0 failed: reading it failed"]
