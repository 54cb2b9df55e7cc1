"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords, through a connection."""

import pytest
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.offset_for_leader_epoch import OffsetForLeaderEpoch
from kwire_codecs.errors import ErrorCode

from kwire.server.launch import Running
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    led_again,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import offsets_request, records


async def filled(running: Running, client: Client) -> None:
    """Topic `t` with offsets 0 to 5 and timestamps 100, 101, 300, 301, 200, 201."""
    await create_topic(running, "t")
    for timestamp in (100, 300, 200):
        await client.ask(produce_request("t", records(b"a", b"b", timestamp=timestamp)), 9)


def answer(response: ListOffsets.Response) -> tuple[ErrorCode, int, int]:
    [topic] = response.topics
    [partition] = topic.partitions
    return partition.error_code, partition.timestamp, partition.offset


@pytest.mark.parametrize(
    ("timestamp", "first_version", "expected"),
    [
        (-1, 1, (-1, 6)),
        (-2, 1, (-1, 0)),
        (-3, 7, (301, 3)),
        (-4, 8, (-1, 0)),
        (-5, 9, (-1, -1)),
        (-6, 11, (-1, -1)),
        (0, 1, (100, 0)),
        (101, 1, (101, 1)),
        (150, 1, (300, 2)),
        (301, 1, (301, 3)),
        (302, 1, (-1, -1)),
    ],
)
async def test_rule_17_special_and_real_timestamps_in_every_version_that_has_them(
    timestamp: int, first_version: int, expected: tuple[int, int]
) -> None:
    async with serving() as running, connected(running) as client:
        await filled(running, client)
        for version in range(1, 12):
            got = answer(await client.ask(offsets_request("t", timestamp), version))
            if version < first_version:
                assert got == (ErrorCode.UNSUPPORTED_VERSION, -1, -1)
            else:
                assert got == (ErrorCode.NONE, *expected)


@pytest.mark.parametrize(
    ("timestamp", "count", "expected"),
    [
        (-1, 1, [6]),
        (-1, 10, [6, 0]),
        (-2, 5, [0]),
        (-1, 0, []),
        (2**62, 10, [6, 0]),
        (2**62, 1, [6]),
        (1, 9, []),
    ],
)
async def test_rule_18_version_0_answers_an_array_newest_first(
    timestamp: int, count: int, expected: list[int]
) -> None:
    async with serving() as running, connected(running) as client:
        await filled(running, client)
        response = await client.ask(offsets_request("t", timestamp, max_num_offsets=count), 0)
        assert response.topics[0].partitions[0].old_style_offsets == expected


async def test_a_partition_that_is_named_twice_is_refused() -> None:
    async with serving() as running, connected(running) as client:
        await filled(running, client)
        request = offsets_request("t", -1)
        request.topics[0].partitions.append(request.topics[0].partitions[0])
        response = await client.ask(request, 5)
        assert [each.error_code for each in response.topics[0].partitions] == [ErrorCode.INVALID_REQUEST]


async def test_unknown_partitions_are_refused() -> None:
    async with serving() as running, connected(running) as client:
        for version in range(1, 12):
            assert answer(await client.ask(offsets_request("no", -1), version))[0] == (
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            )


@pytest.mark.parametrize("version", range(5))
async def test_a_leader_epoch_ends_where_the_next_began(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await filled(running, client)
        led_again(running, "t", leader_epoch=4)
        asked = OffsetForLeaderEpoch.Request.Topic

        async def end_of(epoch: int, partition: int = 0) -> tuple[int, int, int]:
            request = OffsetForLeaderEpoch.Request(
                topics=[
                    asked(topic="t", partitions=[asked.Partition(partition=partition, leader_epoch=epoch)])
                ]
            )
            [found] = (await client.ask(request, version)).topics[0].partitions
            return found.error_code, found.leader_epoch if version else 0, found.end_offset

        assert await end_of(0) == (ErrorCode.NONE, 0, 6)
        assert (await end_of(2))[2] == 6
        assert (await end_of(4))[2] == 6
        assert (await end_of(9))[2] == -1
        assert (await end_of(0, partition=7))[0] == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_deleted_records_move_the_log_start() -> None:
    async with serving() as running, connected(running) as client:
        await filled(running, client)
        asked = DeleteRecords.Request.Topic

        async def delete(offset: int, topic: str = "t") -> tuple[int, int]:
            request = DeleteRecords.Request(
                timeout_ms=1000,
                topics=[asked(name=topic, partitions=[asked.Partition(partition_index=0, offset=offset)])],
            )
            [deleted] = (await client.ask(request, 2)).topics[0].partitions
            return deleted.error_code, deleted.low_watermark

        assert await delete(3) == (ErrorCode.NONE, 3)
        assert await delete(2) == (ErrorCode.NONE, 3)
        assert await delete(7) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
        assert (await delete(0, "no"))[0] == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert answer(await client.ask(offsets_request("t", -2), 5))[2] == 3
        assert (
            one_partition(await client.ask(fetch_request("t", 2), 11)).error_code
            == ErrorCode.OFFSET_OUT_OF_RANGE
        )
        assert await delete(-1) == (ErrorCode.NONE, 6)
