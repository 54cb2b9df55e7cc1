"""What a cluster does for its logs now and then, on time that a test steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from kwire.coordinators.metadata.topics import TopicToDelete, delete_topics
from kwire.partitions.threads import instead_of_threads
from tests.broker_client import (
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records
from tests.runtime.stepped_time import START_MS, SteppedTime, settle

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


async def test_old_segments_go_and_readers_below_are_told(tmp_path: Path) -> None:
    time = SteppedTime()
    configs = {"retention.ms": str(DAY_MS), "segment.ms": "1000"}
    async with serving(clock=time.clock, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs=configs)
        await create_topic(running, "kept", configs={**configs, "cleanup.policy": "compact"})
        for age_ms in (0, 2_000):
            for topic in ("t", "kept"):
                data = batch.build([Record(b"k", b"x", timestamp=START_MS + age_ms)])
                answer = one_partition(await client.ask(produce_request(topic, data), 9))
                assert answer.error_code == ErrorCode.NONE
        await settle()
        await time.step(DAY_MS + 10 * MINUTE_MS)
        told = one_partition(await client.ask(fetch_request("t", 0, max_wait_ms=60_000), 11))
        assert told.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        kept = one_partition(await client.ask(fetch_request("kept", 0), 11))
        assert kept.error_code == ErrorCode.NONE


async def test_what_was_written_is_synced_and_its_recovery_point_written_down(tmp_path: Path) -> None:
    time = SteppedTime()
    async with serving(clock=time.clock, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs={"segment.ms": "1000"})
        for age_ms in (0, 2_000):
            await client.ask(produce_request("t", records(b"x", timestamp=START_MS + age_ms)), 9)
        await running.cluster.housekeeping.checkpoint(running.cluster.directories[1])
        checkpoint = trio.Path(tmp_path / "recovery-point-offset-checkpoint")
        assert "t 0 1" in await checkpoint.read_text()


async def test_checkpoints_are_written_as_time_goes_by(tmp_path: Path) -> None:
    time = SteppedTime()
    async with serving(clock=time.clock, data=[tmp_path]) as running:
        directories = running.cluster.directories[1]
        written = trio.Event()
        directories.checkpoint_steps = lambda: iter([written.set()])  # type: ignore[method-assign]
        await settle()  # the task has set its timer
        await time.step(2 * MINUTE_MS)
        await written.wait()


async def test_retention_keeps_what_lies_above_the_high_watermark(tmp_path: Path) -> None:
    time = SteppedTime()
    async with serving(clock=time.clock, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs={"retention.ms": "1000", "segment.ms": "1000"})
        for age_ms in (0, 2_000):
            data = batch.build([Record(b"k", b"x", timestamp=START_MS + age_ms)])
            await client.ask(produce_request("t", data), 9)
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        state = running.cluster.image.partition("t", 0)
        assert state is not None
        partition.follow(
            replace(state, replicas=(1, 2), isr=(1,)), min_isr=2
        )  # from now on the high watermark stands
        await client.ask(produce_request("t", records(b"x", timestamp=START_MS + 4_000), acks=1), 9)
        await time.step(DAY_MS)
        await running.cluster.housekeeping.retain()
        assert partition.high_watermark == partition.log_start_offset == 2
        assert partition.log_end_offset == 3


async def at_once(job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
    return job()


async def test_a_deleted_topics_files_go_when_the_delay_is_over(tmp_path: Path) -> None:
    time = SteppedTime()
    instead_of_threads.set(at_once)
    async with serving(clock=time.clock, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t")
        await client.ask(produce_request("t", records(b"x", timestamp=START_MS)), 9)
        await running.cluster.controller.submit(lambda image: delete_topics(image, [TopicToDelete("t")]))
        (doomed,) = [path for path in await trio.Path(tmp_path).iterdir() if path.name.endswith("-delete")]
        await settle()
        for _ in range(11):
            await time.step(5_000)
        assert await doomed.exists()
        for _ in range(3):
            await time.step(5_000)
        assert not await doomed.exists()
