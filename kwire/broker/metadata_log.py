"""`__cluster_metadata-0`: the log that everything about the cluster is in, in KRaft's format (KIP-595, 631).

Rules:
- What is below a snapshot (metadata_snapshots.py) is read from it, the rest from the log.
- Every change is one batch of metadata records with offsets that follow on; the first batch of each run of
  the controller is a LeaderChange control batch with a higher epoch than any before it. A real Kafka and its
  tools read the log as they read their own.
- `append` is synchronous, like the engine under it. `StorageError` leaves it when nothing was written.
- `read` checks each batch's CRC: the log is read once a start, and a lie in it would become the cluster's
  state.
- A new epoch is above that of every batch, of the snapshot and of `quorum-state`, and is in the log before it
  is in that file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from kwire_codecs.compile import encode_bytes
from kwire_codecs.errors import Malformed
from kwire_codecs.internal.control_records import LeaderChangeMessage
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.control import ControlType, decode_key, kraft_batch
from kwire_codecs.records.corrupt import CorruptBatch
from kwire_codecs.records.record import Record as LogRecord
from kwire_storage.engine import LogConfig, PartitionLog, StorageError, ValidBatch
from kwire_storage.folder import Folder

from kwire.broker.metadata_snapshots import (
    MAX_BATCH_BYTES,
    Snapshot,
    SnapshotFolder,
    SnapshotId,
    encode_snapshot,
    outlived,
)
from kwire.broker.quorum_state import (
    QUORUM_STATE,
    BadQuorumState,
    KRaftState,
    decode_quorum_epoch,
    encode_quorum_state,
)
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import METADATA_TOPIC_ID
from kwire.coordinators.metadata.topic_names import CLUSTER_METADATA
from kwire.partitions.threads import run_in_thread

logger = logging.getLogger("kwire.broker")

_READ_BYTES: Final = 1 << 20
_MAX_RECORDS: Final = 5_000
"""Records in a batch; more go into several, which are written in one call."""


class Opener(Protocol):
    """What `LogDirs` and `MemoryDirs` have in common here."""

    def open(
        self, topic: str, partition: int, topic_id: UUID, config: LogConfig, *, now_ms: int = 0
    ) -> PartitionLog:
        """The log of a partition."""
        ...

    def beside(self, topic: str, partition: int) -> Folder:
        """The small files beside that log."""
        ...

    def above(self, topic: str, partition: int) -> Folder:
        """The files of its log directory."""
        ...


class LoggedBatch(NamedTuple):
    """The metadata records of one batch (none for a control batch), its last offset and its epoch."""

    records: list[m.Record]
    last_offset: int
    epoch: int


def logged(
    data: memoryview, position: int, header: record_batch.BatchHeader, offset: int, kraft: KRaftState
) -> tuple[LoggedBatch, KRaftState]:
    """The batch at a position of `data`, without its records below `offset`, and what KRaft's own records in
    it make of `kraft`.

    :raises StorageError: its checksum is wrong.
    :raises CorruptBatch, Malformed: it can't be read.
    """
    if not record_batch.crc_is_valid(data, position, header):
        raise StorageError(f"the metadata log's batch at {header.base_offset} has a wrong checksum")
    records: list[m.Record] = []
    for record in record_batch.records(data, position, header, MAX_BATCH_BYTES):
        if record.offset < offset:
            continue
        if header.is_control:
            kraft = kraft.after(decode_key(record.key), record.value)
        elif record.value is not None:
            records.append(m.decode(record.value))
    return LoggedBatch(records, header.last_offset, header.partition_leader_epoch), kraft


class MetadataLog:
    """The open log. Its directory's owner closes the files."""

    __slots__ = ("_folder", "_log", "_newest_timestamp_ms", "bytes_written", "epoch", "kraft", "snapshots")

    def __init__(
        self, directories: Opener, *, segment_bytes: int, now_ms: int, segment_ms: int = 7 * 24 * 3600 * 1000
    ) -> None:
        config = LogConfig(segment_bytes=segment_bytes, segment_ms=segment_ms, retention_ms=-1)
        self._log = directories.open(CLUSTER_METADATA, 0, METADATA_TOPIC_ID, config, now_ms=now_ms)
        self._folder = directories.beside(CLUSTER_METADATA, 0)
        self._newest_timestamp_ms = 0
        self.snapshots = SnapshotFolder(self._folder, directories.above(CLUSTER_METADATA, 0))
        self.snapshots.tidy()
        self.epoch = -1
        """The leader epoch of the newest batch, and of the next one."""
        self.kraft = KRaftState()
        """What control records say, as far as they have been read."""
        self.bytes_written = 0
        """Bytes of records that came behind the newest snapshot, whether read or written."""

    @property
    def next_offset(self) -> int:
        """The offset that the next record gets."""
        return self._log.log_end_offset

    def read_snapshot(self) -> tuple[SnapshotId, Snapshot] | None:
        """The newest whole snapshot, behind which `read` goes on; None where the log has everything.

        A log that ends before the snapshot begins again behind it.

        :raises StorageError: the log does not begin at 0, and there is no whole snapshot of what is missing;
            or the log ends before the snapshot and is of a later epoch.
        """
        start = self._log.log_start_offset
        found = self.snapshots.newest_whole(start)
        if found is None:
            if start > 0:
                raise StorageError(
                    f"the metadata log begins at offset {start}, and no whole snapshot has what came before: "
                    f"bring back a .checkpoint file of {self._folder.path} from a copy of the directory"
                )
            bootstrap = self.snapshots.bootstrap()
            if bootstrap is not None:
                self.kraft = bootstrap.kraft
            return None
        snapshot_id, snapshot = found
        self._go_on_from(snapshot_id)
        self.kraft, self.epoch = snapshot.kraft, max(self.epoch, snapshot_id.epoch)
        self._newest_timestamp_ms = snapshot.timestamp_ms
        return found

    def _go_on_from(self, snapshot_id: SnapshotId) -> None:
        """See that the log goes on with what the snapshot has. Where it ended before that, or what it has
        behind it is of an earlier epoch, nothing in it counts (Kafka: truncateToLatestSnapshot).
        """
        end, newest_epoch = self._log.log_end_offset, self._log.epochs.latest
        is_short, is_outdated = end < snapshot_id.offset, newest_epoch < snapshot_id.epoch
        if is_short and newest_epoch > snapshot_id.epoch:
            raise StorageError(
                f"the metadata log of {self._folder.path} ends at offset {end} in epoch {newest_epoch}, and "
                f"its snapshot {snapshot_id.name} is of more records and an earlier epoch: they are not of "
                "one log; bring the directory back from a copy"
            )
        if is_short or (is_outdated and end > snapshot_id.offset):
            logger.warning(
                "the metadata log of %s ends at offset %d in epoch %d, and its snapshot %s has more: the "
                "snapshot counts, and the log begins again behind it",
                self._folder.path,
                end,
                newest_epoch,
                snapshot_id.name,
            )
            self._log.start_over_at(snapshot_id.offset)

    def read(self, offset: int) -> Iterator[LoggedBatch]:
        """Every batch with a record at `offset` or behind it; of the first one, those records only.

        :raises StorageError: a batch can't be read, or has a wrong checksum.
        """
        while offset < self._log.log_end_offset:
            for part in self._log.read(offset, _READ_BYTES).parts:
                data = self._log.read_bytes(part)
                try:
                    for position, header in record_batch.walk(data):
                        if header.next_offset <= offset:
                            continue
                        batch, self.kraft = logged(data, position, header, offset, self.kraft)
                        self.epoch = max(self.epoch, batch.epoch)
                        self._newest_timestamp_ms = max(self._newest_timestamp_ms, header.max_timestamp)
                        self.bytes_written += header.size
                        yield batch
                        offset = header.next_offset
                except (CorruptBatch, Malformed) as wrong:
                    raise StorageError(
                        f"the metadata log behind offset {offset} can't be read: {wrong}"
                    ) from None

    def begin_epoch(self, leader_id: int, directory_id: UUID, now_ms: int) -> int:
        """Start a new epoch with its LeaderChange record; return the offset of that record.

        :raises StorageError: it could not be written down.
        """
        self.epoch = max(self.epoch, self._voted_epoch()) + 1
        offset = self.next_offset
        version = 0 if self.kraft.version == 0 else 1
        voter = LeaderChangeMessage.Voter(voter_id=leader_id)
        if version == 1:
            voter.voter_directory_id = directory_id
        message = LeaderChangeMessage(
            version=version, leader_id=leader_id, voters=[voter], granting_voters=[voter]
        )
        batch = kraft_batch(
            ControlType.LEADER_CHANGE,
            encode_bytes(message, version),
            now_ms,
            base_offset=offset,
            leader_epoch=self.epoch,
        )
        self._write([batch], now_ms)
        state = encode_quorum_state(leader_id, self.epoch, self.kraft.version)
        self._folder.write(QUORUM_STATE, [state])
        return offset

    def _voted_epoch(self) -> int:
        data = self._folder.read(QUORUM_STATE)
        if data is None:
            return -1
        try:
            return decode_quorum_epoch(data)
        except BadQuorumState as bad:
            logger.warning(
                "%s/%s is not readable (%s); the metadata log's epoch counts",
                self._folder.path,
                QUORUM_STATE,
                bad,
            )
            return -1

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

    async def snapshot(
        self, snapshot_id: SnapshotId, records: Iterable[m.Record], metadata_version: int, now_ms: int
    ) -> None:
        """Write a snapshot of what the synced log holds. `records` are made and written in a thread.

        :raises StorageError: it is not there.
        """
        timestamp_ms = self._newest_timestamp_ms
        self.bytes_written = 0
        batches = encode_snapshot(
            snapshot_id,
            records,
            self.kraft,
            metadata_version=metadata_version,
            timestamp_ms=timestamp_ms,
            now_ms=now_ms,
        )
        await run_in_thread(self.snapshots.write, snapshot_id, batches)
        self.snapshots.written(snapshot_id, timestamp_ms)

    async def let_go(self, *, retention_bytes: int, retention_ms: int, now_ms: int) -> None:
        """Remove old snapshots, and the part of the log that only they needed.

        :raises StorageError: the disk refuses; it is tried again with the next snapshot.
        """
        found = await run_in_thread(self.snapshots.sizes)
        going = outlived(
            found,
            self._log.size_bytes,
            now_ms=now_ms,
            retention_bytes=retention_bytes,
            retention_ms=retention_ms,
        )
        if going:
            # The last record stays: a Kafka that opens the directory after a kill reads the epoch file as one
            # of a log that starts at 0, drops an epoch that begins at its end, and then has none.
            self._log.advance_log_start(min(found[going][0].offset, self.next_offset - 1))
            self.snapshots.forget([snapshot_id for snapshot_id, _, _ in found[:going]])

    def _write(self, batches: Sequence[bytearray], now_ms: int) -> None:
        valid = []
        for batch in batches:
            view = memoryview(batch)
            valid.append(ValidBatch(view, record_batch.read_header(view)))
        self._log.append(valid, now_ms)
        self.bytes_written += sum(len(batch) for batch in batches)
        self._newest_timestamp_ms = max(self._newest_timestamp_ms, now_ms)
