"""What sessions hold between them is bounded, whatever clients name; others' sessions stay what they were."""

from __future__ import annotations

import random

from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode

from kwire.broker.fetch_sessions import FetchedPartition, FetchSession, FetchSessions
from tests.broker_client import connected, create_topic, fetch_request, serving


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
