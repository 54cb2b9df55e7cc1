"""Partitions whose files cannot be opened: KAFKA_STORAGE_ERROR for each, and nothing for the others."""

import errno
from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.offset_for_leader_epoch import OffsetForLeaderEpoch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_storage.files import Files

from tests.broker_client import connected, create_topic, fetch_request, produce_request, serving
from tests.handlers.data import offsets_request, records


class DiskWithABadSpot(Files):
    """Opens no segment of `broken-0`."""

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if "/broken-0/0" in path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().open(path, flags, mode)


def produced(topic: str) -> Produce.Request.Topic:
    [asked] = produce_request(topic, records(b"x")).topic_data
    return asked


def both(request: Any, other: Any) -> Any:
    """One request for what two ask."""
    request.topics = request.topics + other.topics
    return request


def delete_request(topic: str) -> DeleteRecords.Request:
    asked = DeleteRecords.Request.Topic
    return DeleteRecords.Request(
        timeout_ms=1000, topics=[asked(name=topic, partitions=[asked.Partition(partition_index=0, offset=0)])]
    )


def epoch_request(topic: str) -> OffsetForLeaderEpoch.Request:
    asked = OffsetForLeaderEpoch.Request.Topic
    return OffsetForLeaderEpoch.Request(
        topics=[asked(topic=topic, partitions=[asked.Partition(partition=0, leader_epoch=0)])]
    )


@pytest.mark.parametrize("stopped", ["cleanly", "uncleanly"])
async def test_a_partition_that_cannot_be_opened_fails_alone(tmp_path: Path, stopped: str) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        for topic in ("broken", "sound"):
            await create_topic(running, topic)
            await client.ask(produce_request(topic, records(b"x")), 9)
    if stopped == "uncleanly":
        (tmp_path / ".kafka_cleanshutdown").unlink()
    async with serving(data=[tmp_path], files=DiskWithABadSpot()) as running, connected(running) as client:
        request = Produce.Request(
            acks=-1, timeout_ms=1000, topic_data=[produced("broken"), produced("sound")]
        )
        told = {
            "Produce": [
                topic.partition_responses[0].error_code for topic in (await client.ask(request, 9)).responses
            ],
            "Fetch": [
                topic.partitions[0].error_code
                for version in (3, 12)
                for topic in (
                    await client.ask(both(fetch_request("broken", 0), fetch_request("sound", 0)), version)
                ).responses
            ],
        }
        for name, ask, version in (
            ("ListOffsets", lambda topic: offsets_request(topic, -1), 6),
            ("DeleteRecords", delete_request, 2),
            ("OffsetForLeaderEpoch", epoch_request, 4),
        ):
            answer = await client.ask(both(ask("broken"), ask("sound")), version)
            told[name] = [topic.partitions[0].error_code for topic in answer.topics]
    failed, fine = ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NONE
    assert told == {
        "Produce": [failed, fine],
        "Fetch": [failed, fine] * 2,
        "ListOffsets": [failed, fine],
        "DeleteRecords": [failed, fine],
        "OffsetForLeaderEpoch": [failed, fine],
    }
