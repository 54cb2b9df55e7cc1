"""A broker that kills itself between any two steps of a rebalance, and what members find afterwards: what
they were told holds, what was not written is as it was before, and the rebalance comes to its end.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import trio
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client
from tests.failpoints.lives import Folder, Life, ask, create_topic
from tests.handlers.consumer_group_requests import assigned, beat_request, join_fields
from tests.handlers.consumer_group_requests import described as consumer_group
from tests.handlers.group_requests import (
    described,
    heartbeat_request,
    join,
    join_request,
    stable_group,
    sync_request,
)

pytestmark = pytest.mark.slow

NONE = ErrorCode.NONE
PARTITIONS = 4
LOADING = (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR)


async def find_group(client: Client) -> None:
    """Has the topic of offsets made, and the group loaded."""
    while True:
        found = await client.ask(FindCoordinator.Request(key="g", key_type=0), 3)
        if found.error_code is NONE and (await described(client, "g")).error_code not in LOADING:
            return
        await trio.lowlevel.checkpoint()


# Classic groups: a stable group of one member, and another joins.

FIRST_GENERATION = 1
CLASSIC_STEPS = (
    ("before a join is answered", 2),
    ("before a join is answered", 3),
    ("before a generation", 3),
    ("after a generation", 3),
    ("before a sync is answered", 2),
    ("before a sync is answered", 3),
)
"""Failpoints, and which time they are reached: before, a group is made, a record without a generation,
and its first generation has a member that joins and asks too.
"""


class Rebalance:
    """What two members of a classic group are told; None where the broker dies first."""

    def __init__(self) -> None:
        self.first = ""
        self.second = ""
        self.joined: dict[str, Any] = {}
        self.synced: dict[str, Any] = {}

    async def run(self, broker: Life) -> None:
        async with broker.client() as one, broker.client() as two:
            await create_topic(one, "t", PARTITIONS)
            await find_group(one)
            self.first = await stable_group(one, "g")
            answer = await two.ask(join_request("g", 4), 4)
            assert answer.error_code is ErrorCode.MEMBER_ID_REQUIRED
            self.second = answer.member_id
            clients = {self.first: one, self.second: two}
            async with trio.open_nursery() as nursery:
                for member_id, client in clients.items():
                    nursery.start_soon(self._join, client, member_id)
            leader = next((each.leader for each in self.joined.values() if each is not None), self.first)
            async with trio.open_nursery() as nursery:
                for member_id, client in clients.items():
                    given = {self.first: b"one", self.second: b"two"} if member_id == leader else {}
                    nursery.start_soon(self._sync, client, member_id, given)

    async def _join(self, client: Client, member_id: str) -> None:
        self.joined[member_id] = await ask(client, join_request("g", 4, member_id), 4)

    async def _sync(self, client: Client, member_id: str, given: dict[str, bytes]) -> None:
        self.synced[member_id] = await ask(
            client, sync_request("g", 4, FIRST_GENERATION + 1, member_id, given), 4
        )


@pytest.mark.parametrize(
    ("point", "nth"), CLASSIC_STEPS, ids=[f"{point} {nth}".replace(" ", "-") for point, nth in CLASSIC_STEPS]
)
async def test_a_classic_group_survives_a_kill_at_any_step_of_a_rebalance(
    folder: Folder, point: str, nth: int
) -> None:
    rebalance = Rebalance()
    async with folder.broker(point, nth) as broker:
        await rebalance.run(broker)
    first, second = rebalance.first, rebalance.second
    expected = {first: b"one", second: b"two"}
    for member_id, told in rebalance.synced.items():
        assert told is None or (told.error_code is NONE and told.assignment == expected[member_id])
    is_written = point in ("after a generation", "before a sync is answered")
    async with folder.broker() as broker, broker.client() as client:
        await find_group(client)
        generation = FIRST_GENERATION + 1
        answers = {
            member_id: await client.ask(sync_request("g", 4, generation, member_id, {}), 4)
            for member_id in expected
        }
        if is_written:
            # All of the generation is there, whoever was told of it.
            assert {each: answer.assignment for each, answer in answers.items()} == expected
            assert all(answer.error_code is NONE for answer in answers.values())
        else:
            # The last generation is: Kafka, too, writes one down with its assignments only.
            assert answers[first].error_code is ErrorCode.ILLEGAL_GENERATION
            assert answers[second].error_code is ErrorCode.UNKNOWN_MEMBER_ID
            assert not any(rebalance.synced.values())
            beat = await client.ask(heartbeat_request("g", FIRST_GENERATION, first), 3)
            assert beat.error_code is NONE
            kept = await client.ask(sync_request("g", 4, FIRST_GENERATION, first, {}), 4)
            assert (kept.error_code, kept.assignment) == (NONE, b"mine")
            second = await joined_again(broker, client, first)
            expected = {first: b"one", second: b"two"}
        for member_id in expected:
            beat = await client.ask(heartbeat_request("g", generation, member_id), 3)
            assert beat.error_code is NONE
        group = await described(client, "g")
        assert group.group_state == "Stable"
        assert {member.member_id: bytes(member.member_assignment) for member in group.members} == expected


async def joined_again(broker: Life, client: Client, first: str) -> str:
    """The rebalance that the crash undid, once more; gives the second member's new id."""
    async with broker.client() as other, trio.open_nursery() as nursery:
        joined = []

        async def join_anew() -> None:
            joined.append(await join(other, "g", 4))

        nursery.start_soon(join_anew)
        while True:
            beat = await client.ask(heartbeat_request("g", FIRST_GENERATION, first), 3)
            if beat.error_code is ErrorCode.REBALANCE_IN_PROGRESS:
                break
            await trio.lowlevel.checkpoint()
        mine = await client.ask(join_request("g", 4, first), 4)
        assert (mine.error_code, mine.generation_id) == (NONE, FIRST_GENERATION + 1)
        while not joined:
            await trio.lowlevel.checkpoint()
        second: str = joined[0].member_id
        given = {first: b"one", second: b"two"}
        leader, follower = (client, other) if mine.leader == first else (other, client)
        ids = {client: first, other: second}
        answer = await leader.ask(sync_request("g", 4, FIRST_GENERATION + 1, ids[leader], given), 4)
        assert answer.error_code is NONE
        answer = await follower.ask(sync_request("g", 4, FIRST_GENERATION + 1, ids[follower], {}), 4)
        assert answer.error_code is NONE
    return second


# Consumer groups: one member has everything, another joins, half changes hands.

CONSUMER_STEPS = (
    ("before a group's epoch", 1),
    ("after a group's epoch", 1),
    ("before a group's epoch", 2),
    ("after a group's epoch", 2),
    ("before a target", 2),
    ("after a target", 2),
    ("before a member's assignment", 1),
    ("after a member's assignment", 1),
    ("before a member's assignment", 2),
    ("after a member's assignment", 2),
    ("before a member's assignment", 3),
    ("after a member's assignment", 3),
    ("before a member's assignment", 4),
    ("after a member's assignment", 4),
    ("before a member's assignment", 5),
    ("after a member's assignment", 5),
)
"""Failpoints, and which time they are reached. Members' assignments: the first has all; the second joins with
none; the first is to give back; it has given back; the second has its half.
"""


SETTLE_SECONDS = 20.0
LAST_EPOCH = 3
"""Kafka's groups begin with 1, and two members have joined."""


class Member:
    """A member of a consumer group, as a client is one: it asks again when it was not answered."""

    def __init__(self, member_id: str) -> None:
        self.member_id = member_id
        self.epoch = 0
        self.owned: set[int] = set()
        self.told_epochs: list[int] = []
        self._acknowledged: set[int] | None = None

    async def beat(self, client: Client, topic_id: UUID) -> bool:
        """One heartbeat; False when the broker has gone."""
        # Who was not answered says everything again, and is told everything.
        fields: dict[str, Any] = join_fields("t") if self._acknowledged is None else {}
        if self.epoch and self._acknowledged != self.owned:
            owned = ConsumerGroupHeartbeat.Request.TopicPartitions
            fields["topic_partitions"] = (
                [owned(topic_id=topic_id, partitions=sorted(self.owned))] if self.owned else []
            )
        said = set(self.owned)
        answer = await ask(client, beat_request("g", self.member_id, self.epoch, **fields), 1)
        if answer is None:
            self._acknowledged = None
            return False
        if answer.error_code in LOADING:
            return True
        assert answer.error_code is NONE, answer
        self._acknowledged = said
        self.epoch = answer.member_epoch
        self.told_epochs.append(self.epoch)
        if (told := assigned(answer)) is not None:
            self.owned = set(told.get(topic_id, []))
        return True


async def rebalanced(broker: Life, members: list[Member]) -> bool:
    """Members join one after the other, and beat until each has its half; False when the broker dies."""
    one, two = members
    with trio.fail_after(SETTLE_SECONDS):
        return await _rebalanced(broker, one, two)


async def _rebalanced(broker: Life, one: Member, two: Member) -> bool:
    async with broker.client() as client:
        if (topic_id := await the_topic(client)) is None:
            return False
        while len(one.owned) < PARTITIONS and not two.epoch:
            if not await one.beat(client, topic_id):
                return False
        while not (len(one.owned) == len(two.owned) == PARTITIONS // 2 and one._acknowledged == one.owned):
            for member in (two, one):
                if not await member.beat(client, topic_id):
                    return False
                assert not one.owned & two.owned, "a partition has two owners"
    return True


async def the_topic(client: Client) -> UUID | None:
    """The id of the topic, which is made if need be."""
    request = Metadata.Request(topics=[Metadata.Request.Topic(name="t")], allow_auto_topic_creation=False)
    [topic] = (await client.ask(request, 12)).topics
    if topic.error_code:
        await create_topic(client, "t", PARTITIONS)
        [topic] = (await client.ask(request, 12)).topics
    await find_group(client)
    found: UUID = topic.topic_id
    return found


@pytest.mark.parametrize(
    ("point", "nth"),
    CONSUMER_STEPS,
    ids=[f"{point} {nth}".replace(" ", "-") for point, nth in CONSUMER_STEPS],
)
async def test_a_consumer_group_survives_a_kill_at_any_step_of_a_rebalance(
    folder: Folder, point: str, nth: int
) -> None:
    members = [Member("one"), Member("two")]
    async with folder.broker(point, nth) as broker:
        assert not await rebalanced(broker, members)
    async with folder.broker() as broker:
        assert await rebalanced(broker, members)
        for member in members:
            # Nobody is thrown out, nothing goes back, and no step is taken twice.
            assert member.told_epochs == sorted(member.told_epochs)
            assert member.epoch == LAST_EPOCH
        async with broker.client() as client:
            group = await consumer_group(client, "g")
            assert (group.group_state, group.group_epoch, group.assignment_epoch) == (
                "Stable",
                LAST_EPOCH,
                LAST_EPOCH,
            )
            owned = {
                member.member_id: {
                    index for topic in member.assignment.topic_partitions for index in topic.partitions
                }
                for member in group.members
            }
            assert owned == {member.member_id: member.owned for member in members}
