"""A partition as a shard's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records.batch import NO_SEQUENCE
from kwire_storage.engine import StorageError, ValidBatch
from kwire_storage.produce_rules import ProduceRules

from kwire.coordinators.outcome import TransactionEnd
from kwire.partitions.flushing import flush_to
from kwire.partitions.partition import Origin, Partition
from kwire.partitions.threads import run_in_thread
from kwire.runtime.soon import Soon

if TYPE_CHECKING:
    from kwire_storage.producer_state import Verification

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

    def append(self, batches: Sequence[ValidBatch]) -> Soon[ErrorCode]:
        """Append whole batches, all or none."""
        partition = self.partition
        error_code = partition.append_batches(batches, _RULES, origin=Origin.COORDINATOR).error_code
        if not error_code and partition.must_flush:
            return flush_to(partition, partition.log_end_offset)
        return error_code

    def start_verification(
        self, producer_id: int, producer_epoch: int, *, supports_epoch_bump: bool
    ) -> Verification | ErrorCode | None:
        """To be called before the transaction coordinator is asked for a producer; None where its transaction
        is open, and nobody has to be asked. (Kafka: UnifiedLog.maybeStartTransactionVerification.)
        """
        partition = self.partition
        return partition.start_verification(
            producer_id, producer_epoch, NO_SEQUENCE, supports_epoch_bump=supports_epoch_bump
        )

    def refusal_of_records(
        self, producer_id: int, producer_epoch: int, verified: Verification | bool
    ) -> ErrorCode:
        """What is against appending records of a producer's transaction; NONE if nothing is. `verified` is as
        for `Partition.append`.
        """
        partition = self.partition
        if partition.is_under_min_isr:
            return ErrorCode.NOT_ENOUGH_REPLICAS
        producers = partition.log.producers
        entry = producers.get(producer_id)
        if entry is not None and producer_epoch < entry.epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if not producers.has_open_transaction(producer_id, producer_epoch) and not producers.is_verified(
            producer_id, verified
        ):
            return ErrorCode.INVALID_TXN_STATE
        return ErrorCode.NONE

    def refusal_of_end(self, end: TransactionEnd, transaction_version: int) -> ErrorCode:
        """What is against appending the end of a producer's transaction; NONE if nothing is."""
        partition = self.partition
        if partition.is_under_min_isr:
            return ErrorCode.NOT_ENOUGH_REPLICAS
        refusal = partition.log.producers.check_marker(
            end.producer_id, end.producer_epoch, end.coordinator_epoch, transaction_version
        )
        return ErrorCode.NONE if refusal is None else refusal

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
