"""Offsets that are part of transactions which have not ended.

Rules
- Nobody sees a pending offset as committed. It counts once its transaction is committed, and is forgotten
  when that is aborted.
- Whoever is written last wins: an offset that is written after a pending one, by a commit without a
  transaction or by another transaction that is committed, overtakes it. An overtaken offset never counts,
  but its partition is unstable until the transaction ends.
- A tombstone forgets the pending offsets of its partition as well.

What is written last is known by the order of replay, which is that of the log, whatever compaction has taken
out of it. (Kafka: OffsetMetadataManager's pendingTransactionalOffsets and openTransactions, which compare the
offsets of records.)
"""

from __future__ import annotations

from collections.abc import Iterator

from kwire.coordinators.groups.records import OffsetKey, OffsetValue


class _Pending:
    """One pending offset; `value` is None once it was overtaken."""

    __slots__ = ("order", "value")

    def __init__(self, order: int, value: OffsetValue) -> None:
        self.order = order
        self.value: OffsetValue | None = value


class PendingOffsets:
    """The pending offsets of one shard, by producer id. Only what `OffsetStore` replays changes them."""

    __slots__ = ("_order", "_producers", "by_group")

    def __init__(self) -> None:
        self._producers: dict[int, dict[OffsetKey, _Pending]] = {}
        self.by_group: dict[str, dict[OffsetKey, dict[int, _Pending]]] = {}
        """The same by group, partition and producer id; nothing in it is empty. Others may ask whether there
        is anything in it, which is cheap, and no more.
        """
        self._order = 0

    def add(self, producer_id: int, key: OffsetKey, value: OffsetValue) -> None:
        """A producer's transaction is to commit an offset; its last one of a partition counts."""
        self._order += 1
        pending = _Pending(self._order, value)
        self._producers.setdefault(producer_id, {})[key] = pending
        self.by_group.setdefault(key.group, {}).setdefault(key, {})[producer_id] = pending

    def overtake(self, key: OffsetKey) -> None:
        """An offset was committed without a transaction: no pending one of the partition counts any more."""
        for pending in self._of(key):
            pending.value = None

    def forget(self, key: OffsetKey) -> None:
        """A tombstone: the partition has no offsets, pending or not."""
        partitions = self.by_group.get(key.group, {})
        for producer_id in partitions.pop(key, ()):
            pending = self._producers[producer_id]
            del pending[key]
            if not pending:
                del self._producers[producer_id]
        if not partitions:
            self.by_group.pop(key.group, None)

    def end(self, producer_id: int, *, is_commit: bool) -> list[tuple[OffsetKey, OffsetValue]]:
        """A producer's transaction has ended: gives the offsets that are committed by that."""
        committed: list[tuple[OffsetKey, OffsetValue]] = []
        for key, pending in self._producers.pop(producer_id, {}).items():
            partitions = self.by_group[key.group]
            producers = partitions[key]
            del producers[producer_id]
            if is_commit and pending.value is not None:
                committed.append((key, pending.value))
                for other in producers.values():
                    if other.order < pending.order:
                        other.value = None
            if not producers:
                del partitions[key]
                if not partitions:
                    del self.by_group[key.group]
        return committed

    def _of(self, key: OffsetKey) -> Iterator[_Pending]:
        yield from self.by_group.get(key.group, {}).get(key, {}).values()

    def is_pending(self, key: OffsetKey) -> bool:
        """Whether a transaction may yet change the partition's offset."""
        return key in self.by_group.get(key.group, ())

    def has(self, group_id: str) -> bool:
        """Whether the group has pending offsets."""
        return group_id in self.by_group

    def of_group(self, group_id: str) -> list[OffsetKey]:
        """The partitions of which the group has pending offsets."""
        return list(self.by_group.get(group_id, ()))

    def group_ids(self) -> list[str]:
        """The groups that have pending offsets."""
        return list(self.by_group)

    def snapshot(self) -> dict[tuple[int, OffsetKey], OffsetValue | None]:
        """All of it, flat, None for what was overtaken: to compare, not to serve."""
        return {
            (producer_id, key): pending.value
            for producer_id, offsets in self._producers.items()
            for key, pending in offsets.items()
        }
