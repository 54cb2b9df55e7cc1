"""How many logs of a node are copied to another of its directories at a time, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kwire.coordinators.metadata.image import ResourceType

if TYPE_CHECKING:
    from kwire.broker.cluster import Cluster

LIMIT: Final = "replica.alter.log.dirs.io.max.bytes.per.second"


class MoveLimits:
    """Those of a cluster's nodes, as its settings have them at the moment."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._copied: dict[int, tuple[int, int]] = {}
        """Of each node: how many bytes have been copied since when (ms), as its limit counts."""

    def threads(self, node_id: int) -> int:
        """How many logs of a node may be worked on at a time: by default one for each directory."""
        wanted = self._cluster.config.optional_integer("num.replica.alter.log.dirs.threads")
        directories = self._cluster.directories[node_id]
        every = len(directories.directory_ids) + len(directories.offline)
        return max(1, every if wanted is None else wanted)

    def copied(self, node_id: int, size: int) -> None:
        """So many bytes have been copied: a node's moves wait as long as its limit says, by then."""
        now_ms = self._cluster.clock.now_ms()
        if node_id not in self._copied or self.throttled_until_ms(node_id) <= now_ms:
            self._copied[node_id] = now_ms, 0
        since_ms, copied = self._copied[node_id]
        self._copied[node_id] = since_ms, copied + size

    def throttled_until_ms(self, node_id: int) -> int:
        """When a node may copy more."""
        limit = self._limit(node_id)
        if limit is None:
            return 0
        since_ms, copied = self._copied.get(node_id, (0, 0))
        return since_ms + copied * 1000 // limit

    def _limit(self, node_id: int) -> int | None:
        """Bytes a second that a node may copy; None: as many as it can."""
        for resource in (str(node_id), ""):
            text = self._cluster.image.config(ResourceType.BROKER, resource).get(LIMIT)
            if text is not None and text.isdecimal() and int(text) > 0:
                return int(text)
        return None
