"""A new target for a group: by the assignor that most of its members ask for, as records of what it changes.

(Kafka: GroupMetadataManager.maybeUpdateTargetAssignment.)
"""

from __future__ import annotations

import logging

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.assignors import ASSIGNORS
from kwire.coordinators.groups.assignors.group_spec import AssignorError
from kwire.coordinators.groups.consumer.group import ConsumerGroup, is_homogeneous
from kwire.coordinators.groups.consumer.member import Assignment, ConsumerGroupMember
from kwire.coordinators.groups.consumer.records import member_target_record, target_record
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.consumer.target_assignment import GroupView, build_target
from kwire.coordinators.groups.consumer.values import Refusal
from kwire.coordinators.groups.effects import Effects

logger = logging.getLogger("kwire.coordinators")


def update_target(
    around: Surroundings,
    group: ConsumerGroup,
    epoch: int,
    member: ConsumerGroupMember,
    updated: ConsumerGroupMember,
    effects: Effects,
) -> Assignment | Refusal:
    """Compute the target of `epoch`, with `updated` in the place of `member`; gives the member's part."""
    member_count = len(group.members)
    if updated.member_id not in group.members and group.static_member(updated.instance_id) is None:
        member_count += 1
    preferred = group.preferred_assignor(member, updated)
    if preferred not in around.settings.consumer_assignors:
        preferred = around.settings.consumer_assignors[0]
    view = GroupView(
        group.members,
        group.target,
        group.inverted_target,
        is_homogeneous(
            group.expressions_with(member, updated), group.subscriptions_with(member, updated), member_count
        ),
        group.resolved_expressions,
        around.view.topics,
    )
    try:
        changed = build_target(ASSIGNORS[preferred], view, [updated])
    except AssignorError as error:
        logger.error("group %s: no target for epoch %d by %s: %s", group.group_id, epoch, preferred, error)
        return Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)
    group_id = group.group_id
    effects.records += [
        member_target_record(group_id, member_id, assignment) for member_id, assignment in changed.items()
    ]
    effects.records.append(target_record(group_id, epoch, effects.now_ms))
    if updated.member_id in changed:
        return changed[updated.member_id]
    return group.target_of(updated.member_id, updated.instance_id)
