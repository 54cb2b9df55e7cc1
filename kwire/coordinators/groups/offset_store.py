"""Committed and pending offsets, kept by group, topic and partition. Only what is replayed changes them."""

from __future__ import annotations

from collections.abc import Iterator

from kwire.coordinators.groups.pending_offsets import PendingOffsets
from kwire.coordinators.groups.records import OffsetKey, OffsetValue


class OffsetStore:
    """The offsets of one shard. `pending` are those of transactions that have not ended."""

    __slots__ = ("_groups", "_groups_of_topic", "pending")

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, dict[int, OffsetValue]]] = {}
        self._groups_of_topic: dict[str, dict[str, None]] = {}
        self.pending = PendingOffsets()

    # Replay

    def replay(self, key: OffsetKey, value: OffsetValue | None) -> None:
        """Set an offset, or forget it."""
        pending = self.pending
        if pending.by_group:
            if value is None:
                pending.forget(key)
            else:
                pending.overtake(key)
        self._put(key, value)

    def replay_pending(self, producer_id: int, key: OffsetKey, value: OffsetValue | None) -> None:
        """Set an offset that counts once the producer's transaction is committed. A tombstone counts at once
        (Kafka writes none in transactions).
        """
        if value is None:
            self.replay(key, None)
        else:
            self.pending.add(producer_id, key, value)

    def replay_end(self, producer_id: int, *, is_commit: bool) -> None:
        """The producer's transaction has ended."""
        for key, value in self.pending.end(producer_id, is_commit=is_commit):
            self._put(key, value)

    def _put(self, key: OffsetKey, value: OffsetValue | None) -> None:
        group_id, topic, partition = key
        topics = self._groups.get(group_id)
        if value is not None:
            if topics is None:
                topics = self._groups[group_id] = {}
            partitions = topics.get(topic)
            if partitions is None:
                partitions = topics[topic] = {}
                self._groups_of_topic.setdefault(topic, {})[group_id] = None
            partitions[partition] = value
            return
        partitions = None if topics is None else topics.get(topic)
        if topics is None or partitions is None:
            return
        partitions.pop(partition, None)
        if not partitions:
            del topics[topic]
            groups = self._groups_of_topic[topic]
            del groups[group_id]
            if not groups:
                del self._groups_of_topic[topic]
            if not topics:
                del self._groups[group_id]

    # Looking

    def get(self, group_id: str, topic: str, partition: int) -> OffsetValue | None:
        """One committed offset."""
        topics = self._groups.get(group_id)
        partitions = None if topics is None else topics.get(topic)
        return None if partitions is None else partitions.get(partition)

    def has(self, group_id: str) -> bool:
        """Whether the group has committed offsets."""
        return group_id in self._groups

    def topics(self, group_id: str) -> list[str]:
        """The topics of which the group has offsets, in the order of their first commit."""
        return list(self._groups.get(group_id, ()))

    def partitions(self, group_id: str, topic: str) -> list[tuple[int, OffsetValue]]:
        """The offsets of one topic."""
        return list(self._groups.get(group_id, {}).get(topic, {}).items())

    def of_group(self, group_id: str) -> Iterator[tuple[str, int, OffsetValue]]:
        """All offsets of a group."""
        for topic, partitions in self._groups.get(group_id, {}).items():
            for partition, value in partitions.items():
                yield topic, partition, value

    def groups_of(self, topic: str) -> list[str]:
        """The groups that have offsets of a topic."""
        return list(self._groups_of_topic.get(topic, ()))

    def snapshot(self) -> dict[OffsetKey, OffsetValue]:
        """All committed offsets, flat: to compare, not to serve."""
        return {
            OffsetKey(group_id, topic, partition): value
            for group_id in self._groups
            for topic, partition, value in self.of_group(group_id)
        }
