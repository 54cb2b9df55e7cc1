"""Members that speak the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

To such a member its epoch is the generation; it joins to take a step towards its target, fetches what it
owns by SyncGroup, and hears by heartbeats that it must join again. It never leads: nobody but the group
assigns. A group's kind changes when such members are all that is left (conversion.py).
(Kafka: GroupMetadataManager's classicGroup*ToConsumerGroup.)
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.consumer_protocol import ConsumerProtocolSubscription, decode_subscription
from kwire_codecs.errors import ErrorCode, Malformed

from kwire.coordinators.groups.consumer import conversion, expressions
from kwire.coordinators.groups.consumer.expressions import Change
from kwire.coordinators.groups.consumer.fencing import fence
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.heartbeat import (
    Target,
    fits_a_record,
    is_full,
    look_at_topics,
    record_what_was_told,
    step,
    take_place,
    target_for,
    watch_of,
)
from kwire.coordinators.groups.consumer.member import (
    ClassicMetadata,
    ConsumerGroupMember,
    MemberState,
    without_epochs,
)
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.consumer.values import Refusal, new_id
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.values import (
    CONSUMER_PROTOCOL_TYPE,
    UNKNOWN_MEMBER_ID,
    JoinRequest,
    JoinResult,
    LeavingMember,
    LeftMember,
    SyncRequest,
    SyncResult,
)

_NONE = ErrorCode.NONE


# Join


def join(
    around: Surroundings, group: ConsumerGroup, request: JoinRequest, effects: Effects
) -> JoinResult | Refusal:
    """JoinGroup to a consumer group that has members; answered at once."""
    if not around.settings.migrates:
        return Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    is_unknown = request.member_id == UNKNOWN_MEMBER_ID
    member_id = new_id(request.new_member_uuid) if is_unknown else request.member_id
    if is_full(around, group, member_id, request.group_instance_id):
        return Refusal(ErrorCode.GROUP_MAX_SIZE_REACHED)
    if not group.supports_classic_protocols(request.protocol_type, request.protocols):
        return Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    instance_id = request.group_instance_id
    if is_unknown and instance_id is None and request.requires_known_member_id:
        return JoinResult(ErrorCode.MEMBER_ID_REQUIRED, member_id)
    holder = group.static_member(instance_id)
    member = _member(group, member_id, instance_id, holder, is_unknown, effects)
    if isinstance(member, Refusal):
        return member
    try:
        said = decode_subscription(request.protocols[0].metadata)
    except Malformed:
        return Refusal(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    updated = _told(member, request, said)
    if not fits_a_record(updated, around.settings.max_record_bytes):
        return Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)
    names_changed = record_what_was_told(group, member, updated, effects)
    change = expressions.update(around, group, member, updated, effects)
    if isinstance(change, Refusal):
        return change
    raises_epoch = names_changed or change is not Change.NONE
    epoch = group.group_epoch
    if raises_epoch or group.needs_refresh(effects.now_ms):
        epoch = look_at_topics(around, group, member, updated, raises_epoch, effects)
    owned = conversion.owned_partitions(said, around.view.topics)
    downgrades = holder is not None and conversion.becomes_classic_with(around, group, holder)
    stepped: ConsumerGroupMember | Refusal = updated
    if downgrades:
        rebalances = group.assignment_epoch < epoch
        if not rebalances:
            target = Target(group.assignment_epoch, group.target_of(member_id, instance_id))
            stepped = step(around, group, updated, target, owned, raises_epoch, effects)
        if isinstance(stepped, Refusal):
            return stepped
        if not conversion.to_classic(around, group, effects, joining=stepped, rebalances=rebalances):
            return Refusal(ErrorCode.GROUP_ID_NOT_FOUND)
    else:
        goal = target_for(around, group, epoch, member, updated, effects)
        if isinstance(goal, Refusal):
            return goal
        stepped = step(around, group, updated, goal, owned, raises_epoch, effects)
        if isinstance(stepped, Refusal):
            return stepped
        watch = watch_of(group, member_id)
        watch.joined(group.group_id, member_id, effects)
        watch.keep_alive(group.group_id, member_id, request.session_timeout_ms, effects)
        watch.await_sync(group.group_id, member_id, request.rebalance_timeout_ms, effects)
    return JoinResult(
        _NONE, member_id, stepped.member_epoch, CONSUMER_PROTOCOL_TYPE, request.protocols[0].name
    )


def _member(
    group: ConsumerGroup,
    member_id: str,
    instance_id: str | None,
    holder: ConsumerGroupMember | None,
    is_unknown: bool,
    effects: Effects,
) -> ConsumerGroupMember | Refusal:
    if instance_id is None or (is_unknown and holder is None):
        return group.members.get(member_id) or ConsumerGroupMember(member_id)
    if holder is None:
        return Refusal(ErrorCode.UNKNOWN_MEMBER_ID)
    if is_unknown:
        return take_place(group, holder, member_id, effects)
    return holder if holder.member_id == member_id else Refusal(ErrorCode.FENCED_INSTANCE_ID)


def _told(
    member: ConsumerGroupMember, request: JoinRequest, said: ConsumerProtocolSubscription
) -> ConsumerGroupMember:
    instance_id, timeout_ms = request.group_instance_id, request.rebalance_timeout_ms
    return member._replace(
        instance_id=member.instance_id if instance_id is None else instance_id,
        rack_id=said.rack_id or member.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
        subscribed_topic_names=frozenset(said.topics),
        subscribed_topic_regex="",
        client_id=request.client_id,
        client_host=request.client_host,
        classic=ClassicMetadata(request.session_timeout_ms, request.protocols),
    )


# Sync, heartbeat, leave


def sync(around: Surroundings, group: ConsumerGroup, request: SyncRequest, effects: Effects) -> SyncResult:
    """SyncGroup: what the member owns, as its protocol says it."""
    member = _known(group, request.member_id, request.group_instance_id)
    if isinstance(member, ErrorCode):
        return SyncResult(member)
    classic = member.classic
    if classic is None:
        return SyncResult(ErrorCode.UNKNOWN_MEMBER_ID)
    if member.member_epoch != request.generation_id:
        return SyncResult(ErrorCode.ILLEGAL_GENERATION)
    offered = classic.protocols[0]
    if request.protocol_type not in (None, CONSUMER_PROTOCOL_TYPE) or request.protocol_name not in (
        None,
        offered.name,
    ):
        return SyncResult(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    group_id, member_id = group.group_id, member.member_id
    watch = watch_of(group, member_id)
    if group.assignment_epoch > member.member_epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        watch.await_join(group_id, member_id, member.rebalance_timeout_ms, effects)
        return SyncResult(ErrorCode.REBALANCE_IN_PROGRESS)
    watch.synced(group_id, member_id, effects)
    watch.keep_alive(group_id, member_id, classic.session_timeout_ms, effects)
    assignment = conversion.assignment_bytes(
        without_epochs(member.assigned_partitions),
        around.view.topics,
        conversion.protocol_version(offered.metadata),
    )
    return SyncResult(_NONE, request.protocol_type, request.protocol_name, assignment)


def heartbeat(
    group: ConsumerGroup,
    member_id: str,
    group_instance_id: str | None,
    generation_id: int,
    effects: Effects,
) -> ErrorCode:
    """Heartbeat: NONE, or that the member must join again to take its next step."""
    member = _known(group, member_id, group_instance_id)
    if isinstance(member, ErrorCode):
        return member
    if member.classic is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if member.member_epoch != generation_id:
        return ErrorCode.ILLEGAL_GENERATION
    watch = watch_of(group, member_id)
    watch.keep_alive(group.group_id, member_id, member.classic.session_timeout_ms, effects)
    if (
        member.member_epoch < group.assignment_epoch
        or member.state is MemberState.UNREVOKED_PARTITIONS
        or (member.state is MemberState.UNRELEASED_PARTITIONS and not group.waits_for_unreleased(member))
    ):
        watch.await_join(group.group_id, member_id, member.rebalance_timeout_ms, effects)
        return ErrorCode.REBALANCE_IN_PROGRESS
    return _NONE


def leave(
    around: Surroundings, group: ConsumerGroup, leaving: Sequence[LeavingMember], effects: Effects
) -> list[LeftMember]:
    """LeaveGroup: members of either protocol go, by their ids, or are removed by their instance ids."""
    left: list[LeftMember] = []
    gone: dict[str, ConsumerGroupMember] = {}
    for one in leaving:
        member: ConsumerGroupMember | ErrorCode
        if one.member_id == UNKNOWN_MEMBER_ID and one.group_instance_id is not None:
            member = group.static_member(one.group_instance_id) or ErrorCode.UNKNOWN_MEMBER_ID
        else:
            member = _known(group, one.member_id, one.group_instance_id)
        if isinstance(member, ErrorCode):
            left.append(LeftMember(one.member_id, one.group_instance_id, member))
        else:
            gone[member.member_id] = member
            left.append(LeftMember(one.member_id, one.group_instance_id, _NONE))
    fence(around, group, list(gone.values()), effects)
    return left


def _known(group: ConsumerGroup, member_id: str, instance_id: str | None) -> ConsumerGroupMember | ErrorCode:
    if instance_id is None:
        return group.members.get(member_id) or ErrorCode.UNKNOWN_MEMBER_ID
    holder = group.static_member(instance_id)
    if holder is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    return holder if holder.member_id == member_id else ErrorCode.FENCED_INSTANCE_ID
