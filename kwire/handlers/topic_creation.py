"""Creating topics by the thousand, for CreateTopics and for Metadata that creates what it is asked about.

Rules: a request is one decision of the controller, unless it names very many topics, none of them twice and
no more than a request may: then they are decided some hundred at a time, and others have their turn between.
Each topic stands for itself anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

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

TOPICS_A_TURN: Final = 200


async def create(
    ctx: Context, wanted: Sequence[NewTopic], *, validate_only: bool = False
) -> list[CreatedTopic]:
    """What came of each."""
    pieces = [wanted]
    if len(wanted) > TOPICS_A_TURN and _one_by_one(ctx, wanted):
        pieces = [wanted[at : at + TOPICS_A_TURN] for at in range(0, len(wanted), TOPICS_A_TURN)]
    results: list[CreatedTopic] = []
    for piece in pieces:
        if results:
            await trio.lowlevel.checkpoint()
        results += await _create(ctx, piece, validate_only)
    return results


async def _create(ctx: Context, wanted: Sequence[NewTopic], validate_only: bool) -> list[CreatedTopic]:
    cluster = ctx.cluster
    return await cluster.controller.submit(
        lambda image: create_topics(
            image,
            wanted,
            config=cluster.config,
            random=cluster.random,
            new_id=cluster.controller.new_uuid,
            validate_only=validate_only,
        )
    )


def _one_by_one(ctx: Context, wanted: Sequence[NewTopic]) -> bool:
    """Whether the topics have nothing to do with each other, nor with the bound of a request."""
    names = {topic.name for topic in wanted}
    return (
        len(names) == len(wanted)
        and CLUSTER_METADATA not in names
        and sum(len(topic.configs) for topic in wanted) <= MAX_CHANGES
        and wanted_partitions(wanted, ctx.cluster.config.integer("num.partitions")) <= MAX_PARTITIONS
    )
