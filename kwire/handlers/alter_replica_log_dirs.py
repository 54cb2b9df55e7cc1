"""AlterReplicaLogDirs (key 34): move this node's replicas to other ones of its log directories (KIP-113).

v1 throttling moves to the client (KIP-219) · v2 flexible

The answer comes when a move has begun; DescribeLogDirs tells how far it is. A partition that is named twice
goes to the last directory, as in Kafka, and is answered once.
"""

from __future__ import annotations

from kwire_codecs.apis.alter_replica_log_dirs import AlterReplicaLogDirs

from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_changes

API = AlterReplicaLogDirs
VERSIONS = (0, 2)

Result = AlterReplicaLogDirs.Response.Result


async def handle(ctx: Context, request: AlterReplicaLogDirs.Request) -> AlterReplicaLogDirs.Response:
    """Each partition by itself."""
    check_changes(*(len(topic.partitions) for asked in request.dirs for topic in asked.topics))
    turns = Turns(ctx)
    wanted: dict[tuple[str, int], str] = {}
    for asked in request.dirs:
        for topic in asked.topics:
            await turns.one_more(0, cost=1 + len(topic.partitions))
            wanted.update({(topic.name, index): asked.path for index in topic.partitions})
    results: dict[str, list[Result.Partition]] = {}
    for (name, index), path in wanted.items():
        await turns.one_more()
        error_code = await ctx.cluster.moving.alter(ctx.node.id, name, index, path)
        answered = Result.Partition(partition_index=index, error_code=error_code)
        results.setdefault(name, []).append(answered)
    return AlterReplicaLogDirs.Response(
        results=[Result(topic_name=name, partitions=partitions) for name, partitions in results.items()]
    )
