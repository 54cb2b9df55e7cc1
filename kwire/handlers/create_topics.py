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
from kwire.coordinators.metadata.topics import CreatedTopic, NewTopic
from kwire.handlers.context import Context
from kwire.handlers.topic_creation import create
from kwire.handlers.turns import Turns, check_changes

API = CreateTopics
VERSIONS = (0, 7)

Topic = CreateTopics.Response.Topic
AS_MANY_PARTITIONS = 20
"""An answer shows some forty settings a topic."""


async def handle(ctx: Context, request: CreateTopics.Request) -> CreateTopics.Response:
    """Each topic by itself: created, or refused with a reason."""
    check_changes(
        len(request.topics),
        *(len(topic.assignments) + len(topic.configs) for topic in request.topics),
    )
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
    results = await create(ctx, wanted, validate_only=request.validate_only)
    turns = Turns(ctx)
    shown: dict[frozenset[tuple[str, str]], list[Topic.Config]] = {}
    topics = []
    for result in results:
        topics.append(_answer(ctx, result, shown))
        await turns.one_more(cost=AS_MANY_PARTITIONS)
    return CreateTopics.Response(topics=topics)


def _answer(
    ctx: Context, result: CreatedTopic, shown: dict[frozenset[tuple[str, str]], list[Topic.Config]]
) -> Topic:
    """`shown` keeps the configs of earlier topics: those that were created alike show the same."""
    if result.error.failed:
        return Topic(name=result.name, error_code=result.error.error_code, error_message=result.error.message)
    given = dict(result.configs or {})
    configs = shown.get(frozenset(given.items()))
    if configs is None:
        cluster = ctx.cluster
        described = created_topic_configs(cluster.controller.image, cluster.config, ctx.node.id, given)
        configs = shown[frozenset(given.items())] = [_config(config) for config in described]
    return Topic(
        name=result.name,
        topic_id=result.topic_id,
        error_code=ErrorCode.NONE,
        num_partitions=result.num_partitions,
        replication_factor=result.replication_factor,
        configs=configs,
    )


def _config(config: ShownConfig) -> Topic.Config:
    return Topic.Config(
        name=config.name,
        value=config.value,
        read_only=config.read_only,
        config_source=config.source,
        is_sensitive=config.sensitive,
    )
