"""DescribeLogDirs (key 35): what this node keeps in each of its directories.

v1 throttle time first · v2 flexible · v3 top-level error (KIP-784) · v4 total and usable bytes (KIP-827) · v5
cordoned directories (KIP-1066). Null topics mean all.
"""

from __future__ import annotations

import trio
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.topic_names import CLUSTER_METADATA
from kwire.handlers.context import Context

API = DescribeLogDirs
VERSIONS = (0, 5)

_OPENED_A_TURN = 20

Result = DescribeLogDirs.Response.Result


async def handle(ctx: Context, request: DescribeLogDirs.Request) -> DescribeLogDirs.Response:
    """Sizes of the partitions asked for, in every directory that holds some; a topic that is nowhere is left
    out.
    """
    wanted: set[tuple[str, int]] | None = None
    if request.topics is not None:
        wanted = {(topic.topic, index) for topic in request.topics for index in topic.partitions}
        # A topic without partitions means none of it; Kafka answers nothing for it.
    await _open(ctx, wanted)
    results = []
    for directory in ctx.cluster.directories[ctx.node.id].usage():
        topics: dict[str, list[Result.Topic.Partition]] = {}
        for log in directory.logs:
            # The metadata log is the controller's, not one of the broker's logs.
            if log.topic != CLUSTER_METADATA and (wanted is None or (log.topic, log.partition) in wanted):
                topics.setdefault(log.topic, []).append(
                    Result.Topic.Partition(
                        partition_index=log.partition,
                        partition_size=log.size_bytes,
                        offset_lag=0,
                        is_future_key=False,
                    )
                )
        results.append(
            Result(
                error_code=ErrorCode.NONE,
                log_dir=directory.path,
                topics=[
                    Result.Topic(name=name, partitions=partitions) for name, partitions in topics.items()
                ],
                total_bytes=directory.total_bytes,
                usable_bytes=directory.usable_bytes,
            )
        )
    return DescribeLogDirs.Response(results=results)


async def _open(ctx: Context, wanted: set[tuple[str, int]] | None) -> None:
    """Opens the partitions that the answer tells of: a log unused since the start has no size yet."""
    opened = 0
    for topic in ctx.cluster.image.topics.values():
        for state in topic.partitions:
            if ctx.node.id in state.replicas and (wanted is None or (topic.name, state.index) in wanted):
                ctx.cluster.reach(topic.name, state.index)
                opened += 1
                if not opened % _OPENED_A_TURN:
                    await trio.lowlevel.checkpoint()
