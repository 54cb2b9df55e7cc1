"""Where each leader epoch began in a log (Kafka's LeaderEpochFileCache), kept in `leader-epoch-checkpoint`.

The entries (epoch, start_offset) rise strictly in both. This class holds them; `on_change` is called after
each change so that an engine with a disk can write the file. The answers of `end_offset_for` are those of
OffsetForLeaderEpoch (KIP-101, KIP-320).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1


class EpochEntry(NamedTuple):
    """The first offset that was written under `epoch`."""

    epoch: int
    start_offset: int


def _nothing() -> None:
    pass


class LeaderEpochs:
    """The leader epochs of one log."""

    __slots__ = ("_epochs", "_on_change", "_starts", "latest")

    def __init__(self, entries: Iterable[EpochEntry] = (), on_change: Callable[[], None] = _nothing) -> None:
        self._epochs: list[int] = []
        self._starts: list[int] = []
        self._on_change = _nothing
        self.latest = UNDEFINED_EPOCH
        """The newest epoch, -1 when there is none; an attribute, since every append looks at it."""
        for entry in entries:
            self.assign(*entry)
        self._on_change = on_change

    def entries(self) -> list[EpochEntry]:
        """All entries, oldest first."""
        return [EpochEntry(*pair) for pair in zip(self._epochs, self._starts, strict=True)]

    def assign(self, epoch: int, start_offset: int) -> None:
        """`epoch` began at `start_offset`. Entries that contradict it (a later epoch, or a later start)
        give way.

        A repeat of the newest epoch with the same or a later start changes nothing.
        """
        if epoch < 0 or start_offset < 0:
            raise ValueError(f"no epoch {epoch} can begin at offset {start_offset}")
        if self._epochs and epoch == self.latest and start_offset >= self._starts[-1]:
            return
        while self._epochs and (self._epochs[-1] >= epoch or self._starts[-1] >= start_offset):
            self._epochs.pop()
            self._starts.pop()
        self._epochs.append(epoch)
        self._starts.append(start_offset)
        self._changed()

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """The largest epoch not above the one asked for, and where it ended: (-1, -1) when nothing is known
        of it.

        For the newest epoch that is the log's end. An epoch older than all known ones is answered with
        itself and the first known start: what it wrote is gone from the log.
        """
        if epoch == UNDEFINED_EPOCH or not self._epochs:
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if epoch == self.latest:
            return epoch, log_end_offset
        after = bisect_right(self._epochs, epoch)
        if after == len(self._epochs):
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if after == 0:
            return epoch, self._starts[0]
        return self._epochs[after - 1], self._starts[after]

    def epoch_for(self, offset: int) -> int:
        """The epoch under which `offset` was written, -1 when it lies before all that is known."""
        at = bisect_right(self._starts, offset)
        return self._epochs[at - 1] if at else UNDEFINED_EPOCH

    def truncate_from_end(self, end_offset: int) -> None:
        """The log now ends at `end_offset`: epochs that began there or later are gone."""
        keep = bisect_left(self._starts, end_offset)
        if keep < len(self._starts):
            del self._epochs[keep:], self._starts[keep:]
            self._changed()

    def truncate_from_start(self, start_offset: int) -> None:
        """The log now starts at `start_offset`: the epoch in force there begins there, older ones go."""
        passed = bisect_right(self._starts, start_offset)
        if passed == 0 or (passed == 1 and self._starts[0] == start_offset):
            return
        del self._epochs[: passed - 1], self._starts[: passed - 1]
        self._starts[0] = start_offset
        self._changed()

    def clear(self) -> None:
        """Forget everything (the log is empty)."""
        if self._epochs:
            self._epochs.clear()
            self._starts.clear()
            self._changed()

    def _changed(self) -> None:
        self.latest = self._epochs[-1] if self._epochs else UNDEFINED_EPOCH
        self._on_change()
