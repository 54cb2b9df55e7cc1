"""The newest batches of logs on disk, kept in memory so that readers who keep up are sent the bytes that
producers sent.

A bound for each log, and one for all logs of a node together: when that is reached, the log that was
appended to the longest ago gives up its batches. Nothing here is needed for correctness; a reader who finds
nothing reads the file.
"""

from collections import OrderedDict

from .batch_blocks import BatchBlocks


class TailBudget:
    """Hands out room for newest batches: `log_bytes` for one log, `total_bytes` for all."""

    def __init__(self, log_bytes: int = 4 << 20, total_bytes: int = 64 << 20) -> None:
        self.log_bytes = log_bytes
        self.total_bytes = total_bytes
        self.charged_bytes = 0
        self._kept: OrderedDict[BatchBlocks, None] = OrderedDict()
        """Whose batches are counted here, the one appended to the longest ago first."""
        self._moved_last = self._kept.move_to_end

    def grown(self, blocks: BatchBlocks) -> None:
        """`blocks` have been appended to: make room, from them first, then from others."""
        while blocks.charged_bytes > self.log_bytes:
            blocks.drop_oldest_block()
        charged = blocks.charged_bytes
        if not blocks.budgeted_bytes:
            self._kept[blocks] = None
        self._moved_last(blocks)
        self.charged_bytes += charged - blocks.budgeted_bytes
        blocks.budgeted_bytes = charged
        while self.charged_bytes > self.total_bytes:
            oldest = next(iter(self._kept))
            oldest.clear()
            self.forget(oldest)

    def shrunk(self, blocks: BatchBlocks) -> None:
        """`blocks` have given something up."""
        if blocks in self._kept:
            self.charged_bytes += blocks.charged_bytes - blocks.budgeted_bytes
            blocks.budgeted_bytes = blocks.charged_bytes

    def forget(self, blocks: BatchBlocks) -> None:
        """`blocks` are no longer kept."""
        if blocks in self._kept:
            del self._kept[blocks]
            self.charged_bytes -= blocks.budgeted_bytes
            blocks.budgeted_bytes = 0
