"""What is on the device when an answer comes: flush.messages and flush.ms, of topics and of the broker."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import PartitionLog, StorageError
from kwire_storage.files import Files
from kwire_storage.segments.flush import FlushPlan

from kwire.coordinators.metadata.topic_names import CONSUMER_OFFSETS
from kwire.partitions.flushing import Flushing
from kwire.partitions.partition import Partition
from kwire.partitions.threads import instead_of_threads
from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, fetch_request, one_partition, serving
from tests.broker_client import produce_request as asked_to_produce
from tests.handlers.data import records
from tests.handlers.group_requests import commit_request, committed_errors
from tests.runtime.stepped_time import SteppedTime, settle


class Gate:
    """Stands in for threads: each sync of a log waits until it is let through."""

    def __init__(self) -> None:
        self.syncs = 0
        self.is_closed = False
        self._opened = trio.Event()
        instead_of_threads.set(self._run)

    def close(self) -> None:
        self.is_closed, self._opened = True, trio.Event()

    def open(self) -> None:
        self.is_closed = False
        self._opened.set()

    async def _run(self, job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
        work = getattr(job, "func", None)
        if isinstance(getattr(work, "__self__", None), FlushPlan):
            self.syncs += 1
            if self.is_closed:
                await self._opened.wait()
        return job()


class BadSync(Files):
    """Fails to sync segments of `t-0` once, when told to."""

    fails = False

    def fdatasync(self, descriptor: int) -> None:
        if self.fails and "/t-0/" in os.readlink(f"/proc/self/fd/{descriptor}"):
            self.fails = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().fdatasync(descriptor)


def opened(running: Running, topic: str, index: int = 0) -> Partition:
    partition = running.cluster.partition(topic, index)
    assert partition is not None
    return partition


async def produced(client: Client, topic: str, **how: Any) -> ErrorCode:
    answer = one_partition(await client.ask(asked_to_produce(topic, records(b"x"), **how), 9))
    return ErrorCode(answer.error_code)


class Answers:
    """Produces from connections of their own, and what they were answered."""

    def __init__(self, running: Running, nursery: trio.Nursery) -> None:
        self.came: list[ErrorCode] = []
        self._running = running
        self._nursery = nursery

    async def ask(self, topic: str, count: int = 1) -> None:
        for _ in range(count):
            self._nursery.start_soon(self._ask, topic)
        await settle()

    async def _ask(self, topic: str) -> None:
        async with connected(self._running) as client:
            self.came.append(await produced(client, topic))


async def test_an_answer_waits_for_the_device_and_nobody_else_does(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs={"flush.messages": "1"})
        await create_topic(running, "other")
        assert await produced(client, "t") == ErrorCode.NONE
        assert opened(running, "t").log.recovery_point == 1
        gate.close()
        async with trio.open_nursery() as nursery:
            answers = Answers(running, nursery)
            await answers.ask("t")
            assert opened(running, "t").log_end_offset == 2
            assert await produced(client, "other") == ErrorCode.NONE
            read = one_partition(await client.ask(fetch_request("t", 0), 11))
            assert read.error_code == ErrorCode.NONE
            assert (answers.came, opened(running, "t").log.recovery_point) == ([], 1)
            gate.open()
        assert (answers.came, opened(running, "t").log.recovery_point) == ([ErrorCode.NONE], 2)


async def test_who_asks_during_a_sync_shares_the_next_one(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(data=[tmp_path]) as running:
        await create_topic(running, "t", configs={"flush.messages": "1"})
        gate.close()
        async with trio.open_nursery() as nursery:
            answers = Answers(running, nursery)
            await answers.ask("t")
            before = gate.syncs
            await answers.ask("t", 20)
            while opened(running, "t").log_end_offset < 21:
                await settle()
            meanwhile = gate.syncs - before
            gate.open()
        assert meanwhile == 0
        assert answers.came == [ErrorCode.NONE] * 21
        assert opened(running, "t").flushing.syncs == 2


async def test_one_request_for_many_partitions_syncs_them_side_by_side(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", partitions=3, configs={"flush.messages": "1"})
        request = asked_to_produce("t", records(b"x"))
        for index in (1, 2):
            [more] = asked_to_produce("t", records(b"x"), partition=index).topic_data
            request.topic_data[0].partition_data.extend(more.partition_data)
        gate.close()
        await client.send(request, 9)
        while gate.syncs < 3:
            await settle()
        gate.open()
        assert await client.receive_frame() is not None
        assert [opened(running, "t", at).log.recovery_point for at in range(3)] == [1, 1, 1]


async def test_flush_messages_counts_what_is_not_on_the_device(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs={"flush.messages": "3"})
        seen = []
        for _ in range(7):
            assert await produced(client, "t") == ErrorCode.NONE
            seen.append(opened(running, "t").log.recovery_point)
        assert seen == [0, 0, 3, 3, 3, 6, 6]


@pytest.mark.parametrize("acks", [1, -1])
async def test_after_a_sync_that_failed_nothing_is_told_to_be_durable(tmp_path: Path, acks: int) -> None:
    disk = BadSync()
    paths = [tmp_path / "metadata", tmp_path / "topics"]
    async with serving(data=paths, files=disk) as running, connected(running) as client:
        await create_topic(running, "t", configs={"flush.messages": "1"})
        assert await produced(client, "t", acks=acks) == ErrorCode.NONE
        partition = opened(running, "t")
        disk.fails = True
        assert await produced(client, "t", acks=acks) == ErrorCode.KAFKA_STORAGE_ERROR
        # The disk works again: what it lost it does not tell.
        assert await produced(client, "t", acks=acks) != ErrorCode.NONE
        assert partition.log.recovery_point == 1


class FailsOnce:
    """The log that `Flushing` sees: its first sync fails, and the next would say that all is well."""

    recovery_point = 0
    tries = 0

    def plan_flush(self) -> FailsOnce:
        return self

    def work(self) -> None:
        self.tries += 1
        if self.tries == 1:
            raise StorageError("syncing failed: Input/output error")

    def commit_flush(self, plan: object) -> None:
        self.recovery_point = 1


async def test_a_sync_that_failed_is_not_tried_again_and_believed() -> None:
    log = FailsOnce()
    flushing = Flushing(cast(PartitionLog, log), 0)
    for _ in range(2):
        with pytest.raises(StorageError, match="Input/output error"):
            await flushing.up_to(1, 0)
    assert (log.tries, log.recovery_point) == (1, 0)


async def test_flush_ms_syncs_as_time_goes_by(tmp_path: Path) -> None:
    Gate()
    time = SteppedTime()
    async with serving(clock=time.clock, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs={"flush.ms": "5000"})
        await create_topic(running, "never")
        await settle()
        for topic in ("t", "never"):
            assert await produced(client, topic) == ErrorCode.NONE
        for _ in range(4):
            await time.step(1000)
        assert opened(running, "t").log.recovery_point == 0
        for _ in range(2):
            await time.step(1000)
        assert opened(running, "t").log.recovery_point == 1
        assert opened(running, "never").log.recovery_point == 0


async def test_the_brokers_setting_holds_for_its_own_topics_too(tmp_path: Path) -> None:
    properties = {"log.flush.interval.messages": "1", "offsets.topic.num.partitions": "1"}
    async with serving(properties, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t")
        assert await produced(client, "t") == ErrorCode.NONE
        for offset in range(3):
            answer = await client.ask(commit_request("g", 7, {0: offset}), 7)
            assert committed_errors(answer) == {0: ErrorCode.NONE}
            offsets = opened(running, CONSUMER_OFFSETS)
            assert offsets.log.recovery_point == offsets.log_end_offset > 0
