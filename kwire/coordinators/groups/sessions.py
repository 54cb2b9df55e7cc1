"""How members of a classic group stay, and how they go: heartbeats, leaving, sessions that end.

Rules as in rebalance.py, which goes on with the group when somebody has gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.member import Member, session_key
from kwire.coordinators.groups.rebalance import (
    complete_join_phase,
    disarm_session,
    maybe_complete_join,
    prepare_or_complete,
)
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    UNKNOWN_MEMBER_ID,
    JoinResult,
    LeavingMember,
    LeftMember,
    SyncResult,
)

_NONE = ErrorCode.NONE
_PREPARING_REBALANCE = State.PREPARING_REBALANCE
"""Members of an enum take long to look up, and heartbeats are the most frequent request of all."""


def heartbeat(
    group: ClassicGroup, member_id: str, group_instance_id: str | None, generation_id: int, effects: Effects
) -> ErrorCode:
    """A member says that it is there, and hears whether it must join again."""
    error = group.validate_member(member_id, group_instance_id)
    if error is not _NONE:
        return error
    if generation_id != group.generation_id:
        return ErrorCode.ILLEGAL_GENERATION
    member = group.members[member_id]
    member.keep_alive(group.group_id, member.session_timeout_ms, effects)
    if group.state is _PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return _NONE


def leave(
    group: ClassicGroup, leaving: Sequence[LeavingMember], settings: GroupSettings, effects: Effects
) -> list[LeftMember]:
    """Members go, by their ids, or are removed by their instance ids; one rebalance follows for all of
    them.
    """
    left = [
        LeftMember(member.member_id, member.group_instance_id, _leave_one(group, member, effects))
        for member in leaving
    ]
    if any(member.error_code is ErrorCode.NONE for member in left):
        if group.state in (State.STABLE, State.COMPLETING_REBALANCE):
            prepare_or_complete(group, settings, effects)
        else:
            maybe_complete_join(group, effects)
    return left


def _leave_one(group: ClassicGroup, leaving: LeavingMember, effects: Effects) -> ErrorCode:
    member_id = leaving.member_id
    if member_id == UNKNOWN_MEMBER_ID:
        instance_id = leaving.group_instance_id
        found = None if instance_id is None else group.static_member_id(instance_id)
        if found is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        member_id = found
    elif member_id in group.pending_joins:
        group.remove(member_id)
        effects.disarm(session_key(group.group_id, member_id))
        return ErrorCode.NONE
    else:
        error = group.validate_member(member_id, leaving.group_instance_id)
        if error is not ErrorCode.NONE:
            return error
    _drop(group, group.members[member_id], effects)
    return ErrorCode.NONE


def expire_session(group: ClassicGroup, member_id: str, settings: GroupSettings, effects: Effects) -> None:
    """A session's timer fired: the member may have been heard of since, or wait, or be out."""
    if member_id in group.pending_joins:
        group.remove(member_id)
        if group.state is State.PREPARING_REBALANCE and group.all_members_joined:
            complete_join_phase(group, effects)
        return
    member = group.members.get(member_id)
    if member is None:
        return
    member.timer_at_ms = None
    if member.deadline_ms > effects.now_ms:
        member.keep_alive(group.group_id, member.deadline_ms - effects.now_ms, effects)
    elif not member.heartbeat_is_satisfied:
        _drop(group, member, effects)
        if group.state in (State.STABLE, State.COMPLETING_REBALANCE):
            prepare_or_complete(group, settings, effects)
        elif group.state is State.PREPARING_REBALANCE and group.all_members_joined:
            complete_join_phase(group, effects)


def _drop(group: ClassicGroup, member: Member, effects: Effects) -> None:
    """Remove a member; if it waits, tell it that it is unknown, so that it joins anew if it still lives."""
    disarm_session(group, member, effects)
    group.complete_join(member, JoinResult(ErrorCode.UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID), effects)
    group.complete_sync(member, SyncResult(ErrorCode.UNKNOWN_MEMBER_ID), effects)
    group.remove(member.member_id)
