"""A partition's log moves from one directory to another while it is used: AlterReplicaLogDirs."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from kwire_codecs.apis.alter_replica_log_dirs import AlterReplicaLogDirs
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record

from kwire.broker.move_limits import LIMIT
from kwire.coordinators.metadata.directories import directory_of
from kwire.coordinators.metadata.image import ResourceType
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
from tests.handlers.data import records, values_in
from tests.handlers.group_requests import commit_request, committed_errors, fetched
from tests.handlers.group_requests import fetch_request as offsets_request
from tests.handlers.three_nodes import place
from tests.runtime.stepped_time import SteppedTime, settle
from tests.storage.disks import BreakableDisk

FINE = ErrorCode.NONE


def alter_request(**wanted: str) -> AlterReplicaLogDirs.Request:
    """Partition 0 of each topic to a path."""
    asked = AlterReplicaLogDirs.Request.Dir
    return AlterReplicaLogDirs.Request(
        dirs=[
            asked(path=path, topics=[asked.Topic(name=topic, partitions=[0])])
            for topic, path in wanted.items()
        ]
    )


@dataclass
class Bench:
    """A broker on two directories."""

    running: Running
    client: Client
    disk: BreakableDisk
    paths: list[str]

    def place(self, topic: str) -> int:
        """The directory that a topic's log lies in, as the disk says."""
        return next(at for at, path in enumerate(self.paths) if Path(path, f"{topic}-0").is_dir())

    def told_place(self, topic: str) -> int:
        """The same, as the metadata say."""
        state = self.running.cluster.image.partition(topic, 0)
        assert state is not None
        return self.running.cluster.directories[1].directory_ids.index(directory_of(state, 1))

    async def alter(self, topic: str, path: str, version: int = 2) -> ErrorCode:
        answer = await self.client.ask(alter_request(**{topic: path}), version)
        [result] = answer.results
        assert result.topic_name == topic
        [partition] = result.partitions
        code: ErrorCode = partition.error_code
        return code

    async def move(self, topic: str, number: int) -> None:
        """It lies there, and the metadata say so."""
        assert await self.alter(topic, self.paths[number]) is FINE
        await self.until_moved(topic, number)

    async def until_moved(self, topic: str, number: int) -> None:
        while self.is_moving(topic) or self.told_place(topic) != number or self.is_left(topic):
            await settle()
        assert self.place(topic) == number

    def is_left(self, topic: str) -> bool:
        """Whether the old place of a log is there still."""
        moves = self.running.cluster.directories[1].moves
        assert moves is not None
        return moves.retiring(topic, 0) is not None

    def directories(self, number: int) -> list[str]:
        """What a directory's directories are called, or what ends their unique names."""
        names = [each.name for each in Path(self.paths[number]).iterdir() if each.is_dir()]
        return sorted(name if "." not in name else name.rpartition("-")[2] for name in names)

    def is_moving(self, topic: str) -> bool:
        return self.running.cluster.moving.is_moving(topic, 0)

    async def produce(self, topic: str, value: bytes) -> ErrorCode:
        answer = one_partition(await self.client.ask(produce_request(topic, records(value)), 9))
        code: ErrorCode = answer.error_code
        return code

    async def values(self, topic: str) -> list[bytes | None]:
        answer = one_partition(await self.client.ask(fetch_request(topic, 0), 11))
        assert answer.error_code is FINE
        return values_in(answer.records)

    async def described(self, topic: str) -> list[tuple[int, bool, int, int]]:
        """Of each replica: directory, whether it is on its way, offset lag, size."""
        asked = DescribeLogDirs.Request.Topic(topic=topic, partitions=[0])
        answer = await self.client.ask(DescribeLogDirs.Request(topics=[asked]), 4)
        return sorted(
            (self.paths.index(result.log_dir), each.is_future_key, each.offset_lag, each.partition_size)
            for result in answer.results
            for found in result.topics
            for each in found.partitions
        )

    async def lag(self, topic: str) -> int:
        """How many offsets a log on its way lacks."""
        [lag] = [lag for _, is_future, lag, _ in await self.described(topic) if is_future]
        return lag


@asynccontextmanager
async def bench(tmp_path: Path, disk: BreakableDisk | None = None, **config: str) -> AsyncIterator[Bench]:
    disk = disk or BreakableDisk()
    paths = [tmp_path / "one", tmp_path / "two"]
    properties = {name.replace("_", "."): value for name, value in config.items()}
    async with serving(properties, data=paths, files=disk) as running, connected(running) as client:
        yield Bench(running, client, disk, [str(path) for path in paths])


async def in_one(made: Bench, topic: str = "t", **configs: str) -> None:
    """A topic with a record, in the first directory."""
    await create_topic(made.running, topic, configs=configs)
    assert await made.produce(topic, b"first") is FINE
    await made.move(topic, 0)


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_what_can_not_be_moved_says_why(tmp_path: Path, version: int) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        long = "x" * 249
        await create_topic(made.running, long)
        for topic, path, code in (
            ("t", "/nowhere", ErrorCode.LOG_DIR_NOT_FOUND),
            ("t", made.paths[0] + "/", ErrorCode.LOG_DIR_NOT_FOUND),
            ("t", "", ErrorCode.LOG_DIR_NOT_FOUND),
            ("nothing", "/nowhere", ErrorCode.LOG_DIR_NOT_FOUND),
            ("nothing", made.paths[1], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            ("__cluster_metadata", made.paths[1], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            (long, made.paths[1], ErrorCode.INVALID_TOPIC_EXCEPTION),
            (long, "/nowhere", ErrorCode.INVALID_TOPIC_EXCEPTION),
            ("t", made.paths[0], FINE),
        ):
            assert await made.alter(topic, path, version) is code, (topic, path)
        assert made.place("t") == 0


async def test_each_partition_is_answered_once_and_goes_where_it_was_named_last(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        await in_one(made, "u")
        asked = AlterReplicaLogDirs.Request.Dir
        both = [asked.Topic(name="t", partitions=[0, 7]), asked.Topic(name="u", partitions=[0])]
        request = AlterReplicaLogDirs.Request(
            dirs=[
                asked(path="/nowhere", topics=both),
                asked(path=made.paths[1], topics=[asked.Topic(name="t", partitions=[0])]),
            ]
        )
        answer = await made.client.ask(request, 2)
        told = {
            (result.topic_name, each.partition_index): each.error_code
            for result in answer.results
            for each in result.partitions
        }
        missing = ErrorCode.LOG_DIR_NOT_FOUND
        assert told == {("t", 0): FINE, ("t", 7): missing, ("u", 0): missing}
        await made.until_moved("t", 1)


async def test_a_log_moves_with_all_that_it_holds_and_stays_in_use(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        assert await made.alter("t", made.paths[1]) is FINE
        for value in (b"second", b"third"):
            assert await made.produce("t", value) is FINE
        await made.until_moved("t", 1)
        assert await made.produce("t", b"fourth") is FINE
        expected = [b"first", b"second", b"third", b"fourth"]
        assert await made.values("t") == expected
        assert "future" not in made.directories(1)
        await made.move("t", 0)
        assert await made.values("t") == expected
    async with bench(tmp_path) as made:
        assert await made.values("t") == expected
        assert made.place("t") == made.told_place("t") == 0


async def test_a_partition_that_nobody_has_written_to_goes_at_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        for number, topic in enumerate(("a", "b", "c", "d")):
            await create_topic(made.running, topic)
            assert await made.alter(topic, made.paths[number % 2]) is FINE
        for number, topic in enumerate(("a", "b", "c", "d")):
            assert await made.described(topic) == [(number % 2, False, 0, 0)]
            assert await made.produce(topic, b"x") is FINE
            assert made.place(topic) == number % 2


async def test_a_partition_that_does_not_exist_yet_is_made_where_it_was_wanted(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        for number, topic in enumerate(("a", "b", "c", "d")):
            code = await made.alter(topic, made.paths[number // 2])
            assert code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        for number, topic in enumerate(("a", "b", "c", "d")):
            await create_topic(made.running, topic)
            assert await made.produce(topic, b"x") is FINE
            assert made.place(topic) == number // 2


async def test_it_is_told_how_far_a_move_is(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        [(_, _, _, size)] = await made.described("t")
        with held(made, "t"):
            assert await made.alter("t", made.paths[1]) is FINE
            told = await made.described("t")
            assert told in ([(0, False, 0, size), (1, True, 1, 0)], [(0, False, 0, size), (1, True, 0, size)])
            assert await made.alter("t", made.paths[1]) is FINE, "it is on its way there already"
        await made.until_moved("t", 1)
        assert await made.described("t") == [(1, False, 0, size)]


@contextmanager
def held(made: Bench, topic: str) -> Iterator[None]:
    """A move of that topic's log does not come to its end: a thread seems to append."""
    partition = made.running.cluster.partition(topic, 0)
    assert partition is not None
    partition.writing = event = trio.Event()
    try:
        yield
    finally:
        partition.writing = None
        event.set()


async def test_asking_for_where_it_is_calls_a_move_off(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        with held(made, "t"):
            assert await made.alter("t", made.paths[1]) is FINE
            assert made.is_moving("t")
            assert await made.alter("t", made.paths[0]) is FINE
            assert not made.is_moving("t")
        assert await made.produce("t", b"second") is FINE
        assert set(made.directories(1)) == {"delete"}
        assert made.place("t") == made.told_place("t") == 0


async def test_deleting_the_topic_ends_its_move(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        with held(made, "t"):
            assert await made.alter("t", made.paths[1]) is FINE
            await delete_topic(made, "t")
        await in_one(made)
        assert await made.values("t") == [b"first"]
        await made.move("t", 1)
        assert await made.values("t") == [b"first"]


async def delete_topic(made: Bench, topic: str) -> None:
    answer = await made.client.ask(DeleteTopics.Request(topic_names=[topic], timeout_ms=1000), 5)
    assert not answer.responses[0].error_code


@pytest.mark.parametrize("clean", [True, False])
async def test_a_restart_goes_on_with_it(tmp_path: Path, clean: bool) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        hold = held(made, "t")
        hold.__enter__()
        assert await made.alter("t", made.paths[1]) is FINE
    if not clean:
        for name in ("one", "two"):
            (tmp_path / name / ".kafka_cleanshutdown").unlink()
    async with bench(tmp_path) as made:
        await made.until_moved("t", 1)
        assert await made.values("t") == [b"first"]


class Forgetful(BreakableDisk):
    """One that has no memory for the copies of logs."""

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if "-future/" in path and path.endswith(".log"):
            raise OSError(errno.ENOMEM, "no memory")
        return super().open(path, flags, mode)


async def test_a_move_that_can_not_be_gone_on_with_is_called_off(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made)
        hold = held(made, "t")
        hold.__enter__()
        assert await made.alter("t", made.paths[1]) is FINE
    async with bench(tmp_path, Forgetful()) as made:
        with trio.fail_after(10):
            while made.is_moving("t"):
                await trio.lowlevel.checkpoint()
        assert made.directories(1) == ["delete"]
        assert await made.values("t") == [b"first"]


async def test_no_move_begins_while_a_directory_is_offline(tmp_path: Path) -> None:
    disk = BreakableDisk()
    async with bench(tmp_path, disk) as made:
        await in_one(made)
        await create_topic(made.running, "u")
        await made.alter("u", made.paths[1])
        assert await made.produce("u", b"x") is FINE
        disk.broken[made.paths[1]] = errno.EIO
        assert await made.produce("u", b"y") is ErrorCode.KAFKA_STORAGE_ERROR
        assert await made.alter("t", made.paths[1]) is ErrorCode.KAFKA_STORAGE_ERROR
        assert await made.alter("t", made.paths[0]) is FINE
        assert await made.alter("u", made.paths[0]) is ErrorCode.KAFKA_STORAGE_ERROR
        assert await made.produce("t", b"second") is FINE


async def test_a_directory_that_fails_on_the_way_there_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    disk = BreakableDisk()
    async with bench(tmp_path, disk) as made:
        await in_one(made)
        with held(made, "t"):
            assert await made.alter("t", made.paths[1]) is FINE
            disk.broken[made.paths[1]] = errno.EIO
        while made.is_moving("t"):
            await settle()
        assert await made.produce("t", b"second") is FINE
        assert await made.values("t") == [b"first", b"second"]
    disk.broken.clear()
    async with bench(tmp_path, disk) as made:
        assert await made.values("t") == [b"first", b"second"]


async def test_what_was_flushed_is_on_the_device_in_the_new_place(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await in_one(made, **{"flush.messages": "1"})
        await made.move("t", 1)
        partition: Any = made.running.cluster.partition("t", 0)
        assert partition.log.recovery_point == partition.log.log_end_offset == 1
        assert await made.produce("t", b"second") is FINE
        assert partition.log.recovery_point == 2


class Noting(BreakableDisk):
    """Notes which files of copies were synced before one became a log."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: set[str] = set()
        self.synced_before_the_swap: set[str] | None = None

    def fdatasync(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        super().fdatasync(descriptor)
        if "-future/" in path:
            self.synced.add(path.rpartition("/")[2])

    def rename(self, old: str, new: str) -> None:
        if old.endswith("-future") and new.endswith("-0"):
            self.synced_before_the_swap = set(self.synced)
        super().rename(old, new)


async def test_what_was_copied_is_on_the_device_before_it_is_the_log(tmp_path: Path) -> None:
    disk = Noting()
    async with bench(tmp_path, disk) as made:
        await in_one(made)
        await made.move("t", 1)
    assert disk.synced_before_the_swap is not None
    assert "00000000000000000000.log" in disk.synced_before_the_swap


async def test_in_memory_there_is_one_directory() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        answer = await client.ask(DescribeLogDirs.Request(topics=None), 4)
        [directory] = answer.results
        for path, code in ((directory.log_dir, FINE), ("/other", ErrorCode.LOG_DIR_NOT_FOUND)):
            answer = await client.ask(alter_request(t=path), 2)
            assert answer.results[0].partitions[0].error_code is code


async def test_each_of_several_brokers_has_its_own_directories(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths, brokers=3) as running:
        await create_topic(running, "t")
        state = running.cluster.image.partition("t", 0)
        assert state is not None
        leader = state.replicas[0]
        for node_id in (1, 2, 3):
            async with connected(running, node_id - 1) as client:
                own = str(paths[1] / f"broker-{node_id}")
                [result] = (await client.ask(alter_request(t=own), 2)).results
                expected = FINE if node_id == leader else ErrorCode.REPLICA_NOT_AVAILABLE
                assert result.partitions[0].error_code is expected
                other = str(paths[1] / f"broker-{node_id % 3 + 1}")
                [result] = (await client.ask(alter_request(t=other), 2)).results
                assert result.partitions[0].error_code is ErrorCode.LOG_DIR_NOT_FOUND


async def limit(client: Client, bytes_a_second: int) -> None:
    """All brokers may copy so much between directories."""
    asked = IncrementalAlterConfigs.Request.Resource
    change = asked.Config(name=LIMIT, config_operation=0, value=str(bytes_a_second))
    everyone = asked(resource_type=ResourceType.BROKER, resource_name="", configs=[change])
    request = IncrementalAlterConfigs.Request(resources=[everyone], validate_only=False)
    assert not (await client.ask(request, 1)).responses[0].error_code


async def test_a_limit_is_kept_to(tmp_path: Path) -> None:
    time = SteppedTime()
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths, clock=time.clock) as running, connected(running) as client:
        made = Bench(running, client, BreakableDisk(), [str(path) for path in paths])
        await create_topic(running, "t")
        await made.alter("t", made.paths[0])
        for _ in range(4):
            assert await made.produce("t", b"x" * 900_000) is FINE
        await limit(client, 900_000)
        assert await made.alter("t", made.paths[1]) is FINE
        for left in (3, 2, 1, 0):
            while (lag := await made.lag("t")) > left:
                pass
            await settle()
            told = {await made.lag("t") for _ in range(30)}  # while which much more could be copied
            assert told | {lag} == {left}
            await time.step(1001)
        await made.until_moved("t", 1)


@pytest.mark.parametrize("threads", ["1", "2", None])
async def test_as_many_logs_move_at_a_time_as_there_are_threads(tmp_path: Path, threads: str | None) -> None:
    config: dict[str, Any] = {} if threads is None else {"num_replica_alter_log_dirs_threads": threads}
    async with bench(tmp_path, **config) as made:
        for topic in ("a", "b"):
            await in_one(made, topic)
        with held(made, "a"):
            assert await made.alter("a", made.paths[1]) is FINE
            with trio.fail_after(10):
                while made.told_place("a") != 1:
                    await trio.lowlevel.checkpoint()
            assert await made.alter("b", made.paths[1]) is FINE
            if threads == "1":
                for _ in range(50):
                    assert (0, False) in [each[:2] for each in await made.described("b")]
            else:
                await made.until_moved("b", 1)
            assert made.place("a") == 0
        for topic in ("a", "b"):
            await made.until_moved(topic, 1)


async def test_those_that_move_side_by_side_keep_to_one_limit_and_hear_of_another(tmp_path: Path) -> None:
    time = SteppedTime()
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths, clock=time.clock) as running, connected(running) as client:
        made = Bench(running, client, BreakableDisk(), [str(path) for path in paths])
        for topic in ("a", "b"):
            await create_topic(running, topic)
            await made.alter(topic, made.paths[0])
            for _ in range(3):
                assert await made.produce(topic, b"x" * 900_000) is FINE
        await limit(client, 900_000)
        for topic in ("a", "b"):
            assert await made.alter(topic, made.paths[1]) is FINE
        for seconds in range(3):
            await settle()
            lags = [await made.lag(topic) for topic in ("a", "b") for _ in range(10)]
            assert min(lags[:10]) + min(lags[10:]) >= 4 - seconds
            await time.step(1001)
        await limit(client, 1)
        await settle()
        await limit(client, 1 << 40)
        await time.step(1001)
        for topic in ("a", "b"):
            await made.until_moved(topic, 1)


async def test_offsets_of_a_group_can_be_moved(tmp_path: Path) -> None:
    async with bench(tmp_path, offsets_topic_num_partitions="1") as made:
        await create_topic(made.running, "t", 3)

        async def commit(*offsets: int) -> None:
            wanted = dict(enumerate(offsets))
            answer = await made.client.ask(commit_request("g", 7, wanted, topic="t"), 7)
            assert set(committed_errors(answer).values()) == {FINE}

        await commit(1, 2, 3)
        for number in (1, 0, 1):
            await made.move("__consumer_offsets", number)
            await commit(4, 5, 6)
    async with bench(tmp_path, offsets_topic_num_partitions="1") as made:
        assert made.place("__consumer_offsets") == 1
        answer = await made.client.ask(offsets_request("g", 7, [0, 1, 2]), 7)
        assert [offset for offset, _, _ in fetched(answer, 7).values()] == [4, 5, 6]


async def test_a_log_on_its_way_is_not_compacted(tmp_path: Path) -> None:
    async with bench(tmp_path, log_cleaner_enable="false") as made:
        await create_topic(
            made.running, "t", configs={"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}
        )
        await made.alter("t", made.paths[0])
        partition: Any = made.running.cluster.partition("t", 0)
        keyed = batch.build([Record(b"key", b"value", 1)])
        for _ in range(4):
            partition.log.roll(0)
            answer = one_partition(await made.client.ask(produce_request("t", bytearray(keyed)), 9))
            assert answer.error_code is FINE
        with held(made, "t"):
            assert await made.alter("t", made.paths[1]) is FINE
            assert not await made.running.cluster.cleaner.clean_dirtiest()
        await made.until_moved("t", 1)
        partition.log.roll(0)
        assert await made.running.cluster.cleaner.clean_dirtiest()


async def test_a_replica_without_files_is_told_of_where_it_was_asked_for(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths, brokers=3) as running:
        await place(running, "t", (1, 2))
        async with connected(running, 1) as client:
            for number in (1, 0):
                own = str(paths[number] / "broker-2")
                [result] = (await client.ask(alter_request(t=own), 2)).results
                assert result.partitions[0].error_code is FINE
                answer = await client.ask(DescribeLogDirs.Request(topics=None), 4)
                told = {each.log_dir: [topic.name for topic in each.topics] for each in answer.results}
                assert [path for path, topics in told.items() if "t" in topics] == [own]
