"""What a group's timer brings about when it comes due. A timer is known by what it is for, the group, and the
member where it is one's.
"""

from __future__ import annotations

from kwire.coordinators.groups import rebalance, sessions, sync
from kwire.coordinators.groups.classic_group import ClassicGroup
from kwire.coordinators.groups.consumer import fencing
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.surroundings import Group, Surroundings
from kwire.coordinators.groups.effects import Effects

Key = tuple[object, ...]


def came_due(around: Surroundings, group: Group, key: Key, effects: Effects) -> None:
    """Have a group do what its timer was set for; nothing where it is of the other kind by now."""
    if isinstance(group, ConsumerGroup):
        _of_consumer_group(around, group, key, effects)
    else:
        _of_classic_group(around, group, key, effects)


def _of_consumer_group(around: Surroundings, group: ConsumerGroup, key: Key, effects: Effects) -> None:
    match key:
        case ("session", _, str(member_id)):
            fencing.expire_session(around, group, member_id, effects)
        case ("revocation", _, str(member_id)):
            fencing.expire_revocation(around, group, member_id, effects)
        case ("classic-join", _, str(member_id)):
            fencing.expire_classic_join(around, group, member_id, effects)
        case ("classic-sync", _, str(member_id)):
            fencing.expire_classic_sync(around, group, member_id, effects)


def _of_classic_group(around: Surroundings, group: ClassicGroup, key: Key, effects: Effects) -> None:
    match key:
        case ("session", _, str(member_id)):
            sessions.expire_session(group, member_id, around.settings, effects)
        case ("join", _):
            rebalance.expire_join_phase(group, around.settings, effects)
        case ("sync", _):
            sync.expire_sync_phase(group, around.settings, effects)
