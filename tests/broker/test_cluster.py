"""A cluster over its lives: what comes back, what goes, and what time does while sockets go on."""

import errno
import logging
import os
from pathlib import Path

import pytest
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode
from kwire_storage.files import Files

from kwire.coordinators.metadata.image import ResourceType
from kwire.coordinators.metadata.records import config_record, remove_topic_record
from kwire.coordinators.outcome import Outcome
from kwire.server.launch import CannotStart, Running
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
from tests.runtime.stepped_time import SteppedTime


async def produce(running: Running, topic: str, *values: bytes) -> None:
    async with connected(running) as client:
        answer = one_partition(await client.ask(produce_request(topic, records(*values)), 9))
        assert answer.error_code == ErrorCode.NONE


async def values_of(running: Running, topic: str) -> list[bytes | None]:
    async with connected(running) as client:
        return values_in(one_partition(await client.ask(fetch_request(topic, 0), 11)).records)


async def test_topics_records_and_ids_are_there_after_a_restart(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running:
        await create_topic(running, "t", 2, {"segment.bytes": "1048576"})
        await produce(running, "t", b"a", b"b")
        before = running.cluster.image
    async with serving(data=[tmp_path]) as running:
        after = running.cluster.image
        assert after.cluster_id == before.cluster_id
        assert after.topics["t"].id == before.topics["t"].id
        assert running.cluster.topic_config("t").segment_bytes == 1048576
        assert await values_of(running, "t") == [b"a", b"b"]
        await produce(running, "t", b"c")
        assert await values_of(running, "t") == [b"a", b"b", b"c"]


async def test_a_deleted_topic_s_data_is_gone_and_its_successor_is_empty(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running:
        await create_topic(running, "t")
        await produce(running, "t", b"old")
        assert (tmp_path / "t-0").is_dir()
        topic = running.cluster.image.topics["t"]
        await running.cluster.controller.submit(lambda image: Outcome(None, [remove_topic_record(topic.id)]))
        assert not (tmp_path / "t-0").exists()
        await create_topic(running, "t")
        assert await values_of(running, "t") == []


class UnrenamableDisk(Files):
    """Renames no directory of a partition while `broken` is set."""

    broken = False

    def rename(self, old: str, new: str) -> None:
        if self.broken and old.endswith("-0"):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        super().rename(old, new)


async def test_a_topic_goes_though_its_log_cannot_be_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = UnrenamableDisk()
    async with serving(data=[tmp_path], files=disk) as running:
        await create_topic(running, "t", 2)
        await produce(running, "t", b"old")
        topic = running.cluster.image.topics["t"]
        disk.broken = True
        await running.cluster.controller.submit(lambda image: Outcome(None, [remove_topic_record(topic.id)]))
        assert "deleting t-0 failed" in caplog.text
        assert "subscriber" not in caplog.text
        await create_topic(running, "t")
        assert running.cluster.reach("t", 0) is ErrorCode.KAFKA_STORAGE_ERROR
        disk.broken = False
        assert await values_of(running, "t") == []
        await produce(running, "t", b"new")
        assert await values_of(running, "t") == [b"new"]
    async with serving(data=[tmp_path]) as running:
        assert await values_of(running, "t") == [b"new"]


async def test_empty_topics_take_no_room_on_disk(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running:
        await create_topic(running, "t", 100)
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"__cluster_metadata-0"}  # noqa: ASYNC240


async def test_a_log_of_a_topic_that_nobody_knows_is_left_alone_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(data=[tmp_path]):
        pass
    (tmp_path / "foreign-3").mkdir()
    (tmp_path / "foreign-3" / "00000000000000000000.log").write_bytes(b"")
    async with serving(data=[tmp_path]):
        pass
    assert (tmp_path / "foreign-3").is_dir()
    assert any(
        "foreign-3" in record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    )


async def test_a_changed_config_counts_for_the_next_produce() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        data = records(b"x" * 2000)
        assert one_partition(await client.ask(produce_request("t", data), 9)).error_code == ErrorCode.NONE
        change = config_record(ResourceType.TOPIC, "t", "max.message.bytes", "1000")
        await running.cluster.controller.submit(lambda image: Outcome(None, [change]))
        answer = one_partition(await client.ask(produce_request("t", records(b"x" * 2000)), 9))
        assert answer.error_code == ErrorCode.MESSAGE_TOO_LARGE


async def joined(client: Client) -> tuple[str, int]:
    """A member of group `g` with a session of ten seconds, alone in it and synced: its id and generation."""
    protocol = JoinGroup.Request.Protocol(name="range", metadata=b"")
    answer = await client.ask(
        JoinGroup.Request(
            group_id="g",
            session_timeout_ms=10_000,
            member_id="",
            protocol_type="consumer",
            protocols=[protocol],
        ),
        0,
    )
    assignment = SyncGroup.Request.Assignment(member_id=answer.member_id, assignment=b"")
    await client.ask(
        SyncGroup.Request(
            group_id="g",
            generation_id=answer.generation_id,
            member_id=answer.member_id,
            assignments=[assignment],
        ),
        0,
    )
    return answer.member_id, answer.generation_id


async def test_a_session_expires_when_semantic_time_passes_while_real_sockets_go_on() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        async with time.passing():
            member_id, generation_id = await joined(client)
        beat = Heartbeat.Request(group_id="g", generation_id=generation_id, member_id=member_id)
        for passed_ms, expected in (
            (9_000, ErrorCode.NONE),
            (9_000, ErrorCode.NONE),
            (10_001, ErrorCode.UNKNOWN_MEMBER_ID),
        ):
            await time.step(passed_ms)
            assert (await client.ask(beat, 0)).error_code == expected


async def test_a_second_broker_on_one_directory_is_refused(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]):
        with pytest.raises(ExceptionGroup) as refused:
            async with serving(data=[tmp_path]):
                pass
        assert refused.group_contains(CannotStart, match=str(tmp_path))


async def test_what_an_interrupted_beginning_left_is_not_taken_for_the_log(tmp_path: Path) -> None:
    """A directory without `partition.metadata` beside the log itself, on another broker's disk."""
    async with serving(data=[tmp_path], brokers=3) as running:
        await create_topic(running, "t")
        leader = running.cluster.image.topics["t"].partitions[0].leader
        async with connected(running, leader - 1) as client:
            assert not one_partition(await client.ask(produce_request("t", records(b"kept")), 9)).error_code
    for number in {1, 2, 3} - {leader}:
        (tmp_path / f"broker-{number}" / "t-0").mkdir()
    async with serving(data=[tmp_path], brokers=3) as running:
        partition = running.cluster.reach("t", 0)
        assert not isinstance(partition, ErrorCode)
        assert partition.log_end_offset == 1
