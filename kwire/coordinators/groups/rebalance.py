"""How a classic group rebalances: joins, the join phase and its time-out. What follows the join phase is in
sync.py; how members go is in sessions.py.

Every function decides on one group and gathers what follows from it in an `Effects`; a waiting member gets
a ticket. The invariants, which tests/coordinators hold it to:

- the generation of a group in memory never goes back;
- a ticket is completed exactly once;
- a member's assignment in a generation is what that generation's leader gave it.

Timers: `session_key` a member, and a `join_key` and a `sync_key` a group. (Kafka: GroupMetadataManager's
classicGroup* methods; order of checks and error codes are theirs.)
"""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.member import Member, held_bytes, session_key
from kwire.coordinators.groups.records import group_record, value_bytes
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    NO_LEADER,
    UNKNOWN_MEMBER_ID,
    JoinRequest,
    JoinResult,
    SyncResult,
)
from kwire.coordinators.outcome import Ticket

_MAX_STRING_BYTES = 0x7FFF
"""What a string of the protocol can hold; a client's id and a UUID together might not fit."""

Join = JoinResult | Ticket[JoinResult]


def join_key(group_id: str) -> tuple[str, str]:
    """The timer that ends the join phase."""
    return ("join", group_id)


def sync_key(group_id: str) -> tuple[str, str]:
    """The timer that ends the wait for members that have joined but not asked for their assignment."""
    return ("sync", group_id)


# Join


def join(group: ClassicGroup, request: JoinRequest, settings: GroupSettings, effects: Effects) -> Join:
    """A member wants to be in the next generation."""
    member_id = request.member_id
    if not _has_room(group, request, settings):
        return JoinResult(ErrorCode.GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID)
    if not _accepts(group, member_id, settings):
        group.remove(member_id)
        # Kafka would let the others wait for it until the rebalance timeout.
        maybe_complete_join(group, effects)
        return JoinResult(ErrorCode.GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID)
    if member_id == UNKNOWN_MEMBER_ID:
        return _join_unknown(group, request, settings, effects)
    return _join_known(group, request, settings, effects)


def _has_room(group: ClassicGroup, request: JoinRequest, settings: GroupSettings) -> bool:
    """Whether the group may hold what this member says of itself.

    Kafka takes whatever fits a request, and fails at the sync, where the record is too large. What could
    never be recorded, under any of a few protocols, is not kept in the meantime either.
    """
    member = group.members.get(request.member_id)
    held = group.held_bytes - (0 if member is None else member.held_bytes)
    return held + held_bytes(request.client_id, request.protocols) <= settings.max_held_bytes


def _accepts(group: ClassicGroup, member_id: str, settings: GroupSettings) -> bool:
    match group.state:
        case State.EMPTY:
            return True
        case State.PREPARING_REBALANCE:
            # By those who wait, not by those who are members: so that a group over its size (the limit was
            # lowered) loses whoever comes last.
            member = group.members.get(member_id)
            return (
                member is not None and member.join_ticket is not None
            ) or group.awaiting_join < settings.max_size
        case State.COMPLETING_REBALANCE | State.STABLE:
            return member_id in group.members or len(group.members) < settings.max_size


def _join_unknown(
    group: ClassicGroup, request: JoinRequest, settings: GroupSettings, effects: Effects
) -> Join:
    if not group.supports_protocols(request.protocol_type, request.protocols):
        return JoinResult(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID)
    instance_id = request.group_instance_id
    member_id = f"{request.client_id if instance_id is None else instance_id}-{request.new_member_uuid}"
    if len(member_id.encode()) > _MAX_STRING_BYTES:
        return JoinResult(ErrorCode.INVALID_REQUEST, UNKNOWN_MEMBER_ID)
    if instance_id is None:
        if request.requires_known_member_id:
            group.add_pending(member_id)
            effects.arm(session_key(group.group_id, member_id), request.session_timeout_ms)
            return JoinResult(ErrorCode.MEMBER_ID_REQUIRED, member_id)
        return _add_member(group, request, member_id, settings, effects)
    old_member_id = group.static_member_id(instance_id)
    if old_member_id is None:
        return _add_member(group, request, member_id, settings, effects)
    return _replace_static(group, request, old_member_id, member_id, settings, effects)


def _join_known(group: ClassicGroup, request: JoinRequest, settings: GroupSettings, effects: Effects) -> Join:
    member_id = request.member_id
    if not group.supports_protocols(request.protocol_type, request.protocols):
        return JoinResult(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, member_id)
    if member_id in group.pending_joins:
        if request.group_instance_id is not None:
            # Ids are handed out to members without an instance id only. Kafka fails here with an internal
            # error.
            return JoinResult(ErrorCode.UNKNOWN_SERVER_ERROR)
        return _add_member(group, request, member_id, settings, effects)
    error = group.validate_member(member_id, request.group_instance_id)
    if error is not ErrorCode.NONE:
        return JoinResult(error, member_id)
    member = group.members[member_id]
    match group.state:
        case State.PREPARING_REBALANCE:
            return _rejoin(group, request, member, settings, effects)
        case State.COMPLETING_REBALANCE:
            if member.protocols == request.protocols:
                # It seems to have missed the answer to its first JoinGroup: tell it again.
                return group.join_result(member_id, with_members=group.is_leader(member_id))
            return _rejoin(group, request, member, settings, effects)
        case State.STABLE:
            # A leader that joins again has noticed something that members' metadata doesn't show.
            if group.is_leader(member_id) or member.protocols != request.protocols:
                return _rejoin(group, request, member, settings, effects)
            return group.join_result(member_id, with_members=False)
        case State.EMPTY:
            return JoinResult(ErrorCode.UNKNOWN_MEMBER_ID, member_id)


def _add_member(
    group: ClassicGroup, request: JoinRequest, member_id: str, settings: GroupSettings, effects: Effects
) -> Join:
    member = Member(
        member_id,
        request.group_instance_id,
        request.client_id,
        request.client_host,
        request.rebalance_timeout_ms,
        request.session_timeout_ms,
        request.protocols,
    )
    member.is_new = True
    if group.state is State.PREPARING_REBALANCE and group.previous_state is State.EMPTY:
        group.new_member_added = True
    if not group.members:
        group.protocol_type = request.protocol_type
    ticket: Ticket[JoinResult] = Ticket()
    group.add(member, ticket)
    # It doesn't know its id yet and cannot heartbeat. If it has gone away while it waits, nobody notices (a
    # client that waits is not read from), so it has a long but limited time.
    member.keep_alive(group.group_id, settings.new_member_join_timeout_ms, effects)
    prepare_or_complete(group, settings, effects)
    return ticket


def _rejoin(
    group: ClassicGroup, request: JoinRequest, member: Member, settings: GroupSettings, effects: Effects
) -> Join:
    ticket: Ticket[JoinResult] = Ticket()
    # A second JoinGroup of the same member takes the first one's place. Kafka never answers the first; its
    # client has most likely gone, and one that has not is told to join again.
    group.complete_join(member, JoinResult(ErrorCode.REBALANCE_IN_PROGRESS, member.member_id), effects)
    group.update_member(
        member, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms, ticket
    )
    prepare_or_complete(group, settings, effects)
    return ticket


def _replace_static(
    group: ClassicGroup,
    request: JoinRequest,
    old_member_id: str,
    member_id: str,
    settings: GroupSettings,
    effects: Effects,
) -> Join:
    """A static member is back without its member id (KIP-345): it takes its own place, if it can without a
    rebalance.
    """
    leader_before = group.leader_id
    disarm_session(group, group.members[old_member_id], effects)
    awaited_sync = old_member_id in group.pending_syncs
    member = group.replace_static_member(old_member_id, member_id, effects)
    if awaited_sync:
        # Kafka goes on waiting for the former id's sync, and rebalances when that does not come.
        group.pending_syncs.discard(old_member_id)
        group.pending_syncs.add(member_id)
    member.keep_alive(group.group_id, member.session_timeout_ms, effects)
    before = member.protocols, member.rebalance_timeout_ms, member.session_timeout_ms
    ticket: Ticket[JoinResult] = Ticket()
    group.update_member(
        member, request.protocols, request.rebalance_timeout_ms, request.session_timeout_ms, ticket
    )
    match group.state:
        case State.STABLE if group.protocol_name == group.select_protocol():
            assignments = {other.member_id: other.assignment for other in group.members.values()}
            value = group.to_value(assignments, group.current_state_timestamp_ms)
            if value_bytes(value) > settings.max_record_bytes:
                # It can't be written that the place is taken, so it is not.
                result = group.join_result(UNKNOWN_MEMBER_ID, with_members=False)
                group.update_member(member, *before, None)
                disarm_session(group, member, effects)
                old = group.replace_static_member(member_id, old_member_id, effects)
                old.keep_alive(group.group_id, old.session_timeout_ms, effects)
                return result._replace(
                    error_code=ErrorCode.UNKNOWN_SERVER_ERROR, leader=leader_before or NO_LEADER
                )
            # What it reads may have changed with it; its record will say so, and so must memory.
            group.update_subscribed_topics()
            effects.records.append(group_record(group.group_id, value))
            if request.supports_skipping_assignment:
                # From v9 on a leader learns that it leads, and that it must not assign anew (KIP-814).
                leads = group.is_leader(member_id)
                result = group.join_result(member_id, with_members=leads, skip_assignment=leads)
            else:
                # An older client that heard it was the leader would assign, and nobody would come to fetch.
                # So it is told the leader's former id.
                result = group.join_result(member_id, with_members=False)
                result = result._replace(leader=leader_before or NO_LEADER)
            group.complete_join(member, result, effects)
        case State.STABLE:
            prepare_or_complete(group, settings, effects)
        case State.COMPLETING_REBALANCE:
            # The leader may be assigning to the old id at this moment.
            prepare_rebalance(group, settings, effects)
        case State.PREPARING_REBALANCE | State.EMPTY:
            maybe_complete_join(group, effects)
    return ticket


def prepare_or_complete(group: ClassicGroup, settings: GroupSettings, effects: Effects) -> None:
    """Start a join phase, or end the one that is on if everybody is there."""
    if group.can_rebalance:
        prepare_rebalance(group, settings, effects)
    else:
        maybe_complete_join(group, effects)


def prepare_rebalance(group: ClassicGroup, settings: GroupSettings, effects: Effects) -> None:
    """Start a join phase: whoever waits for an assignment must join again."""
    if group.state is State.COMPLETING_REBALANCE:
        for member in group.members.values():
            member.assignment = b""
            if group.complete_sync(member, SyncResult(ErrorCode.REBALANCE_IN_PROGRESS), effects):
                member.keep_alive(group.group_id, member.session_timeout_ms, effects)
    group.pending_syncs.clear()
    effects.disarm(sync_key(group.group_id))
    is_initial = group.state is State.EMPTY
    group.transition_to(State.PREPARING_REBALANCE, effects.now_ms)
    if is_initial:
        _start_initial_delay(group, settings, effects)
    elif group.all_members_joined:
        complete_join_phase(group, effects)
    else:
        effects.arm(join_key(group.group_id), group.rebalance_timeout_ms)


def _start_initial_delay(group: ClassicGroup, settings: GroupSettings, effects: Effects) -> None:
    """The first members of a group wait a little for the others (group.initial.rebalance.delay.ms)."""
    delay_ms = settings.initial_rebalance_delay_ms
    if delay_ms <= 0:
        complete_join_phase(group, effects)
        return
    group.initial_delay_remaining_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
    effects.arm(join_key(group.group_id), delay_ms)


def expire_join_phase(group: ClassicGroup, settings: GroupSettings, effects: Effects) -> None:
    """The join phase has lasted long enough; an initial one goes on while new members arrive."""
    if group.state is not State.PREPARING_REBALANCE:
        return
    remaining_ms = group.initial_delay_remaining_ms
    if group.previous_state is State.EMPTY and group.new_member_added and remaining_ms > 0:
        group.new_member_added = False
        delay_ms = min(settings.initial_rebalance_delay_ms, remaining_ms)
        group.initial_delay_remaining_ms = max(remaining_ms - delay_ms, 0)
        effects.arm(join_key(group.group_id), delay_ms)
        return
    complete_join_phase(group, effects)


def maybe_complete_join(group: ClassicGroup, effects: Effects) -> None:
    """End the join phase if everybody is there."""
    # An initial join phase ends by its delay, not by everybody being there: nobody knows who everybody is.
    if (
        group.state is State.PREPARING_REBALANCE
        and group.previous_state is not State.EMPTY
        and group.all_members_joined
    ):
        complete_join_phase(group, effects)


def complete_join_phase(group: ClassicGroup, effects: Effects) -> None:
    """Go on with those who have joined; the others are out, but for static members, whose place is kept."""
    effects.disarm(join_key(group.group_id))
    for member in list(group.members.values()):
        if member.join_ticket is None and not member.is_static:
            disarm_session(group, member, effects)
            group.remove(member.member_id)
    if not group.elect_joined_leader() and group.members:
        # Nobody came, and static members are waited for until their sessions end.
        effects.arm(join_key(group.group_id), group.rebalance_timeout_ms)
        return
    group.new_member_added = False
    group.start_next_generation(effects.now_ms)
    if group.state is State.EMPTY:
        effects.records.append(group_record(group.group_id, group.to_value({}, effects.now_ms)))
        return
    for member in group.members.values():
        result = group.join_result(member.member_id, with_members=group.is_leader(member.member_id))
        group.complete_join(member, result, effects)
        member.keep_alive(group.group_id, member.session_timeout_ms, effects)
        member.is_new = False
        group.pending_syncs.add(member.member_id)
    effects.arm(sync_key(group.group_id), group.rebalance_timeout_ms)


def disarm_session(group: ClassicGroup, member: Member, effects: Effects) -> None:
    """Nobody waits for this member's heartbeats any more."""
    if member.timer_at_ms is not None:
        member.timer_at_ms = None
        effects.disarm(session_key(group.group_id, member.member_id))
