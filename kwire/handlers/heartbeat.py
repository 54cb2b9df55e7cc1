"""Heartbeat (key 12): a member tells its coordinator that it is still there, and hears of rebalances.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 static members (KIP-345) · v4 flexible
"""

from __future__ import annotations

from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.errors import ErrorCode

from kwire.handlers.context import Context
from kwire.runtime.soon import Soon, awaited, then

API = Heartbeat
VERSIONS = (0, 4)


def at_once(ctx: Context, request: Heartbeat.Request) -> Soon[Heartbeat.Response]:
    """Asks the group's coordinator."""
    told = ctx.cluster.groups.heartbeat(
        ctx.node.id, request.group_id, request.generation_id, request.member_id, request.group_instance_id
    )
    return then(told, _answer)


async def handle(ctx: Context, request: Heartbeat.Request) -> Heartbeat.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


def _answer(error_code: ErrorCode) -> Heartbeat.Response:
    return Heartbeat.Response(error_code=error_code)
