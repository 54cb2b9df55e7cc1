"""Creating topics by the thousand, for CreateTopics and for Metadata that creates what it is asked about.

Rules: a request is one decision of the controller, unless it asks for very much, none of the topics twice and
no more than a request may: then some topics are decided at a time, and others have their turn between. Each
topic stands for itself anyway. One topic is one decision, however many partitions it has.
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire.broker.controller import Operation
from kwire.coordinators.metadata.config_changes import MAX_CHANGES
from kwire.coordinators.metadata.topic_names import CLUSTER_METADATA
from kwire.coordinators.metadata.topics import (
    MAX_PARTITIONS,
    CreatedTopic,
    NewTopic,
    create_topics,
    wanted_partitions,
)
from kwire.handlers.context import Context
from kwire.handlers.turns import decisions


async def create(
    ctx: Context, wanted: Sequence[NewTopic], *, validate_only: bool = False
) -> list[CreatedTopic]:
    """What came of each."""
    cluster = ctx.cluster
    default = cluster.config.integer("num.partitions")
    pieces = decisions(wanted, lambda topic: wanted_partitions((topic,), default))
    if len(pieces) > 1 and not _one_by_one(ctx, wanted):
        pieces = [wanted]

    def operation(piece: Sequence[NewTopic]) -> Operation[list[CreatedTopic]]:
        return lambda image: create_topics(
            image,
            piece,
            config=cluster.config,
            random=cluster.random,
            new_id=cluster.controller.new_uuid,
            validate_only=validate_only,
        )

    return [
        created for done in await cluster.controller.submit_each(map(operation, pieces)) for created in done
    ]


def _one_by_one(ctx: Context, wanted: Sequence[NewTopic]) -> bool:
    """Whether the topics have nothing to do with each other, nor with the bound of a request."""
    names = {topic.name for topic in wanted}
    return (
        len(names) == len(wanted)
        and CLUSTER_METADATA not in names
        and sum(len(topic.configs) for topic in wanted) <= MAX_CHANGES
        and wanted_partitions(wanted, ctx.cluster.config.integer("num.partitions")) <= MAX_PARTITIONS
    )
