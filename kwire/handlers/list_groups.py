"""ListGroups (key 16): the groups that this node coordinates.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 flexible · v4 states (KIP-518) · v5
types (KIP-848)
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import ListedGroup
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, slices
from kwire.runtime.soon import Soon, awaited

API = ListGroups
VERSIONS = (0, 5)

MOST_AT_ONCE = 100
"""So many groups are listed without giving others a turn."""

Listed = tuple[ErrorCode, list[ListedGroup]]


def at_once(ctx: Context, request: ListGroups.Request) -> Soon[ListGroups.Response]:
    """Asks every shard of this node."""
    listed = ctx.cluster.groups.list_groups(ctx.node.id, request.states_filter, request.types_filter)
    if not isinstance(listed, tuple) or len(listed[1]) > MOST_AT_ONCE:
        return _in_turns(ctx, listed)
    error_code, groups = listed
    return ListGroups.Response(error_code=error_code, groups=_answers(groups))


async def handle(ctx: Context, request: ListGroups.Request) -> ListGroups.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


async def _in_turns(ctx: Context, listed: Soon[Listed]) -> ListGroups.Response:
    error_code, groups = await awaited(listed)
    turns = Turns(ctx)
    answers: list[ListGroups.Response.Group] = []
    for some in slices(groups):
        await turns.one_more(len(some))
        answers += _answers(some)
    return ListGroups.Response(error_code=error_code, groups=answers)


def _answers(groups: Sequence[ListedGroup]) -> list[ListGroups.Response.Group]:
    return [
        ListGroups.Response.Group(
            group_id=group_id, protocol_type=protocol_type, group_state=state, group_type=group_type
        )
        for group_id, protocol_type, state, group_type in groups
    ]
