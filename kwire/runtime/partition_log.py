"""A partition as a shard's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import StorageError, ValidBatch
from kwire_storage.validation import ProduceRules

from kwire.partitions.partition import Origin, Partition
from kwire.partitions.threads import run_in_thread

_RULES: Final = ProduceRules()


class PartitionLog:
    """Appends to and reads a partition; the partition belongs to the cluster."""

    __slots__ = ("partition",)

    def __init__(self, partition: Partition) -> None:
        self.partition = partition

    @property
    def start_offset(self) -> int:
        return self.partition.log_start_offset

    @property
    def end_offset(self) -> int:
        return self.partition.log_end_offset

    def append(self, batches: Sequence[ValidBatch]) -> ErrorCode:
        """Append whole batches, all or none."""
        return self.partition.append_batches(batches, _RULES, origin=Origin.COORDINATOR).error_code

    async def read(self, offset: int, max_bytes: int) -> Sequence[memoryview] | ErrorCode:
        """Whole batches from the one that holds `offset`; what is not in the page cache is read in a
        thread.
        """
        found = self.partition.read(offset, max_bytes)
        if isinstance(found, ErrorCode):
            return found
        buffers: list[memoryview] = []
        for part in found.parts:
            if isinstance(part, memoryview):
                buffers.append(part)
                continue
            try:
                data = part.try_read()
                if data is None:
                    data = await run_in_thread(part.read)
            except StorageError:
                return ErrorCode.KAFKA_STORAGE_ERROR
            buffers.append(data)
        return buffers
