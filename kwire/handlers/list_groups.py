"""ListGroups (key 16): the groups that this node coordinates.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 flexible · v4 states (KIP-518) · v5
types (KIP-848)
"""

from __future__ import annotations

from kwire_codecs.apis.list_groups import ListGroups

from kwire.handlers.context import Context
from kwire.handlers.turns import Turns

API = ListGroups
VERSIONS = (0, 5)


async def handle(ctx: Context, request: ListGroups.Request) -> ListGroups.Response:
    """Asks every shard of this node."""
    error_code, groups = await ctx.cluster.groups.list_groups(
        ctx.node.id, request.states_filter, request.types_filter
    )
    turns = Turns(ctx)
    listed = []
    for group in groups:
        await turns.one_more()
        listed.append(
            ListGroups.Response.Group(
                group_id=group.group_id,
                protocol_type=group.protocol_type,
                group_state=group.group_state,
                group_type=group.group_type,
            )
        )
    return ListGroups.Response(error_code=error_code, groups=listed)
