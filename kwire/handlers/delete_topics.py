"""DeleteTopics (key 20): remove topics, their partitions and their configs.

v1 throttle time · v3 TOPIC_DELETION_DISABLED where older versions say INVALID_REQUEST · v4 flexible · v5
error messages, quota errors (KIP-599) · v6 topics by id (KIP-516)
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.errors import ErrorCode

from kwire.broker.controller import Operation
from kwire.coordinators.metadata.api_error import ApiError
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.topics import DeletedTopic, TopicToDelete, delete_topics
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes, decisions

API = DeleteTopics
VERSIONS = (0, 6)


async def handle(ctx: Context, request: DeleteTopics.Request) -> DeleteTopics.Response:
    """Each topic by itself: deleted, or refused with a reason."""
    check_changes(len(request.topic_names), len(request.topics))
    doomed = [TopicToDelete(name) for name in request.topic_names]
    doomed += [TopicToDelete(topic.name, topic.topic_id) for topic in request.topics]
    if not ctx.cluster.config.boolean("delete.topic.enable"):
        code = ErrorCode.TOPIC_DELETION_DISABLED if ctx.version >= 3 else ErrorCode.INVALID_REQUEST
        disabled = ApiError.of(code)
        results = [DeletedTopic(topic.name, topic.topic_id, disabled) for topic in doomed]
    else:
        results = await _delete(ctx, doomed)
    return DeleteTopics.Response(
        responses=[
            DeleteTopics.Response.Topic(
                name=result.name,
                topic_id=result.topic_id,
                error_code=result.error.error_code,
                error_message=result.error.message,
            )
            for result in results
        ]
    )


async def _delete(ctx: Context, doomed: Sequence[TopicToDelete]) -> list[DeletedTopic]:
    """In one decision; very many in several, with turns for the others, if no topic is named twice."""
    controller = ctx.cluster.controller
    image = controller.image
    names = [
        topic.name if topic.name is not None else image.topic_names.get(topic.topic_id, topic.topic_id)
        for topic in doomed
    ]
    pieces: list[Sequence[TopicToDelete]] = [doomed]
    if len(set(names)) == len(names):
        pieces = decisions(doomed, lambda topic: _partitions(image, topic))

    def operation(piece: Sequence[TopicToDelete]) -> Operation[list[DeletedTopic]]:
        return lambda image: delete_topics(image, piece)

    return [deleted for done in await controller.submit_each(map(operation, pieces)) for deleted in done]


def _partitions(image: ClusterImage, topic: TopicToDelete) -> int:
    found = image.topic(topic.name) if topic.name is not None else image.topic_by_id(topic.topic_id)
    return 0 if found is None else len(found.partitions)
