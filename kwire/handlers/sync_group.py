"""SyncGroup (key 14): a member asks for its assignment; the leader brings everybody's.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 static members (KIP-345) · v4 flexible ·
v5 the protocol's type and name must be said, and fit (KIP-559)
"""

from __future__ import annotations

from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import SyncRequest, SyncResult
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes
from kwire.runtime.soon import Soon, awaited, then

API = SyncGroup
VERSIONS = (0, 5)


def at_once(ctx: Context, request: SyncGroup.Request) -> Soon[SyncGroup.Response]:
    """Asks the group's coordinator, and waits with it for the leader's assignment."""
    check_changes(len(request.assignments))
    if ctx.version >= 5 and (request.protocol_type is None or request.protocol_name is None):
        return SyncGroup.Response(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL, assignment=b"")
    synced = ctx.cluster.groups.sync(
        ctx.node.id,
        SyncRequest(
            request.group_id,
            request.generation_id,
            request.member_id,
            request.group_instance_id,
            request.protocol_type,
            request.protocol_name,
            {given.member_id: given.assignment for given in request.assignments},
        ),
    )
    return then(synced, _answer)


async def handle(ctx: Context, request: SyncGroup.Request) -> SyncGroup.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


def _answer(result: SyncResult) -> SyncGroup.Response:
    return SyncGroup.Response(
        error_code=result.error_code,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol_name,
        assignment=result.assignment,
    )
