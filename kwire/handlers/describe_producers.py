"""DescribeProducers (key 61): the idempotent and transactional producers that partitions remember (KIP-664).

v0 only. Any replica answers, as Kafka's. Producers are told in the order of their ids.
"""

from __future__ import annotations

from typing import Any

from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.errors import ErrorCode
from kwire_storage.producer_entry import ProducerEntry

from kwire.coordinators.metadata.topic_names import is_valid
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns

API = DescribeProducers
VERSIONS = (0, 0)

TopicAnswer = DescribeProducers.Response.Topic
PartitionAnswer = TopicAnswer.Partition
ActiveProducer = PartitionAnswer.ActiveProducer


async def handle(ctx: Context, request: DescribeProducers.Request) -> DescribeProducers.Response:
    """Answers what is asked, one by one, doubles too."""
    turns = Turns(ctx)
    topics = []
    for topic in request.topics:
        refusal = _refusal(ctx, topic.name)
        partitions = []
        for index in topic.partition_indexes:
            answer = refusal(index) if refusal is not None else _described(ctx, topic.name, index)
            await turns.one_more(1 + len(answer.active_producers))
            partitions.append(answer)
        topics.append(TopicAnswer(name=topic.name, partitions=partitions))
    return DescribeProducers.Response(topics=topics)


def _refusal(ctx: Context, topic: str) -> Any:
    """What makes the answer for each partition of a topic that there is not; None for one that there is."""
    if not is_valid(topic):
        error_code, message = ErrorCode.INVALID_TOPIC_EXCEPTION, f"no topic can be named {topic!r}"
    elif topic not in ctx.cluster.controller.image.topics:
        error_code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {topic!r}"
    else:
        return None
    return lambda index: PartitionAnswer(
        partition_index=index, error_code=error_code, error_message=message, active_producers=[]
    )


def _described(ctx: Context, topic: str, index: int) -> Any:
    partition = ctx.cluster.reach(topic, index)
    error_code: ErrorCode
    if isinstance(partition, ErrorCode):
        error_code = partition
    else:
        error_code = partition.refusal_for(ctx.node.id, -1, leader_only=False)
        if not error_code:
            known = sorted(partition.log.producers, key=lambda entry: entry.producer_id)
            return PartitionAnswer(partition_index=index, active_producers=[_told(each) for each in known])
    return PartitionAnswer(partition_index=index, error_code=error_code, active_producers=[])


def _told(entry: ProducerEntry) -> Any:
    return ActiveProducer(
        producer_id=entry.producer_id,
        producer_epoch=entry.epoch,
        last_sequence=entry.last_sequence,
        last_timestamp=entry.last_timestamp_ms,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=entry.transaction_first_offset,
    )
