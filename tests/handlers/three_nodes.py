"""Topics placed by hand on the nodes of a broker of several."""

from __future__ import annotations

from collections.abc import Sequence

from kwire.coordinators.metadata.topics import NewTopic, create_topics
from kwire.server.launch import Running


async def place(
    running: Running, name: str, *replicas: Sequence[int], configs: dict[str, str] | None = None
) -> None:
    """A topic whose partitions have those replicas, the preferred leader first."""
    cluster = running.cluster
    wanted = NewTopic(name, assignments=tuple(enumerate(map(tuple, replicas))), configs=configs or {})
    [created] = await cluster.controller.submit(
        lambda image: create_topics(
            image, [wanted], config=cluster.config, random=cluster.random, new_id=cluster.controller.new_uuid
        )
    )
    assert not created.error.failed, created
