"""Offsets under commits, transactions, deletions, time and restarts, in any order, against a plain model.

The model keeps where in the log each offset stands, as Kafka does, and compares that. What must hold after
every step:

1. What is committed is what the model says: an offset of a transaction counts once that is committed, if
nothing was committed behind it, and never if it is aborted. 2. Exactly the partitions with pending offsets
are unstable. 3. A group is there while it has offsets, pending or not. 4. Loading the log comes to what is in
memory, after every step.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups import offset_expiry, offsets
from kwire.coordinators.groups.records import OffsetKey
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    CommitRequest,
    CommittedPartition,
    CommittedTopic,
    TopicPartitions,
)
from tests.coordinators.groups.context import Shard, answered

GROUPS = ["g", "h"]
TOPICS = ["t", "u"]
PARTITIONS = [0, 1]
PRODUCERS = [7, 8]
RETENTION_MS, CHECK_MS = 30_000, 7_000

groups, topics, partitions = (st.sampled_from(each) for each in (GROUPS, TOPICS, PARTITIONS))
producers = st.sampled_from(PRODUCERS)
keys = st.builds(OffsetKey, groups, topics, partitions)
numbers = st.integers(0, 100)


class Written(NamedTuple):
    """An offset, and where it stands."""

    position: int
    offset: int
    topic_id: UUID
    at_ms: int


class Model:
    """The rules, put as plainly as can be."""

    def __init__(self) -> None:
        self.position = 0
        self.committed: dict[OffsetKey, Written] = {}
        self.pending: dict[int, dict[OffsetKey, Written]] = {}

    def commit(self, key: OffsetKey, offset: int, topic_id: UUID, at_ms: int) -> None:
        self.position += 1
        self.committed[key] = Written(self.position, offset, topic_id, at_ms)

    def commit_in_transaction(self, producer_id: int, key: OffsetKey, offset: int, at_ms: int) -> None:
        self.position += 1
        written = Written(self.position, offset, UUID(int=0), at_ms)
        self.pending.setdefault(producer_id, {})[key] = written

    def end(self, producer_id: int, is_commit: bool) -> None:
        for key, written in self.pending.pop(producer_id, {}).items():
            standing = self.committed.get(key)
            if is_commit and (standing is None or written.position > standing.position):
                self.committed[key] = written

    def delete(self, key: OffsetKey) -> None:
        self.committed.pop(key, None)
        for written in self.pending.values():
            written.pop(key, None)

    @property
    def unstable(self) -> set[OffsetKey]:
        return {key for written in self.pending.values() for key in written}

    @property
    def all_keys(self) -> set[OffsetKey]:
        return self.unstable | set(self.committed)


class OffsetsUnderFire(RuleBasedStateMachine):
    """Rules are what clients, markers, administrators, time and crashes do."""

    shard: Shard

    @initialize(step=st.sampled_from([1, 3, 500]))
    def start(self, step: int) -> None:
        offset_expiry.OFFSETS_A_STEP, self.usual_expiry = step, offset_expiry.OFFSETS_A_STEP
        offsets.DELETIONS_A_STEP, self.usual_deletions = step, offsets.DELETIONS_A_STEP
        self.shard = Shard(
            GroupSettings(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=CHECK_MS)
        )
        self.model = Model()
        self.restarted_ms = 0
        self.ids = {topic: UUID(int=number) for number, topic in enumerate(TOPICS, 1)}

    def teardown(self) -> None:
        offset_expiry.OFFSETS_A_STEP = self.usual_expiry
        offsets.DELETIONS_A_STEP = self.usual_deletions

    @rule(key=keys, offset=numbers)
    def commit(self, key: OffsetKey, offset: int) -> None:
        topic_id = self.ids[key.topic]
        committed = CommittedTopic(key.topic, [CommittedPartition(key.partition, offset)], topic_id)
        request = CommitRequest(key.group, -1, "", None, [committed])
        self.shard.run(self.shard.machine.commit_offsets(request, self.shard.now_ms))
        self.model.commit(key, offset, topic_id, self.shard.now_ms)

    @rule(producer_id=producers, key=keys, offset=numbers)
    def commit_in_transaction(self, producer_id: int, key: OffsetKey, offset: int) -> None:
        told = self.shard.commit_transactional(
            offset, producer_id=producer_id, group_id=key.group, topic=key.topic, partition=key.partition
        )
        assert told is ErrorCode.NONE
        self.model.commit_in_transaction(producer_id, key, offset, self.shard.now_ms)

    @rule(producer_id=producers, is_commit=st.booleans())
    def end(self, producer_id: int, is_commit: bool) -> None:
        self.shard.end_transaction(producer_id, is_commit=is_commit)
        self.model.end(producer_id, is_commit)

    @rule(
        key=keys,
        steps=st.permutations(["begins 7", "begins 8", "plain", "ends 7", "ends 8", "restart"]),
        commits=st.sets(producers),
    )
    def race(self, key: OffsetKey, steps: list[str], commits: set[int]) -> None:
        """Two transactions and a commit meet on one partition."""
        for number, step in enumerate(steps):
            match step.split():
                case ["begins", producer_id]:
                    self.commit_in_transaction(int(producer_id), key, 200 + number)
                case ["ends", producer_id]:
                    self.end(int(producer_id), int(producer_id) in commits)
                case ["plain"]:
                    self.commit(key, 200 + number)
                case _:
                    self.restart()

    @rule(key=keys)
    def delete_offset(self, key: OffsetKey) -> None:
        wanted = [TopicPartitions(key.topic, [key.partition])]
        self.shard.run(self.shard.machine.delete_offsets(key.group, wanted, self.shard.now_ms))
        self.model.delete(key)

    @rule(group=groups)
    def delete_group(self, group: str) -> None:
        self.shard.run(self.shard.machine.delete_groups([group], self.shard.now_ms))
        for key in self.model.all_keys:
            if key.group == group:
                self.model.delete(key)
        assert self.shard.machine.group(group) is None

    @rule(topic=topics, late=st.booleans())
    def create_topic_anew(self, topic: str, late: bool) -> None:
        """`late`: what is committed of the new topic is there before the old one's offsets are forgotten."""
        gone, self.ids[topic] = self.ids[topic], UUID(int=self.ids[topic].int + 100)
        if late:
            self.commit(OffsetKey("g", topic, 0), 77)
        while answered(
            self.shard.run(self.shard.machine.delete_offsets_of_topics({topic: gone}, self.shard.now_ms))
        ):
            pass
        for key in self.model.all_keys:
            standing = self.model.committed.get(key)
            is_new = standing is not None and standing.topic_id == self.ids[topic]
            is_pending = key in self.model.unstable
            if key.topic == topic and (is_pending or not is_new):
                self.model.delete(key)

    @rule(ms=st.sampled_from([500, CHECK_MS, RETENTION_MS // 2, 2 * RETENTION_MS]))
    def sleep(self, ms: int) -> None:
        end_ms = self.shard.now_ms + ms
        self.shard.sleep(ms)
        # Expiry is looked for now and then; what must be gone is what a check since was old enough for.
        for key in set(self.model.committed) - set(self.shard.machine.committed()):
            assert key not in self.model.unstable
            assert end_ms - self.model.committed[key].at_ms >= RETENTION_MS
            self.model.delete(key)
        for key, written in self.model.committed.items():
            if key not in self.model.unstable:
                since_ms = max(written.at_ms, self.restarted_ms)
                assert end_ms - since_ms < RETENTION_MS + 2 * CHECK_MS

    @rule()
    def restart(self) -> None:
        self.shard.restart()
        self.restarted_ms = self.shard.now_ms

    @invariant()
    def committed_is_what_the_model_says(self) -> None:
        found = {key: value.offset for key, value in self.shard.machine.committed().items()}
        assert found == {key: written.offset for key, written in self.model.committed.items()}

    @invariant()
    def exactly_the_partitions_with_pending_offsets_are_unstable(self) -> None:
        assert {key for _, key in self.shard.machine.pending()} == self.model.unstable
        for group in GROUPS:
            for topic in TOPICS:
                for partition in PARTITIONS:
                    key = OffsetKey(group, topic, partition)
                    fetched = self.shard.fetched(
                        group_id=group, topic=topic, partition=partition, require_stable=True
                    )
                    unstable = fetched.error_code is ErrorCode.UNSTABLE_OFFSET_COMMIT
                    assert unstable == (key in self.model.unstable)
                    assert not unstable or fetched.offset == -1

    @invariant()
    def a_group_is_there_while_it_has_offsets(self) -> None:
        for key in self.model.all_keys:
            assert self.shard.machine.group(key.group) is not None

    @invariant()
    def loading_the_log_comes_to_the_same(self) -> None:
        machine = Shard(self.shard.settings, log=self.shard.log).machine
        assert machine.committed() == self.shard.machine.committed()
        assert machine.pending() == self.shard.machine.pending()
        for group in GROUPS:
            assert (machine.group(group) is None) == (self.shard.machine.group(group) is None)


OffsetsUnderFire.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestOffsetsUnderFire = OffsetsUnderFire.TestCase
