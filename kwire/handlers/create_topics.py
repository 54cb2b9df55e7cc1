"""CreateTopics (key 19): make topics, placed by the controller or as the client says.

v1 validate_only, error messages · v2 throttle time · v4 -1 for the default count and factor (KIP-464) · v5
flexible; the answer shows the topic's count, factor and configs (KIP-525) · v6 quota errors (KIP-599) · v7
topic ids (KIP-516)

The time-out has nothing to wait for: the answer comes when the topics are there.
"""

from __future__ import annotations

from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.describe_configs import ShownConfig, created_topic_configs
from kwire.coordinators.metadata.topics import CreatedTopic, NewTopic, create_topics
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = CreateTopics
VERSIONS = (0, 7)

Topic = CreateTopics.Response.Topic


async def handle(ctx: Context, request: CreateTopics.Request) -> CreateTopics.Response:
    """Each topic by itself: created, or refused with a reason."""
    check_changes(
        len(request.topics),
        *(len(topic.assignments) + len(topic.configs) for topic in request.topics),
    )
    cluster = ctx.cluster
    wanted = [
        NewTopic(
            topic.name,
            topic.num_partitions,
            topic.replication_factor,
            [(assignment.partition_index, assignment.broker_ids) for assignment in topic.assignments],
            {config.name: config.value for config in topic.configs},
        )
        for topic in request.topics
    ]
    results = await cluster.controller.submit(
        lambda image: create_topics(
            image,
            wanted,
            config=cluster.config,
            random=cluster.random,
            new_id=cluster.controller.new_uuid,
            validate_only=request.validate_only,
        )
    )
    return CreateTopics.Response(topics=[_answer(ctx, result) for result in results])


def _answer(ctx: Context, result: CreatedTopic) -> Topic:
    if result.error.failed:
        return Topic(name=result.name, error_code=result.error.error_code, error_message=result.error.message)
    cluster = ctx.cluster
    shown = created_topic_configs(
        cluster.controller.image, cluster.config, ctx.node.id, dict(result.configs or {})
    )
    return Topic(
        name=result.name,
        topic_id=result.topic_id,
        error_code=ErrorCode.NONE,
        num_partitions=result.num_partitions,
        replication_factor=result.replication_factor,
        configs=[_config(config) for config in shown],
    )


def _config(config: ShownConfig) -> Topic.Config:
    return Topic.Config(
        name=config.name,
        value=config.value,
        read_only=config.read_only,
        config_source=config.source,
        is_sensitive=config.sensitive,
    )
