"""What sessions hold between them is bounded, whatever clients name; others' sessions stay what they were."""

from __future__ import annotations

import random
from typing import Any

import trio
import trio.testing
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode

from kwire.broker.fetch_sessions import FetchedPartition, FetchSession, FetchSessions
from tests.broker_client import (
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records, values_in


def partitions(count: int, first: int = 0) -> list[FetchedPartition]:
    return [FetchedPartition("t", first + index, 0, 1) for index in range(count)]


def asked(count: int, first: int = 0) -> list[Fetch.Request.Topic]:
    topic = Fetch.Request.Topic
    each = [
        topic.Partition(partition=first + index, fetch_offset=0, partition_max_bytes=1)
        for index in range(count)
    ]
    return [topic(topic="t", partitions=each)]


def sessions(max_partitions: int, slots: int = 10) -> FetchSessions:
    return FetchSessions(lambda: 0, random.Random(1), slots, 120_000, max_partitions)


def test_sessions_that_would_hold_too_much_are_declined() -> None:
    node = sessions(100)
    kept = node.create(partitions(60), False)
    assert kept is not None
    assert node.create(partitions(41), False) is None
    assert node.create(partitions(40), False) is not None
    assert (len(node), node.held_partitions) == (2, 100)
    node.end(kept.id)
    assert node.held_partitions == 40


def test_a_session_that_grows_too_much_ends_and_the_others_stay() -> None:
    node = sessions(100)
    owner = node.create(partitions(30), False)
    greedy = node.create(partitions(1), False)
    assert owner is not None
    assert greedy is not None
    for step in range(10):
        resumed = node.resume(greedy.id, greedy.epoch, False)
        if not isinstance(resumed, FetchSession):
            break
        assert node.update(resumed, asked(10, first=10 * step), ()) is (step < 7)
    assert node.held_partitions == 30
    assert node.resume(owner.id, owner.epoch, False) is owner
    assert node.resume(greedy.id, greedy.epoch, False) is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_forgotten_partitions_make_room() -> None:
    node = sessions(100)
    session = node.create(partitions(100), False)
    assert session is not None
    assert node.update(session, (), [("t", index) for index in range(50)])
    assert node.held_partitions == 50


async def test_a_stranger_with_a_session_s_id_and_a_wrong_epoch_changes_nothing_for_its_owner() -> None:
    async with serving() as running, connected(running) as owner, connected(running) as stranger:
        await create_topic(running, "t")
        first = await owner.ask(fetch_request("t", 0, session_epoch=0), 7)
        session_id = first.session_id
        assert session_id
        for epoch in (2, 3, 2**31 - 1, -5):
            refused = await stranger.ask(fetch_request("t", 7, session_id=session_id, session_epoch=epoch), 7)
            assert refused.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
        for guessed in (session_id + 1, 1, 2**31 - 1):
            refused = await stranger.ask(fetch_request("t", 7, session_id=guessed, session_epoch=1), 7)
            assert refused.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        again = await owner.ask(fetch_request("t", 0, session_id=session_id, session_epoch=1), 7)
        assert (again.error_code, again.session_id, again.responses) == (ErrorCode.NONE, session_id, [])


async def test_what_a_session_is_told_of_ends_with_it_or_when_it_forgets_a_partition() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2)
        each = [running.cluster.partition("t", index) for index in range(2)]

        def waited_for() -> list[bool]:
            return [partition is not None and bool(partition.waiters) for partition in each]

        async def ask(session_id: int, epoch: int, **fields: Any) -> int:
            fields.setdefault("topics", [])
            request = Fetch.Request(
                max_wait_ms=0, min_bytes=1, session_id=session_id, session_epoch=epoch, **fields
            )
            answer = await client.ask(request, 12)
            assert answer.error_code == ErrorCode.NONE
            return int(answer.session_id)

        session_id = await ask(0, 0, topics=asked(2))
        await ask(session_id, 1)
        assert waited_for() == [True, True]
        forgotten = [Fetch.Request.ForgottenTopic(topic="t", partitions=[0])]
        await ask(session_id, 2, forgotten_topics_data=forgotten)
        assert waited_for() == [False, True]
        await ask(session_id, -1)
        assert waited_for() == [False, False]
        session_id = await ask(0, 0, topics=asked(2))
        await ask(session_id, 1)
        [node_id] = running.cluster.nodes
        await running.cluster.node_stopped(node_id)
        assert waited_for() == [False, False]


async def test_a_session_that_ends_under_a_fetch_that_waits_does_not_end_the_waiting() -> None:
    async with serving() as running, connected(running) as waiting, connected(running) as other:
        await create_topic(running, "t")
        first = Fetch.Request(max_wait_ms=0, min_bytes=1, session_epoch=0, topics=asked(1))
        session_id = (await other.ask(first, 12)).session_id
        await waiting.send(
            Fetch.Request(max_wait_ms=60_000, min_bytes=1, session_id=session_id, session_epoch=1, topics=[]),
            12,
        )
        await trio.testing.wait_all_tasks_blocked(0.01)
        ends = Fetch.Request(max_wait_ms=0, min_bytes=1, session_id=session_id, session_epoch=-1, topics=[])
        await other.ask(ends, 12)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await other.ask(produce_request("t", records(b"x")), 9)
        _, told = await waiting.receive(Fetch, 12)
        assert values_in(one_partition(told).records) == [b"x"]
