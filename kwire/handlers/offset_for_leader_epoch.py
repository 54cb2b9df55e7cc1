"""OffsetForLeaderEpoch (key 23): where a leader epoch ended, so that a reader finds where its log left ours.

v1 the epoch in the answer · v2 current leader epoch (KIP-320), throttle time · v3 replica id · v4 flexible
"""

from __future__ import annotations

from typing import Any

from kwire_codecs.apis.offset_for_leader_epoch import OffsetForLeaderEpoch
from kwire_codecs.errors import ErrorCode

from kwire.handlers.context import Context
from kwire.handlers.turns import Turns

API = OffsetForLeaderEpoch
VERSIONS = (0, 4)

TopicAnswer = OffsetForLeaderEpoch.Response.Topic
EpochEndOffset = TopicAnswer.Partition


async def handle(ctx: Context, request: OffsetForLeaderEpoch.Request) -> OffsetForLeaderEpoch.Response:
    """Answers -1, -1 for an epoch that the log knows nothing of."""
    turns = Turns(ctx)
    topics = []
    for topic in request.topics:
        partitions = []
        for asked in topic.partitions:
            await turns.one_more()
            partitions.append(_end_of(ctx, topic.topic, asked))
        topics.append(TopicAnswer(topic=topic.topic, partitions=partitions))
    return OffsetForLeaderEpoch.Response(topics=topics)


def _end_of(ctx: Context, topic: str, asked: Any) -> Any:
    partition = ctx.cluster.reach(topic, asked.partition)
    if isinstance(partition, ErrorCode):
        return EpochEndOffset(error_code=partition, partition=asked.partition)
    refusal = partition.refusal_for(ctx.node.id, asked.current_leader_epoch)
    if refusal:
        return EpochEndOffset(error_code=refusal, partition=asked.partition)
    found = partition.epoch_end_offset(asked.leader_epoch)
    epoch, end_offset = found if found is not None else (-1, -1)
    return EpochEndOffset(
        error_code=ErrorCode.NONE, partition=asked.partition, leader_epoch=epoch, end_offset=end_offset
    )
