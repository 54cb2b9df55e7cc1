"""Compaction in a broker that serves: what is due is cleaned, by a process, and what fails is left alone."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record
from kwire_storage.cleaner.job import CleaningJob, SealedSegment

from kwire.broker import cleaning_worker
from kwire.broker.cleaner_settings import CleanerSettings
from kwire.broker.cleaning_process import CleaningFailed, CleaningProcess
from kwire.config import BrokerConfig
from kwire.coordinators.metadata.config_changes import Change, alter_incrementally
from kwire.coordinators.metadata.image import ClusterImage, ResourceType
from kwire.coordinators.metadata.topics import TopicToDelete, delete_topics
from kwire.server.launch import Running
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.runtime.stepped_time import START_MS, SteppedTime, settle

COMPACTED = {"cleanup.policy": "compact", "segment.bytes": "1048576", "segment.ms": "1000"}


@asynccontextmanager
async def broker(
    path: Path | None, time: SteppedTime, **properties: str
) -> AsyncIterator[tuple[Running, Client]]:
    """A broker whose cleaner does nothing of its own accord."""
    settings: dict[str, Any] = {} if path is None else {"data": [path]}
    given = {"log.cleaner.enable": "false", **properties}
    async with serving(given, clock=time.clock, **settings) as running, connected(running) as client:
        yield running, client


async def produce(
    client: Client, topic: str, *pairs: tuple[bytes | None, bytes | None], age_ms: int = 0
) -> ErrorCode:
    """One batch; batches that are 1001 ms of age apart are in different segments."""
    data = batch.build([Record(key, value, START_MS + age_ms) for key, value in pairs])
    answer = one_partition(await client.ask(produce_request(topic, data), 9))
    return ErrorCode(answer.error_code)


async def consume(client: Client, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
    answer = one_partition(await client.ask(fetch_request(topic, 0), 11))
    assert answer.error_code == ErrorCode.NONE
    buffer = memoryview(answer.records or b"")
    return [
        (record.offset, record.key, record.value)
        for position, header in batch.walk(buffer)
        for record in batch.records(buffer, position, header, 1 << 20)
    ]


async def dirty(client: Client, topic: str) -> None:
    """A topic with two sealed segments, and one more."""
    await produce(client, topic, (b"a", b"1"), (b"b", b"1"))
    await produce(client, topic, (b"a", b"2"), age_ms=2000)
    await produce(client, topic, (b"c", b"1"), age_ms=4000)


async def test_a_dirty_topic_is_compacted_and_the_checkpoint_says_so(tmp_path: Path) -> None:
    async with broker(tmp_path, SteppedTime()) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        await dirty(client, "t")
        assert await running.cluster.cleaner.clean_dirtiest()
        assert await consume(client, "t") == [(1, b"b", b"1"), (2, b"a", b"2"), (3, b"c", b"1")]
        assert not await running.cluster.cleaner.clean_dirtiest()
        checkpoint = trio.Path(tmp_path / "cleaner-offset-checkpoint")
        assert await checkpoint.read_text() == "0\n1\nt 0 3\n"
    async with broker(tmp_path, SteppedTime()) as (running, client):
        assert await consume(client, "t") == [(1, b"b", b"1"), (2, b"a", b"2"), (3, b"c", b"1")]
        assert not await running.cluster.cleaner.clean_dirtiest()


async def test_a_topic_in_memory_is_compacted_too() -> None:
    async with broker(None, SteppedTime()) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        await dirty(client, "t")
        assert await running.cluster.cleaner.clean_dirtiest()
        assert await consume(client, "t") == [(1, b"b", b"1"), (2, b"a", b"2"), (3, b"c", b"1")]
        assert not await running.cluster.cleaner.clean_dirtiest()


async def test_it_happens_by_itself_as_time_goes_by(tmp_path: Path) -> None:
    time = SteppedTime()
    async with broker(tmp_path, time, **{"log.cleaner.enable": "true"}) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        await settle()
        await dirty(client, "t")
        done = trio.Event()
        [partition] = [each for each in running.cluster.open_partitions.opened.values() if each.topic == "t"]
        end = partition.log.compaction.end

        def ended(*arguments: Any) -> None:
            end(*arguments)
            done.set()

        partition.log.compaction.end = ended  # type: ignore[method-assign, assignment]
        await time.step(15_000)
        await done.wait()
        assert len(await consume(client, "t")) == 3


async def test_other_policies_are_left_alone_until_they_are_altered(tmp_path: Path) -> None:
    async with broker(tmp_path, SteppedTime()) as (running, client):
        await create_topic(running, "t", configs={**COMPACTED, "cleanup.policy": "delete"})
        await dirty(client, "t")
        assert not await running.cluster.cleaner.clean_dirtiest()
        await alter(client, "t", "cleanup.policy", "compact,delete")
        assert await running.cluster.cleaner.clean_dirtiest()
        assert len(await consume(client, "t")) == 3


async def alter(client: Client, topic: str, name: str, value: str) -> None:
    asked = IncrementalAlterConfigs.Request.Resource
    change = asked.Config(name=name, config_operation=0, value=value)
    resource = asked(resource_type=ResourceType.TOPIC, resource_name=topic, configs=[change])
    request = IncrementalAlterConfigs.Request(resources=[resource], validate_only=False)
    [response] = (await client.ask(request, 1)).responses
    assert response.error_code == ErrorCode.NONE


async def test_the_least_share_of_dirt_and_the_lags_take_effect_when_altered(tmp_path: Path) -> None:
    time = SteppedTime()
    async with broker(tmp_path, time) as (running, client):
        cleaner = running.cluster.cleaner
        await create_topic(running, "t", configs=COMPACTED)
        await dirty(client, "t")
        assert await cleaner.clean_dirtiest()
        await produce(client, "t", (b"c", b"2"), age_ms=6000)
        assert not await cleaner.clean_dirtiest(), "less than half is dirty"
        await alter(client, "t", "min.cleanable.dirty.ratio", "0.01")
        await alter(client, "t", "min.compaction.lag.ms", str(1 << 40))
        assert not await cleaner.clean_dirtiest(), "it is young"
        await alter(client, "t", "min.compaction.lag.ms", "0")
        assert await cleaner.clean_dirtiest()
        await alter(client, "t", "min.cleanable.dirty.ratio", "1.0")
        await produce(client, "t", (b"c", b"3"), age_ms=8000)
        assert not await cleaner.clean_dirtiest()
        await alter(client, "t", "max.compaction.lag.ms", "1")
        await time.step(10_000)
        assert await cleaner.clean_dirtiest()
        assert [value for _, key, value in await consume(client, "t") if key == b"c"] == [b"2", b"3"]


async def test_tombstones_go_when_their_time_has_come(tmp_path: Path) -> None:
    time = SteppedTime()
    async with broker(tmp_path, time) as (running, client):
        configs = {**COMPACTED, "delete.retention.ms": "60000", "min.cleanable.dirty.ratio": "0"}
        await create_topic(running, "t", configs=configs)
        await produce(client, "t", (b"a", b"1"))
        await produce(client, "t", (b"a", None), (b"b", b"1"), age_ms=2000)
        await produce(client, "t", (b"b", b"2"), age_ms=4000)
        assert await running.cluster.cleaner.clean_dirtiest()
        assert await consume(client, "t") == [(1, b"a", None), (2, b"b", b"1"), (3, b"b", b"2")]
        await time.step(60_000)
        await produce(client, "t", (b"c", b"1"), age_ms=6000)
        assert await running.cluster.cleaner.clean_dirtiest()
        assert await consume(client, "t") == [(3, b"b", b"2"), (4, b"c", b"1")]


async def test_records_without_a_key_are_refused() -> None:
    async with broker(None, SteppedTime()) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        assert await produce(client, "t", (None, b"1")) == ErrorCode.INVALID_RECORD
        assert await consume(client, "t") == []


async def test_a_log_that_cannot_be_cleaned_is_named_once_and_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time = SteppedTime()
    async with broker(tmp_path, time) as (running, client):
        for topic in ("bad", "good"):
            await create_topic(running, topic, configs=COMPACTED)
            await dirty(client, topic)
        path = trio.Path(tmp_path / "bad-0" / f"{0:020}.log")
        data = bytearray(await path.read_bytes())
        data[-1] ^= 1
        await path.write_bytes(data)
        while await running.cluster.cleaner.clean_dirtiest():
            pass
        assert len(await consume(client, "good")) == 3
        [bad] = running.cluster.cleaner.uncleanable
        assert bad.topic == "bad"
        for _ in range(3):
            await time.step(10 * 3600_000)
            assert await running.cluster.cleaner.clean_dirtiest()
        [told] = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert f"{0:020}.log" in told.getMessage()
        data[-1] ^= 1
        await path.write_bytes(data)
        await time.step(10 * 3600_000)
        assert await running.cluster.cleaner.clean_dirtiest()
        assert running.cluster.cleaner.uncleanable == []


async def test_a_topic_that_is_deleted_meanwhile_stays_deleted(tmp_path: Path) -> None:
    async with broker(tmp_path, SteppedTime()) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        await dirty(client, "t")
        cleaner = running.cluster.cleaner
        clean = cleaner._workers[0].clean

        async def slow(job: CleaningJob) -> Any:
            result = await clean(job)
            await delete(running, "t")
            return result

        cleaner._workers[0].clean = slow  # type: ignore[method-assign]
        assert not await cleaner.clean_dirtiest()
        assert running.cluster.opened("t", 0) is None
        assert not (tmp_path / "t-0").exists()


async def test_retention_that_is_faster_is_no_failure_of_compaction(tmp_path: Path) -> None:
    async with broker(tmp_path, SteppedTime()) as (running, client):
        settings = {**COMPACTED, "cleanup.policy": "compact,delete", "retention.ms": "-1"}
        await create_topic(running, "t", configs=settings)
        await dirty(client, "t")
        await produce(client, "t", (b"c", b"2"), age_ms=6000)
        cleaner = running.cluster.cleaner
        clean = cleaner._workers[0].clean

        async def slow(job: CleaningJob) -> Any:
            await alter(client, "t", "retention.bytes", "200")
            await running.cluster.housekeeping.retain()
            return await clean(job)

        cleaner._workers[0].clean = slow  # type: ignore[method-assign]
        assert await cleaner.clean_dirtiest()
        assert cleaner.uncleanable == []


async def test_as_many_logs_are_cleaned_at_a_time_as_there_are_threads(tmp_path: Path) -> None:
    async with broker(tmp_path, SteppedTime(), **{"log.cleaner.threads": "2"}) as (running, client):
        cleaner = running.cluster.cleaner
        for topic in ("t", "u"):
            await create_topic(running, topic, configs=COMPACTED)
            await dirty(client, topic)
        at_work: list[str] = []
        both = trio.Event()

        async def together(number: int) -> None:
            worker = cleaner._worker(number)
            clean = worker.clean

            async def waiting(job: CleaningJob) -> Any:
                at_work.append(Path(job.directory).name)
                if len(at_work) == 2:
                    both.set()
                await both.wait()
                return await clean(job)

            worker.clean = waiting  # type: ignore[method-assign]
            assert await cleaner.clean_dirtiest(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(together, 0)
            nursery.start_soon(together, 1)
        assert sorted(at_work) == ["t-0", "u-0"]
        for topic in ("t", "u"):
            assert len(await consume(client, topic)) == 3
        assert not await cleaner.clean_dirtiest(1)


async def test_the_number_of_those_who_clean_may_be_altered(tmp_path: Path) -> None:
    time = SteppedTime()
    given = {"log.cleaner.enable": "true", "log.cleaner.threads": "0"}
    async with broker(tmp_path, time, **given) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        await dirty(client, "t")
        for _ in range(3):
            await time.step(20_000)
        assert len(await consume(client, "t")) == 4
        cluster = running.cluster
        await cluster.controller.submit(
            lambda image: alter_incrementally(
                image,
                [((ResourceType.BROKER, ""), [Change("log.cleaner.threads", 0, "2")])],
                config=cluster.config,
                node_id=1,
            )
        )
        while len(await consume(client, "t")) == 4:
            await time.step(20_000)


def test_what_all_may_use_is_divided_among_those_who_clean() -> None:
    config = BrokerConfig(
        {"log.cleaner.threads": "4", "log.cleaner.dedupe.buffer.size": "8000000"}
        | {"log.cleaner.io.max.bytes.per.second": "1000", "log.cleaner.io.buffer.size": "800000"}
    )
    resources = CleanerSettings(ClusterImage, config).resources
    assert (resources.memory_bytes, resources.io_buffer_bytes) == (2_000_000, 200_000)
    assert resources.max_bytes_per_second == 250


async def delete(running: Running, topic: str) -> None:
    await running.cluster.controller.submit(lambda image: delete_topics(image, [TopicToDelete(name=topic)]))


# The process


async def test_the_process_is_there_while_there_is_work_and_gone_with_the_broker(tmp_path: Path) -> None:
    async with broker(tmp_path, SteppedTime()) as (running, client):
        await create_topic(running, "t", configs=COMPACTED)
        worker = running.cluster.cleaner._workers[0]
        assert isinstance(worker, CleaningProcess)
        assert worker.process_id is None
        await dirty(client, "t")
        await running.cluster.cleaner.clean_dirtiest()
        process_id = worker.process_id
        assert process_id is not None
        stat = await trio.Path(f"/proc/{process_id}/stat").read_text()
        niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        assert int(stat.rpartition(")")[2].split()[16]) == niceness
        await worker.rest()
        assert worker.process_id is None
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


async def test_a_process_that_dies_is_told_of_and_another_takes_its_place(tmp_path: Path) -> None:
    worker = CleaningProcess()
    job = CleaningJob(
        directory=str(tmp_path),
        segments=[],
        dirty_offset=0,
        now_ms=0,
        delete_retention_ms=0,
        segment_bytes=1,
        segment_index_bytes=1,
        index_interval_bytes=1,
    )
    with pytest.raises(CleaningFailed, match="IndexError"):
        await worker.clean(job)
    with pytest.raises(CleaningFailed, match="IndexError"):
        await worker.clean(job)
    await worker._start()
    assert worker.process_id is not None
    os.kill(worker.process_id, signal.SIGKILL)
    with pytest.raises(CleaningFailed, match=r"ended|reached"):
        await worker.clean(job)
    with pytest.raises(CleaningFailed, match="IndexError"):
        await worker.clean(job)
    await worker.rest()


async def test_the_process_ends_with_its_input() -> None:
    worker = CleaningProcess()
    await worker._start()
    process = worker._process
    assert process is not None
    assert process.stdin is not None
    await process.stdin.aclose()
    try:
        assert await process.wait() == 0
    finally:
        await worker.rest()


async def test_the_process_ends_with_its_input_in_the_middle_of_a_job_too(tmp_path: Path) -> None:
    data = batch.build([Record(b"a", b"x" * 100_000, 0)])
    await trio.Path(tmp_path / f"{0:020}.log").write_bytes(data)
    job = CleaningJob(
        directory=str(tmp_path),
        segments=[SealedSegment(0, 1, len(data))],
        dirty_offset=0,
        now_ms=0,
        delete_retention_ms=0,
        segment_bytes=1 << 20,
        segment_index_bytes=1 << 20,
        index_interval_bytes=4096,
        max_bytes_per_second=10,  # it takes hours
    )
    worker = CleaningProcess()
    process = await worker._start()
    assert process.stdin is not None
    await process.stdin.send_all(job.encode().encode() + b"\n")
    await process.stdin.aclose()
    try:
        assert await process.wait() == 0
    finally:
        await worker.rest()


def test_the_process_of_a_broker_that_was_killed_ends_without_a_word() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kwire.broker.cleaning_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"{}\n")
        process.stdin.flush()
        assert (process.wait(20), process.stderr.read()) == (0, b"")


def test_what_is_no_job_is_answered_too() -> None:
    assert "error" in json.loads(cleaning_worker.answer("{}"))
    assert "error" in json.loads(cleaning_worker.answer("what"))
