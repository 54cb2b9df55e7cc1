"""Each setting of a topic that touches its logs, altered while the log is open: the next append, or round of
housekeeping, goes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Compression, Record, TimestampType

from kwire.coordinators.metadata.config_changes import Change, alter_incrementally
from kwire.coordinators.metadata.image import ResourceType
from kwire.partitions.partition import Partition
from kwire.partitions.threads import instead_of_threads
from kwire.server.launch import Running
from tests.broker.test_flushing import Gate
from tests.broker_client import Client, connected, create_topic, one_partition, produce_request, serving
from tests.runtime.stepped_time import START_MS, SteppedTime

FOREVER = {"retention.ms": "-1"}


class Trial:
    """A topic with one record, whose settings are altered."""

    def __init__(self, running: Running, client: Client, time: SteppedTime, path: Path) -> None:
        self.running, self.client, self.time, self.path = running, client, time, path
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        self.partition: Partition = partition

    async def produce(self, *, key: bytes | None = b"k", age_ms: int = 0) -> ErrorCode:
        data = batch.build([Record(key, b"v" * 100, timestamp=START_MS + age_ms)])
        return ErrorCode(one_partition(await self.client.ask(produce_request("t", data), 9)).error_code)

    async def alter(self, **settings: str) -> None:
        changes = [Change(name.replace("_", "."), 0, value) for name, value in settings.items()]
        cluster = self.running.cluster
        [(_, error)] = await cluster.controller.submit(
            lambda image: alter_incrementally(
                image, [((ResourceType.TOPIC, "t"), changes)], config=cluster.config, node_id=1
            )
        )
        assert error.error_code == ErrorCode.NONE, error

    @property
    def log(self) -> Any:
        return self.partition.log

    @property
    def segments(self) -> int:
        return len(self.log.segment_offsets)

    def newest(self) -> batch.BatchHeader:
        read = self.log.read(self.log.log_end_offset - 1, 1 << 20)
        return batch.read_header(self.log.read_bytes(read.parts[-1]))

    async def retained(self) -> int:
        await self.running.cluster.housekeeping.retain()
        return self.partition.log_start_offset


async def segment_bytes(t: Trial) -> None:
    await t.produce()
    assert t.segments == 1
    await t.alter(internal_segment_bytes="200")
    await t.produce()
    assert t.segments == 2


async def segment_ms(t: Trial) -> None:
    await t.produce(age_ms=5_000)
    assert t.segments == 1
    await t.alter(segment_ms="6000")
    await t.produce(age_ms=7_000)
    assert t.segments == 2


async def segment_jitter_ms(t: Trial) -> None:
    await t.alter(segment_ms="1000000")
    await t.produce(age_ms=999_999)
    assert t.segments == 1
    await t.alter(segment_jitter_ms="1000000")
    await t.produce(age_ms=999_999)
    assert t.segments == 2


async def segment_index_bytes(t: Trial) -> None:
    await t.alter(index_interval_bytes="0")
    for _ in range(4):
        await t.produce()
    assert t.segments == 1
    await t.alter(segment_index_bytes="16")
    await t.produce()
    assert t.segments == 2


async def index_interval_bytes(t: Trial) -> None:
    for _ in range(4):
        await t.produce()
    segment = t.log._segments[-1]
    assert len(segment.indexes.offsets) == 0
    await t.alter(index_interval_bytes="0")
    await t.produce()
    assert len(segment.indexes.offsets) == 1


async def retention_ms(t: Trial) -> None:
    await t.time.step(10_000)
    assert await t.retained() == 0
    await t.alter(retention_ms="5000")
    assert await t.retained() == 1


async def retention_bytes(t: Trial) -> None:
    await t.alter(internal_segment_bytes="200")
    await t.produce()
    assert await t.retained() == 0
    await t.alter(retention_bytes="170")
    assert await t.retained() == 1


async def cleanup_policy(t: Trial) -> None:
    assert await t.produce(key=None) == ErrorCode.NONE
    await t.alter(cleanup_policy="compact", retention_ms="1")
    assert await t.produce(key=None) == ErrorCode.INVALID_RECORD
    await t.time.step(10_000)
    assert await t.retained() == 0


async def file_delete_delay_ms(t: Trial) -> None:
    await t.alter(file_delete_delay_ms="0", retention_ms="1")
    await t.time.step(10_000)
    assert await t.retained() == 1
    directories = t.running.cluster.directories[1]
    await t.running.cluster.housekeeping.sweep(directories)
    assert not [path for path in t.path.glob("t-0/*.deleted")]


async def flush_messages(t: Trial) -> None:
    assert t.log.recovery_point == 0
    await t.alter(flush_messages="1")
    await t.produce()
    assert t.log.recovery_point == 2


async def flush_ms(t: Trial) -> None:
    await t.alter(flush_ms="3000")
    for _ in range(4):
        await t.time.step(1_000)
    assert t.log.recovery_point == 1


async def max_message_bytes(t: Trial) -> None:
    await t.alter(max_message_bytes="100")
    assert await t.produce() == ErrorCode.MESSAGE_TOO_LARGE


async def compression_type(t: Trial) -> None:
    await t.alter(compression_type="gzip")
    await t.produce()
    assert t.newest().compression == Compression.GZIP


async def message_timestamp_type(t: Trial) -> None:
    await t.alter(message_timestamp_type="LogAppendTime")
    await t.produce(age_ms=-5)
    header = t.newest()
    assert (header.timestamp_type, header.max_timestamp) == (TimestampType.LOG_APPEND_TIME, START_MS)


async def message_timestamp_before_max_ms(t: Trial) -> None:
    assert await t.produce(age_ms=-50) == ErrorCode.NONE
    await t.alter(message_timestamp_before_max_ms="10")
    assert await t.produce(age_ms=-50) == ErrorCode.INVALID_TIMESTAMP


async def message_timestamp_after_max_ms(t: Trial) -> None:
    assert await t.produce(age_ms=50) == ErrorCode.NONE
    await t.alter(message_timestamp_after_max_ms="10")
    assert await t.produce(age_ms=50) == ErrorCode.INVALID_TIMESTAMP


async def preallocate(t: Trial) -> None:
    await t.alter(preallocate="true", segment_bytes="1048576")
    assert (t.path / "t-0" / f"{0:020d}.log").stat().st_size == t.log.size_bytes
    t.log.roll(0)
    await t.produce()
    assert (t.path / "t-0" / f"{1:020d}.log").stat().st_size == 1 << 20


TRIALS: list[Callable[[Trial], Coroutine[Any, Any, None]]] = [
    segment_bytes,
    segment_ms,
    segment_jitter_ms,
    segment_index_bytes,
    index_interval_bytes,
    retention_ms,
    retention_bytes,
    cleanup_policy,
    file_delete_delay_ms,
    flush_messages,
    flush_ms,
    max_message_bytes,
    compression_type,
    message_timestamp_type,
    message_timestamp_before_max_ms,
    message_timestamp_after_max_ms,
    preallocate,
]


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.__name__.replace("_", "."))
async def test_a_setting_counts_at_once(trial: Callable[[Trial], Any], tmp_path: Path) -> None:
    time = SteppedTime()
    Gate()
    assert instead_of_threads.get() is not None
    async with (
        serving(clock=time.clock, data=[tmp_path]) as running,
        connected(running) as client,
    ):
        await create_topic(running, "t", configs=FOREVER)
        tried = Trial(running, client, time, tmp_path)
        assert await tried.produce() == ErrorCode.NONE
        await trial(tried)
