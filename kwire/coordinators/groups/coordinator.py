"""One shard of the group coordinator: the groups and offsets of one partition of `__consumer_offsets`.

This is the machine that the runtime turns: each operation answers with an `Outcome`, `replay` applies a
record, and `expire` is called for a timer that came due. It owns the groups by id, finds the one that is
asked for, and says what is answered when there is none. (Kafka: GroupCoordinatorShard.)

`replay` runs in two moments. While the log loads, a group's record *is* the group. Afterwards the group is
in memory already, with members that wait, and the record only makes the assignment of its generation true.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from uuid import UUID

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups import offsets, rebalance, sync
from kwire.coordinators.groups.classic_group import DEAD, ClassicGroup, State
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.member import session_key
from kwire.coordinators.groups.offsets import OffsetStore
from kwire.coordinators.groups.records import (
    GroupKey,
    GroupsRecord,
    GroupValue,
    OffsetKey,
    OffsetValue,
    group_record,
    group_tombstone,
)
from kwire.coordinators.groups.settings import GroupSettings
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
)
from kwire.coordinators.outcome import Outcome, Ticket

EXPIRE_OFFSETS = "expire-offsets"
"""The timer that looks for expired offsets and empty groups."""

CLASSIC = "classic"
"""The type of these groups, as ListGroups v5 says it."""

_NONE = ErrorCode.NONE
_ALIVE = Outcome[ErrorCode, GroupsRecord](_NONE)
"""Nearly every heartbeat: no timer has to be set for it."""
_UNKNOWN_MEMBER = Outcome[ErrorCode, GroupsRecord](ErrorCode.UNKNOWN_MEMBER_ID)


class GroupCoordinator:
    """The state machine of one shard. No clock, no I/O, no randomness."""

    __slots__ = ("_groups", "_loaded", "_offsets", "settings")

    def __init__(self, settings: GroupSettings) -> None:
        self.settings = settings
        self._groups: dict[str, ClassicGroup] = {}
        self._offsets = OffsetStore()
        self._loaded = False

    # Its life

    def replay(self, record: GroupsRecord) -> None:
        """Apply one record: of the log while loading, of an outcome afterwards."""
        key, value = record
        if isinstance(key, OffsetKey):
            assert value is None or isinstance(value, OffsetValue)
            if value is not None and key.group not in self._groups:
                # Offsets without members: a "simple" group.
                self._groups[key.group] = ClassicGroup(key.group, None)
            self._offsets.replay(key, value)
            return
        assert isinstance(key, GroupKey)
        if value is None:
            self._groups.pop(key.group, None)
            return
        assert isinstance(value, GroupValue)
        if not self._loaded:
            self._groups[key.group] = ClassicGroup.from_value(key.group, value)
            return
        group = self._groups[key.group]
        if group.state is State.COMPLETING_REBALANCE and group.generation_id == value.generation:
            for member in value.members:
                group.members[member.member_id].assignment = member.assignment
            group.transition_to(State.STABLE, value.current_state_timestamp_ms)

    def on_loaded(self, now_ms: int) -> Outcome[None, GroupsRecord]:
        """The log has been replayed: members' sessions start, and expired offsets are looked for from now
        on.
        """
        self._loaded = True
        effects = Effects(now_ms)
        effects.arm(EXPIRE_OFFSETS, self.settings.offsets_retention_check_interval_ms)
        for group in self._groups.values():
            for member in group.members.values():
                member.keep_alive(group.group_id, member.session_timeout_ms, effects)
            if len(group.members) > self.settings.max_size:
                # The limit was lowered: whoever joins last is out.
                rebalance.prepare_rebalance(group, self.settings, effects)
        return effects.outcome(None)

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, GroupsRecord]:
        """A timer came due."""
        effects = Effects(now_ms)
        match key:
            case ("session", str(group_id), str(member_id)) if group_id in self._groups:
                rebalance.expire_session(self._groups[group_id], member_id, self.settings, effects)
            case ("join", str(group_id)) if group_id in self._groups:
                rebalance.expire_join_phase(self._groups[group_id], self.settings, effects)
            case ("sync", str(group_id)) if group_id in self._groups:
                sync.expire_sync_phase(self._groups[group_id], self.settings, effects)
            case str() if key == EXPIRE_OFFSETS:
                self._expire_offsets(effects)
        return effects.outcome(None)

    # Membership

    def join(self, request: JoinRequest, now_ms: int) -> Outcome[JoinResult, GroupsRecord]:
        """JoinGroup; the ticket is completed when the join phase ends."""
        effects = Effects(now_ms)
        settings = self.settings
        if (
            not settings.min_session_timeout_ms
            <= request.session_timeout_ms
            <= settings.max_session_timeout_ms
        ):
            return effects.outcome(JoinResult(ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id))
        named = dict(reversed([(offered.name, offered) for offered in request.protocols]))
        if len(named) < len(request.protocols):
            # Of two protocols with one name, the first counts.
            first = tuple(offered for offered in request.protocols if named.get(offered.name) is offered)
            request = request._replace(protocols=first)
        group = self._groups.get(request.group_id)
        if group is not None:
            return effects.outcome(rebalance.join(group, request, settings, effects))
        if request.member_id != UNKNOWN_MEMBER_ID:
            return effects.outcome(JoinResult(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
        group = self._groups[request.group_id] = ClassicGroup(request.group_id, now_ms)
        response: JoinResult | Ticket[JoinResult] = rebalance.join(group, request, settings, effects)
        if not effects.records:
            # A group is in the log from its first moment, even if nothing has come of it yet.
            effects.records.append(group_record(group.group_id, GroupValue("", 0, None, None, now_ms)))
        return effects.outcome(response)

    def sync(self, request: SyncRequest, now_ms: int) -> Outcome[SyncResult, GroupsRecord]:
        """SyncGroup; the ticket is completed when the leader's assignment is there."""
        effects = Effects(now_ms)
        group = self._groups.get(request.group_id)
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
        answer = rebalance.heartbeat(group, member_id, group_instance_id, generation_id, effects)
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
        else:
            left = rebalance.leave(group, members, self.settings, effects)
        return effects.outcome(LeaveResult(ErrorCode.NONE, left))

    # Offsets

    def commit_offsets(self, request: CommitRequest, now_ms: int) -> Outcome[CommitResult, GroupsRecord]:
        """OffsetCommit, of topics and partitions that exist. An empty group id is a group like any other
        here.
        """
        effects = Effects(now_ms)
        group = self._groups.get(request.group_id)
        return effects.outcome(offsets.commit(group, request, self.settings, effects))

    def fetch_offsets(
        self, group_id: str, topics: Sequence[tuple[TopicPartitions, UUID]] | None
    ) -> Outcome[OffsetFetchResult, GroupsRecord]:
        """OffsetFetch of one group; None asks for every offset that it has."""
        if topics is None:
            fetched = offsets.fetch_all(self._offsets, group_id)
        else:
            fetched = offsets.fetch(self._offsets, group_id, topics)
        return Outcome(OffsetFetchResult(ErrorCode.NONE, fetched))

    def delete_offsets(
        self, group_id: str, topics: Sequence[TopicPartitions], now_ms: int
    ) -> Outcome[OffsetDeleteResult, GroupsRecord]:
        """OffsetDelete, of topics and partitions that exist."""
        effects = Effects(now_ms)
        group = self._groups.get(group_id)
        return effects.outcome(offsets.delete(self._offsets, group, topics, group_id, effects))

    def delete_offsets_of_topics(self, topics: frozenset[str], now_ms: int) -> Outcome[None, GroupsRecord]:
        """Topics were deleted: nobody will consume them again."""
        effects = Effects(now_ms)
        offsets.delete_of_topics(self._offsets, topics, effects)
        return effects.outcome(None)

    def _expire_offsets(self, effects: Effects) -> None:
        for group in list(self._groups.values()):
            all_expired = offsets.expire(self._offsets, group, self.settings, effects)
            if all_expired and group.state is State.EMPTY and not group.pending_joins:
                effects.records.append(group_tombstone(group.group_id))
        effects.arm(EXPIRE_OFFSETS, self.settings.offsets_retention_check_interval_ms)

    # Administration

    def list_groups(
        self, states: Collection[str], types: Collection[str]
    ) -> Outcome[list[ListedGroup], GroupsRecord]:
        """ListGroups: filters are names in any case; an empty one lets everything pass."""
        wanted_states = {state.strip().lower() for state in states}
        if types and CLASSIC not in {name.lower() for name in types}:
            return Outcome([])
        return Outcome(
            [
                ListedGroup(group.group_id, group.protocol_type or "", group.state.value, CLASSIC)
                for group in self._groups.values()
                if not wanted_states or group.state.value.lower() in wanted_states
            ]
        )

    def describe_groups(self, group_ids: Sequence[str]) -> Outcome[list[DescribedGroup], GroupsRecord]:
        """DescribeGroups. A group that isn't there is GROUP_ID_NOT_FOUND and "Dead"; older versions hide
        the error.
        """
        return Outcome([self._describe(group_id) for group_id in group_ids])

    def _describe(self, group_id: str) -> DescribedGroup:
        group = self._groups.get(group_id)
        if group is None:
            return DescribedGroup(ErrorCode.GROUP_ID_NOT_FOUND, group_id, DEAD)
        # What members say is shown under the protocol that they agreed on, so not while they are about to
        # agree.
        protocol = group.protocol_name if group.state is State.STABLE else None
        return DescribedGroup(
            ErrorCode.NONE,
            group_id,
            group.state.value,
            group.protocol_type or "",
            protocol or "",
            [member.describe(protocol) for member in group.members.values()],
        )

    def delete_groups(
        self, group_ids: Sequence[str], now_ms: int
    ) -> Outcome[list[GroupResult], GroupsRecord]:
        """DeleteGroups: groups without members, with their offsets."""
        effects = Effects(now_ms)
        results: list[GroupResult] = []
        for group_id in dict.fromkeys(group_ids):
            group = self._groups.get(group_id)
            if group is None:
                results.append(GroupResult(group_id, ErrorCode.GROUP_ID_NOT_FOUND))
            elif group.state is not State.EMPTY:
                results.append(GroupResult(group_id, ErrorCode.NON_EMPTY_GROUP))
            else:
                offsets.delete_all(self._offsets, group_id, effects)
                effects.records.append(group_tombstone(group_id))
                for member_id in group.pending_joins:
                    effects.disarm(session_key(group_id, member_id))
                results.append(GroupResult(group_id, ErrorCode.NONE))
        return effects.outcome(results)

    # For tests and for whoever counts

    def group(self, group_id: str) -> ClassicGroup | None:
        """The group of that id; not to be changed."""
        return self._groups.get(group_id)

    def committed(self) -> dict[OffsetKey, OffsetValue]:
        """All committed offsets."""
        return self._offsets.snapshot()
