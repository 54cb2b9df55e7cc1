"""What administrators ask of groups of both kinds: which there are, what is in them, and that they go.

Consumer groups are described elsewhere (consumer/requests.py): here they are not classic ones. (Kafka:
GroupMetadataManager.listGroups, describeGroups, validateDeleteGroup, createGroupTombstoneRecords.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups import offsets
from kwire.coordinators.groups.classic_group import DEAD, ClassicGroup, State
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.records import group_tombstones
from kwire.coordinators.groups.consumer.surroundings import Group
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.member import session_key
from kwire.coordinators.groups.offset_store import OffsetStore
from kwire.coordinators.groups.records import group_tombstone
from kwire.coordinators.groups.values import CONSUMER_PROTOCOL_TYPE, DescribedGroup, ListedGroup

CLASSIC = "classic"
CONSUMER = "consumer"
"""The types of groups, as ListGroups v5 says them."""


def listed(groups: Iterable[Group], states: Collection[str], types: Collection[str]) -> list[ListedGroup]:
    """The groups that pass both filters: names in any case; an empty one lets everything pass."""
    wanted_states = {state.strip().lower() for state in states}
    wanted_types = {name.lower() for name in types}
    found: list[ListedGroup] = []
    for group in groups:
        if isinstance(group, ConsumerGroup):
            group_type, protocol_type = CONSUMER, CONSUMER_PROTOCOL_TYPE
        else:
            group_type, protocol_type = CLASSIC, group.protocol_type or ""
        if wanted_types and group_type not in wanted_types:
            continue
        state = group.state.value
        if not wanted_states or state.lower() in wanted_states:
            found.append(ListedGroup(group.group_id, protocol_type, state, group_type))
    return found


def describe(group_id: str, group: Group | None) -> DescribedGroup:
    """A classic group; GROUP_ID_NOT_FOUND and "Dead" for any other."""
    if not isinstance(group, ClassicGroup):
        what = "not found" if group is None else "is not a classic group"
        message = f"Group {group_id} {what}."
        return DescribedGroup(ErrorCode.GROUP_ID_NOT_FOUND, group_id, DEAD, message=message)
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


def delete(group_id: str, group: Group | None, store: OffsetStore, effects: Effects) -> ErrorCode:
    """Removes a group that has no members, with its offsets; says why not."""
    if group is None:
        return ErrorCode.GROUP_ID_NOT_FOUND
    if isinstance(group, ConsumerGroup):
        if group.members:
            return ErrorCode.NON_EMPTY_GROUP
        offsets.delete_all(store, group_id, effects)
        effects.records += group_tombstones(group_id, (), group.resolved_expressions)
        return ErrorCode.NONE
    if group.state is not State.EMPTY:
        return ErrorCode.NON_EMPTY_GROUP
    offsets.delete_all(store, group_id, effects)
    effects.records.append(group_tombstone(group_id))
    for member_id in group.pending_joins:
        effects.disarm(session_key(group_id, member_id))
    return ErrorCode.NONE
