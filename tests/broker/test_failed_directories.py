"""A broker with several log directories, of which one fails: the others go on, and nothing that was
acknowledged in them is lost.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from kwire_codecs.apis.create_partitions import CreatePartitions
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode
from kwire_storage.files import Files

from kwire.server.launch import CannotStart, DiskFailed, Running, Settings, run_broker
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import offsets_request, records, values_in
from tests.storage.disks import BreakableDisk

FAILED, FINE = ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NONE
AWAY = ErrorCode.NOT_LEADER_OR_FOLLOWER
"""What may lie in a directory that was offline at the start."""
TOPICS = ("a", "b", "c", "d")


@dataclass
class Bench:
    """A broker on two directories, with topics in both; the first holds the metadata."""

    running: Running
    client: Client
    disk: BreakableDisk
    paths: list[str]

    @property
    def lost(self) -> list[str]:
        """The topics in the second directory."""
        return [topic for topic in TOPICS if Path(self.paths[1], f"{topic}-0").is_dir()]

    @property
    def kept(self) -> list[str]:
        return [topic for topic in TOPICS if topic not in self.lost]

    def partition_image(self, topic: str) -> Any:
        return self.running.cluster.image.partition(topic, 0)

    async def fail_second(self, error: int = errno.EIO) -> None:
        """The second directory fails, and the broker has noticed."""
        self.disk.broken[self.paths[1]] = error
        for topic in self.lost:
            await self.produce(topic, b"not acknowledged")
        await self.until(lambda: all(self.partition_image(topic).leader == -1 for topic in self.lost))

    async def until(self, condition: Callable[[], bool]) -> None:
        """The cluster comes to be so."""
        send, receive = trio.open_memory_channel[None](1000)
        self.running.cluster.controller.subscribe(lambda old, new: send.send_nowait(None))
        while not condition():
            await receive.receive()

    async def produce(self, topic: str, value: bytes) -> ErrorCode:
        answer = one_partition(await self.client.ask(produce_request(topic, records(value)), 9))
        code: ErrorCode = answer.error_code
        return code

    async def values(self, topic: str) -> list[bytes | None] | ErrorCode:
        answer = one_partition(await self.client.ask(fetch_request(topic, 0), 11))
        code: ErrorCode = answer.error_code
        return code if code else values_in(answer.records)


@asynccontextmanager
async def bench(tmp_path: Path, disk: BreakableDisk | None = None) -> AsyncIterator[Bench]:
    disk = disk or BreakableDisk()
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths, files=disk) as running, connected(running) as client:
        made = Bench(running, client, disk, [str(path) for path in paths])
        for topic in TOPICS:
            if running.cluster.image.topic(topic) is None:
                await create_topic(running, topic)
                assert await made.produce(topic, b"first") is FINE
        yield made


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS, errno.ENODEV])
async def test_what_lies_in_a_failed_directory_answers_a_storage_error_and_the_rest_goes_on(
    tmp_path: Path, error: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as made:
        assert len(made.lost) == 2
        await made.fail_second(error)
        for topic in made.lost:
            assert await made.produce(topic, b"x") is FAILED
            assert await made.values(topic) is FAILED
            told = await made.client.ask(offsets_request(topic, -1), 6)
            assert told.topics[0].partitions[0].error_code is FAILED
        for topic in made.kept:
            assert await made.produce(topic, b"second") is FINE
            assert await made.values(topic) == [b"first", b"second"]
    [line] = [each.getMessage() for each in caplog.records if "is offline" in each.getMessage()]
    assert line.startswith(f"the log directory {made.paths[1]} is offline: ")
    assert "restart" in line


async def test_the_cluster_knows_of_a_failed_directory(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        both = made.running.cluster.image.brokers[1].log_dirs
        await made.until(lambda: all(made.partition_image(topic).directories[0] in both for topic in TOPICS))
        await made.fail_second()
        assert len(made.running.cluster.image.brokers[1].log_dirs) == 1
        answer = await made.client.ask(
            Metadata.Request(topics=[Metadata.Request.Topic(name=topic) for topic in TOPICS]), 12
        )
        for topic in answer.topics:
            [partition] = topic.partitions
            if topic.name in made.lost:
                assert (partition.error_code, partition.leader_id) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
                assert (partition.isr_nodes, partition.offline_replicas) == ([1], [1])
            else:
                assert (partition.error_code, partition.leader_id) == (FINE, 1)
                assert partition.offline_replicas == []
        described = await made.client.ask(DescribeLogDirs.Request(topics=None), 4)
        one, two = sorted(described.results, key=lambda result: result.log_dir)
        assert (one.error_code, two.error_code) == (FINE, FAILED)
        assert {topic.name for topic in one.topics} - {"__consumer_offsets"} == set(made.kept)
        assert two.topics == []
        await create_topic(made.running, "new", 6)
        for index in range(6):
            assert made.running.cluster.reach("new", index) is not FAILED


async def test_a_sync_that_fails_is_not_believed_later(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.disk.unsyncable.add(made.paths[1])
        topic = made.lost[0]
        partition = made.running.cluster.partition(topic, 0)
        assert partition is not None
        partition.log.roll(0)  # type: ignore[attr-defined]  # of the segment engine
        assert await made.produce(topic, b"in a second segment") is FINE
        with pytest.raises(Exception, match="No space"):
            await made.running.cluster.housekeeping.checkpoint(made.running.cluster.directories[1])
        made.disk.unsyncable.clear()
        assert await made.produce(topic, b"x") is FAILED
        assert await made.produce(made.kept[0], b"x") is FINE


async def test_after_a_restart_all_is_there_once_the_disk_is(tmp_path: Path) -> None:
    disk = BreakableDisk()
    async with bench(tmp_path, disk) as made:
        await made.fail_second()
        lost = made.lost
    async with bench(tmp_path, disk) as made:  # it can't be read at the start either
        for topic in TOPICS:
            expected = AWAY if topic in lost else [b"first"]
            assert await made.values(topic) == expected
            assert (made.partition_image(topic).leader == -1) is (topic in lost)
        assert await made.produce(lost[0], b"x") is AWAY
        await create_topic(made.running, "new")
        assert await made.produce("new", b"x") is FINE
    disk.broken.clear()
    async with bench(tmp_path, disk) as made:
        for topic in TOPICS:
            assert await made.values(topic) == [b"first"]
            assert made.partition_image(topic).leader == 1
            assert await made.produce(topic, b"second") is FINE


async def test_nothing_is_begun_anew_while_nobody_knows_whether_it_is_there(tmp_path: Path) -> None:
    disk = BreakableDisk()
    async with bench(tmp_path, disk) as made:
        await create_topic(made.running, "unused")
    disk.broken[made.paths[1]] = errno.EIO
    async with bench(tmp_path, disk) as made:
        assert await made.produce("unused", b"x") is AWAY
    disk.broken.clear()
    async with bench(tmp_path, disk) as made:
        assert await made.produce("unused", b"x") is FINE


async def test_a_new_partition_does_not_wait_for_a_directory_that_is_offline(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "two", "three")]
    async with serving(data=paths) as running, connected(running) as client:
        first = Bench(running, client, None, [str(each) for each in paths])  # type: ignore[arg-type]
        for topic in TOPICS:
            await create_topic(running, topic)
            assert await first.produce(topic, b"first") is FINE
        lost = next(topic for topic in TOPICS if (paths[1] / f"{topic}-0").is_dir())
    paths[1].rename(tmp_path / "unmounted")
    paths[1].write_bytes(b"no directory")
    async with serving(data=paths) as running, connected(running) as client:
        grown = CreatePartitions.Request.Topic(name=lost, count=2, assignments=None)
        answer = await client.ask(
            CreatePartitions.Request(topics=[grown], timeout_ms=1000, validate_only=False), 3
        )
        assert answer.results[0].error_code == FINE
        assert not isinstance(running.cluster.reach(lost, 1), ErrorCode)
        assert running.cluster.reach(lost, 0) is AWAY


@pytest.mark.parametrize("which", [0, 1], ids=["the metadata's", "all of them"])
async def test_a_broker_without_its_metadata_or_any_directory_stops(tmp_path: Path, which: int) -> None:
    async def live() -> None:
        async with bench(tmp_path) as made:
            for path in made.paths[: which + 1]:
                made.disk.broken[path] = errno.EIO
            await made.produce(made.kept[0], b"x")
            await made.running.stopped.wait()

    with pytest.raises(BaseExceptionGroup) as raised:
        await live()
    failures = raised.value.split(DiskFailed)[0]
    assert failures is not None
    assert str(tmp_path / "one") in repr(failures)
    assert "Mend it and start again" in repr(failures)


async def test_metadata_that_cannot_be_read_are_not_begun_anew(tmp_path: Path) -> None:
    disk = BreakableDisk()
    async with bench(tmp_path, disk) as made:
        pass
    disk.broken[made.paths[0]] = errno.EIO
    again = bench(tmp_path, disk)
    with pytest.raises(BaseExceptionGroup) as raised:
        await again.__aenter__()
    refusals = raised.value.split(CannotStart)[0]
    assert refusals is not None
    assert "is in none of the log directories that can be read" in repr(refusals)


async def test_a_group_whose_coordinator_s_disk_failed_hears_that_there_is_none(tmp_path: Path) -> None:
    properties = {"offsets.topic.num.partitions": "1"}
    disk = BreakableDisk()
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(properties, data=paths, files=disk) as running, connected(running) as client:
        made = Bench(running, client, disk, [str(path) for path in paths])
        for name in ("x", "y"):
            await create_topic(running, name)
            await made.produce(name, b"x")
        running.cluster.reach("__consumer_offsets", 0)
        request = FindCoordinator.Request(key="g", key_type=0)
        assert (await client.ask(request, 3)).error_code is FINE
        home = running.cluster.directories[1].directory_of("__consumer_offsets", 0)
        if home != running.cluster.directories[1].directory_ids[1]:
            pytest.skip("it lies with the metadata")
        disk.broken[made.paths[1]] = errno.EIO
        for name in ("x", "y"):
            await made.produce(name, b"x")
        await made.until(lambda: bool(made.partition_image("__consumer_offsets").leader == -1))
        assert (await client.ask(request, 3)).error_code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        heartbeat = Heartbeat.Request(group_id="g", generation_id=1, member_id="m")
        assert (await client.ask(heartbeat, 4)).error_code is ErrorCode.NOT_COORDINATOR


# A disk that is full


async def test_a_full_disk_refuses_writes_says_so_once_and_goes_on_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = BreakableDisk()
    async with serving(data=[tmp_path], files=disk) as running, connected(running) as client:
        made = Bench(running, client, disk, [str(tmp_path)])
        await create_topic(running, "t")
        await create_topic(running, "untouched")
        assert await made.produce("t", b"before") is FINE
        disk.full.add(str(tmp_path))
        with caplog.at_level(logging.WARNING):
            for _ in range(5):
                assert await made.produce("t", b"refused") is FAILED
            assert await made.produce("untouched", b"refused") is FAILED
            assert await made.values("t") == [b"before"]
        lines = [each.getMessage() for each in caplog.records]
        [line] = [line for line in lines if "is full" in line]
        assert "bytes are free" in line
        assert "make some" in line
        assert lines == [line]
        disk.full.clear()
        assert await made.produce("t", b"after") is FINE
        assert await made.produce("untouched", b"after") is FINE
        assert await made.values("t") == [b"before", b"after"]
        assert running.cluster.directories[1].offline == []
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        made = Bench(running, client, disk, [str(tmp_path)])
        assert await made.values("t") == [b"before", b"after"]
        assert await made.values("untouched") == [b"after"]


async def test_metadata_that_find_no_room_change_nothing(tmp_path: Path) -> None:
    disk = BreakableDisk()
    async with serving(data=[tmp_path], files=disk) as running, connected(running) as client:
        before = running.cluster.image
        disk.full.add(str(tmp_path))
        request = Metadata.Request(topics=[Metadata.Request.Topic(name="t")], allow_auto_topic_creation=True)
        answer = await client.ask(request, 9)
        assert answer.topics[0].error_code
        assert running.cluster.image is before
        disk.full.clear()
        answer = await client.ask(request, 9)
        assert answer.topics[0].error_code is FINE
    async with serving(data=[tmp_path]) as running:
        assert running.cluster.image.topic("t") is not None


async def test_a_log_start_is_on_disk_when_its_deletion_is_answered(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        made = Bench(running, client, BreakableDisk(), [str(tmp_path)])
        asked = DeleteRecords.Request.Topic
        for name in ("t", "u"):
            await create_topic(running, name)
            for _ in range(2):
                assert await made.produce(name, b"x") is FINE
        request = DeleteRecords.Request(
            timeout_ms=1000,
            topics=[
                asked(name=name, partitions=[asked.Partition(partition_index=0, offset=1)]) for name in "tu"
            ],
        )
        answer = await client.ask(request, 2)
        assert [topic.partitions[0].low_watermark for topic in answer.topics] == [1, 1]
        written = await trio.Path(tmp_path / "log-start-offset-checkpoint").read_text()
        assert written == "0\n2\nt 0 1\nu 0 1\n"


class ReadOnly(Files):
    """A directory that nobody may write to."""

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if "/two/" in path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().open(path, flags, mode)

    def listdir(self, path: str) -> list[str]:
        if path.endswith("/two"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().listdir(path)


async def test_a_directory_without_permissions_is_offline_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(data=[tmp_path / "one", tmp_path / "two"]):
        pass
    async with serving(data=[tmp_path / "one", tmp_path / "two"], files=ReadOnly()) as running:
        await create_topic(running, "t")
        async with connected(running) as client:
            answer = one_partition(await client.ask(produce_request("t", records(b"x")), 9))
            assert answer.error_code is FINE
    assert f"the log directory {tmp_path / 'two'} is offline: locking" in caplog.text
    assert "Permission denied" in caplog.text


async def test_no_node_starts_while_the_broker_ends_because_of_its_disk() -> None:
    refused: list[str] = []

    async def live() -> None:
        async with trio.open_nursery() as nursery:
            running: Running = await nursery.start(run_broker, Settings(port=0, brokers=2))
            await running.stop_node(2)
            running.cluster.failed_directories.fatal.set()
            with trio.CancelScope(shield=True):
                while not running.is_stopping:
                    await trio.lowlevel.checkpoint()
                try:
                    await running.start_node(2)
                except ValueError as refusal:
                    refused.append(str(refusal))

    with pytest.raises(BaseExceptionGroup) as raised:
        await live()
    assert raised.value.split(DiskFailed)[0] is not None
    assert refused == ["the broker is stopped, and all of its nodes"]
