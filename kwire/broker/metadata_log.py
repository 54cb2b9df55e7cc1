"""`__cluster_metadata-0`: the log that everything about the cluster is in, in KRaft's format (KIP-595, 631).

Rules:
- Every change is one batch of metadata records with offsets that follow on; the first batch of each run of
  the controller is a LeaderChange control batch with a higher epoch than any before it. A real Kafka and its
  tools read the log as they read their own.
- `append` is synchronous, like the engine under it. `StorageError` leaves it when nothing was written.
- `read` checks each batch's CRC: the log is read whole once a start, and a lie in it would become the
  cluster's state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from kwire_codecs.compile import encode_bytes
from kwire_codecs.internal.control_records import LeaderChangeMessage
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.control import ControlType, kraft_batch
from kwire_codecs.records.record import Record as LogRecord
from kwire_storage.engine import LogConfig, PartitionLog, StorageError, ValidBatch

from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import METADATA_TOPIC_ID
from kwire.coordinators.metadata.topic_names import CLUSTER_METADATA
from kwire.partitions.threads import run_in_thread

_READ_BYTES: Final = 1 << 20
_MAX_BATCH_BYTES: Final = 64 << 20
_MAX_RECORDS: Final = 5_000
"""Records in a batch; more go into several, which are written in one call."""


class Opener(Protocol):
    """What `LogDirs` and `MemoryDirs` have in common here."""

    def open(
        self, topic: str, partition: int, topic_id: UUID, config: LogConfig, *, now_ms: int = 0
    ) -> PartitionLog:
        """The log of a partition."""
        ...


class LoggedBatch(NamedTuple):
    """The metadata records of one batch (none for a control batch), its last offset and its epoch."""

    records: list[m.Record]
    last_offset: int
    epoch: int


class MetadataLog:
    """The open log. Its directory's owner closes the files."""

    __slots__ = ("_log", "epoch")

    def __init__(self, directories: Opener, *, segment_bytes: int, now_ms: int) -> None:
        config = LogConfig(segment_bytes=segment_bytes, retention_ms=-1)
        self._log = directories.open(CLUSTER_METADATA, 0, METADATA_TOPIC_ID, config, now_ms=now_ms)
        self.epoch = -1
        """The leader epoch of the newest batch, and of the next one."""

    @property
    def next_offset(self) -> int:
        """The offset that the next record gets."""
        return self._log.log_end_offset

    def read(self) -> Iterator[LoggedBatch]:
        """Every batch from the start.

        :raises StorageError: the log does not begin at 0, or a batch's checksum is wrong.
        """
        offset = self._log.log_start_offset
        if offset > 0:
            raise StorageError(
                f"the metadata log begins at offset {offset}: what came before is in a snapshot, which this "
                "version can't read"
            )
        while offset < self._log.log_end_offset:
            for part in self._log.read(offset, _READ_BYTES).parts:
                data = self._log.read_bytes(part)
                for position, header in record_batch.walk(data):
                    if not record_batch.crc_is_valid(data, position, header):
                        raise StorageError(
                            f"the metadata log's batch at {header.base_offset} has a wrong checksum"
                        )
                    offset = header.next_offset
                    self.epoch = max(self.epoch, header.partition_leader_epoch)
                    records: list[m.Record] = []
                    if not header.is_control:
                        logged = record_batch.records(data, position, header, _MAX_BATCH_BYTES)
                        records = [m.decode(record.value) for record in logged if record.value is not None]
                    yield LoggedBatch(records, header.last_offset, header.partition_leader_epoch)

    def begin_epoch(self, leader_id: int, directory_id: UUID, now_ms: int) -> int:
        """Start a new epoch with its LeaderChange record; return the offset of that record."""
        self.epoch += 1
        offset = self.next_offset
        voter = LeaderChangeMessage.Voter(voter_id=leader_id)
        message = LeaderChangeMessage(version=0, leader_id=leader_id, voters=[voter], granting_voters=[voter])
        batch = kraft_batch(
            ControlType.LEADER_CHANGE,
            encode_bytes(message, 0),
            now_ms,
            base_offset=offset,
            leader_epoch=self.epoch,
        )
        self._write([batch], now_ms)
        return offset

    def append(self, records: Sequence[m.Record], metadata_version: int, now_ms: int) -> int:
        """Write records, in as few batches as they fit; return the offset of the last one."""
        batches = []
        offset = self.next_offset
        for start in range(0, len(records), _MAX_RECORDS):
            chunk = records[start : start + _MAX_RECORDS]
            batches.append(
                record_batch.build(
                    [LogRecord(None, m.encode(record, metadata_version), now_ms) for record in chunk],
                    base_offset=offset,
                    leader_epoch=self.epoch,
                )
            )
            offset += len(chunk)
        self._write(batches, now_ms)
        return offset - 1

    async def sync(self) -> int:
        """Put everything that is written by now on the device; return the offset that comes after it.

        :raises StorageError: it may be there, or not.
        """
        end = self.next_offset
        job = self._log.plan_flush()
        if job is not None:
            await run_in_thread(job.work)
            self._log.commit_flush(job)
        return end

    def _write(self, batches: Sequence[bytearray], now_ms: int) -> None:
        valid = []
        for batch in batches:
            view = memoryview(batch)
            valid.append(ValidBatch(view, record_batch.read_header(view)))
        self._log.append(valid, now_ms)
