"""CreatePartitions (key 37): add partitions to topics. Nothing can take them away again.

v2 flexible · v3 quota errors (KIP-599)
"""

from __future__ import annotations

from kwire_codecs.apis.create_partitions import CreatePartitions

from kwire.coordinators.metadata.partitions import MorePartitions, create_partitions
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = CreatePartitions
VERSIONS = (0, 3)


async def handle(ctx: Context, request: CreatePartitions.Request) -> CreatePartitions.Response:
    """Each topic by itself: enlarged, or refused with a reason."""
    check_changes(len(request.topics), *(len(topic.assignments or ()) for topic in request.topics))
    wanted = [
        MorePartitions(
            topic.name,
            topic.count,
            None if topic.assignments is None else [chosen.broker_ids for chosen in topic.assignments],
        )
        for topic in request.topics
    ]
    cluster = ctx.cluster
    results = await cluster.controller.submit(
        lambda image: create_partitions(
            image, wanted, random=cluster.random, validate_only=request.validate_only
        )
    )
    return CreatePartitions.Response(
        results=[
            CreatePartitions.Response.Result(
                name=result.name, error_code=result.error.error_code, error_message=result.error.message
            )
            for result in results
        ]
    )
