"""A consumer group under whatever members do, whenever they do it, while topics come, grow and go.

Members of both protocols, by names and by expressions, static ones and others, join, heartbeat, forget to,
die, come back, take their time to give partitions back, and leave; the broker dies in between. What must hold
after every step:

1. Of the members that the group counts as its own, no two have one partition; nor has the group given one
   partition to two.
2. The epochs of a group never go back, not by a restart and not by a change of its kind: group, target,
   members; a member is never ahead of the target, nor the target of the group.
3. Replaying the log, as bytes, gives what is in memory.
4. The books are those that follow from the members.
5. Whoever is waited for is waited for by a timer.

And whenever members heartbeat for a while and nothing else happens, the group is stable, and each partition
of each topic that anybody subscribes to has an owner.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import State as ClassicState
from kwire.coordinators.groups.consumer.group import ConsumerGroup, State
from kwire.coordinators.groups.consumer.member import ConsumerGroupMember, MemberState
from kwire.coordinators.groups.consumer.watch import classic_sync_key, revocation_key
from kwire.coordinators.groups.coordinator import GroupCoordinator
from kwire.coordinators.groups.member import session_key
from kwire.coordinators.groups.records import GroupsFormat
from kwire.coordinators.groups.settings import GroupSettings
from tests.coordinators.groups.consumer.classic import ClassicConsumer
from tests.coordinators.groups.consumer.context import Consumer, Groups
from tests.coordinators.groups.context import GROUP

NAMES = ["orders_eu", "orders_us", "events"]
SUBSCRIPTIONS: list[tuple[str, ...]] = [(), ("orders_eu",), ("orders_eu", "events"), ("events", "orders_us")]
EXPRESSIONS = ["orders_.*", ".*", "nothing"]
INSTANCES = [None, None, None, "one", "two"]
AWAY = (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_ID_NOT_FOUND)
Who = Consumer | ClassicConsumer


class GroupUnderFire(RuleBasedStateMachine):
    """Rules are what members, topics, time and crashes do."""

    @initialize(
        interval_ms=st.sampled_from([0, 0, 1_000]),
        policy=st.sampled_from(["bidirectional", "bidirectional", "upgrade", "downgrade", "disabled"]),
        max_size=st.sampled_from([4, 100]),
        kinds=st.sampled_from(["consumers", "consumers", "both"]),
    )
    def start(self, interval_ms: int, policy: str, max_size: int, kinds: str) -> None:
        self.mixes = kinds == "both"
        self.shard = Groups(
            GroupSettings(migration_policy=policy, consumer_max_size=max_size), orders_eu=5, events=2
        )
        self.shard.configure(assignment_interval_ms=interval_ms)
        self.consumers: list[Consumer] = []
        self.classics: list[ClassicConsumer] = []
        self.lazy: set[str] = set()
        """Members that keep what they have to give back, for now."""
        self.epochs = (0, 0)
        self.of_members: dict[str, int] = {}
        self.born = 0
        self.loaded = GroupCoordinator(self.shard.settings, self.shard.view)
        self.replayed = 0

    # What happens

    @rule(
        topics=st.sampled_from([*SUBSCRIPTIONS[1:], None]),
        expression=st.sampled_from(EXPRESSIONS),
        instance=st.sampled_from(INSTANCES),
        assignor=st.sampled_from([None, "uniform", "range"]),
    )
    def newcomer(
        self, topics: tuple[str, ...] | None, expression: str, instance: str | None, assignor: str | None
    ) -> None:
        self.born += 1
        told: dict[str, Any] = {"server_assignor": assignor}
        if instance is not None:
            told["instance_id"] = instance
        if topics is None:
            told["subscribed_topic_regex"] = expression
        consumer = Consumer(self.shard, f"m{self.born}", topics, **told)
        self.consumers.append(consumer)
        self._beat(consumer)

    @precondition(lambda self: self.mixes)
    @rule(topics=st.sampled_from(SUBSCRIPTIONS[1:]), instance=st.sampled_from(INSTANCES))
    def classic_newcomer(self, topics: tuple[str, ...], instance: str | None) -> None:
        classic = ClassicConsumer(self.shard, topics, instance)
        self.classics.append(classic)
        classic.step()

    @precondition(lambda self: self.consumers or self.classics)
    @rule(order=st.lists(st.integers(0, 9), min_size=1, max_size=10))
    def some_heartbeat(self, order: list[int]) -> None:
        for number in order:
            everybody = self._everybody()
            self._step(everybody[number % len(everybody)])

    @precondition(lambda self: self.consumers)
    @rule(data=st.data())
    def takes_its_time(self, data: st.DataObject) -> None:
        self.lazy.add(data.draw(st.sampled_from(self.consumers)).member_id)

    @precondition(lambda self: self.consumers)
    @rule(
        data=st.data(), topics=st.sampled_from(SUBSCRIPTIONS), expression=st.sampled_from(["", *EXPRESSIONS])
    )
    def subscribe(self, data: st.DataObject, topics: tuple[str, ...], expression: str) -> None:
        consumer = data.draw(st.sampled_from(self.consumers))
        consumer.topics = topics
        consumer.told["subscribed_topic_regex"] = expression
        self._beat(consumer, subscribed_topic_names=topics, subscribed_topic_regex=expression)

    @precondition(lambda self: self.consumers)
    @rule(data=st.data())
    def misses_an_answer(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.consumers)).miss_an_answer()

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), comes_back=st.booleans())
    def leave(self, data: st.DataObject, comes_back: bool) -> None:
        consumer = data.draw(st.sampled_from(self.consumers))
        consumer.leave(-2 if comes_back and "instance_id" in consumer.told else -1)
        if not comes_back:
            self.consumers.remove(consumer)

    @precondition(lambda self: self.classics)
    @rule(data=st.data())
    def classic_leave(self, data: st.DataObject) -> None:
        classic = data.draw(st.sampled_from(self.classics))
        self.classics.remove(classic)
        classic.leave()

    @precondition(lambda self: self.consumers or self.classics)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """It says nothing any more, and its place is taken by nobody until its session ends."""
        who = data.draw(st.sampled_from(self._everybody()))
        if isinstance(who, Consumer):
            self.consumers.remove(who)
        else:
            self.classics.remove(who)

    @rule(name=st.sampled_from(NAMES), count=st.integers(1, 3))
    def create_or_grow(self, name: str, count: int) -> None:
        topic = self.shard.topics.get(name)
        if topic is None:
            self.shard.create(name, count)
        else:
            self.shard.grow(name, min(topic.partition_count + count, 8))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if name in self.shard.topics:
            self.shard.delete(name)

    @rule()
    def expressions_are_looked_up(self) -> None:
        self.shard.resolve()

    @rule(ms=st.sampled_from([1, 500, 1_000, 5_000, 11_000, 20_000, 44_000]))
    def nobody_says_anything(self, ms: int) -> None:
        self.shard.sleep(ms)

    @rule(seconds=st.sampled_from([3, 11, 61]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(0, seconds, 3):
            self.shard.sleep(3_000)
            for who in self._everybody():
                self._step(who)

    @rule()
    def crash(self) -> None:
        self.shard.restart()
        for classic in self.classics:
            classic.forget_tickets()

    @rule()
    def all_heartbeat_until_nothing_changes(self) -> None:
        self.lazy.clear()
        for consumer in self.consumers:
            consumer.obey()
        self._one_a_place()
        # Those who died, or share a place with somebody, are out first.
        for _ in range(8):
            self.shard.sleep(6_000)
            for who in self._everybody():
                self._step(who)
        for _ in range(25):
            self.shard.resolve()
            for who in self._everybody():
                self._step(who)
            self.shard.sleep(1_000)
        group = self.shard.machine.consumer_group(GROUP)
        if group is not None:
            # Nobody looks for what classic members alone have left to each other, where they may not become
            # a classic group again: a heartbeat of theirs computes no target. So it is in Kafka.
            if group.classic_member_count < len(group.members):
                assert group.state is State.STABLE
                self._all_is_owned(group)
        elif (classic := self.shard.machine.group(GROUP)) is not None:
            assert classic.state in (ClassicState.STABLE, ClassicState.EMPTY)

    def _one_a_place(self) -> None:
        """Of those who fight for one instance id, the last one stays."""
        holders: dict[object, Who] = {}
        for who in self._everybody():
            instance = who.told.get("instance_id") if isinstance(who, Consumer) else who.instance
            holders[instance or who] = who
        self.consumers = [each for each in self.consumers if each in holders.values()]
        self.classics = [each for each in self.classics if each in holders.values()]

    def _everybody(self) -> list[Who]:
        return [*self.consumers, *self.classics]

    def _step(self, who: Who) -> None:
        if isinstance(who, Consumer):
            self._beat(who)
        else:
            who.step()

    def _all_is_owned(self, group: ConsumerGroup) -> None:
        subscribed: set[str] = set()
        for member in group.members.values():
            subscribed |= member.subscribed_topic_names
            if member.subscribed_topic_regex:
                pattern = member.subscribed_topic_regex
                subscribed |= {name for name in self.shard.topics if re.fullmatch(pattern, name)}
        wanted = {
            (topic.topic_id, partition)
            for name, topic in self.shard.topics.items()
            if name in subscribed
            for partition in range(topic.partition_count)
        }
        owned = {
            (topic_id, partition)
            for member in group.members.values()
            for topic_id, partitions in member.assigned_partitions.items()
            for partition in partitions
        }
        assert owned == wanted
        for consumer in self.consumers:
            if consumer.member_id in group.members:
                told = group.members[consumer.member_id].assigned_partitions
                assert consumer.owned == {topic_id: set(mine) for topic_id, mine in told.items()}

    # What members make of the answers

    def _beat(self, consumer: Consumer, **changes: object) -> None:
        before = {topic_id: set(mine) for topic_id, mine in consumer.owned.items()}
        result = consumer.beat(**changes)
        if result.error_code in AWAY:
            consumer.rejoin()
            return
        if result.error_code is not ErrorCode.NONE:
            assert result.error_code in (
                ErrorCode.UNRELEASED_INSTANCE_ID,
                ErrorCode.FENCED_INSTANCE_ID,
                ErrorCode.GROUP_MAX_SIZE_REACHED,
            )
            consumer.rejoin()
            return
        if consumer.member_id in self.lazy:
            # It goes on with what it had, and says so.
            for topic_id, mine in before.items():
                consumer.owned.setdefault(topic_id, set()).update(mine)

    # What must hold

    @invariant()
    def no_partition_is_with_two(self) -> None:
        group = self.shard.machine.consumer_group(GROUP)
        if group is None:
            return
        given = Counter(
            (topic_id, partition)
            for member in group.members.values()
            for owned in (member.assigned_partitions, member.partitions_pending_revocation)
            for topic_id, partitions in owned.items()
            for partition in partitions
        )
        assert not given or max(given.values()) == 1
        had: dict[tuple[UUID, int], str] = {}
        for consumer in self.consumers:
            member = group.members.get(consumer.member_id)
            if member is None or consumer.epoch not in (member.member_epoch, member.previous_member_epoch):
                continue
            for topic_id, partitions in consumer.owned.items():
                for partition in partitions:
                    owner = had.setdefault((topic_id, partition), consumer.member_id)
                    assert owner == consumer.member_id, (
                        f"{partition} is with {owner} and {consumer.member_id}"
                    )

    @invariant()
    def epochs_never_go_back(self) -> None:
        group = self.shard.machine.consumer_group(GROUP)
        if group is None:
            classic = self.shard.machine.group(GROUP)
            if classic is None or classic.generation_id < self.epochs[0]:
                # The group was empty, and is another one now.
                self.epochs = (0, 0)
            self.of_members.clear()
            return
        epochs = (group.group_epoch, group.assignment_epoch)
        if epochs != (1, 1) and epochs[0] < self.epochs[0]:
            # An empty classic group gave way to it.
            assert group.group_epoch <= 2
            self.epochs = (0, 0)
            self.of_members.clear()
        assert epochs[0] >= self.epochs[0]
        assert epochs[1] >= self.epochs[1]
        assert epochs[1] <= epochs[0]
        self.epochs = epochs
        for member_id, member in group.members.items():
            assert member.member_epoch <= group.assignment_epoch
            if member.member_epoch >= 0:
                assert member.member_epoch >= self.of_members.get(member_id, 0)
        self.of_members = {member_id: max(m.member_epoch, 0) for member_id, m in group.members.items()}

    @invariant()
    def replaying_the_log_gives_what_is_in_memory(self) -> None:
        # A machine that has only ever replayed, one record after the other, is one that was loaded just now.
        loaded, records = self.loaded, GroupsFormat()
        for record in self.shard.log[self.replayed :]:
            again = records.from_bytes(*records.to_bytes(record))
            assert again is not None
            assert again == record
            loaded.replay(again)
        self.replayed = len(self.shard.log)
        live = self.shard.machine.consumer_group(GROUP)
        group = loaded.consumer_group(GROUP)
        assert (live is None) == (group is None)
        if live is not None and group is not None:
            assert hard_state(group) == hard_state(live)
        assert (loaded.group(GROUP) is None) == (self.shard.machine.group(GROUP) is None)
        assert not self.shard.machine._around.downgraded

    @invariant()
    def the_books_balance(self) -> None:
        group = self.shard.machine.consumer_group(GROUP)
        if group is None:
            return
        balanced = ConsumerGroup(GROUP)
        for expression, resolved in group.resolved_expressions.items():
            balanced.set_resolved(expression, resolved)
        for member_id, assignment in group.target.items():
            balanced.set_target(member_id, assignment)
        for member in group.members.values():
            balanced.update_member(member)
        assert books(group) == books(balanced)
        assert group.static_members == {
            member.instance_id: member.member_id
            for member in group.members.values()
            if member.instance_id is not None
        }
        assert group.target.keys() <= group.members.keys()
        assert group.resolved_expressions.keys() <= group.expressions.keys()

    @invariant()
    def somebody_wakes_whoever_is_waited_for(self) -> None:
        group = self.shard.machine.consumer_group(GROUP)
        if group is None:
            return
        timers = self.shard.timers
        for member_id, member in group.members.items():
            assert session_key(GROUP, member_id) in timers
            watch = group.watches[member_id]
            if member.state is MemberState.UNREVOKED_PARTITIONS and is_present(member):
                assert revocation_key(GROUP, member_id) in timers
                assert watch.revoking_epoch == member.member_epoch
            assert (classic_sync_key(GROUP, member_id) in timers) == watch.awaits_sync


def is_present(member: ConsumerGroupMember) -> bool:
    """Whether it speaks the consumer protocol and has not left for a while."""
    return not member.uses_classic_protocol and member.member_epoch > 0


def hard_state(group: ConsumerGroup) -> tuple[object, ...]:
    """What a restart must not change."""
    return (
        group.group_epoch,
        group.metadata_hash,
        group.assignment_epoch,
        group.assignment_timestamp_ms,
        group.members,
        group.target,
        group.resolved_expressions,
        books(group),
    )


def books(group: ConsumerGroup) -> tuple[object, ...]:
    """What follows from members, target and expressions."""
    return (
        group.static_members,
        group.inverted_target,
        group.subscriptions,
        group.expressions,
        group.server_assignors,
        group.classic_member_count,
        group.classic_protocols,
        group._partition_epochs,
    )


TestGroupUnderFire = pytest.mark.slow(GroupUnderFire.TestCase)
TestGroupUnderFire.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
