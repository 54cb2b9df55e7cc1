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
        self._charges: OrderedDict[BatchBlocks, int] = OrderedDict()

    def grown(self, blocks: BatchBlocks) -> None:
        """`blocks` have been appended to: make room, from them first, then from others."""
        while blocks.charged_bytes > self.log_bytes:
            blocks.drop_oldest_block()
        charges, charged = self._charges, blocks.charged_bytes
        self.charged_bytes += charged - charges.get(blocks, 0)
        charges[blocks] = charged
        charges.move_to_end(blocks)
        while self.charged_bytes > self.total_bytes:
            oldest = next(iter(self._charges))
            oldest.clear()
            self.forget(oldest)

    def shrunk(self, blocks: BatchBlocks) -> None:
        """`blocks` have given something up."""
        if blocks in self._charges:
            self.charged_bytes += blocks.charged_bytes - self._charges[blocks]
            self._charges[blocks] = blocks.charged_bytes

    def forget(self, blocks: BatchBlocks) -> None:
        """`blocks` are no longer kept."""
        self.charged_bytes -= self._charges.pop(blocks, 0)
