"""DeleteRecords (key 21): moves a partition's log start forward.

v2 flexible. Offset -1 means up to the high watermark. Internal topics are refused (INVALID_TOPIC_EXCEPTION),
and so is a topic whose cleanup.policy has no `delete` (POLICY_VIOLATION), as Kafka's ReplicaManager does.
"""

from __future__ import annotations

import logging
from typing import Any

from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import StorageError

from kwire.handlers.context import Context
from kwire.handlers.turns import Turns

API = DeleteRecords
VERSIONS = (0, 2)

logger = logging.getLogger("kwire.handlers")

HIGH_WATERMARK = -1
TopicAnswer = DeleteRecords.Response.Topic
PartitionAnswer = TopicAnswer.Partition


async def handle(ctx: Context, request: DeleteRecords.Request) -> DeleteRecords.Response:
    """Answers each partition's new log start, its low watermark."""
    turns = Turns(ctx)
    topics = []
    for topic in request.topics:
        partitions = []
        for asked in topic.partitions:
            await turns.one_more()
            partitions.append(_delete(ctx, topic.name, asked))
        topics.append(TopicAnswer(name=topic.name, partitions=partitions))
    try:
        ctx.cluster.save_log_starts()  # once for all of them: the file has a line for each log
    except StorageError as error:
        if not error.is_told:
            logger.error("the log starts that DeleteRecords moved could not be written down: %s", error)
        for answered in (partition for topic in topics for partition in topic.partitions):
            if not answered.error_code:
                answered.error_code, answered.low_watermark = ErrorCode.KAFKA_STORAGE_ERROR, -1
    return DeleteRecords.Response(topics=topics)


def _delete(ctx: Context, topic: str, asked: Any) -> Any:
    error_code, low_watermark = _low_watermark(ctx, topic, asked)
    return PartitionAnswer(
        partition_index=asked.partition_index, low_watermark=low_watermark, error_code=error_code
    )


def _low_watermark(ctx: Context, topic: str, asked: Any) -> tuple[ErrorCode, int]:
    cluster = ctx.cluster
    partition = cluster.reach(topic, asked.partition_index)
    if isinstance(partition, ErrorCode):
        return partition, -1
    if cluster.is_internal(topic):
        return ErrorCode.INVALID_TOPIC_EXCEPTION, -1
    refusal = partition.refusal_for(ctx.node.id, -1)
    if refusal:
        return refusal, -1
    if not cluster.topic_config(topic).deletes:
        return ErrorCode.POLICY_VIOLATION, -1
    offset = partition.high_watermark if asked.offset == HIGH_WATERMARK else asked.offset
    if offset < 0 or offset > partition.high_watermark:
        return ErrorCode.OFFSET_OUT_OF_RANGE, -1
    try:
        partition.advance_log_start(offset)
    except StorageError as error:
        if not error.is_told:
            logger.error("moving the log start of %s to %d failed: %s", partition, offset, error)
        return ErrorCode.KAFKA_STORAGE_ERROR, -1
    return ErrorCode.NONE, partition.log_start_offset
