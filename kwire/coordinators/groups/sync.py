"""The second half of a classic group's rebalance: the leader's assignment is recorded and handed out.

Rules as in rebalance.py. A generation that does not fit one record is refused before anything is recorded.
"""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.member import Member
from kwire.coordinators.groups.rebalance import disarm_session, prepare_rebalance, sync_key
from kwire.coordinators.groups.records import group_record, value_bytes
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import SyncRequest, SyncResult
from kwire.coordinators.outcome import Ticket

Sync = SyncResult | Ticket[SyncResult]


def sync(group: ClassicGroup, request: SyncRequest, settings: GroupSettings, effects: Effects) -> Sync:
    """A member asks for its assignment; when the leader asks, it brings everybody's."""
    error = group.validate_member(request.member_id, request.group_instance_id)
    if error is not ErrorCode.NONE:
        return SyncResult(error)
    if request.generation_id != group.generation_id:
        return SyncResult(ErrorCode.ILLEGAL_GENERATION)
    if _differ(request.protocol_type, group.protocol_type) or _differ(
        request.protocol_name, group.protocol_name
    ):
        return SyncResult(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    member = group.members[request.member_id]
    match group.state:
        case State.PREPARING_REBALANCE:
            return SyncResult(ErrorCode.REBALANCE_IN_PROGRESS)
        case State.COMPLETING_REBALANCE:
            group.complete_sync(member, SyncResult(ErrorCode.REBALANCE_IN_PROGRESS), effects)
            ticket: Ticket[SyncResult] = Ticket()
            member.sync_ticket = ticket
            _synced(group, member, effects)
            if group.is_leader(member.member_id):
                # The record makes the group stable when it is replayed. Its timestamp is of the state before,
                # as Kafka's, whose group becomes stable once the record is written.
                value = group.to_value(request.assignments, group.current_state_timestamp_ms)
                if value_bytes(value) > settings.max_record_bytes:
                    _fail(group, settings, effects)
                    return ticket
                effects.records.append(group_record(group.group_id, value))
                _propagate(group, {kept.member_id: kept.assignment for kept in value.members}, effects)
            return ticket
        case State.STABLE:
            _synced(group, member, effects)
            return SyncResult(ErrorCode.NONE, group.protocol_type, group.protocol_name, member.assignment)
        case State.EMPTY:
            return SyncResult(ErrorCode.UNKNOWN_MEMBER_ID)


def _differ(said: str | None, known: str | None) -> bool:
    return said is not None and known is not None and said != known


def _synced(group: ClassicGroup, member: Member, effects: Effects) -> None:
    group.pending_syncs.discard(member.member_id)
    if not group.pending_syncs:
        effects.disarm(sync_key(group.group_id))


def _propagate(group: ClassicGroup, assignments: dict[str, bytes], effects: Effects) -> None:
    for member in group.members.values():
        result = SyncResult(
            ErrorCode.NONE, group.protocol_type, group.protocol_name, assignments[member.member_id]
        )
        if group.complete_sync(member, result, effects):
            # A session that ended during the wait was let pass, so it starts anew.
            member.keep_alive(group.group_id, member.session_timeout_ms, effects)


def _fail(group: ClassicGroup, settings: GroupSettings, effects: Effects) -> None:
    """The generation is too large for a record: all who wait are told, and the group rebalances.

    As Kafka, whose append of it fails (GroupMetadataManager.classicGroupSyncToClassicGroup, and
    appendGroupMetadataErrorToResponseError: MESSAGE_TOO_LARGE becomes UNKNOWN_SERVER_ERROR).
    """
    for member in group.members.values():
        if group.complete_sync(member, SyncResult(ErrorCode.UNKNOWN_SERVER_ERROR), effects):
            member.keep_alive(group.group_id, member.session_timeout_ms, effects)
    prepare_rebalance(group, settings, effects)


def expire_sync_phase(group: ClassicGroup, settings: GroupSettings, effects: Effects) -> None:
    """Members that never asked for their assignment are out, and the rest rebalances."""
    if group.state not in (State.COMPLETING_REBALANCE, State.STABLE) or not group.pending_syncs:
        return
    for member_id in list(group.pending_syncs):
        disarm_session(group, group.members[member_id], effects)
        group.remove(member_id)
    prepare_rebalance(group, settings, effects)
