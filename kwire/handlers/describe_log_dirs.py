"""DescribeLogDirs (key 35): what this node keeps in each of its directories.

A replica without files of its own, which follows another node's log, is told of as if it had them: in the
first directory, as long as that log.

v1 throttle time first · v2 flexible · v3 top-level error (KIP-784) · v4 total and usable bytes (KIP-827) · v5
cordoned directories (KIP-1066). Null topics mean all.
"""

from __future__ import annotations

import trio
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.errors import ErrorCode

from kwire.handlers.context import Context
from kwire.handlers.turns import check_size

API = DescribeLogDirs
VERSIONS = (0, 5)

_OPENED_A_TURN = 20

Result = DescribeLogDirs.Response.Result


async def handle(ctx: Context, request: DescribeLogDirs.Request) -> DescribeLogDirs.Response:
    """Sizes of the partitions asked for, in every directory that holds some; a topic that is nowhere is left
    out.
    """
    check_size(*(1 + len(topic.partitions) for topic in request.topics or ()))
    wanted: set[tuple[str, int]] | None = None
    if request.topics is not None:
        wanted = {(topic.topic, index) for topic in request.topics for index in topic.partitions}
        # A topic without partitions means none of it; Kafka answers nothing for it.
    sizes = await _sizes(ctx, wanted)
    directories = ctx.cluster.directories[ctx.node.id].usage()
    kept = [{(log.topic, log.partition) for log in directory.logs} for directory in directories]
    followed = sizes.keys() - set().union(*kept)
    results = []
    for number, directory in enumerate(directories):
        here = kept[number] | followed if number == 0 else kept[number]
        topics: dict[str, list[Result.Topic.Partition]] = {}
        for (topic, index), size_bytes in sizes.items():
            if (topic, index) in here:
                topics.setdefault(topic, []).append(
                    Result.Topic.Partition(
                        partition_index=index,
                        partition_size=size_bytes,
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


async def _sizes(ctx: Context, wanted: set[tuple[str, int]] | None) -> dict[tuple[str, int], int]:
    """The bytes of each of this node's replicas that are asked for; opens what nobody used since the start.

    A log that cannot be opened is left out. The metadata log is the controller's, not one of the broker's.
    """
    sizes: dict[tuple[str, int], int] = {}
    looked_at = 0
    for topic in ctx.cluster.image.topics.values():
        for state in topic.partitions:
            key = (topic.name, state.index)
            if ctx.node.id not in state.replicas or not (wanted is None or key in wanted):
                continue
            found = ctx.cluster.reach(*key)
            if not isinstance(found, ErrorCode):
                sizes[key] = found.log.size_bytes
            looked_at += 1
            if not looked_at % _OPENED_A_TURN:
                await trio.lowlevel.checkpoint()
    return sizes
