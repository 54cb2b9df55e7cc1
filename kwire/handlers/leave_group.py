"""LeaveGroup (key 13): one or more members go.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 several members, also by instance id
(KIP-345) · v4 flexible · v5 reason (KIP-800)

Before v3 there is one member and one error; it is answered as if it were a batch of one.
"""

from __future__ import annotations

from kwire_codecs.apis.leave_group import LeaveGroup

from kwire.coordinators.groups.values import LeaveResult, LeavingMember
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes
from kwire.runtime.soon import Soon, awaited, then

API = LeaveGroup
VERSIONS = (0, 5)


def at_once(ctx: Context, request: LeaveGroup.Request) -> Soon[LeaveGroup.Response]:
    """Asks the group's coordinator."""
    check_changes(len(request.members))
    if ctx.version < 3:
        leaving, answer = [LeavingMember(request.member_id)], _answer_of_one
    else:
        leaving = [LeavingMember(member.member_id, member.group_instance_id) for member in request.members]
        answer = _answer
    return then(ctx.cluster.groups.leave(ctx.node.id, request.group_id, leaving), answer)


async def handle(ctx: Context, request: LeaveGroup.Request) -> LeaveGroup.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


def _answer_of_one(result: LeaveResult) -> LeaveGroup.Response:
    error_code = result.error_code
    if not error_code and result.members:
        error_code = result.members[0].error_code
    return LeaveGroup.Response(error_code=error_code)


def _answer(result: LeaveResult) -> LeaveGroup.Response:
    return LeaveGroup.Response(
        error_code=result.error_code,
        members=[
            LeaveGroup.Response.Member(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=member.error_code,
            )
            for member in result.members
        ],
    )
