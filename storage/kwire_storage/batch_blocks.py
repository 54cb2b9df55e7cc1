"""Batches in memory, one after the other: all of a memory log, and the newest ones of a log on disk.

Batches lie in blocks. Small ones are copied together into blocks that this module owns, so that a reader
gets one memoryview for many of them and a large network frame is not kept alive by a small batch; a batch
that is most of its frame is kept as it is.

Rules
- Bytes once handed out never change: a block only grows behind what it holds, and after `truncate` a new
  one is begun.
- `charged_bytes` counts all that the blocks keep alive, whole frames and unused room included, and a little
  for each batch.
- The blocks hold an unbroken run of the log's batches. `read` answers None for an offset before that run.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from .engine import LogRead, Slice

FIRST_BLOCK_BYTES = 4096
BLOCK_BYTES = 65536
KEEP_AS_IT_IS_BYTES = 32768
BATCH_OVERHEAD_BYTES = 128  # three list entries and their ints


class _Block:
    __slots__ = ("charged", "filled", "room", "start", "view")

    def __init__(self, view: memoryview, start: int, filled: int, *, room: int, charged: int) -> None:
        self.view = view
        self.start = start  # where its first byte lies in the run of all bytes ever appended
        self.filled = filled
        self.room = room  # bytes that may still be put into it: none into what is not our own
        self.charged = charged

    @property
    def end(self) -> int:
        return self.start + self.filled


class BatchBlocks:
    """An unbroken run of batches in memory."""

    __slots__ = (
        "_base_offsets",
        "_blocks",
        "_ends",
        "_last_offsets",
        "_position",
        "budgeted_bytes",
        "charged_bytes",
    )

    def __init__(self) -> None:
        self._base_offsets: list[int] = []
        self._last_offsets: list[int] = []
        self._ends: list[int] = []
        self._blocks: list[_Block] = []
        self._position = 0
        self.charged_bytes = 0
        self.budgeted_bytes = 0
        """As much of that as a `TailBudget` has counted: for that to keep."""

    def __len__(self) -> int:
        """Batches held."""
        return len(self._ends)

    @property
    def first_offset(self) -> int | None:
        """The base offset of the oldest batch held."""
        return self._base_offsets[0] if self._base_offsets else None

    @property
    def size_bytes(self) -> int:
        """Bytes of the batches held."""
        return self._position - self._blocks[0].start if self._blocks else 0

    def bytes_below(self, offset: int) -> int:
        """Bytes of the batches that end below an offset."""
        at = bisect_left(self._last_offsets, offset)
        return self._ends[at - 1] - self._blocks[0].start if at else 0

    def append(self, base_offset: int, last_offset: int, batch: memoryview) -> None:
        """Add a batch, copying it unless it is most of the buffer that it lies in."""
        size = len(batch)
        if size >= KEEP_AS_IT_IS_BYTES and (pinned := memoryview(batch.obj).nbytes) <= 2 * size:
            self._add_block(_Block(batch, self._position, size, room=0, charged=pinned))
        else:
            blocks = self._blocks
            block = blocks[-1] if blocks else None
            if block is None or block.room < size:
                block = self._new_block(size)
            block.room -= size
            start = block.filled
            block.filled = end = start + size
            block.view[start:end] = batch
        self._position = end = self._position + size
        self._base_offsets.append(base_offset)
        self._last_offsets.append(last_offset)
        self._ends.append(end)
        self.charged_bytes += BATCH_OVERHEAD_BYTES

    def _new_block(self, at_least: int) -> _Block:
        room = FIRST_BLOCK_BYTES
        if self._blocks:
            room = min(2 * len(self._blocks[-1].view), BLOCK_BYTES)
        room = max(room, at_least)
        block = _Block(memoryview(bytearray(room)), self._position, 0, room=room, charged=room)
        self._add_block(block)
        return block

    def _add_block(self, block: _Block) -> None:
        self._blocks.append(block)
        self.charged_bytes += block.charged

    def read(self, offset: int, max_bytes: int, max_offset: int, *, at_least_one: bool) -> LogRead | None:
        """As `PartitionLog.read`; None when the batch wanted lies before the run."""
        if not self._base_offsets or offset < self._base_offsets[0]:
            return None
        first = bisect_left(self._last_offsets, offset)
        beyond = bisect_left(self._last_offsets, max_offset)
        if first >= beyond:
            return LogRead([], 0, offset)
        start = self._ends[first - 1] if first else self._blocks[0].start
        beyond = min(beyond, bisect_right(self._ends, start + max_bytes))
        if beyond <= first:
            if not at_least_one:
                return LogRead([], 0, offset)
            beyond = first + 1
        end = self._ends[beyond - 1]
        return LogRead(self._bytes(start, end), end - start, self._base_offsets[first])

    def _bytes(self, start: int, end: int) -> list[Slice]:
        blocks = self._blocks
        at = len(blocks) - 1
        if blocks[at].start > start:
            at = bisect_right(blocks, start, key=lambda block: block.start) - 1
        parts: list[Slice] = []
        while start < end:
            block = blocks[at]
            stop = min(end, block.end)
            if stop > start:
                parts.append(block.view[start - block.start : stop - block.start])
            start = stop
            at += 1
        return parts

    def batches_from(self, offset: int) -> Iterator[tuple[int, memoryview]]:
        """Base offset and bytes of each batch from the one that holds `offset` on."""
        for at in range(bisect_left(self._last_offsets, offset), len(self._ends)):
            start = self._ends[at - 1] if at else self._blocks[0].start
            (view,) = self._bytes(start, self._ends[at])
            assert isinstance(view, memoryview)
            yield self._base_offsets[at], view

    def drop_oldest_block(self) -> None:
        """Let go of the oldest block and its batches."""
        block = self._blocks.pop(0)
        gone = bisect_right(self._ends, block.end)
        del self._base_offsets[:gone], self._last_offsets[:gone], self._ends[:gone]
        self.charged_bytes -= block.charged + gone * BATCH_OVERHEAD_BYTES

    def batches_before(self, offset: int) -> int:
        """How many batches `drop_before` lets go of."""
        gone = 0
        for block in self._blocks:
            behind = bisect_right(self._ends, block.end)
            if self._last_offsets[behind - 1] >= offset:
                break
            gone = behind
        return gone

    def drop_before(self, offset: int) -> None:
        """Let go of blocks that hold nothing at or above `offset`."""
        kept = len(self) - self.batches_before(offset)
        while len(self) > kept:
            self.drop_oldest_block()

    def end_of(self, found: LogRead, bytes_behind: int = 0) -> int | None:
        """The offset behind what `read` has just given, and `bytes_behind` more; None when that is not
        here.
        """
        if not self._base_offsets or found.first_base_offset < self._base_offsets[0]:
            return None
        first = bisect_left(self._base_offsets, found.first_base_offset)
        start = self._ends[first - 1] if first else self._blocks[0].start
        at = bisect_left(self._ends, start + found.size + bytes_behind)
        return self._last_offsets[at] + 1 if at < len(self._ends) else None

    def truncate(self, offset: int) -> None:
        """Drop every batch that holds `offset` or anything above."""
        keep = bisect_left(self._last_offsets, offset)
        dropped = len(self._ends) - keep
        if not dropped:
            return
        end = self._ends[keep - 1] if keep else self._blocks[0].start
        del self._base_offsets[keep:], self._last_offsets[keep:], self._ends[keep:]
        self.charged_bytes -= dropped * BATCH_OVERHEAD_BYTES
        while self._blocks and self._blocks[-1].start >= end:
            self.charged_bytes -= self._blocks.pop().charged
        self._position = end
        if self._blocks and self._blocks[-1].end > end:
            # Readers may hold what follows in this block: it is closed here, and the next batch begins
            # another one.
            block = self._blocks[-1]
            block.filled = end - block.start
            block.room = 0

    def clear(self) -> None:
        """Let go of everything."""
        self._base_offsets.clear()
        self._last_offsets.clear()
        self._ends.clear()
        self._blocks.clear()
        self.charged_bytes = 0
