"""A broker that kills itself between any two steps of a commit, an abort or a fence, and what the next one
makes of it: before the decision the transaction is open as before, after it the outcome is carried out by
itself.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client
from tests.failpoints.lives import Folder, ask, create_topic
from tests.handlers.group_requests import fetch_request, fetched
from tests.handlers.transaction_requests import (
    Producer,
    committed_values,
    described,
    end_request,
    find_coordinator,
    init_request,
    offsets_request,
)

pytestmark = pytest.mark.slow

NONE = ErrorCode.NONE
NOT_YET = (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
SETTLE_SECONDS = 20.0
OFFSET = 17
PARTITIONS = 3

DECISION = ("before the decision", 1)
STEPS = (
    DECISION,
    ("after the decision", 1),
    ("before a marker", 1),
    ("after a marker", 1),
    ("before a marker", 2),
    ("after a marker", 2),
    ("before a marker", 3),
    ("after a marker", 3),
    ("before the offsets' marker", 1),
    ("after the offsets' marker", 1),
    ("before the completion", 1),
    ("after the completion", 1),
)
"""Failpoints, and which time they are reached."""

each_step = pytest.mark.parametrize(
    ("point", "nth"), STEPS, ids=[f"{point} {nth}".replace(" ", "-") for point, nth in STEPS]
)
each_client = pytest.mark.parametrize("classic", [True, False], ids=["classic", "with-epoch-bumps"])


async def in_a_transaction(client: Client, *, classic: bool) -> Producer:
    """A producer with a record in each partition, and offsets of a group, in its transaction."""
    await create_topic(client, "t", PARTITIONS)
    await find_coordinator(client)
    producer = Producer(client, classic=classic)
    await producer.init()
    for partition in range(PARTITIONS):
        assert await producer.produce(b"%d" % partition, partition=partition) is NONE
    if classic:
        assert (await client.ask(offsets_request(producer.producer), 3)).error_code is NONE
    topic = TxnOffsetCommit.Request.Topic
    offset = topic.Partition(partition_index=0, committed_offset=OFFSET, committed_metadata="m")
    request = TxnOffsetCommit.Request(
        transactional_id="tx",
        group_id="g",
        producer_id=producer.producer[0],
        producer_epoch=producer.producer[1],
        topics=[topic(name="t", partitions=[offset])],
    )
    answer = await client.ask(request, 3 if classic else 5)
    assert answer.topics[0].partitions[0].error_code is NONE
    return producer


async def state_of(client: Client) -> str:
    """The transaction's state, once its coordinator has loaded it."""
    while True:
        await find_coordinator(client)
        found = await described(client)
        if found.error_code is NONE:
            return found.transaction_state
        assert found.error_code in NOT_YET, found
        await trio.lowlevel.checkpoint()


async def settled_state(client: Client) -> str:
    """The transaction's state, once what is decided is carried out. Nobody asks for that."""
    with trio.fail_after(SETTLE_SECONDS):
        while (state := await state_of(client)).startswith("Prepare"):
            await trio.lowlevel.checkpoint()
    return state


async def committed_offset(client: Client) -> int:
    while True:
        response = await client.ask(fetch_request("g", 7, [0]), 7)
        if response.error_code is NONE:
            return fetched(response, 7)[0][0]
        await trio.lowlevel.checkpoint()


async def open_transactions(client: Client) -> list[int]:
    """Partitions with records that wait for a marker; -1 is that of the offsets."""
    asked = DescribeProducers.Request.Topic
    topics = [asked(name="t", partition_indexes=list(range(PARTITIONS)))]
    topics.append(asked(name="__consumer_offsets", partition_indexes=[0]))
    answer = await client.ask(DescribeProducers.Request(topics=topics), 0)
    return [
        partition.partition_index if topic.name == "t" else -1
        for topic in answer.topics
        for partition in topic.partitions
        if any(producer.current_txn_start_offset != -1 for producer in partition.active_producers)
    ]


async def check_outcome(client: Client, *, commit: bool) -> None:
    """All of it is visible, or nothing, and nothing is left open."""
    assert await settled_state(client) == ("CompleteCommit" if commit else "CompleteAbort")
    for partition in range(PARTITIONS):
        assert await committed_values(client, partition=partition) == ([b"%d" % partition] if commit else [])
    assert await committed_offset(client) == (OFFSET if commit else -1)
    assert await open_transactions(client) == []


async def check_still_open(client: Client) -> None:
    """Nothing is decided, so nothing has happened."""
    assert await state_of(client) == "Ongoing"
    for partition in range(PARTITIONS):
        assert await committed_values(client, partition=partition) == []
    assert await committed_offset(client) == -1
    assert await open_transactions(client) == [*range(PARTITIONS), -1]


@each_client
@pytest.mark.parametrize("commit", [True, False], ids=["commit", "abort"])
@each_step
async def test_an_end_survives_a_kill_at_any_step(
    folder: Folder, point: str, nth: int, commit: bool, classic: bool
) -> None:
    version = 4 if classic else 5
    async with folder.broker(point, nth) as broker, broker.client() as client:
        producer = await in_a_transaction(client, classic=classic)
        before = producer.producer
        told = await ask(client, end_request(before, commit=commit), version)
        # Who is told of a decision is told the truth; before it is written nobody is.
        assert told is None or (told.error_code is NONE and (point, nth) not in STEPS[:2])
    async with folder.broker() as broker, broker.client() as client:
        if (point, nth) == DECISION:
            await check_still_open(client)
        else:
            await check_outcome(client, commit=commit)
        # Whatever it was told, the client asks again.
        again = await ended(client, before, commit, version)
        if not classic:
            assert (again.producer_id, again.producer_epoch) == (before[0], before[1] + 1)
        await check_outcome(client, commit=commit)
        next_one = Producer(client, classic=classic)
        next_one.producer = before if classic else (again.producer_id, again.producer_epoch)
        next_one._sequences = {("t", 0): 1} if classic else {}
        assert await next_one.produce(b"next") is NONE
        assert await next_one.end() is NONE
        assert await settled_state(client) == "CompleteCommit"
        assert await committed_values(client) == ([b"0", b"next"] if commit else [b"next"])


async def ended(client: Client, producer: tuple[int, int], commit: bool, version: int) -> Any:
    """EndTxn, asked until the coordinator is ready."""
    while True:
        answer = await client.ask(end_request(producer, commit=commit), version)
        if answer.error_code not in (*NOT_YET, ErrorCode.CONCURRENT_TRANSACTIONS):
            assert answer.error_code is NONE, answer
            return answer
        await trio.lowlevel.checkpoint()


@each_client
@each_step
async def test_a_fence_survives_a_kill_at_any_step(
    folder: Folder, point: str, nth: int, classic: bool
) -> None:
    async with folder.broker(point, nth) as broker, broker.client() as client:
        zombie = await in_a_transaction(client, classic=classic)
        told = await ask(client, init_request(), 4)
        assert told is None or told.error_code is ErrorCode.CONCURRENT_TRANSACTIONS
    async with folder.broker() as broker, broker.client() as client:
        if (point, nth) == DECISION:
            await check_still_open(client)
        else:
            await check_outcome(client, commit=False)
        await find_coordinator(client)
        successor = Producer(client, classic=classic)
        await successor.init()
        assert successor.producer[0] == zombie.producer[0]
        assert successor.producer[1] > zombie.producer[1]
        zombie.client = client
        fenced = (ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH)
        assert await zombie.end() in fenced
        assert await zombie.produce(b"late") in fenced
        assert await successor.produce(b"new") is NONE
        assert await successor.end() is NONE
        assert await settled_state(client) == "CompleteCommit"
        assert await committed_values(client) == [b"new"]
        assert await open_transactions(client) == []


@pytest.mark.parametrize("commit", [True, False], ids=["commit", "abort"])
@pytest.mark.parametrize(
    ("point", "nth"), STEPS[2:-1], ids=[f"{point} {nth}".replace(" ", "-") for point, nth in STEPS[2:-1]]
)
async def test_what_is_carried_out_after_a_kill_survives_another(
    folder: Folder, point: str, nth: int, commit: bool
) -> None:
    async with folder.broker("after the decision") as broker, broker.client() as client:
        producer = await in_a_transaction(client, classic=False)
        assert await ask(client, end_request(producer.producer, commit=commit), 5) is None
    async with folder.broker(point, nth):
        pass  # it goes on by itself, and dies
    async with folder.broker() as broker, broker.client() as client:
        await check_outcome(client, commit=commit)
