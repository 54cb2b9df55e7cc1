"""Offsets of transactions, from a producer's first request to what a consumer fetches, in each version."""

from __future__ import annotations

from uuid import UUID

import pytest
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, serving
from tests.handlers.group_requests import fetch_request, fetched
from tests.handlers.transaction_requests import end_request, find_coordinator, init_request, offsets_request

NONE = ErrorCode.NONE
UNSTABLE = ErrorCode.UNSTABLE_OFFSET_COMMIT


async def begun(client: Client) -> tuple[int, int]:
    """A producer's id and epoch."""
    await find_coordinator(client)
    response = await client.ask(init_request(), 4)
    assert response.error_code is NONE
    return response.producer_id, response.producer_epoch


async def commit(
    client: Client, producer: tuple[int, int], offset: int, version: int, topic_id: UUID
) -> ErrorCode:
    """Commit an offset of partition 0 of "t" in the producer's transaction."""
    asked = TxnOffsetCommit.Request.Topic
    partition = asked.Partition(partition_index=0, committed_offset=offset, committed_metadata="m")
    named = (
        asked(topic_id=topic_id, partitions=[partition])
        if version >= 6
        else asked(name="t", partitions=[partition])
    )
    response = await client.ask(
        TxnOffsetCommit.Request(
            transactional_id="tx",
            group_id="g",
            producer_id=producer[0],
            producer_epoch=producer[1],
            topics=[named],
        ),
        version,
    )
    [topic] = response.topics
    assert (topic.topic_id == topic_id) if version >= 6 else (topic.name == "t")
    code: ErrorCode = topic.partitions[0].error_code
    return code


async def stable(client: Client) -> int:
    """The offset, once no transaction may change it."""
    request = fetch_request("g", 7, [0])
    request.require_stable = True
    while True:
        offset, _, error_code = fetched(await client.ask(request, 7), 7)[0]
        if error_code is not UNSTABLE:
            assert error_code is NONE
            return offset


@pytest.mark.parametrize("is_commit", [True, False])
@pytest.mark.parametrize("version", range(7))
async def test_offsets_count_if_their_transaction_is_committed(version: int, is_commit: bool) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        topic = running.cluster.controller.image.topic("t")
        assert topic is not None
        producer = await begun(client)
        for round_number in range(3):
            if version < 5:
                added = await client.ask(offsets_request(producer), 3)
                assert added.error_code is NONE
            for offset in (10, 11):
                told = await commit(client, producer, 100 * round_number + offset, version, topic.id)
                assert told is NONE
            request = fetch_request("g", 7, [0])
            request.require_stable = True
            assert fetched(await client.ask(request, 7), 7)[0] == (-1, "", UNSTABLE)
            ended = await client.ask(end_request(producer, commit=is_commit), 5 if version >= 5 else 4)
            assert ended.error_code is NONE
            assert await stable(client) == (100 * round_number + 11 if is_commit else -1)
            if version >= 5:
                assert (ended.producer_id, ended.producer_epoch) == (producer[0], producer[1] + 1)
                producer = ended.producer_id, ended.producer_epoch


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (0, ErrorCode.INVALID_TXN_STATE),
        (3, ErrorCode.INVALID_TXN_STATE),
        (4, ErrorCode.TRANSACTION_ABORTABLE),
    ],
)
async def test_before_v5_a_group_that_was_not_added_is_refused(version: int, told: ErrorCode) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        producer = await begun(client)
        assert await commit(client, producer, 10, version, UUID(int=0)) is told
        assert await stable(client) == -1


async def test_where_transactions_are_not_verified_an_old_clients_word_is_taken() -> None:
    async with (
        serving({"transaction.partition.verification.enable": "false"}) as running,
        connected(running) as client,
    ):
        await create_topic(running, "t")
        producer = await begun(client)
        assert await commit(client, producer, 10, 3, UUID(int=0)) is NONE
        request = fetch_request("g", 7, [0])
        request.require_stable = True
        assert fetched(await client.ask(request, 7), 7)[0] == (-1, "", UNSTABLE)


async def test_a_commit_behind_the_end_of_its_transaction_begins_nothing() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        producer = await begun(client)
        assert (await client.ask(offsets_request(producer), 3)).error_code is NONE
        assert await commit(client, producer, 10, 3, UUID(int=0)) is NONE
        assert (await client.ask(end_request(producer), 4)).error_code is NONE
        assert await stable(client) == 10
        assert await commit(client, producer, 11, 3, UUID(int=0)) is ErrorCode.INVALID_TXN_STATE
        assert await stable(client) == 10


async def test_a_producer_that_another_has_followed_commits_no_more_offsets() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        old = await begun(client)
        new = await begun(client)
        assert new[1] > old[1]
        for version in (3, 5):
            told = await commit(client, old, 10, version, UUID(int=0))
            assert told is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await stable(client) == -1
