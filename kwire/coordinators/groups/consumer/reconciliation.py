"""How one member gets from what it owns to what it shall own, a heartbeat at a time.

A member first gives back what is not in its target, staying at its epoch (UNREVOKED_PARTITIONS); when it no
longer reports any of that, it goes to the target's epoch and gets whatever of its target nobody else holds.
What others have yet to give back it waits for (UNRELEASED_PARTITIONS). So a partition is never with two
members: it is given only while no member owns it or has yet to revoke it. Pure: a member and a goal give the
next member. (Kafka: CurrentAssignmentBuilder.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from kwire.coordinators.groups.consumer.member import (
    NOTHING_OWNED,
    ConsumerGroupMember,
    MemberState,
    OwnedPartitions,
)

UNASSIGNED: Final = -1
"""The epoch of a partition that no member owns or has yet to revoke."""

UNKNOWN_STATE_MESSAGE: Final = (
    "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin."
)
"""What goes with FENCED_MEMBER_EPOCH when `reconcile` answers None."""


class Goal(NamedTuple):
    """What a member is to be brought to, and what is known at this heartbeat."""

    target_epoch: int
    target: Mapping[UUID, Collection[int]]
    subscribed_topic_ids: Collection[UUID]
    """The topics that it may own, an expression's included; one that is not resolved yet matches none."""
    partition_epoch: Callable[[UUID, int], int]
    """The epoch of the member that a partition is with (owned, or yet to be revoked), or UNASSIGNED."""
    owned: Sequence[tuple[UUID, Collection[int]]] | None = None
    """What the member says it owns; None where the heartbeat left it out."""
    subscription_changed: bool = False
    """Whether this heartbeat brought another subscription."""


def reconcile(member: ConsumerGroupMember, goal: Goal) -> ConsumerGroupMember | None:
    """The next step of a member; itself if there is none yet.

    None: it must be fenced (FENCED_MEMBER_EPOCH, UNKNOWN_STATE_MESSAGE).
    """
    if member.state is MemberState.STABLE:
        if member.member_epoch != goal.target_epoch:
            return _advance(member, goal, member.member_epoch)
        return _drop_unsubscribed(member, goal) if goal.subscription_changed else member
    if member.state is MemberState.UNREVOKED_PARTITIONS:
        if _holds_any(goal.owned, member.partitions_pending_revocation):
            return _drop_unsubscribed(member, goal) if goal.subscription_changed else member
    elif member.state is MemberState.UNKNOWN:
        if goal.owned is None or goal.owned:
            return None
        return _advance(member, goal, goal.target_epoch)
    return _advance(member, goal, member.member_epoch)


def _advance(member: ConsumerGroupMember, goal: Goal, member_epoch: int) -> ConsumerGroupMember:
    """Revoke what is not in the target, or else go to its epoch with what is free of it."""
    kept: dict[UUID, dict[int, int]] = {}
    to_revoke: dict[UUID, dict[int, int]] = {}
    free: list[tuple[UUID, int]] = []
    waits = False
    for topic_id in dict.fromkeys((*goal.target, *member.assigned_partitions)):
        wanted = set(goal.target.get(topic_id, ())) if topic_id in goal.subscribed_topic_ids else set()
        mine = member.assigned_partitions.get(topic_id, {})
        if stays := {partition: epoch for partition, epoch in mine.items() if partition in wanted}:
            kept[topic_id] = stays
        if leaves := {partition: epoch for partition, epoch in mine.items() if partition not in wanted}:
            to_revoke[topic_id] = leaves
        still_mine = member.partitions_pending_revocation.get(topic_id, {})
        for partition in sorted(wanted - mine.keys()):
            # What this member has itself yet to revoke is with nobody else.
            if goal.partition_epoch(topic_id, partition) == UNASSIGNED or partition in still_mine:
                free.append((topic_id, partition))
            else:
                waits = True
    if to_revoke and _holds_any(goal.owned, to_revoke):
        return member.at_epoch(member_epoch)._replace(
            state=MemberState.UNREVOKED_PARTITIONS,
            assigned_partitions=kept,
            partitions_pending_revocation=to_revoke,
        )
    for topic_id, partition in free:
        kept.setdefault(topic_id, {})[partition] = goal.target_epoch
    return member.at_epoch(goal.target_epoch)._replace(
        state=MemberState.UNRELEASED_PARTITIONS if waits else MemberState.STABLE,
        assigned_partitions=kept,
        partitions_pending_revocation=NOTHING_OWNED,
    )


def _drop_unsubscribed(member: ConsumerGroupMember, goal: Goal) -> ConsumerGroupMember:
    """Have the topics revoked that a changed subscription left out, without touching anything else."""
    assigned = member.assigned_partitions
    pending = member.partitions_pending_revocation
    dropped = [topic_id for topic_id in assigned if topic_id not in goal.subscribed_topic_ids]
    if not dropped and (pending or len(goal.subscribed_topic_ids)):
        # With no subscription and nothing to revoke, Kafka writes the member anew even where nothing changes.
        return member
    kept = {topic_id: mine for topic_id, mine in assigned.items() if topic_id not in dropped}
    to_revoke = dict(pending)
    for topic_id in dropped:
        to_revoke[topic_id] = {**pending.get(topic_id, {}), **assigned[topic_id]}
    changed = member.at_epoch(member.member_epoch)._replace(assigned_partitions=kept)
    if to_revoke and _holds_any(goal.owned, to_revoke):
        return changed._replace(
            state=MemberState.UNREVOKED_PARTITIONS, partitions_pending_revocation=to_revoke
        )
    return changed


def _holds_any(owned: Sequence[tuple[UUID, Collection[int]]] | None, revoked: OwnedPartitions) -> bool:
    """Whether the member still has any of these. One that does not say may have all."""
    if owned is None:
        return True
    return any(
        partition in revoked[topic_id]
        for topic_id, partitions in owned
        if topic_id in revoked
        for partition in partitions
    )
