"""ConsumerGroupDescribe (key 69): state, epochs and members of consumer groups.

v0 KIP-848 · v1 member type (KIP-1099)

A classic group is GROUP_ID_NOT_FOUND here, as a consumer group is in DescribeGroups.
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.apis.consumer_group_describe import Assignment, ConsumerGroupDescribe
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.values import (
    DescribedConsumer,
    DescribedConsumerGroup,
    DescribedTopic,
)
from kwire.handlers.authorized_operations import NOT_ASKED
from kwire.handlers.consumer_group_heartbeat import is_enabled
from kwire.handlers.context import Context
from kwire.handlers.describe_groups import ALL_OPERATIONS
from kwire.handlers.turns import Turns

API = ConsumerGroupDescribe
VERSIONS = (0, 1)

Group = ConsumerGroupDescribe.Response.Group
CLASSIC, CONSUMER = 0, 1
"""Kinds of members, as v1 says them."""


async def handle(ctx: Context, request: ConsumerGroupDescribe.Request) -> ConsumerGroupDescribe.Response:
    """Asks the coordinator of each group."""
    if not is_enabled(ctx):
        code = ErrorCode.UNSUPPORTED_VERSION
        refused = [
            _answer(DescribedConsumerGroup(code, group_id), NOT_ASKED) for group_id in request.group_ids
        ]
        return ConsumerGroupDescribe.Response(groups=refused)
    operations = ALL_OPERATIONS if request.include_authorized_operations else NOT_ASKED
    # Named again, a group is answered again, but looked at once.
    asked = list(dict.fromkeys(request.group_ids))
    described = await ctx.cluster.groups.consumers.describe(ctx.node.id, asked)
    by_id = dict(zip(asked, described, strict=True))
    turns = Turns(ctx)
    groups: list[Group] = []
    for group_id in request.group_ids:
        group = by_id[group_id]
        await turns.one_more(1 + sum(_parts(member) for member in group.members))
        groups.append(_answer(group, operations))
    return ConsumerGroupDescribe.Response(groups=groups)


def _parts(member: DescribedConsumer) -> int:
    topics = (*member.assignment, *member.target_assignment)
    return 1 + len(member.subscribed_topic_names) + sum(1 + len(topic.partitions) for topic in topics)


def _answer(group: DescribedConsumerGroup, operations: int) -> Group:
    return Group(
        error_code=group.error_code,
        error_message=group.message,
        group_id=group.group_id,
        group_state=group.group_state,
        group_epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.assignor_name,
        members=[_member(member) for member in group.members],
        authorized_operations=NOT_ASKED if group.error_code else operations,
    )


def _member(member: DescribedConsumer) -> Group.Member:
    return Group.Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=list(member.subscribed_topic_names),
        subscribed_topic_regex=member.subscribed_topic_regex,
        assignment=_assignment(member.assignment),
        target_assignment=_assignment(member.target_assignment),
        member_type=CLASSIC if member.uses_classic_protocol else CONSUMER,
    )


def _assignment(topics: Sequence[DescribedTopic]) -> Assignment:
    return Assignment(
        topic_partitions=[
            Assignment.TopicPartitions(topic_id=topic_id, topic_name=name, partitions=list(partitions))
            for topic_id, name, partitions in topics
        ]
    )
