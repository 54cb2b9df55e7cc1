"""OffsetDelete (key 47): forgets offsets of topics that nobody in the group consumes (KIP-496). v0 only."""

from __future__ import annotations

from kwire_codecs.apis.offset_delete import OffsetDelete
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import TopicPartitions
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size
from kwire.runtime.soon import awaited

API = OffsetDelete
VERSIONS = (0, 0)

TopicAnswer = OffsetDelete.Response.Topic
PartitionAnswer = OffsetDelete.Response.Topic.Partition


async def handle(ctx: Context, request: OffsetDelete.Request) -> OffsetDelete.Response:
    """Sorts out what does not exist, and has the rest forgotten. Refused topics are answered first, as
    Kafka does.
    """
    check_size(*(1 + len(topic.partitions) for topic in request.topics))
    image = ctx.cluster.controller.image
    answers: dict[str, TopicAnswer] = {}
    deletions: list[TopicPartitions] = []
    turns = Turns(ctx)
    for topic in request.topics:
        await turns.one_more()
        found = image.topic(topic.name)
        known: list[int] = []
        for asked in topic.partitions:
            await turns.one_more()
            if found is not None and found.partition(asked.partition_index) is not None:
                known.append(asked.partition_index)
            else:
                _add(answers, topic.name, asked.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if known:
            deletions.append(TopicPartitions(topic.name, known))
    result = await awaited(ctx.cluster.groups.delete_offsets(ctx.node.id, request.group_id, deletions))
    if result.error_code:
        return OffsetDelete.Response(error_code=result.error_code, topics=[])
    for deletion, errors in zip(deletions, result.partition_errors, strict=True):
        for partition, error_code in zip(deletion.partitions, errors, strict=True):
            _add(answers, deletion.topic, partition, error_code)
    return OffsetDelete.Response(topics=list(answers.values()))


def _add(answers: dict[str, TopicAnswer], topic: str, partition: int, error_code: ErrorCode) -> None:
    answer = answers.get(topic)
    if answer is None:
        answer = answers[topic] = TopicAnswer(name=topic, partitions=[])
    answer.partitions.append(PartitionAnswer(partition_index=partition, error_code=error_code))
