"""One shard of the group coordinator: the groups and offsets of one partition of `__consumer_offsets`.

This is the machine that the runtime turns: each operation answers with an `Outcome`, `replay` applies a
record, and `expire` is called for a timer that came due. It owns the groups of both kinds by id, finds the
one that is asked for, and says what is answered when there is none, or one of the other kind. What is asked
of consumer groups alone is in consumer/requests.py. (Kafka: GroupCoordinatorShard.)

`replay` runs in two moments. While the log loads, a classic group's record *is* the group. Afterwards the
group is in memory already, with members that wait, and the record only makes the assignment of its generation
true. A consumer group is what its records say in both.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups import administration, offsets, rebalance, sessions, sync
from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.consumer import classic_members, requests
from kwire.coordinators.groups.consumer.commits import fetch_error
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.records import CONSUMER_KEYS, group_tombstones
from kwire.coordinators.groups.consumer.replay import replay as replay_consumer
from kwire.coordinators.groups.consumer.surroundings import FixedView, Group, Surroundings, View
from kwire.coordinators.groups.consumer.values import (
    DescribedConsumerGroup,
    HeartbeatRequest,
    HeartbeatResult,
    Refusal,
)
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.loaded_sessions import BEGIN_SESSIONS, LoadedSessions
from kwire.coordinators.groups.offset_expiry import OffsetExpiry
from kwire.coordinators.groups.offset_store import OffsetStore
from kwire.coordinators.groups.records import (
    GroupKey,
    GroupsRecord,
    GroupValue,
    OffsetKey,
    OffsetValue,
    group_record,
)
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.timers import came_due
from kwire.coordinators.groups.values import (
    UNKNOWN_MEMBER_ID,
    CommitRequest,
    CommitResult,
    DescribedGroup,
    GroupResult,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    LeftMember,
    ListedGroup,
    OffsetDeleteResult,
    OffsetFetchResult,
    SyncRequest,
    SyncResult,
    TopicPartitions,
    TransactionalCommitRequest,
)
from kwire.coordinators.outcome import Outcome, Ticket, TransactionalRecord

EXPIRE_OFFSETS = "expire-offsets"
"""The timer that looks for expired offsets and empty groups."""

_NONE = ErrorCode.NONE
_ALIVE = Outcome[ErrorCode, GroupsRecord](_NONE)
"""Nearly every heartbeat: no timer has to be set for it."""
_UNKNOWN_MEMBER = Outcome[ErrorCode, GroupsRecord](ErrorCode.UNKNOWN_MEMBER_ID)


class GroupCoordinator:
    """The state machine of one shard. No clock, no I/O, no randomness.

    :param view: what consumer groups see of the cluster.
    """

    __slots__ = ("_around", "_expiry", "_groups", "_loaded", "_offsets", "_sessions", "settings")

    def __init__(self, settings: GroupSettings, view: View | None = None) -> None:
        self.settings = settings
        self._around = Surroundings(settings, FixedView() if view is None else view)
        self._groups: dict[str, Group] = self._around.groups
        self._offsets = OffsetStore()
        self._expiry = OffsetExpiry()
        self._loaded = False
        self._sessions = LoadedSessions(self._around)

    # Its life

    def replay(self, record: GroupsRecord) -> None:
        """Apply one record: of the log while loading, of an outcome afterwards."""
        key, value = record
        if isinstance(key, OffsetKey):
            assert value is None or isinstance(value, OffsetValue)
            if value is not None and key.group not in self._groups:
                self._groups[key.group] = _simple(key.group)
            self._offsets.replay(key, value)
            return
        if isinstance(key, CONSUMER_KEYS):
            assert not isinstance(value, OffsetValue | GroupValue)
            replay_consumer(self._around, key, value)
            return
        assert isinstance(key, GroupKey)
        if value is None:
            # A group that became a consumer group has left this record behind, and may be in memory already.
            if isinstance(self._groups.get(key.group), ClassicGroup):
                del self._groups[key.group]
            return
        assert isinstance(value, GroupValue)
        if not self._loaded:
            self._groups[key.group] = ClassicGroup.from_value(key.group, value)
            return
        self._around.downgraded.discard(key.group)
        group = self._groups[key.group]
        assert isinstance(group, ClassicGroup)
        if group.state is State.COMPLETING_REBALANCE and group.generation_id == value.generation:
            for member in value.members:
                group.members[member.member_id].assignment = member.assignment
            group.transition_to(State.STABLE, value.current_state_timestamp_ms)

    def replay_transactional(self, producer_id: int, record: GroupsRecord) -> None:
        """Apply one record of a producer's transaction: an offset counts once that is committed."""
        key, value = record
        if not isinstance(key, OffsetKey):
            self.replay(record)
            return
        assert value is None or isinstance(value, OffsetValue)
        if value is not None and key.group not in self._groups:
            self._groups[key.group] = _simple(key.group)
        self._offsets.replay_pending(producer_id, key, value)

    def replay_transaction_end(self, producer_id: int, is_commit: bool) -> None:
        """A producer's transaction has ended: its offsets count, or are forgotten."""
        self._offsets.replay_end(producer_id, is_commit=is_commit)

    def on_loaded(self, now_ms: int) -> Outcome[None, GroupsRecord]:
        """The log has been replayed: members' sessions begin, and expired offsets are looked for from now
        on.
        """
        self._loaded = True
        effects = Effects(now_ms)
        effects.arm(EXPIRE_OFFSETS, self.settings.offsets_retention_check_interval_ms)
        self._sessions.begin(effects)
        return effects.outcome(None)

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, GroupsRecord]:
        """A timer came due."""
        effects = Effects(now_ms)
        if key == EXPIRE_OFFSETS:
            self._expire_offsets(effects)
            return effects.outcome(None)
        if key == BEGIN_SESSIONS:
            self._sessions.go_on(effects)
            return effects.outcome(None)
        assert isinstance(key, tuple)
        group = self._groups.get(key[1])
        if group is not None:
            came_due(self._around, group, key, effects)
        return effects.outcome(None)

    # Membership

    def join(self, request: JoinRequest, now_ms: int) -> Outcome[JoinResult, GroupsRecord]:
        """JoinGroup, with a session timeout that is allowed; the ticket is completed when the join phase
        ends.
        """
        effects = Effects(now_ms)
        settings = self.settings
        named = dict(reversed([(offered.name, offered) for offered in request.protocols]))
        if len(named) < len(request.protocols):
            # Of two protocols with one name, the first counts.
            first = tuple(offered for offered in request.protocols if named.get(offered.name) is offered)
            request = request._replace(protocols=first)
        found = self._groups.get(request.group_id)
        if isinstance(found, ClassicGroup):
            return effects.outcome(rebalance.join(found, request, settings, effects))
        if found is not None and found.members:
            joined = classic_members.join(self._around, found, request, effects)
            if isinstance(joined, Refusal):
                return Outcome(JoinResult(joined.error_code))
            requests.mark_resolving(self._around, effects)
            return effects.outcome(joined)
        if request.member_id != UNKNOWN_MEMBER_ID:
            return effects.outcome(JoinResult(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
        if found is not None:
            effects.records += group_tombstones(found.group_id, (), found.resolved_expressions)
        group = self._groups[request.group_id] = ClassicGroup(request.group_id, now_ms)
        before = len(effects.records)
        response: JoinResult | Ticket[JoinResult] = rebalance.join(group, request, settings, effects)
        if len(effects.records) == before:
            # A group is in the log from its first moment, even if nothing has come of it yet.
            effects.records.append(group_record(group.group_id, GroupValue("", 0, None, None, now_ms)))
        return effects.outcome(response)

    def sync(self, request: SyncRequest, now_ms: int) -> Outcome[SyncResult, GroupsRecord]:
        """SyncGroup; the ticket is completed when the leader's assignment is there."""
        effects = Effects(now_ms)
        group = self._groups.get(request.group_id)
        if isinstance(group, ConsumerGroup):
            return effects.outcome(classic_members.sync(self._around, group, request, effects))
        if group is None or group.state is State.EMPTY:
            return effects.outcome(SyncResult(ErrorCode.UNKNOWN_MEMBER_ID))
        return effects.outcome(sync.sync(group, request, self.settings, effects))

    def heartbeat(
        self, group_id: str, generation_id: int, member_id: str, group_instance_id: str | None, now_ms: int
    ) -> Outcome[ErrorCode, GroupsRecord]:
        """Heartbeat: NONE, or what the member must do about it."""
        group = self._groups.get(group_id)
        if group is None:
            return _UNKNOWN_MEMBER
        effects = Effects(now_ms)
        if isinstance(group, ConsumerGroup):
            answer = classic_members.heartbeat(group, member_id, group_instance_id, generation_id, effects)
        else:
            answer = sessions.heartbeat(group, member_id, group_instance_id, generation_id, effects)
        return _ALIVE if answer is _NONE and not effects.timers else effects.outcome(answer)

    def leave(
        self, group_id: str, members: Sequence[LeavingMember], now_ms: int
    ) -> Outcome[LeaveResult, GroupsRecord]:
        """LeaveGroup, of one member or several."""
        effects = Effects(now_ms)
        group = self._groups.get(group_id)
        if group is None:
            left = [
                LeftMember(member.member_id, member.group_instance_id, ErrorCode.UNKNOWN_MEMBER_ID)
                for member in members
            ]
        elif isinstance(group, ConsumerGroup):
            left = classic_members.leave(self._around, group, members, effects)
        else:
            left = sessions.leave(group, members, self.settings, effects)
        return effects.outcome(LeaveResult(ErrorCode.NONE, left))

    # Consumer groups

    def consumer_heartbeat(
        self, request: HeartbeatRequest, now_ms: int
    ) -> Outcome[HeartbeatResult, GroupsRecord]:
        """ConsumerGroupHeartbeat, of a request that is well-formed (`problem_with`)."""
        return requests.heartbeat(self._around, request, now_ms)

    def describe_consumer_group(self, group_id: str) -> Outcome[DescribedConsumerGroup, GroupsRecord]:
        """ConsumerGroupDescribe of one group."""
        return Outcome(requests.describe(self._around, group_id))

    def topics_changed(self, names: Collection[str]) -> Outcome[None, GroupsRecord]:
        """Topics were created, changed or deleted, as the view tells from now on."""
        requests.topics_changed(self._around, names)
        return Outcome(None)

    def expressions_resolved(
        self,
        group_id: str,
        results: Mapping[str, Collection[str]],
        version: int,
        started_ms: int,
        now_ms: int,
    ) -> Outcome[None, GroupsRecord]:
        """The answer to a `ResolveExpressions`: the topics of that version that each expression matches."""
        return requests.expressions_resolved(self._around, group_id, results, version, started_ms, now_ms)

    # Offsets

    def commit_offsets(self, request: CommitRequest, now_ms: int) -> Outcome[CommitResult, GroupsRecord]:
        """OffsetCommit, of topics and partitions that exist. An empty group id is a group like any other
        here.
        """
        effects = Effects(now_ms)
        group = self._groups.get(request.group_id)
        return effects.outcome(offsets.commit(group, request, self.settings, effects))

    def commit_transactional_offsets(
        self, request: TransactionalCommitRequest, now_ms: int
    ) -> Outcome[CommitResult, TransactionalRecord[GroupsRecord]]:
        """TxnOffsetCommit, of topics and partitions that exist."""
        group = self._groups.get(request.commit.group_id)
        return offsets.commit_transactional(group, request, self.settings, now_ms)

    def fetch_offsets(
        self,
        group_id: str,
        topics: Sequence[tuple[TopicPartitions, UUID]] | None,
        *,
        require_stable: bool = False,
        member_id: str | None = None,
        member_epoch: int = -1,
    ) -> Outcome[OffsetFetchResult, GroupsRecord]:
        """OffsetFetch of one group; None asks for every offset that it has. From v9 on, members of a consumer
        group say who they are.
        """
        group = self._groups.get(group_id)
        if isinstance(group, ConsumerGroup):
            error = fetch_error(group, member_id, member_epoch)
            if error is not _NONE:
                return Outcome(OffsetFetchResult(error))
        if topics is None:
            fetched = offsets.fetch_all(self._offsets, group_id, require_stable=require_stable)
        else:
            fetched = offsets.fetch(self._offsets, group_id, topics, require_stable=require_stable)
        return Outcome(OffsetFetchResult(ErrorCode.NONE, fetched))

    def delete_offsets(
        self, group_id: str, topics: Sequence[TopicPartitions], now_ms: int
    ) -> Outcome[OffsetDeleteResult, GroupsRecord]:
        """OffsetDelete, of topics and partitions that exist."""
        effects = Effects(now_ms)
        group = self._groups.get(group_id)
        return effects.outcome(offsets.delete(self._offsets, group, topics, group_id, effects))

    def delete_offsets_of_topics(
        self, topics: Mapping[str, UUID], now_ms: int
    ) -> Outcome[bool, GroupsRecord]:
        """Topics were deleted: nobody will consume them again. True if another call has to go on with it."""
        effects = Effects(now_ms)
        return effects.outcome(offsets.delete_of_topics(self._offsets, topics, effects))

    def _expire_offsets(self, effects: Effects) -> None:
        goes_on = self._expiry.step(self._groups, self._offsets, self.settings, effects)
        # A moment from now is after the others' turns.
        delay_ms = 1 if goes_on else self.settings.offsets_retention_check_interval_ms
        effects.arm(EXPIRE_OFFSETS, delay_ms)

    # Administration

    def list_groups(
        self, states: Collection[str], types: Collection[str]
    ) -> Outcome[list[ListedGroup], GroupsRecord]:
        """ListGroups: filters are names in any case; an empty one lets everything pass."""
        return Outcome(administration.listed(self._groups.values(), states, types))

    def describe_groups(self, group_ids: Sequence[str]) -> Outcome[list[DescribedGroup], GroupsRecord]:
        """DescribeGroups. A group that isn't there is GROUP_ID_NOT_FOUND and "Dead"; older versions hide
        the error.
        """
        return Outcome(
            [administration.describe(group_id, self._groups.get(group_id)) for group_id in group_ids]
        )

    def delete_groups(
        self, group_ids: Sequence[str], now_ms: int
    ) -> Outcome[list[GroupResult], GroupsRecord]:
        """DeleteGroups: groups without members, with their offsets."""
        effects = Effects(now_ms)
        results = [
            GroupResult(
                group_id, administration.delete(group_id, self._groups.get(group_id), self._offsets, effects)
            )
            for group_id in dict.fromkeys(group_ids)
        ]
        return effects.outcome(results)

    # For tests and for whoever counts

    def group(self, group_id: str) -> ClassicGroup | None:
        """The classic group of that id; not to be changed."""
        group = self._groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    def consumer_group(self, group_id: str) -> ConsumerGroup | None:
        """The consumer group of that id; not to be changed."""
        group = self._groups.get(group_id)
        return group if isinstance(group, ConsumerGroup) else None

    def committed(self) -> dict[OffsetKey, OffsetValue]:
        """All committed offsets."""
        return self._offsets.snapshot()

    def pending(self) -> dict[tuple[int, OffsetKey], OffsetValue | None]:
        """All pending offsets, by producer; None for one that a later commit has overtaken."""
        return self._offsets.pending.snapshot()


def _simple(group_id: str) -> ClassicGroup:
    """A group that has offsets and never had members."""
    return ClassicGroup(group_id, None)
