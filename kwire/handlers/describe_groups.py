"""DescribeGroups (key 15): state and members of classic groups.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 authorised operations (KIP-430) · v4
static members (KIP-345) · v5 flexible · v6 GROUP_ID_NOT_FOUND and a message (KIP-1043)

Before v6 a group that does not exist is described without an error, in the state "Dead".
"""

from __future__ import annotations

from kwire_codecs.apis.describe_groups import DescribeGroups
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import DescribedGroup
from kwire.handlers.authorized_operations import NOT_ASKED
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns

API = DescribeGroups
VERSIONS = (0, 6)

ALL_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
"""READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, a bit each (Kafka: AclOperation)."""


async def handle(ctx: Context, request: DescribeGroups.Request) -> DescribeGroups.Response:
    """Asks the coordinator of each group."""
    tells_missing = ctx.version >= 6
    operations = ALL_OPERATIONS if request.include_authorized_operations else NOT_ASKED
    # Named again, a group is answered again, but looked at once: what a small request costs stays small until
    # the size of its answer is known.
    asked = list(dict.fromkeys(request.groups))
    described = await ctx.cluster.groups.describe_groups(ctx.node.id, asked)
    by_id = dict(zip(asked, described, strict=True))
    turns = Turns(ctx)
    groups = []
    for group_id in request.groups:
        group = by_id[group_id]
        await turns.one_more(1 + len(group.members))
        groups.append(_answer(group, tells_missing, operations))
    return DescribeGroups.Response(groups=groups)


def _answer(group: DescribedGroup, tells_missing: bool, operations: int) -> DescribeGroups.Response.Group:
    error_code = group.error_code
    message = None
    if error_code is ErrorCode.GROUP_ID_NOT_FOUND:
        if tells_missing:
            message = group.message
        else:
            error_code = ErrorCode.NONE
    return DescribeGroups.Response.Group(
        error_code=error_code,
        error_message=message,
        group_id=group.group_id,
        group_state=group.group_state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol_data,
        members=[
            DescribeGroups.Response.Group.Member(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata,
                member_assignment=member.assignment,
            )
            for member in group.members
        ],
        authorized_operations=NOT_ASKED if error_code else operations,
    )
