"""DescribeLogDirs (key 35): what this node keeps in each of its directories.

A directory that has failed says KAFKA_STORAGE_ERROR, and nothing else. A log on its way to a directory is
told of there as well, with what it lacks. A replica without files of its own, which follows another node's
log, is told of as if it had them, as long as that log: in the directory that was asked for, else in the first
that works.

v1 throttle time first · v2 flexible · v3 top-level error (KIP-784) · v4 total and usable bytes (KIP-827) · v5
cordoned directories (KIP-1066). Null topics mean all.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence

import trio
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.errors import ErrorCode
from kwire_storage.directories.interface import DirectoryUsage

from kwire.coordinators.metadata.directories import directory_of
from kwire.coordinators.metadata.image import METADATA_VERSION_FEATURE
from kwire.coordinators.metadata.records import CORDONED_LEVEL
from kwire.handlers.context import Context
from kwire.handlers.turns import check_size

API = DescribeLogDirs
VERSIONS = (0, 5)

_OPENED_A_TURN = 20

Result = DescribeLogDirs.Response.Result
Key = tuple[str, int]


async def handle(ctx: Context, request: DescribeLogDirs.Request) -> DescribeLogDirs.Response:
    """Sizes of the partitions asked for, in every directory that holds some; a topic that is nowhere is left
    out.
    """
    check_size(*(1 + len(topic.partitions) for topic in request.topics or ()))
    wanted: dict[Key, None] | None = None
    if request.topics is not None:
        # A topic without partitions means none of it; Kafka answers nothing for it.
        wanted = dict.fromkeys((topic.topic, index) for topic in request.topics for index in topic.partitions)
    sizes = await _sizes(ctx, wanted)
    directories = ctx.cluster.directories[ctx.node.id].usage()
    kept = [{(log.topic, log.partition) for log in directory.logs} for directory in directories]
    followed = sizes.keys() - set().union(*kept)
    for key, number in _places(ctx, followed, directories):
        kept[number].add(key)
    level = ctx.cluster.image.features.get(METADATA_VERSION_FEATURE, 0)
    results = [
        _told(
            directory,
            {key: size for key, size in sizes.items() if key in here},
            sizes,
            tells_of_cordoned=level >= CORDONED_LEVEL,
        )
        for directory, here in zip(directories, kept, strict=True)
    ]
    return DescribeLogDirs.Response(results=results)


def _places(
    ctx: Context, followed: Collection[Key], directories: Sequence[DirectoryUsage]
) -> Iterator[tuple[Key, int]]:
    """Which directory is told to hold each replica that has no files: the one that the metadata name for it,
    else the first that works.
    """
    own = ctx.cluster.directories[ctx.node.id]
    numbers = [number for number, directory in enumerate(directories) if not directory.is_offline]
    if not followed or not numbers:
        return
    named = {own.find_directory(directories[number].path): number for number in numbers}
    for key in followed:
        state = ctx.cluster.image.partition(*key)
        wanted = None if state is None else directory_of(state, ctx.node.id)
        yield key, named.get(wanted, numbers[0])


def _told(
    directory: DirectoryUsage, sizes: dict[Key, int], asked: Container[Key], *, tells_of_cordoned: bool
) -> Result:
    if directory.is_offline:
        return Result(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=directory.path, topics=[])
    topics: dict[str, list[Result.Topic.Partition]] = {}
    for (topic, index), size_bytes in sizes.items():
        topics.setdefault(topic, []).append(
            Result.Topic.Partition(
                partition_index=index,
                partition_size=size_bytes,
                offset_lag=0,
                is_future_key=False,
            )
        )
    for future in directory.futures:
        if (future.topic, future.partition) in asked:
            topics.setdefault(future.topic, []).append(
                Result.Topic.Partition(
                    partition_index=future.partition,
                    partition_size=future.size_bytes,
                    offset_lag=future.offset_lag,
                    is_future_key=True,
                )
            )
    return Result(
        error_code=ErrorCode.NONE,
        log_dir=directory.path,
        topics=[Result.Topic(name=name, partitions=partitions) for name, partitions in topics.items()],
        total_bytes=directory.total_bytes,
        usable_bytes=directory.usable_bytes,
        is_cordoned=directory.is_cordoned and tells_of_cordoned,
    )


async def _sizes(ctx: Context, wanted: dict[Key, None] | None) -> dict[Key, int]:
    """The bytes of each of this node's replicas that are asked for; opens what nobody used since the start.

    A log that cannot be opened is left out. The metadata log is the controller's, not one of the broker's.
    """
    sizes: dict[Key, int] = {}
    for looked_at, key in enumerate(_all(ctx) if wanted is None else wanted, 1):
        state = ctx.cluster.image.partition(*key)
        if state is not None and ctx.node.id in state.replicas:
            found = ctx.cluster.reach(*key)
            if not isinstance(found, ErrorCode):
                sizes[key] = found.log.size_bytes
        if not looked_at % _OPENED_A_TURN:
            await trio.lowlevel.checkpoint()
    return sizes


def _all(ctx: Context) -> Iterator[Key]:
    for topic in ctx.cluster.image.topics.values():
        for state in topic.partitions:
            yield topic.name, state.index
