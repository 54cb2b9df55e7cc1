"""A shard of the group coordinator on a clock that tests step by hand.

It does what the runtime does, without a log: replays an outcome's records at once, keeps them (those of
transactions, and ends of these, as the outcome has them), arms its timers and hands completions to their
tickets. `sleep(ms)` gives the keys of the timers that fired.
`restart()` gives a shard that was loaded from the records kept so far.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.consumer.surroundings import FixedView
from kwire.coordinators.groups.coordinator import GroupCoordinator
from kwire.coordinators.groups.records import GroupKey, GroupValue, OffsetKey, OffsetValue
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    ZERO_UUID,
    CommitRequest,
    CommitResult,
    CommittedPartition,
    CommittedTopic,
    FetchedOffset,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    Protocol,
    SyncRequest,
    SyncResult,
    TopicPartitions,
    TransactionalCommitRequest,
)
from kwire.coordinators.outcome import Outcome, Ticket, TransactionalRecord, TransactionEnd

R = TypeVar("R")
START_MS = 1_700_000_000_000
GROUP = "orders"


def subscription(*topics: str) -> bytes:
    """A consumer's metadata, version 0."""
    named = b"".join(len(topic).to_bytes(2, "big") + topic.encode() for topic in topics)
    return b"\0\0" + len(topics).to_bytes(4, "big") + named + b"\xff\xff\xff\xff"


RANGE = (Protocol("range", subscription("orders-topic")),)


class Shard:
    """One shard, its log and its timers."""

    def __init__(
        self,
        settings: GroupSettings | None = None,
        *,
        log: Sequence[Any] = (),
        view: FixedView | None = None,
    ) -> None:
        self.settings = settings or GroupSettings()
        self.view = view or FixedView()
        self.messages: list[object] = []
        self.log: list[Any] = list(log)
        self.now_ms = START_MS
        self._uuids = 0
        self._timers: dict[Hashable, int] = {}
        self._load()

    def _load(self) -> None:
        self.machine = GroupCoordinator(self.settings, self.view)
        self._timers.clear()
        self.messages.clear()
        for record in self.log:
            self._replay(record)
        self.run(self.machine.on_loaded(self.now_ms))

    def _replay(self, record: Any) -> None:
        if isinstance(record, TransactionalRecord):
            self.machine.replay_transactional(record.producer_id, record.record)
        elif isinstance(record, TransactionEnd):
            self.machine.replay_transaction_end(record.producer_id, record.is_commit)
        else:
            self.machine.replay(record)

    def restart(self, settings: GroupSettings | None = None) -> None:
        """The process died and came back: all that is left is the log."""
        self.settings = settings or self.settings
        self._load()

    def run(self, outcome: Outcome[R, Any]) -> R | Ticket[R]:
        """Do to an outcome what the runtime does."""
        for record in outcome.records:
            self._replay(record)
            self.log.append(record)
        for timer in outcome.timers:
            if timer.at_ms is None:
                self._timers.pop(timer.key, None)
            else:
                self._timers[timer.key] = timer.at_ms
        for completion in outcome.completions:
            assert not completion.ticket.delivered, "a ticket is completed once"
            completion.ticket.deliver(completion.response)
        self.messages += outcome.messages
        return outcome.response

    def sleep(self, ms: int) -> list[Hashable]:
        """Let time pass; gives the keys of the timers that fired, in order."""
        fired: list[Hashable] = []
        end_ms = self.now_ms + ms
        while True:
            due = heapq.nsmallest(1, ((at_ms, repr(key), key) for key, at_ms in self._timers.items()))
            if not due or due[0][0] > end_ms:
                break
            at_ms, _, key = due[0]
            del self._timers[key]
            self.now_ms = max(self.now_ms, at_ms)
            fired.append(key)
            self.run(self.machine.expire(key, self.now_ms))
        self.now_ms = end_ms
        return fired

    @property
    def timers(self) -> set[Hashable]:
        return set(self._timers)

    # Requests

    def uuid(self) -> UUID:
        self._uuids += 1
        return UUID(int=self._uuids)

    def join(
        self,
        member_id: str = "",
        *,
        group_id: str = GROUP,
        instance: str | None = None,
        client_id: str = "client",
        session_timeout_ms: int = 10_000,
        rebalance_timeout_ms: int = 60_000,
        protocol_type: str = "consumer",
        protocols: tuple[Protocol, ...] = RANGE,
        version: int = 9,
    ) -> JoinResult | Ticket[JoinResult]:
        request = JoinRequest(
            group_id,
            member_id,
            instance,
            client_id,
            "/127.0.0.1",
            session_timeout_ms,
            rebalance_timeout_ms,
            protocol_type,
            protocols,
            self.uuid(),
            version >= 4,
            version >= 9,
        )
        return self.run(self.machine.join(request, self.now_ms))

    def joined(self, member_id: str = "", **options: Any) -> JoinResult:
        """A JoinGroup that is answered at once."""
        return answered(self.join(member_id, **options))

    def waiting(self, member_id: str = "", **options: Any) -> Ticket[JoinResult]:
        """A JoinGroup that waits."""
        return ticket(self.join(member_id, **options))

    def member(self, **options: Any) -> tuple[str, Ticket[JoinResult]]:
        """A new dynamic member: asks for its id, then joins with it."""
        given = self.joined(**options)
        assert given.error_code is ErrorCode.MEMBER_ID_REQUIRED
        return given.member_id, ticket(self.join(given.member_id, **options))

    def sync(
        self,
        generation_id: int,
        member_id: str,
        assignments: dict[str, bytes] | None = None,
        *,
        group_id: str = GROUP,
        instance: str | None = None,
        protocol_type: str | None = "consumer",
        protocol_name: str | None = "range",
    ) -> SyncResult | Ticket[SyncResult]:
        request = SyncRequest(
            group_id, generation_id, member_id, instance, protocol_type, protocol_name, assignments or {}
        )
        return self.run(self.machine.sync(request, self.now_ms))

    def heartbeat(
        self, generation_id: int, member_id: str, *, group_id: str = GROUP, instance: str | None = None
    ) -> ErrorCode:
        return answered(
            self.run(self.machine.heartbeat(group_id, generation_id, member_id, instance, self.now_ms))
        )

    def leave(self, *members: str | LeavingMember, group_id: str = GROUP) -> LeaveResult:
        leaving = [LeavingMember(member) if isinstance(member, str) else member for member in members]
        return answered(self.run(self.machine.leave(group_id, leaving, self.now_ms)))

    def commit(
        self,
        offset: int,
        *,
        partition: int = 0,
        topic: str = "orders-topic",
        generation_id: int = -1,
        member_id: str = "",
        instance: str | None = None,
        group_id: str = GROUP,
        metadata: str | None = "",
        commit_timestamp_ms: int = -1,
        retention_time_ms: int = -1,
        version: int = 8,
    ) -> ErrorCode:
        """Commit one offset; gives the group's error, or the partition's."""
        request = CommitRequest(
            group_id,
            generation_id,
            member_id,
            instance,
            [
                CommittedTopic(
                    topic, [CommittedPartition(partition, offset, 3, metadata, commit_timestamp_ms)]
                )
            ],
            retention_time_ms,
            version >= 9,
        )
        result: CommitResult = answered(self.run(self.machine.commit_offsets(request, self.now_ms)))
        return result.error_code or result.partition_errors[0][0]

    def commit_transactional(
        self,
        offset: int,
        *,
        producer_id: int = 7,
        partition: int = 0,
        topic: str = "orders-topic",
        generation_id: int = -1,
        member_id: str = "",
        instance: str | None = None,
        group_id: str = GROUP,
        metadata: str | None = "",
        version: int = 5,
    ) -> ErrorCode:
        """Commit one offset in a producer's transaction; gives the group's error, or the partition's."""
        committed = [CommittedTopic(topic, [CommittedPartition(partition, offset, 3, metadata)])]
        request = TransactionalCommitRequest(
            producer_id,
            0,
            CommitRequest(group_id, generation_id, member_id, instance, committed, -1, version >= 6),
        )
        outcome = self.machine.commit_transactional_offsets(request, self.now_ms)
        result: CommitResult = answered(self.run(outcome))
        return result.error_code or result.partition_errors[0][0]

    def end_transaction(self, producer_id: int = 7, *, is_commit: bool = True) -> None:
        """A marker of the producer's arrives."""
        self.run(Outcome(None, [TransactionEnd(producer_id, 0, 0, is_commit)]))

    def fetched(
        self,
        *,
        partition: int = 0,
        topic: str = "orders-topic",
        group_id: str = GROUP,
        topic_id: UUID = ZERO_UUID,
        require_stable: bool = False,
    ) -> FetchedOffset:
        """One committed offset."""
        wanted = [(TopicPartitions(topic, [partition]), topic_id)]
        outcome = self.machine.fetch_offsets(group_id, wanted, require_stable=require_stable)
        return answered(self.run(outcome)).topics[0].partitions[0]

    # What it became

    def group(self, group_id: str = GROUP) -> ClassicGroup:
        group = self.machine.group(group_id)
        assert group is not None
        return group

    def state(self) -> State:
        return self.group().state

    @staticmethod
    def state_of(group: ClassicGroup) -> State:
        return group.state

    def stable(self, count: int = 1, **options: Any) -> tuple[int, list[str]]:
        """Bring a group of `count` dynamic members to Stable; gives the generation and the ids, leader
        first.
        """
        ids: list[str] = []
        joins: list[Ticket[JoinResult]] = []
        for _ in range(count):
            member_id, join = self.member(**options)
            for known in ids:
                joins.append(ticket(self.join(known, **options)))
            ids.append(member_id)
            joins.append(join)
        self.sleep(self.settings.initial_rebalance_delay_ms)
        group = self.group(options.get("group_id", GROUP))
        assert group.state is State.COMPLETING_REBALANCE
        leader = group.leader_id
        assert leader is not None
        ids.sort(key=lambda member_id: member_id != leader)
        kinds: dict[str, Any] = {
            "group_id": group.group_id,
            "protocol_type": group.protocol_type,
            "protocol_name": group.protocol_name,
        }
        for member_id in ids[1:]:
            self.sync(group.generation_id, member_id, **kinds)
        self.sync(group.generation_id, leader, {known: known.encode() for known in ids}, **kinds)
        assert self.state_of(group) is State.STABLE
        return group.generation_id, ids


def answered(response: R | Ticket[R]) -> R:
    """The answer that was given at once (or to a ticket, meanwhile)."""
    if isinstance(response, Ticket):
        assert response.response is not None, "it still waits"
        return response.response
    return response


def response_of(waited: Ticket[R]) -> R:
    """What a ticket that waited was answered."""
    assert waited.response is not None, "it still waits"
    return waited.response


def ticket(response: R | Ticket[R]) -> Ticket[R]:
    """The ticket of a response that waits."""
    assert isinstance(response, Ticket)
    return response


def last_group_value(log: Sequence[Any], group_id: str = GROUP) -> GroupValue | None:
    """What the log says last of a group."""
    for record in reversed(log):
        if record[0] == GroupKey(group_id):
            value = record.value
            assert value is None or isinstance(value, GroupValue)
            return value
    raise AssertionError("the group was never written")


def last_offset_value(log: Sequence[Any], key: OffsetKey) -> OffsetValue | None:
    """What the log says last of an offset."""
    for record in reversed(log):
        if record[0] == key:
            value = record.value
            assert value is None or isinstance(value, OffsetValue)
            return value
    raise AssertionError("the offset was never written")
