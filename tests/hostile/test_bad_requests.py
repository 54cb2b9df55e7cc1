"""Requests about transactions and groups that nobody should send: Kafka's code for each, and nothing changes
for those whose transaction and groups they name.
"""

# A bad request is a line.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from kwire_codecs import wire as w
from kwire_codecs.apis.consumer_group_describe import ConsumerGroupDescribe
from kwire_codecs.apis.delete_groups import DeleteGroups
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.describe_groups import DescribeGroups
from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.apis.describe_transactions import DescribeTransactions
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.offset_delete import OffsetDelete
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, serving
from tests.handlers.consumer_group_requests import Asked, beat_request, join_fields
from tests.handlers.group_requests import (
    commit_request,
    heartbeat_request,
    join,
    join_request,
    leave_request,
    sync_request,
)
from tests.handlers.transaction_requests import (
    Producer,
    add_request,
    committed_values,
    described,
    end_request,
    init_request,
    marker_request,
    offsets_request,
    transactional_produce,
)

PROPERTIES = {
    "group.consumer.assignment.interval.ms": "0",
    "group.consumer.assignor.offload.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # A slow machine is no reason to lose a member.
    "group.consumer.session.timeout.ms": "600000",
    "group.consumer.max.session.timeout.ms": "600000",
}
NOBODY = 987_654
LONG = "x" * 30_000


@dataclass
class World:
    """A transaction that is open, a classic group and a consumer group, each with a member and an offset."""

    client: Client
    producer: tuple[int, int]
    member: str
    consumer: str
    epoch: int
    topic_id: UUID

    async def seen(self) -> list[Any]:
        """All that clients can see of it."""
        topic = OffsetFetch.Request.Group.Topic
        groups = [
            OffsetFetch.Request.Group(group_id=group_id, topics=[topic(name="t", partition_indexes=[0])])
            for group_id in ("classic", "consumer")
        ]
        partition = ListOffsets.Request.Topic.Partition
        listed = [
            ListOffsets.Request(
                replica_id=-1,
                isolation_level=level,
                topics=[
                    ListOffsets.Request.Topic(
                        name="t", partitions=[partition(partition_index=0, timestamp=-1)]
                    )
                ],
            )
            for level in (0, 1)
        ]
        asked: list[tuple[w.Struct, int]] = [
            (DescribeTransactions.Request(transactional_ids=["tx"]), 0),
            (
                DescribeProducers.Request(
                    topics=[DescribeProducers.Request.Topic(name="t", partition_indexes=[0])]
                ),
                0,
            ),
            *((request, 7) for request in listed),
            (OffsetFetch.Request(groups=groups, require_stable=False), 8),
            (DescribeGroups.Request(groups=["classic"]), 5),
            (ConsumerGroupDescribe.Request(group_ids=["consumer"], include_authorized_operations=False), 1),
        ]
        return [await self.client.ask(request, version) for request, version in asked]


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with serving(PROPERTIES) as running, connected(running) as client:
        await create_topic(running, "t", 2)
        producer = Producer(client, classic=True)
        await client.ask(w_find("tx"), 3)
        await producer.init()
        assert await producer.produce(b"open") is ErrorCode.NONE
        for group_id in ("classic", "consumer"):
            assert not errors(await client.ask(offsets_request(producer.producer, group_id), 3))
        member = (await join(client, "classic", 3, session_timeout_ms=600_000)).member_id
        assert not errors(await client.ask(sync_request("classic", 3, 1, member, {member: b"mine"}), 3))
        assert not errors(
            await client.ask(commit_request("classic", 8, {0: 5}, generation_id=1, member_id=member), 8)
        )
        joined = await client.ask(beat_request("consumer", "c", 0, **join_fields("t")), 1)
        topic_id = running.cluster.controller.image.topics["t"].id
        assert joined.member_epoch > 0
        yield World(client, producer.producer, member, "c", joined.member_epoch, topic_id)


def w_find(transactional_id: str) -> w.Struct:
    from kwire_codecs.apis.find_coordinator import FindCoordinator

    return FindCoordinator.Request(key=transactional_id, key_type=1)


def errors(message: Any) -> set[ErrorCode]:
    """All error codes anywhere in an answer, but for NONE."""
    if isinstance(message, ErrorCode):
        return {message} - {ErrorCode.NONE}
    if isinstance(message, list):
        return set().union(*(errors(each) for each in message))
    if isinstance(message, w.Struct):
        return set().union(*(errors(getattr(message, each.name)) for each in type(message).__fields__))
    return set()


def offsets_in_transaction(
    there: World, group_id: str = "classic", producer: tuple[int, int] | None = None, **fields: Any
) -> TxnOffsetCommit.Request:
    producer_id, epoch = producer or there.producer
    asked = TxnOffsetCommit.Request.Topic
    offset = asked.Partition(partition_index=0, committed_offset=7, committed_metadata="")
    return TxnOffsetCommit.Request(
        transactional_id=fields.pop("transactional_id", "tx"),
        group_id=group_id,
        producer_id=producer_id,
        producer_epoch=epoch,
        topics=[asked(name=fields.pop("topic", "t"), partitions=[offset])],
        **fields,
    )


def future(there: World) -> tuple[int, int]:
    return there.producer[0], there.producer[1] + 3


def unknown(there: World) -> tuple[int, int]:
    return NOBODY, 0


Make = Callable[[World], w.Struct]
MAPPING, FENCED = ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.PRODUCER_FENCED
OLD_FENCED, NO_MEMBER = ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID
NO_TOPIC, NOT_TRIED = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OPERATION_NOT_ATTEMPTED
NO_GROUP, GENERATION = ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.ILLEGAL_GENERATION
TIMEOUT = ErrorCode.INVALID_TRANSACTION_TIMEOUT
INVALID = ErrorCode.INVALID_REQUEST

TRANSACTIONS: list[tuple[str, int, Make, set[ErrorCode]]] = [
    ("produce, unknown producer", 11, lambda it: transactional_produce(unknown(it), b"x", 0), {MAPPING}),
    ("produce and add, unknown producer", 12, lambda it: transactional_produce(unknown(it), b"x", 0, partition=1), {MAPPING}),
    ("produce, unknown id", 12, lambda it: transactional_produce(it.producer, b"x", 0, partition=1, transactional_id="nobody"), {MAPPING}),
    ("produce, epoch to come", 11, lambda it: transactional_produce(future(it), b"x", 0), {OLD_FENCED}),
    ("produce and add, epoch to come", 12, lambda it: transactional_produce(future(it), b"x", 0, partition=1), {OLD_FENCED}),
    ("produce, no such partition", 12, lambda it: transactional_produce(it.producer, b"x", 0, partition=99), {NO_TOPIC}),
    ("init, another's id", 4, lambda it: init_request(producer_id=NOBODY, producer_epoch=0), {FENCED}),
    ("init, id alone", 4, lambda it: init_request(producer_id=it.producer[0]), {INVALID}),
    ("init, empty id", 4, lambda it: init_request(transactional_id=""), {INVALID}),
    ("init, negative time-out", 4, lambda it: init_request(timeout_ms=-1), {TIMEOUT}),
    ("init, lowest time-out", 0, lambda it: init_request(timeout_ms=-(2**31)), {TIMEOUT}),
    ("init, time-out beyond the most", 5, lambda it: init_request(timeout_ms=2**31 - 1), {TIMEOUT}),
    *(("add, unknown producer", version, lambda it, v=version: add_request(v, unknown(it), [1]), {MAPPING}) for version in range(6)),
    *(("add, epoch to come", version, lambda it, v=version: add_request(v, future(it), [1]), {OLD_FENCED if version < 2 else FENCED}) for version in range(6)),
    ("add, no such partition", 3, lambda it: add_request(3, it.producer, [1, 99, -1]), {NO_TOPIC, NOT_TRIED}),
    ("add, no such topic", 3, lambda it: add_request(3, it.producer, topic="nothing"), {NO_TOPIC}),
    ("add, the broker's own topic", 3, lambda it: add_request(3, it.producer, topic="__transaction_state"), {ErrorCode.TOPIC_AUTHORIZATION_FAILED}),
    ("add, overlong id", 3, lambda it: add_request(3, it.producer, [1], transactional_id=LONG), {MAPPING}),
    ("add, empty id", 3, lambda it: add_request(3, it.producer, [1], transactional_id=""), {INVALID}),
    *(("add offsets, unknown producer", version, lambda it: offsets_request(unknown(it)), {MAPPING}) for version in range(5)),
    *(("add offsets, epoch to come", version, lambda it: offsets_request(future(it)), {OLD_FENCED if version < 2 else FENCED}) for version in range(5)),
    *(("end, unknown producer", version, lambda it: end_request(unknown(it)), {MAPPING}) for version in range(6)),
    *(("end, epoch to come", version, lambda it: end_request(future(it)), {OLD_FENCED if version < 2 else FENCED}) for version in range(6)),
    ("end, unknown id", 5, lambda it: end_request(it.producer, transactional_id="nobody"), {MAPPING}),
    ("end, empty id", 5, lambda it: end_request(it.producer, transactional_id=""), {INVALID}),
    ("markers, no such partition", 1, lambda it: marker_request(it.producer, [99]), {NO_TOPIC}),
    ("markers, no such topic", 1, lambda it: marker_request(it.producer, topic="nothing"), {NO_TOPIC}),
    ("markers, epoch before", 1, lambda it: marker_request((it.producer[0], -1)), {OLD_FENCED}),
    ("describe, overlong id", 0, lambda it: DescribeTransactions.Request(transactional_ids=[LONG]), {ErrorCode.TRANSACTIONAL_ID_NOT_FOUND}),
]  # fmt: skip

OFFSETS: list[tuple[str, int, Make, set[ErrorCode]]] = [
    ("unknown producer", 3, lambda it: offsets_in_transaction(it, producer=unknown(it)), {MAPPING}),
    ("epoch to come", 3, lambda it: offsets_in_transaction(it, producer=future(it)), {OLD_FENCED}),
    ("epoch to come, added", 5, lambda it: offsets_in_transaction(it, producer=future(it)), {OLD_FENCED}),
    ("unknown id", 3, lambda it: offsets_in_transaction(it, transactional_id="nobody"), {MAPPING}),
    ("empty group", 3, lambda it: offsets_in_transaction(it, ""), {ErrorCode.INVALID_GROUP_ID}),
    ("no such topic", 3, lambda it: offsets_in_transaction(it, topic="nothing"), {NO_TOPIC}),
    ("a generation to come", 3, lambda it: offsets_in_transaction(it, generation_id_or_member_epoch=9, member_id=it.member), {GENERATION}),
    ("a stranger", 3, lambda it: offsets_in_transaction(it, generation_id_or_member_epoch=1, member_id="stranger"), {NO_MEMBER}),
    ("a stranger's instance", 3, lambda it: offsets_in_transaction(it, generation_id_or_member_epoch=1, member_id=it.member, group_instance_id="i"), {NO_MEMBER}),
    ("an epoch that is over", 3, lambda it: offsets_in_transaction(it, "consumer", generation_id_or_member_epoch=it.epoch - 1, member_id="c"), {GENERATION}),
    ("an epoch to come", 3, lambda it: offsets_in_transaction(it, "consumer", generation_id_or_member_epoch=it.epoch + 1, member_id="c"), {GENERATION}),
    ("not a consumer of it", 3, lambda it: offsets_in_transaction(it, "consumer", generation_id_or_member_epoch=it.epoch, member_id="stranger"), {NO_MEMBER}),
]  # fmt: skip

GROUPS: list[tuple[str, int, Make, set[ErrorCode]]] = [
    ("a consumer's heartbeat to a classic group", 1, lambda it: beat_request("classic", "c", 4), {NO_GROUP}),
    ("a consumer leaves a classic group", 1, lambda it: beat_request("classic", "c", -1), {NO_GROUP}),
    ("a classic group described as another", 1, lambda it: ConsumerGroupDescribe.Request(group_ids=["classic"], include_authorized_operations=False), {NO_GROUP}),
    ("a classic heartbeat by a consumer", 4, lambda it: heartbeat_request("consumer", it.epoch, "c"), {NO_MEMBER}),
    ("a classic sync by a consumer", 5, lambda it: sync_request("consumer", 5, it.epoch, "c", {}), {NO_MEMBER}),
    ("a classic leave by a stranger", 5, lambda it: leave_request("consumer", 5, "stranger"), {NO_MEMBER}),
    ("a classic join of another kind", 9, lambda it: join_request("consumer", 9, "m", protocol_type="connect"), {ErrorCode.INCONSISTENT_GROUP_PROTOCOL}),
    ("a consumer group described as a classic one", 6, lambda it: DescribeGroups.Request(groups=["consumer"]), {NO_GROUP}),
    ("deleting a group that is in use", 2, lambda it: DeleteGroups.Request(groups_names=["consumer", "classic"]), {ErrorCode.NON_EMPTY_GROUP}),
    ("deleting offsets that are in use", 0, lambda it: deleting_offsets("consumer"), {ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC}),
    ("a consumer's commit in an old version", 8, lambda it: commit_request("consumer", 8, {0: 1}, generation_id=it.epoch, member_id="c"), {ErrorCode.UNSUPPORTED_VERSION}),
    ("a consumer's commit in an epoch that is over", 9, lambda it: commit_request("consumer", 9, {0: 1}, generation_id=it.epoch - 1, member_id="c"), {ErrorCode.STALE_MEMBER_EPOCH}),
    ("a consumer's commit in an epoch to come", 9, lambda it: commit_request("consumer", 9, {0: 1}, generation_id=it.epoch + 1, member_id="c"), {ErrorCode.STALE_MEMBER_EPOCH}),
    ("a commit by nobody", 9, lambda it: commit_request("consumer", 9, {0: 1}), {NO_MEMBER}),
    ("a classic commit in a generation to come", 9, lambda it: commit_request("classic", 9, {0: 1}, generation_id=9, member_id=it.member), {GENERATION}),
    ("a classic commit by a stranger", 9, lambda it: commit_request("classic", 9, {0: 1}, generation_id=1, member_id="stranger"), {NO_MEMBER}),
    ("an epoch to come", 1, lambda it: beat_request("consumer", "c", it.epoch + 1), {ErrorCode.FENCED_MEMBER_EPOCH}),
    ("an epoch far behind", 1, lambda it: beat_request("consumer", "c", -3), {INVALID}),
    ("an empty group", 1, lambda it: beat_request("", "c", 0, **join_fields("t")), {INVALID}),
    ("a group of blanks", 1, lambda it: beat_request(" \t", "c", 0, **join_fields("t")), {INVALID}),
    ("an empty member", 1, lambda it: beat_request("consumer", "", 0, **join_fields("t")), {INVALID}),
    ("a negative time-out", 1, lambda it: beat_request("consumer", "d", 0, **{**join_fields("t"), "rebalance_timeout_ms": -1}), {INVALID}),
    ("an instance without a name", 1, lambda it: beat_request("consumer", "d", 0, instance_id="", **join_fields("t")), {INVALID}),
    ("an assignor that nobody has", 1, lambda it: beat_request("consumer", "d", 0, server_assignor=LONG, **join_fields("t")), {ErrorCode.UNSUPPORTED_ASSIGNOR}),
    ("partitions owned before joining", 1, lambda it: beat_request("consumer", "d", 0, rebalance_timeout_ms=9, subscribed_topic_names=["t"], topic_partitions=[Asked.TopicPartitions(topic_id=it.topic_id, partitions=[0])]), {INVALID}),
]  # fmt: skip

EXPRESSIONS: list[tuple[str, ErrorCode]] = [
    ("(a*)*", ErrorCode.NONE),
    ("((((((((((a*)*)*)*)*)*)*)*)*)*)*b", ErrorCode.NONE),
    ("(a|a|a)*" * 30 + "b", ErrorCode.NONE),
    ("x" * 30_000, ErrorCode.NONE),
    ("(ab", ErrorCode.INVALID_REGULAR_EXPRESSION),
    (r"(t)\1", ErrorCode.INVALID_REGULAR_EXPRESSION),
    ("(?=t)t", ErrorCode.INVALID_REGULAR_EXPRESSION),
    ("(?<!t)t", ErrorCode.INVALID_REGULAR_EXPRESSION),
    ("a{1001}", ErrorCode.INVALID_REGULAR_EXPRESSION),
    ("((a{100}){100}){100}", ErrorCode.INVALID_REGULAR_EXPRESSION),
    ("[b-a]", ErrorCode.INVALID_REGULAR_EXPRESSION),
    ("*", ErrorCode.INVALID_REGULAR_EXPRESSION),
    (r"\8", ErrorCode.INVALID_REGULAR_EXPRESSION),
]


def deleting_offsets(group_id: str) -> OffsetDelete.Request:
    topic = OffsetDelete.Request.Topic
    named = topic(name="t", partitions=[topic.Partition(partition_index=0)])
    return OffsetDelete.Request(group_id=group_id, topics=[named])


@pytest.mark.parametrize("table", [TRANSACTIONS, OFFSETS, GROUPS], ids=["transactions", "offsets", "groups"])
async def test_what_nobody_should_send_is_refused_and_changes_nothing(
    table: list[tuple[str, int, Make, set[ErrorCode]]],
) -> None:
    async with world() as there:
        before = await there.seen()
        for name, version, make, expected in table:
            where = f"{name}, v{version}"
            assert errors(await there.client.ask(make(there), version)) == expected, where
            assert await there.seen() == before, where
        # And those whose it is go on as if nothing had been.
        assert errors(await there.client.ask(heartbeat_request("classic", 1, there.member), 3)) == set()
        beaten = await there.client.ask(beat_request("consumer", "c", there.epoch), 1)
        assert (beaten.error_code, beaten.member_epoch) == (ErrorCode.NONE, there.epoch)
        assert errors(await there.client.ask(end_request(there.producer), 4)) == set()
        await at_rest(there.client)
        assert await committed_values(there.client) == [b"open"]


async def test_an_expression_that_would_explode_does_not() -> None:
    async with world() as there:
        before = await there.seen()
        for expression, expected in EXPRESSIONS:
            fields = {**join_fields(), "subscribed_topic_names": None, "subscribed_topic_regex": expression}
            answer = await there.client.ask(beat_request("another", "d", 0, **fields), 1)
            assert answer.error_code is expected, expression[:50]
            assert await there.seen() == before


OWNED: list[list[tuple[UUID | None, list[int]]]] = [
    [(UUID(int=77), [0])],
    [(None, [0, 0, 0])],
    [(None, [99, -1, 2**31 - 1, -(2**31)])],
    [(None, [0]), (None, [0])],
    [(UUID(int=0), [])],
    [(None, list(range(15_000)))],
]
"""Partitions by topic id; None is the topic that there is."""


async def test_what_a_member_says_that_it_owns_is_not_believed() -> None:
    async with world() as there:
        before = await there.seen()
        for owned in OWNED:
            claimed = [
                Asked.TopicPartitions(
                    topic_id=there.topic_id if topic_id is None else topic_id, partitions=indexes
                )
                for topic_id, indexes in owned
            ]
            request = beat_request("consumer", "c", there.epoch, topic_partitions=claimed)
            answer = await there.client.ask(request, 1)
            assert (answer.error_code, answer.member_epoch) == (ErrorCode.NONE, there.epoch)
            assert await there.seen() == before


@pytest.mark.parametrize(
    "assignment",
    [
        b"",
        b"\xff" * 40,
        b"\0\0\x7f\xff\xff\xff",
        b"\0\0\0\0\0\1\0\7nothing\0\0\0\1\0\0\0\5\xff\xff\xff\xff",
        b"\0\0\0\0\0\1\0\1t\0\0\0\3\0\0\0\x63\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff",
        bytes(100_000),
    ],
)
async def test_a_leader_may_assign_whatever_it_likes(assignment: bytes) -> None:
    async with world() as there:
        client = there.client
        joined = await join(client, "free", 5)
        shares = {joined.member_id: assignment}
        synced = await client.ask(sync_request("free", 5, 1, joined.member_id, shares), 5)
        assert (synced.error_code, bytes(synced.assignment)) == (ErrorCode.NONE, assignment)
        before = await there.seen()
        # A consumer that joins would have the group become another kind: then what was assigned is read.
        answer = await client.ask(beat_request("free", "d", 0, **join_fields("t")), 1)
        assert answer.error_code in (ErrorCode.NONE, NO_GROUP, ErrorCode.UNKNOWN_SERVER_ERROR)
        assert errors(await client.ask(heartbeat_request("free", 1, joined.member_id), 3)) <= {
            ErrorCode.REBALANCE_IN_PROGRESS
        }
        assert await there.seen() == before


async def at_rest(client: Client, transactional_id: str = "tx") -> None:
    """Asks until every marker is written."""
    while (await described(client, transactional_id)).transaction_state.startswith("Prepare"):
        pass


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("classic", [True, False])
async def test_a_transaction_whose_topic_is_deleted_ends_and_its_successor_is_untouched(
    commit: bool, classic: bool
) -> None:
    async with serving(PROPERTIES) as running, connected(running) as client:
        await create_topic(running, "t")
        await create_topic(running, "other")
        await client.ask(w_find("tx"), 3)
        producer = Producer(client, classic=classic)
        await producer.init()
        assert await producer.produce(b"lost") is ErrorCode.NONE
        assert await producer.produce(b"kept", "other") is ErrorCode.NONE
        await client.ask(DeleteTopics.Request(topic_names=["t"], timeout_ms=1000), 5)
        await create_topic(running, "t")
        stays = Producer(client, "outside", classic=True)
        await stays.init()
        assert await stays.produce(b"of another") is ErrorCode.NONE
        assert await producer.end(commit=commit) is ErrorCode.NONE
        await at_rest(client)
        assert await committed_values(client, "other") == ([b"kept"] if commit else [])
        assert await committed_values(client) == [], "another's transaction is open still"
        assert await stays.end() is ErrorCode.NONE
        await at_rest(client, "outside")
        assert await committed_values(client) == [b"of another"]
        await producer.init()
        assert await producer.produce(b"again") is ErrorCode.NONE
        assert await producer.end() is ErrorCode.NONE
        await at_rest(client)
        assert await committed_values(client) == [b"of another", b"again"]


async def test_more_than_a_decision_may_hold_closes_the_connection_and_changes_nothing() -> None:
    async with world() as there, serving() as other, connected(other) as stranger:
        before = await there.seen()
        huge = Asked.TopicPartitions(topic_id=UUID(int=7), partitions=list(range(25_000)))
        await stranger.send(beat_request("consumer", "c", 1, topic_partitions=[huge]), 1)
        assert await stranger.closed_by_broker()
        assert await there.seen() == before
