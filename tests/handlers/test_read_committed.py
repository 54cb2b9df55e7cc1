"""What readers of committed data get: Fetch and ListOffsets with isolation level 1."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, legacy

from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, fetch_request, one_partition, serving
from tests.handlers.data import offsets_request, values_in
from tests.handlers.test_follower_fetch import asking, three_racks
from tests.handlers.transactions import begin, end, partition_of

COMMITTED: dict[str, Any] = {"isolation_level": 1}
WITH_ISOLATION = range(4, 19)


async def three_transactions(running: Running) -> None:
    """Of "t": 7 aborts [0, 3], 8 commits [1, 4], 9 has [2 open; 5 is plain, 10 aborts [6, 7]."""
    partition = partition_of(running)
    assert [await begin(partition, 7, b"a"), await begin(partition, 8, b"b")] == [0, 1]
    assert await begin(partition, 9, b"c") == 2
    assert [end(partition, 7, commit=False), end(partition, 8, commit=True)] == [3, 4]
    assert await begin(partition, 11, b"d") == 5
    assert await begin(partition, 10, b"e") == 6
    assert end(partition, 10, commit=False) == 7


async def fetched(running: Running, client: Client, version: int, offset: int, **fields: Any) -> Any:
    return one_partition(await client.ask(asking(running, version, offset, **fields), version))


def told(answer: Any) -> list[tuple[int, int]] | None:
    if answer.aborted_transactions is None:
        return None
    return [(each.producer_id, each.first_offset) for each in answer.aborted_transactions]


def offsets_of(answer: Any) -> list[int]:
    return [header.base_offset for _, header in batch.walk(memoryview(answer.records or b""))]


def visible(answer: Any) -> list[bytes | None]:
    """The values that a client shows its user: thus the Java client leaves out what was aborted."""
    aborted = sorted(answer.aborted_transactions, key=lambda each: each.first_offset)
    open_aborts: set[int] = set()
    shown: list[bytes | None] = []
    buffer = memoryview(answer.records)
    for position, header in batch.walk(buffer):
        while aborted and aborted[0].first_offset <= header.last_offset:
            open_aborts.add(aborted.pop(0).producer_id)
        if header.is_control:
            open_aborts.discard(header.producer_id)
        elif not (header.is_transactional and header.producer_id in open_aborts):
            shown += [record.value for record in batch.records(buffer, position, header, 1 << 20)]
    return shown


@pytest.mark.parametrize("version", WITH_ISOLATION)
async def test_a_reader_of_committed_data_stops_at_the_oldest_open_transaction(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await three_transactions(running)
        answer = await fetched(running, client, version, 0, **COMMITTED)
        assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 8, 2)
        assert offsets_of(answer) == [0, 1]
        # As Kafka: up to the next index entry, or the log's end, and not only what was read.
        assert told(answer) == [(7, 0), (10, 6)]
        assert visible(answer) == [b"b"]
        end(partition_of(running), 9, commit=True)
        end(partition_of(running), 11, commit=True)
        rest = await fetched(running, client, version, 2, **COMMITTED)
        assert offsets_of(rest) == list(range(2, 10))
        assert told(rest) == [(7, 0), (10, 6)]
        assert visible(rest) == [b"c", b"d"]
        assert told(await fetched(running, client, version, 4, **COMMITTED)) == [(10, 6)]
        at_the_end = await fetched(running, client, version, 10, **COMMITTED)
        assert (told(at_the_end), offsets_of(at_the_end), at_the_end.last_stable_offset) == ([], [], 10)


@pytest.mark.parametrize("version", range(0, 19))
async def test_others_read_everything_and_are_told_of_no_abort(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await three_transactions(running)
        answer = await fetched(running, client, version, 0)
        if version < 4:
            got = [(each.offset, bytes(each.value or b"")) for _, each in legacy.walk(answer.records)]
            assert got == [(0, b"a"), (1, b"b"), (2, b"c"), (5, b"d"), (6, b"e")]
            return
        assert told(answer) is None
        assert (answer.high_watermark, answer.last_stable_offset) == (8, 2)
        assert offsets_of(answer) == list(range(8))


@pytest.mark.parametrize("version", [4, 11, 18])
async def test_at_the_last_stable_offset_a_reader_waits_and_is_told_of_nothing(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await three_transactions(running)
        answer = await fetched(running, client, version, 2, max_wait_ms=10, **COMMITTED)
        assert (answer.error_code, told(answer), offsets_of(answer)) == (0, [], [])
        beyond = await fetched(running, client, version, 5, **COMMITTED)
        assert (beyond.error_code, told(beyond), offsets_of(beyond)) == (0, [], [])
        outside = await fetched(running, client, version, 9, **COMMITTED)
        assert (outside.error_code, told(outside)) == (ErrorCode.OFFSET_OUT_OF_RANGE, None)


async def test_a_reader_who_waits_is_woken_by_the_end_of_the_transaction() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = partition_of(running)
        await begin(partition, 7, b"x" * 500)
        await client.send(fetch_request("t", 0, max_wait_ms=60_000, min_bytes=400, **COMMITTED), 11)
        await trio.testing.wait_all_tasks_blocked(0.01)
        end(partition, 7, commit=True)
        _, response = await client.receive(Fetch, 11)
        assert values_in(one_partition(response).records)[0] == b"x" * 500


async def test_what_is_undecided_does_not_count_towards_min_bytes() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = partition_of(running)
        await begin(partition, 7, b"small")
        end(partition, 7, commit=True)
        await begin(partition, 8, b"x" * 5000)
        await client.send(fetch_request("t", 0, max_wait_ms=60_000, min_bytes=2000, **COMMITTED), 11)
        await trio.testing.wait_all_tasks_blocked(0.01)
        who_waits = list(partition.waiters)
        assert len(who_waits) == 1
        await begin(partition, 8, b"x" * 5000, sequence=1)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert list(partition.waiters) == who_waits  # not even woken
        end(partition, 8, commit=False)
        _, response = await client.receive(Fetch, 11)
        answer = one_partition(response)
        assert visible(answer) == [b"small"]
        assert told(answer) == [(8, 2)]


async def test_a_session_hears_of_the_end_of_a_transaction() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = partition_of(running)
        await begin(partition, 7, b"x")
        first = await client.ask(fetch_request("t", 0, session_epoch=0, **COMMITTED), 12)
        assert first.session_id
        waits = Fetch.Request(
            max_wait_ms=60_000,
            min_bytes=1,
            session_id=first.session_id,
            session_epoch=1,
            topics=[],
            **COMMITTED,
        )
        await client.send(waits, 12)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await begin(partition, 7, b"y", sequence=1)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert partition.readers_waiting == 1
        end(partition, 7, commit=True)
        _, response = await client.receive(Fetch, 12)
        assert visible(one_partition(response)) == [b"x", b"y"]


async def test_a_reader_is_told_of_aborts_that_a_limit_keeps_from_him() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = partition_of(running)
        for producer_id in (7, 8):
            await begin(partition, producer_id, b"x" * 100)
            end(partition, producer_id, commit=False)
        answer = one_partition(await client.ask(fetch_request("t", 0, max_bytes=1, **COMMITTED), 12))
        assert offsets_of(answer) == [0]
        assert told(answer) == [(7, 0), (8, 2)]


@pytest.mark.parametrize("version", [11, 12, 13, 18])
async def test_a_follower_tells_what_its_leader_does(version: int) -> None:
    async with three_racks() as running, connected(running, 1) as follower:
        partition = partition_of(running)
        await begin(partition, 7, b"x")
        end(partition, 7, commit=False)
        await begin(partition, 8, b"y")
        answer = await fetched(running, follower, version, 3, **COMMITTED)
        assert (answer.error_code, answer.last_stable_offset, answer.high_watermark) == (0, 5, 6)
        assert (offsets_of(answer), told(answer)) == ([3, 4], [(7, 3)])


async def test_an_index_that_cannot_be_read_is_a_storage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await three_transactions(running)
        partition = partition_of(running)
        monkeypatch.setattr(type(partition), "aborted_transactions", lambda *_: ErrorCode.KAFKA_STORAGE_ERROR)
        answer = one_partition(await client.ask(fetch_request("t", 0, **COMMITTED), 12))
        assert (answer.error_code, bytes(answer.records)) == (ErrorCode.KAFKA_STORAGE_ERROR, b"")


# ListOffsets


@pytest.mark.parametrize("version", range(2, 12))
async def test_to_a_reader_of_committed_data_a_partition_ends_at_the_last_stable_offset(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        partition = partition_of(running)
        await begin(partition, 7, b"a", timestamp=100)
        end(partition, 7, commit=True)
        await begin(partition, 8, b"b", timestamp=1 << 45)

        async def offset_for(timestamp: int, isolation_level: int, replica_id: int = -1) -> tuple[int, int]:
            request = offsets_request("t", timestamp, isolation_level=isolation_level, replica_id=replica_id)
            [topic] = (await client.ask(request, version)).topics
            [found] = topic.partitions
            assert found.error_code == ErrorCode.NONE
            return found.timestamp, found.offset

        assert await offset_for(-1, 1) == (-1, 2)
        assert await offset_for(-1, 0) == (-1, 3)
        assert await offset_for(-1, 1, replica_id=1) == (-1, 3)  # means nothing to those
        assert await offset_for(-2, 1) == (-1, 0)
        assert await offset_for(50, 1) == (100, 0)
        assert await offset_for(1 << 44, 0) == (1 << 45, 2)
        assert await offset_for(1 << 44, 1) == (-1, -1)
        if version >= 7:
            assert await offset_for(-3, 0) == (1 << 45, 2)
            assert await offset_for(-3, 1) == (-1, -1)
        end(partition, 8, commit=False)
        assert await offset_for(-1, 1) == (-1, 4)
        assert await offset_for(1 << 44, 1) == (1 << 45, 2)
