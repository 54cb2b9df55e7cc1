"""JoinGroup (key 11): a member asks to be in the group's next generation; answered when that is known.

v0 the session time-out is also the rebalance time-out · v1 rebalance time-out (KIP-62) · v2 throttle time ·
v3 throttling moves to the client (KIP-219) · v4 MEMBER_ID_REQUIRED (KIP-394) · v5 static members (KIP-345)
· v6 flexible · v7 the protocol type comes back (KIP-559) · v8 reason (KIP-800) · v9 skip assignment
(KIP-814)
"""

from __future__ import annotations

import socket
import struct
from functools import partial
from uuid import UUID

from kwire_codecs.apis.join_group import JoinGroup

from kwire.coordinators.groups.values import JoinRequest, JoinResult, Protocol
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes
from kwire.runtime.soon import Soon, awaited, then

API = JoinGroup
VERSIONS = (0, 9)
FIRST_WITH_REBALANCE_TIMEOUT = 1


def client_host(host: str) -> str:
    """An address as Java's InetAddress writes it, which is what DescribeGroups shows: a slash, and IPv6 in
    full.
    """
    if ":" not in host:
        return f"/{host}"
    groups = struct.unpack(">8H", socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))
    return "/" + ":".join(f"{group:x}" for group in groups)


def at_once(ctx: Context, request: JoinGroup.Request) -> Soon[JoinGroup.Response]:
    """Asks the group's coordinator, and waits with it for the other members."""
    check_changes(len(request.protocols))
    rebalance_timeout_ms = request.rebalance_timeout_ms
    if ctx.version < FIRST_WITH_REBALANCE_TIMEOUT:
        rebalance_timeout_ms = request.session_timeout_ms
    joined = ctx.cluster.groups.join(
        ctx.node.id,
        JoinRequest(
            group_id=request.group_id,
            member_id=request.member_id,
            group_instance_id=request.group_instance_id,
            client_id=ctx.client_id or "",
            client_host=client_host(ctx.peer.peer_host),
            session_timeout_ms=request.session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=tuple(Protocol(offered.name, offered.metadata) for offered in request.protocols),
            new_member_uuid=UUID(int=ctx.cluster.random.getrandbits(128), version=4),
            requires_known_member_id=ctx.version >= 4,
            supports_skipping_assignment=ctx.version >= 9,
        ),
    )
    return then(joined, partial(_answer, None if ctx.version >= 7 else ""))


async def handle(ctx: Context, request: JoinGroup.Request) -> JoinGroup.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


def _answer(no_protocol: str | None, result: JoinResult) -> JoinGroup.Response:
    return JoinGroup.Response(
        error_code=result.error_code,
        generation_id=result.generation_id,
        protocol_type=result.protocol_type,
        protocol_name=no_protocol if result.protocol_name is None else result.protocol_name,
        leader=result.leader,
        skip_assignment=result.skip_assignment,
        member_id=result.member_id,
        members=[
            JoinGroup.Response.Member(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.metadata,
            )
            for member in result.members
        ],
    )
