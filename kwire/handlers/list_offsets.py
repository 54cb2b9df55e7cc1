"""ListOffsets (key 2): where a partition starts, ends, or first reaches a timestamp.

v0 an array of offsets, newest first · v1 one offset and its timestamp (KIP-79) · v2 isolation level (KIP-98)
· v4 leader epochs (KIP-320) · v6 flexible · v7 -3, the largest timestamp (KIP-734) · v8 -4, earliest local
(KIP-405) · v9 -5, latest tiered (KIP-1005) · v10 time-out for remote reads (KIP-1075) · v11 -6, earliest
pending upload (KIP-1023)

Nothing is tiered here, so earliest local is the log's start, and latest tiered and pending upload are unknown
(-1).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import StorageError

from kwire.handlers.context import Context
from kwire.handlers.turns import Turns
from kwire.partitions.partition import Partition

logger = logging.getLogger("kwire.handlers")

API = ListOffsets
VERSIONS = (0, 11)

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = (
    -1,
    -2,
    -3,
    -4,
    -5,
    -6,
)
FIRST_VERSION_OF = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}
READ_COMMITTED = 1
CONSUMER_REPLICA = -1
DEBUGGING_REPLICA = -2

PartitionAnswer = ListOffsets.Response.Topic.Partition


async def handle(ctx: Context, request: ListOffsets.Request) -> ListOffsets.Response:
    """Looks each partition up. From v1 on one that is named twice is answered once, with INVALID_REQUEST."""
    if ctx.version == 0:
        return await _version_0(ctx, request)
    turns = Turns(ctx)
    topics: dict[str, dict[int, Any]] = {}
    for topic in request.topics:
        answers = topics.setdefault(topic.name, {})
        for asked in topic.partitions:
            await turns.one_more()
            index = asked.partition_index
            if index in answers:
                answers[index] = _refused(index, ErrorCode.INVALID_REQUEST)
            elif not _is_known(asked.timestamp, ctx.version):
                answers[index] = _refused(index, ErrorCode.UNSUPPORTED_VERSION)
            else:
                answers[index] = _checked(ctx, request, topic.name, asked, _offset_for)
    return ListOffsets.Response(
        topics=[
            ListOffsets.Response.Topic(name=name, partitions=list(answers.values()))
            for name, answers in topics.items()
        ]
    )


def _is_known(timestamp: int, version: int) -> bool:
    """Whether the version has this special timestamp; Kafka looks at that before it looks for the topic."""
    return timestamp >= EARLIEST_PENDING_UPLOAD and version >= FIRST_VERSION_OF.get(timestamp, 0)


async def _version_0(ctx: Context, request: ListOffsets.Request) -> ListOffsets.Response:
    """Answers what is asked, one by one, doubles too."""
    turns = Turns(ctx)
    topics = []
    for topic in request.topics:
        partitions = []
        for asked in topic.partitions:
            await turns.one_more()
            partitions.append(_checked(ctx, request, topic.name, asked, _offsets_before))
        topics.append(ListOffsets.Response.Topic(name=topic.name, partitions=partitions))
    return ListOffsets.Response(topics=topics)


def _checked(
    ctx: Context,
    request: ListOffsets.Request,
    topic: str,
    asked: Any,
    answer: Callable[[Context, ListOffsets.Request, Any, Partition], Any],
) -> Any:
    partition = ctx.cluster.reach(topic, asked.partition_index)
    if isinstance(partition, ErrorCode):
        return _refused(asked.partition_index, partition)
    leader_only = request.replica_id != DEBUGGING_REPLICA
    refusal = partition.refusal_for(ctx.node.id, asked.current_leader_epoch, leader_only=leader_only)
    if refusal:
        return _refused(asked.partition_index, refusal)
    try:
        return answer(ctx, request, asked, partition)
    except StorageError as error:
        logger.error("looking up an offset of %s failed: %s", partition, error)
        return _refused(asked.partition_index, ErrorCode.KAFKA_STORAGE_ERROR)


def _refused(index: int, error_code: ErrorCode) -> Any:
    return PartitionAnswer(
        partition_index=index, error_code=error_code, old_style_offsets=[], timestamp=-1, offset=-1
    )


def _offset_for(ctx: Context, request: ListOffsets.Request, asked: Any, partition: Partition) -> Any:
    timestamp = asked.timestamp
    index = asked.partition_index
    if request.replica_id != CONSUMER_REPLICA:  # for those the isolation level means nothing
        end = partition.log_end_offset
    elif request.isolation_level == READ_COMMITTED:
        end = partition.last_stable_offset
    else:
        end = partition.high_watermark
    found: tuple[int, int, int] = (-1, -1, -1)
    if timestamp == LATEST:
        found = (-1, end, partition.leader_epoch)
    elif timestamp in (EARLIEST, EARLIEST_LOCAL):
        start = partition.log_start_offset
        epoch = partition.log.epochs.epoch_for(start)
        found = (-1, start, epoch if epoch >= 0 else partition.leader_epoch)
    elif timestamp == MAX_TIMESTAMP:
        record = partition.log.max_timestamp_offset()
        if record is not None and record.offset < end:
            found = (record.timestamp_ms, record.offset, record.leader_epoch)
    elif timestamp >= 0:
        record = partition.log.offset_for_timestamp(timestamp)
        if record is not None and record.offset < end:
            found = (record.timestamp_ms, record.offset, record.leader_epoch)
    return PartitionAnswer(
        partition_index=index,
        error_code=ErrorCode.NONE,
        timestamp=found[0],
        offset=found[1],
        leader_epoch=found[2] if ctx.version >= 4 else -1,
    )


def _offsets_before(ctx: Context, request: ListOffsets.Request, asked: Any, partition: Partition) -> Any:
    """Version 0: segment starts and the log's end, newest first, at most `max_num_offsets` (Kafka's
    legacyFetchOffsetsBefore).
    """
    if asked.timestamp < EARLIEST:
        return _refused(asked.partition_index, ErrorCode.UNSUPPORTED_VERSION)
    candidates = partition.log.segment_starts()
    end = partition.high_watermark if request.replica_id == CONSUMER_REPLICA else partition.log_end_offset
    if asked.timestamp == LATEST:
        # A segment whose records are all deleted still counts; that of a log nobody has written to does not.
        used = 0 < partition.log_start_offset == end
        offsets = [end, *(offset for _, offset in reversed(candidates) if offset < end or used)]
    elif asked.timestamp == EARLIEST:
        offsets = [partition.log_start_offset]
    else:
        # The log's end counts as a start of now, but for a log that nobody has written to.
        if end:
            candidates = [*candidates, (ctx.cluster.clock.now_ms(), end)]
        offsets = [
            offset
            for modified_ms, offset in reversed(candidates)
            if modified_ms <= asked.timestamp and offset <= end
        ]
    count = max(0, asked.max_num_offsets)
    return PartitionAnswer(
        partition_index=asked.partition_index, error_code=ErrorCode.NONE, old_style_offsets=offsets[:count]
    )
