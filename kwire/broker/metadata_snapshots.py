"""Snapshots of the cluster's metadata: `<offset>-<epoch>.checkpoint` beside the metadata log (KIP-630).

A snapshot holds what all records below its offset come to; the epoch is that of the last of them. Layout: a
control batch with a SnapshotHeader record (and, from kraft.version 1 on, a KRaftVersion and a Voters record),
batches of metadata records, a control batch with a SnapshotFooter record; offsets count up from 0, and every
batch has the snapshot's epoch (Kafka: RecordsSnapshotWriter). `.part` is one that is being written, and
`.checkpoint.deleted` one that is going.

Rules:
- A file without header, without footer, or with a wrong checksum is no snapshot: it is named in the log and
  passed over, and never removed here. The newest whole one counts, or else the whole log.
- `0-0` is not a state: it is what the cluster was formatted with, as `bootstrap.checkpoint` is in the log
  directory (Kafka before 4.2). Its records count where the log is empty; its control records always do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import Malformed
from kwire_codecs.internal.control_records import (
    KRaftVersionRecord,
    SnapshotFooterRecord,
    SnapshotHeaderRecord,
)
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.control import ControlType, decode_key, encode_key
from kwire_codecs.records.corrupt import CorruptBatch
from kwire_codecs.records.record import Record as LogRecord
from kwire_storage.folder import Folder

from kwire.broker.quorum_state import KRaftState
from kwire.coordinators.metadata import records as m

logger = logging.getLogger("kwire.broker")

BOOTSTRAP_FILE: Final = "bootstrap.checkpoint"
_NAME = re.compile(r"(\d{20})-(\d{10})\.checkpoint")
_LEFTOVER = re.compile(r"\d{20}-\d{10}(\.checkpoint\.deleted|\.checkpoint\.part|-.*\.checkpoint\.part)")
_BATCH_RECORDS: Final = 1_000
MAX_BATCH_BYTES: Final = 64 << 20


class BadSnapshot(Exception):
    """The file is not a whole snapshot; the message says what is wrong and at which byte."""


class SnapshotId(NamedTuple):
    """The first offset that is not in the snapshot, and the epoch of the record before it."""

    offset: int
    epoch: int

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.offset:020d}-{self.epoch:010d}.checkpoint"


BOOTSTRAP: Final = SnapshotId(0, 0)


class Snapshot(NamedTuple):
    """What a snapshot holds; `timestamp_ms` is that of the last record of the log that is in it."""

    records: list[m.Record]
    kraft: KRaftState
    timestamp_ms: int


def encode_snapshot(
    snapshot_id: SnapshotId,
    records: Iterable[m.Record],
    kraft: KRaftState,
    *,
    metadata_version: int,
    timestamp_ms: int,
    now_ms: int,
) -> Iterator[bytearray]:
    """The batches of a snapshot, one by one."""
    header = SnapshotHeaderRecord(version=0, last_contained_log_timestamp=timestamp_ms)
    control = [(ControlType.SNAPSHOT_HEADER, encode_bytes(header, 0))]
    if kraft.version > 0:
        version = KRaftVersionRecord(version=0, kraft_version=kraft.version)
        control.append((ControlType.KRAFT_VERSION, encode_bytes(version, 0)))
        if kraft.voters is not None:
            control.append((ControlType.KRAFT_VOTERS, kraft.voters))
    epoch = snapshot_id.epoch
    yield _control_batch(control, now_ms, 0, epoch)
    offset = len(control)
    chunk: list[LogRecord] = []
    for record in records:
        chunk.append(LogRecord(None, m.encode(record, metadata_version), now_ms))
        if len(chunk) == _BATCH_RECORDS:
            yield record_batch.build(chunk, base_offset=offset, leader_epoch=epoch)
            offset += len(chunk)
            chunk = []
    if chunk:
        yield record_batch.build(chunk, base_offset=offset, leader_epoch=epoch)
        offset += len(chunk)
    footer = encode_bytes(SnapshotFooterRecord(version=0), 0)
    yield _control_batch([(ControlType.SNAPSHOT_FOOTER, footer)], now_ms, offset, epoch)


def _control_batch(
    records: Sequence[tuple[ControlType, bytes]], now_ms: int, base_offset: int, epoch: int
) -> bytearray:
    return record_batch.build(
        [LogRecord(encode_key(control_type), value, now_ms) for control_type, value in records],
        base_offset=base_offset,
        leader_epoch=epoch,
        is_control=True,
    )


def decode_snapshot(data: bytes) -> Snapshot:
    """Read a whole snapshot.

    :raises BadSnapshot: a batch can't be read, or header or footer is missing.
    """
    view = memoryview(data)
    kraft = KRaftState()
    records: list[m.Record] = []
    timestamp_ms: int | None = None
    is_whole = False
    position = 0
    try:
        for position, header in record_batch.walk(view):
            if is_whole:
                raise BadSnapshot(f"there is more behind its footer, at byte {position}")
            if not record_batch.crc_is_valid(view, position, header):
                raise BadSnapshot(f"the batch at byte {position} has a wrong checksum")
            for record in record_batch.records(view, position, header, MAX_BATCH_BYTES):
                if not header.is_control:
                    if timestamp_ms is None:
                        raise BadSnapshot("it does not begin with a snapshot header")
                    if record.value is not None:
                        records.append(m.decode(record.value))
                    continue
                control_type = decode_key(record.key)
                kraft = kraft.after(control_type, record.value)
                if control_type is ControlType.SNAPSHOT_HEADER and record.value is not None:
                    found = decoder(SnapshotHeaderRecord, 0)(memoryview(record.value))
                    timestamp_ms = found.last_contained_log_timestamp
                is_whole = control_type is ControlType.SNAPSHOT_FOOTER
    except (CorruptBatch, Malformed) as wrong:
        raise BadSnapshot(f"the batch at byte {position} can't be read: {wrong}") from None
    if timestamp_ms is None:
        raise BadSnapshot("it has no snapshot header")
    if not is_whole:
        raise BadSnapshot(f"it ends at byte {len(data)} without a snapshot footer")
    return Snapshot(records, kraft, timestamp_ms)


def outlived(
    snapshots: Sequence[tuple[SnapshotId, int, int]],
    log_bytes: int,
    *,
    now_ms: int,
    retention_bytes: int,
    retention_ms: int,
) -> int:
    """How many of the oldest snapshots (id, bytes, timestamp) may go: all but the newest may, by their age,
    or because log and snapshots together are larger than allowed (Kafka: KafkaMetadataLog.maybeClean).
    """
    total = log_bytes + sum(size for _, size, _ in snapshots)
    going = 0
    for _, size, timestamp_ms in snapshots[:-1]:
        is_old = 0 <= retention_ms < now_ms - timestamp_ms
        if not is_old and not 0 <= retention_bytes < total:
            break
        total -= size
        going += 1
    return going


class SnapshotFolder:
    """The snapshots beside the metadata log, oldest first in `ids`."""

    def __init__(self, folder: Folder, above: Folder) -> None:
        self._folder = folder
        self._above = above
        self._timestamps: dict[SnapshotId, int] = {}
        names = folder.names()
        self.ids = sorted(
            SnapshotId(int(found[1]), int(found[2])) for name in names if (found := _NAME.fullmatch(name))
        )

    def tidy(self) -> None:
        """Remove what was not finished, or is going.

        :raises StorageError: the disk refuses.
        """
        for name in self._folder.names():
            if _LEFTOVER.fullmatch(name):
                self._folder.remove(name)

    def newest_whole(self, log_start_offset: int) -> tuple[SnapshotId, Snapshot] | None:
        """The newest snapshot that can be read and with which the log goes on.

        :raises StorageError: one could not be read from the disk.
        """
        for snapshot_id in self.ids[::-1]:
            if snapshot_id.offset == 0 or snapshot_id.offset < log_start_offset:
                break
            found = self.read(snapshot_id.name)
            if found is not None:
                self._timestamps[snapshot_id] = found.timestamp_ms
                return snapshot_id, found
            self.ids.remove(snapshot_id)
        return None

    def bootstrap(self) -> Snapshot | None:
        """What the cluster was formatted with, where that is there still.

        :raises StorageError: it could not be read from the disk.
        """
        if BOOTSTRAP in self.ids:
            return self.read(BOOTSTRAP.name)
        return self._read(self._above, BOOTSTRAP_FILE)

    def read(self, name: str) -> Snapshot | None:
        """One snapshot; None, and a line in the log, for one that is not whole.

        :raises StorageError: it could not be read from the disk.
        """
        return self._read(self._folder, name)

    def _read(self, folder: Folder, name: str) -> Snapshot | None:
        data = folder.read(name)
        if data is None:
            return None
        try:
            return decode_snapshot(data)
        except BadSnapshot as bad:
            logger.error("%s/%s is not a whole snapshot, and is passed over: %s", folder.path, name, bad)
            return None

    def write(self, snapshot_id: SnapshotId, batches: Iterable[bytearray]) -> None:
        """Put a snapshot's file in place, durably; a thread may do it.

        :raises StorageError: it is not there.
        """
        self._folder.write(snapshot_id.name, batches)

    def written(self, snapshot_id: SnapshotId, timestamp_ms: int) -> None:
        """`write` is done."""
        self._timestamps[snapshot_id] = timestamp_ms
        if snapshot_id not in self.ids:
            self.ids.append(snapshot_id)
            self.ids.sort()

    def sizes(self) -> list[tuple[SnapshotId, int, int]]:
        """Id, bytes and timestamp of each that has a header. A thread may do it.

        :raises StorageError: one could not be read from the disk.
        """
        found = []
        for snapshot_id in list(self.ids):
            timestamp_ms = self._timestamps.get(snapshot_id)
            if timestamp_ms is None:
                snapshot = self.read(snapshot_id.name)
                if snapshot is None:
                    continue
                timestamp_ms = self._timestamps[snapshot_id] = snapshot.timestamp_ms
            found.append((snapshot_id, self._folder.size(snapshot_id.name), timestamp_ms))
        return found

    def forget(self, ids: Iterable[SnapshotId]) -> None:
        """Remove snapshots that a newer one has replaced.

        :raises StorageError: the disk refuses; the next start tries again.
        """
        for snapshot_id in list(ids):
            self._folder.remove(snapshot_id.name)
            self.ids.remove(snapshot_id)
