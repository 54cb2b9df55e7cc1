"""Requests before their order, or with others' ids: Kafka's codes, and nothing changes for the owner."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.offset_delete import OffsetDelete
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.group_requests import (
    commit_request,
    committed_errors,
    heartbeat_request,
    join,
    join_request,
    leave_request,
    stable_group,
    sync_request,
)
from tests.handlers.group_requests import fetch_request as offsets_request

HELLO = ApiVersions.Request(client_software_name="tests", client_software_version="1")
Step = Callable[[Client], Awaitable[ErrorCode]]


async def heartbeat(
    client: Client, group_id: str, generation_id: int, member_id: str, **fields: Any
) -> ErrorCode:
    request = heartbeat_request(group_id, generation_id, member_id, **fields)
    code: ErrorCode = (await client.ask(request, 3)).error_code
    return code


async def sync(client: Client, group_id: str, generation_id: int, member_id: str) -> ErrorCode:
    request = sync_request(group_id, 3, generation_id, member_id, {member_id: b"stolen"})
    code: ErrorCode = (await client.ask(request, 3)).error_code
    return code


async def leave(client: Client, group_id: str, member_id: str) -> ErrorCode:
    code: ErrorCode = (await client.ask(leave_request(group_id, 3, member_id), 3)).members[0].error_code
    return code


async def commit(client: Client, group_id: str, generation_id: int, member_id: str) -> ErrorCode:
    request = commit_request(group_id, 8, {0: 99}, generation_id=generation_id, member_id=member_id)
    return committed_errors(await client.ask(request, 8))[0]


async def rejoin(client: Client, group_id: str, member_id: str) -> ErrorCode:
    code: ErrorCode = (await client.ask(join_request(group_id, 5, member_id), 5)).error_code
    return code


async def forget(client: Client, group_id: str) -> ErrorCode:
    topic = OffsetDelete.Request.Topic
    asked = [topic(name="t", partitions=[topic.Partition(partition_index=0)])]
    answer = await client.ask(OffsetDelete.Request(group_id=group_id, topics=asked), 0)
    code: ErrorCode = answer.error_code or answer.topics[0].partitions[0].error_code
    return code


BEFORE_THEIR_ORDER: list[tuple[str, Step, ErrorCode]] = [
    ("sync before join", lambda c: sync(c, "new", 1, "nobody"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("heartbeat of nobody", lambda c: heartbeat(c, "new", 1, "nobody"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("heartbeat without a group", lambda c: heartbeat(c, "", 1, "nobody"), ErrorCode.INVALID_GROUP_ID),
    ("leave of nobody", lambda c: leave(c, "new", "nobody"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("join as somebody", lambda c: rejoin(c, "new", "nobody"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("commit of no generation", lambda c: commit(c, "new", 5, "nobody"), ErrorCode.ILLEGAL_GENERATION),
    ("forget of no group", lambda c: forget(c, "new"), ErrorCode.GROUP_ID_NOT_FOUND),
]


@pytest.mark.parametrize(
    ("step", "expected"),
    [(step, expected) for _, step, expected in BEFORE_THEIR_ORDER],
    ids=[name for name, _, _ in BEFORE_THEIR_ORDER],
)
async def test_what_comes_before_its_order_is_refused(step: Step, expected: ErrorCode) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        assert await step(client) == expected
        assert (await client.ask(HELLO, 3)).error_code == ErrorCode.NONE


@pytest.mark.parametrize(
    ("session_id", "epoch", "expected"),
    [
        (0, 5, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (77, 1, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (77, 2**31 - 1, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (-1, -7, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (77, -1, ErrorCode.NONE),
        (77, 0, ErrorCode.NONE),
    ],
)
async def test_a_fetch_of_a_session_that_is_not_there(
    session_id: int, epoch: int, expected: ErrorCode
) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        answer = await client.ask(fetch_request("t", 0, session_id=session_id, session_epoch=epoch), 7)
        assert answer.error_code == expected


@pytest.mark.parametrize("key", [17, 36, 24, 25, 26, 28, 38, 50, 55, 68, 71, 76])
async def test_apis_that_are_not_served_close_the_connection_and_no_other(key: int) -> None:
    """SaslHandshake where there is no SASL, transactions, tokens, the new groups."""
    async with serving() as running, connected(running) as client, connected(running) as other:
        assert (await client.ask(HELLO, 3)).error_code == ErrorCode.NONE
        await client.send_bytes(struct.pack(">ihhih", 10, key, 0, 1, -1))
        assert await client.closed_by_broker()
        assert (await other.ask(HELLO, 3)).error_code == ErrorCode.NONE


async def test_versions_may_be_asked_for_in_the_middle() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        member_id = await stable_group(client, "g")
        for _ in range(3):
            assert (await client.ask(HELLO, 3)).error_code == ErrorCode.NONE
            assert await heartbeat(client, "g", 1, member_id) == ErrorCode.NONE


GUESSES: list[tuple[str, Callable[[Client, str], Awaitable[ErrorCode]], ErrorCode]] = [
    ("heartbeat by a guess", lambda c, m: heartbeat(c, "g", 1, m + "x"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("heartbeat of another generation", lambda c, m: heartbeat(c, "g", 2, m), ErrorCode.ILLEGAL_GENERATION),
    ("heartbeat in another group", lambda c, m: heartbeat(c, "h", 1, m), ErrorCode.UNKNOWN_MEMBER_ID),
    (
        "heartbeat as an instance",
        lambda c, m: heartbeat(c, "g", 1, m, group_instance_id="i"),
        ErrorCode.UNKNOWN_MEMBER_ID,
    ),
    ("leave by a guess", lambda c, m: leave(c, "g", m[:-1]), ErrorCode.UNKNOWN_MEMBER_ID),
    ("leave of another group", lambda c, m: leave(c, "h", m), ErrorCode.UNKNOWN_MEMBER_ID),
    ("commit by a guess", lambda c, m: commit(c, "g", 1, "guess"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("commit of another generation", lambda c, m: commit(c, "g", 7, m), ErrorCode.ILLEGAL_GENERATION),
    ("commit by nobody", lambda c, _: commit(c, "g", -1, ""), ErrorCode.UNKNOWN_MEMBER_ID),
    ("sync by a guess", lambda c, m: sync(c, "g", 1, m.upper()), ErrorCode.UNKNOWN_MEMBER_ID),
    ("sync of another generation", lambda c, m: sync(c, "g", 0, m), ErrorCode.ILLEGAL_GENERATION),
    ("sync in another group", lambda c, m: sync(c, "h", 1, m), ErrorCode.UNKNOWN_MEMBER_ID),
    ("join by a guess", lambda c, _: rejoin(c, "g", "guess"), ErrorCode.UNKNOWN_MEMBER_ID),
    ("forget what is consumed", lambda c, _: forget(c, "g"), ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC),
]


@pytest.mark.parametrize(
    ("guess", "expected"),
    [(guess, expected) for _, guess, expected in GUESSES],
    ids=[name for name, _, _ in GUESSES],
)
async def test_a_stranger_in_a_group_changes_nothing_for_its_owner(
    guess: Callable[[Client, str], Awaitable[ErrorCode]], expected: ErrorCode
) -> None:
    async with serving() as running, connected(running) as owner, connected(running) as stranger:
        await create_topic(running, "t")
        member_id = await stable_group(owner, "g")
        await join(stranger, "h", 5)
        mine = commit_request("g", 8, {0: 5}, generation_id=1, member_id=member_id)
        assert committed_errors(await owner.ask(mine, 8)) == {0: ErrorCode.NONE}
        assert await guess(stranger, member_id) == expected
        assert await heartbeat(owner, "g", 1, member_id) == ErrorCode.NONE
        synced = await owner.ask(sync_request("g", 3, 1, member_id, {}), 3)
        assert (synced.error_code, synced.assignment) == (ErrorCode.NONE, b"mine")
        fetched = await owner.ask(offsets_request("g", 7, [0]), 7)
        assert fetched.topics[0].partitions[0].committed_offset == 5


async def test_a_producer_s_id_in_the_hands_of_another_cannot_break_its_sequence() -> None:
    """Whatever does not fit what the owner sent is refused; what the owner sends next is taken."""

    def sequenced(producer_id: int, epoch: int, sequence: int) -> bytearray:
        return batch.build(
            [Record(None, b"v", timestamp=1)],
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
        )

    async with serving() as running, connected(running) as owner, connected(running) as stranger:
        await create_topic(running, "t")
        mine = (
            await owner.ask(InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1), 3)
        ).producer_id
        theirs = (
            await stranger.ask(InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1), 3)
        ).producer_id
        assert mine != theirs

        async def produced(client: Client, *fields: int) -> tuple[ErrorCode, int]:
            answer = one_partition(await client.ask(produce_request("t", sequenced(*fields)), 9))
            return answer.error_code, answer.base_offset

        assert await produced(owner, mine, 1, 0) == (ErrorCode.NONE, 0)
        assert (await produced(stranger, mine, 0, 1))[0] == ErrorCode.INVALID_PRODUCER_EPOCH
        assert (await produced(stranger, mine, 1, 7))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert await produced(stranger, mine, 1, 0) == (ErrorCode.NONE, 0)  # a duplicate: nothing is added
        assert await produced(owner, mine, 1, 1) == (ErrorCode.NONE, 1)
        assert await produced(stranger, theirs, 0, 0) == (ErrorCode.NONE, 2)
