"""A group changes its kind while its members live on: classic to consumer and back (KIP-848).

Upgrade: a member of the consumer protocol joins a classic group of consumers. Its members stay, as members
that speak the classic protocol, with what they own; those who wait in a rebalance are told to join again.
Downgrade: the last member of the consumer protocol goes, and the others go on as a classic group. An empty
group of either kind is simply replaced by one of the other.

The records of a change are one outcome, and so one append. An upgraded group is made by replaying them; a
downgraded one is put into the table at once, because its rebalance begins at once; replaying its records
then changes nothing. (Kafka: GroupMetadataManager.convertToConsumerGroup, convertToClassicGroup,
ConsumerGroup.fromClassicGroup, ClassicGroup.fromConsumerGroup.)
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from kwire_codecs.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    decode_assignment,
    decode_subscription,
    encode_prefixed,
)
from kwire_codecs.errors import ErrorCode, Malformed

from kwire.coordinators.groups import rebalance
from kwire.coordinators.groups.classic_group import ClassicGroup
from kwire.coordinators.groups.classic_group import State as ClassicState
from kwire.coordinators.groups.consumer.group import NO_EPOCH, ConsumerGroup
from kwire.coordinators.groups.consumer.heartbeat import stop_watching, watch_of
from kwire.coordinators.groups.consumer.member import (
    Assignment,
    ClassicMetadata,
    ConsumerGroupMember,
    with_epoch,
)
from kwire.coordinators.groups.consumer.records import (
    current_record,
    epoch_record,
    group_tombstones,
    member_record,
    member_target_record,
    target_record,
)
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.consumer.topics import Topics
from kwire.coordinators.groups.consumer.values import Refusal
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.member import Member, session_key
from kwire.coordinators.groups.records import group_record, group_tombstone
from kwire.coordinators.groups.values import CONSUMER_PROTOCOL_TYPE, JoinResult, SyncResult

NEWEST_PROTOCOL_VERSION = 3


# Classic to consumer


def refuses_upgrade(around: Surroundings, group: ClassicGroup) -> Refusal | None:
    """Why members of the consumer protocol may not join this classic group."""
    if not around.settings.upgrades:
        reason = "online upgrade is disabled"
    elif not group.uses_consumer_protocol:
        reason = "the group does not use the consumer embedded protocol"
    elif len(group.members) > around.settings.consumer_max_size:
        reason = "the group size exceeds the consumer group maximum size"
    else:
        return None
    return _cannot_upgrade(group, reason + ".")


def _cannot_upgrade(group: ClassicGroup, reason: str) -> Refusal:
    text = f"Cannot upgrade classic group {group.group_id} to consumer group because {reason}"
    return Refusal(ErrorCode.GROUP_ID_NOT_FOUND, text)


def to_consumer(around: Surroundings, old: ClassicGroup, effects: Effects) -> ConsumerGroup | Refusal:
    """The consumer group that a classic one becomes, and its records; `finish_upgrade` when it is sure."""
    group_id, generation_id = old.group_id, old.generation_id
    group = ConsumerGroup(group_id)
    group.group_epoch = group.assignment_epoch = generation_id
    if old.protocol_name is None:
        # Its first generation is yet to come, and so is the protocol to read its members by. Kafka fails
        # with an internal error.
        return Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)
    for member in old.members.values():
        try:
            upgraded, target = _upgraded(old, member, around.view.topics)
        except Malformed:
            return _cannot_upgrade(old, "the embedded consumer protocol is malformed.")
        if upgraded is None:
            return _cannot_upgrade(
                old,
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to "
                "a default assignor before re-attempting the upgrade.",
            )
        if any(
            group.partition_epoch(topic_id, partition) != NO_EPOCH
            for topic_id, partitions in target.items()
            for partition in partitions
        ):
            # The leader of the classic group gave a partition to two members. Kafka fails likewise.
            return Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)
        group.set_target(member.member_id, target)
        group.update_member(upgraded)
    group.metadata_hash = around.metadata_hash(group.subscriptions)
    members = group.members.values()
    effects.records.append(group_tombstone(group_id))
    effects.records += [member_record(group_id, member) for member in members]
    effects.records.append(epoch_record(group_id, group.group_epoch, group.metadata_hash))
    effects.records += [
        member_target_record(group_id, member.member_id, group.target_of(member.member_id))
        for member in members
    ]
    effects.records.append(target_record(group_id, group.assignment_epoch, group.assignment_timestamp_ms))
    effects.records += [current_record(group_id, member) for member in members]
    return group


def _upgraded(
    group: ClassicGroup, member: Member, topics: Topics
) -> tuple[ConsumerGroupMember | None, Assignment]:
    """A classic member as a member of a consumer group, and its target; no member where the bytes of an
    assignor of its own would get lost. Malformed if what it said is no consumer's.
    """
    target: dict[UUID, tuple[int, ...]] = {}
    if member.assignment:
        assignment = decode_assignment(member.assignment)
        if assignment.user_data:
            return None, target
        for assigned in assignment.assigned_partitions:
            topic = topics.by_name(assigned.topic)
            if topic is not None and assigned.partitions:
                target[topic.topic_id] = tuple(dict.fromkeys(assigned.partitions))
    said = decode_subscription(member.metadata(group.protocol_name))
    upgraded = ConsumerGroupMember(
        member.member_id,
        member_epoch=group.generation_id,
        previous_member_epoch=group.generation_id,
        instance_id=member.group_instance_id,
        rack_id=said.rack_id or None,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=frozenset(said.topics),
        assigned_partitions=with_epoch(target, group.generation_id),
        classic=ClassicMetadata(member.session_timeout_ms, member.protocols),
    )
    return upgraded, target


def finish_upgrade(old: ClassicGroup, group: ConsumerGroup, effects: Effects) -> None:
    """The classic group is no more: who waits in it hears of another rebalance; sessions begin anew."""
    abandon(old, effects)
    for member_id, member in group.members.items():
        if member.classic is not None and member_id in old.members:
            timeout_ms = member.classic.session_timeout_ms
            watch_of(group, member_id).keep_alive(group.group_id, member_id, timeout_ms, effects)


def abandon(old: ClassicGroup, effects: Effects) -> None:
    """Nobody waits for anything in this classic group any more."""
    for member in old.members.values():
        old.complete_join(member, JoinResult(ErrorCode.REBALANCE_IN_PROGRESS, member.member_id), effects)
        old.complete_sync(member, SyncResult(ErrorCode.REBALANCE_IN_PROGRESS), effects)
        rebalance.disarm_session(old, member, effects)
    for member_id in old.pending_joins:
        effects.disarm(session_key(old.group_id, member_id))
    effects.disarm(rebalance.join_key(old.group_id))
    effects.disarm(rebalance.sync_key(old.group_id))


# Consumer to classic


def becomes_classic_without(
    around: Surroundings, group: ConsumerGroup, leaving: Sequence[ConsumerGroupMember]
) -> bool:
    """Whether only classic members are left when these have gone, and the group is to be theirs."""
    left = len(group.members) - len(leaving)
    return (
        group.all_use_classic_protocol_without(leaving)
        and left > 0
        and around.settings.downgrades
        and left <= around.settings.max_size
    )


def becomes_classic_with(around: Surroundings, group: ConsumerGroup, replaced: ConsumerGroupMember) -> bool:
    """Whether a static member that comes back with the classic protocol replaces the last of the other."""
    return (
        group.classic_member_count == len(group.members) - 1
        and not replaced.uses_classic_protocol
        and around.settings.downgrades
        and len(group.members) <= around.settings.max_size
    )


def to_classic(
    around: Surroundings,
    group: ConsumerGroup,
    effects: Effects,
    *,
    leaving: Sequence[ConsumerGroupMember] = (),
    joining: ConsumerGroupMember | None = None,
    rebalances: bool = True,
) -> bool:
    """Go on as a classic group, without `leaving`, with `joining` in the place of the holder of its instance
    id; False, and nothing is done, if what its members said is no consumer's.
    """
    replaced = None if joining is None else group.static_member(joining.instance_id)
    try:
        new = _downgraded(around, group, leaving, joining, replaced, effects.now_ms)
    except Malformed:
        return False
    group_id = group.group_id
    ids = [
        joining.member_id
        if joining is not None and replaced is not None and member_id == replaced.member_id
        else member_id
        for member_id in group.members
    ]
    effects.records += group_tombstones(group_id, ids, group.resolved_expressions)
    assignments = {member.member_id: member.assignment for member in new.members.values()}
    effects.records.append(group_record(group_id, new.to_value(assignments, new.current_state_timestamp_ms)))
    for member_id in list(group.watches):
        stop_watching(group, member_id, effects)
    around.groups[group_id] = new
    around.downgraded.add(group_id)
    for member in new.members.values():
        member.keep_alive(group_id, member.session_timeout_ms, effects)
    if rebalances:
        rebalance.prepare_rebalance(new, around.settings, effects)
    return True


def _downgraded(
    around: Surroundings,
    group: ConsumerGroup,
    leaving: Sequence[ConsumerGroupMember],
    joining: ConsumerGroupMember | None,
    replaced: ConsumerGroupMember | None,
    now_ms: int,
) -> ClassicGroup:
    new = ClassicGroup(group.group_id, now_ms)
    new.state = ClassicState.STABLE
    new.generation_id = group.group_epoch
    new.protocol_type = CONSUMER_PROTOCOL_TYPE
    gone = {member.member_id for member in leaving}
    if replaced is not None:
        gone.add(replaced.member_id)
    staying = [member for member in group.members.values() if member.member_id not in gone]
    for member in staying if joining is None else [*staying, joining]:
        assert member.classic is not None
        new.add(
            Member(
                member.member_id,
                member.instance_id,
                member.client_id,
                member.client_host,
                member.rebalance_timeout_ms,
                member.classic.session_timeout_ms,
                member.classic.protocols,
            )
        )
    new.protocol_name = new.select_protocol()
    new.update_subscribed_topics()
    for classic in new.members.values():
        holder = classic.member_id
        if joining is not None and replaced is not None and holder == joining.member_id:
            holder = replaced.member_id
        version = protocol_version(classic.metadata(new.protocol_name))
        classic.assignment = assignment_bytes(group.target_of(holder), around.view.topics, version)
    return new


# The bytes of the classic protocol


def protocol_version(metadata: bytes) -> int:
    """The version in which a consumer speaks. Malformed if there is none."""
    decode_subscription(metadata)
    return min(int.from_bytes(metadata[:2], signed=True), NEWEST_PROTOCOL_VERSION)


def assignment_bytes(assignment: Assignment, topics: Topics, version: int) -> bytes:
    """An assignment as a classic consumer reads it, of the topics that exist."""
    found = ((topics.by_id(topic_id), partitions) for topic_id, partitions in assignment.items())
    return encode_prefixed(
        ConsumerProtocolAssignment(
            assigned_partitions=[
                ConsumerProtocolAssignment.TopicPartitions(topic=topic.name, partitions=list(partitions))
                for topic, partitions in found
                if topic is not None
            ]
        ),
        version,
    )


def owned_partitions(
    subscription: ConsumerProtocolSubscription, topics: Topics
) -> list[tuple[UUID, list[int]]]:
    """What a classic consumer says that it owns, of the topics that exist."""
    found = ((topics.by_name(owned.topic), owned.partitions) for owned in subscription.owned_partitions)
    return [(topic.topic_id, partitions) for topic, partitions in found if topic is not None]
