"""DeleteGroups (key 42): removes groups without members, and their offsets.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 a message a group (Kafka gives none to
classic groups)
"""

from __future__ import annotations

from kwire_codecs.apis.delete_groups import DeleteGroups

from kwire.handlers.context import Context

API = DeleteGroups
VERSIONS = (0, 3)


async def handle(ctx: Context, request: DeleteGroups.Request) -> DeleteGroups.Response:
    """Asks the coordinator of each group."""
    results = await ctx.cluster.groups.delete_groups(ctx.node.id, request.groups_names)
    return DeleteGroups.Response(
        results=[
            DeleteGroups.Response.Result(
                group_id=result.group_id,
                error_code=result.error_code,
            )
            for result in results
        ]
    )
