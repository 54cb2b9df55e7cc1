"""ConsumerGroupHeartbeat and ConsumerGroupDescribe as a client sends them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from kwire_codecs.apis.consumer_group_describe import ConsumerGroupDescribe
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat

from tests.broker_client import Client

Asked = ConsumerGroupHeartbeat.Request


def beat_request(group_id: str, member_id: str, epoch: int, **fields: Any) -> Asked:
    """A heartbeat that brings nothing but what is given."""
    return Asked(group_id=group_id, member_id=member_id, member_epoch=epoch, **fields)


def join_fields(*topics: str) -> dict[str, Any]:
    """What a member says when it joins."""
    return {"rebalance_timeout_ms": 60_000, "subscribed_topic_names": list(topics), "topic_partitions": []}


def owning(**partitions: list[int]) -> list[Asked.TopicPartitions]:
    """What a member says that it owns, by topic ids in hexadecimal."""
    return [
        Asked.TopicPartitions(topic_id=UUID(hex=topic_id.lstrip("t")), partitions=owned)
        for topic_id, owned in partitions.items()
    ]


def assigned(response: ConsumerGroupHeartbeat.Response) -> dict[UUID, list[int]] | None:
    """What an answer assigns, if anything."""
    if response.assignment is None:
        return None
    return {topic.topic_id: topic.partitions for topic in response.assignment.topic_partitions}


async def described(client: Client, group_id: str, version: int = 1) -> ConsumerGroupDescribe.Response.Group:
    """One group."""
    request = ConsumerGroupDescribe.Request(group_ids=[group_id], include_authorized_operations=False)
    response: ConsumerGroupDescribe.Response = await client.ask(request, version)
    [group] = response.groups
    return group
