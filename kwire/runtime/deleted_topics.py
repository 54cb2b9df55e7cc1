"""Offsets of topics that were deleted: nobody will consume from them again, so each shard forgets its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import trio

from kwire.coordinators.metadata.image import ClusterImage
from kwire.runtime.shard import Shard

if TYPE_CHECKING:
    from kwire.coordinators.groups.coordinator import GroupCoordinator

logger = logging.getLogger("kwire.runtime")


def deleted_topics(old: ClusterImage, new: ClusterImage) -> dict[str, UUID]:
    """The ids of the topics that a change has deleted, be there others of their names or not."""
    gone = {}
    for name in new.changed_topics:
        before, after = old.topic(name), new.topic(name)
        if before is not None and (after is None or after.id != before.id):
            gone[name] = before.id
    return gone


async def forget_offsets(shard: Shard[GroupCoordinator], topics: Mapping[str, UUID]) -> None:
    """Have a shard forget the offsets of topics, some at a time. What fails is logged."""
    try:
        while (
            await shard.run(lambda machine, now_ms: machine.delete_offsets_of_topics(topics, now_ms)) is True
        ):
            await trio.lowlevel.checkpoint()
    except Exception:
        logger.exception("forgetting the offsets of deleted topics failed: %s", ", ".join(topics))
