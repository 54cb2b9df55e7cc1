"""A producer snapshot's file (`<offset>.snapshot`, Kafka's ProducerSnapshot v1): the producers of a log as
they were when it ended at that offset.

Big-endian: version i16, CRC32C u32 of all that follows, count i32, and for each producer: id i64, epoch i16,
last sequence i32, last offset i64, offset delta i32, timestamp i64, coordinator epoch i32, first offset of
the open transaction i64 (-1: none). Of the batches that are remembered only the newest is in it.
"""

import struct
from collections.abc import Collection, Iterator

from kwire_codecs.records.batch import NO_SEQUENCE
from kwire_codecs.records.checksum import crc32c

from .producer_entry import ProducerEntry, WrittenBatch

SNAPSHOT_VERSION = 1

_PREFIX = struct.Struct(">hIi")
_CRC_ENDS = 6
_ENTRY = struct.Struct(">qhiqiqiq")
_NO_BATCH = WrittenBatch(NO_SEQUENCE, -1, 0, -1)


class CorruptSnapshot(Exception):
    """A `.snapshot` file that can't be used; the next older one, or the whole log, is read instead."""


def encode_snapshot(entries: Collection[ProducerEntry]) -> bytes:
    """The file's bytes."""
    out = bytearray(_PREFIX.pack(SNAPSHOT_VERSION, 0, len(entries)))
    for entry in entries:
        written = entry.batches[-1] if entry.batches else _NO_BATCH
        out += _ENTRY.pack(
            entry.producer_id,
            entry.epoch,
            written.last_sequence,
            written.last_offset,
            written.offset_delta,
            entry.last_timestamp_ms,
            entry.coordinator_epoch,
            entry.transaction_first_offset,
        )
    struct.pack_into(">I", out, 2, crc32c(memoryview(out)[_CRC_ENDS:]))
    return bytes(out)


def decode_snapshot(data: bytes) -> Iterator[ProducerEntry]:
    """The producers in a file's bytes; CorruptSnapshot when they are not one."""
    if len(data) < _PREFIX.size:
        raise CorruptSnapshot(f"{len(data)} bytes are too few")
    version, crc, count = _PREFIX.unpack_from(data)
    if version != SNAPSHOT_VERSION:
        raise CorruptSnapshot(f"its version is {version}, not {SNAPSHOT_VERSION}")
    if count < 0 or len(data) != _PREFIX.size + count * _ENTRY.size:
        raise CorruptSnapshot(f"it names {count} producers in {len(data)} bytes")
    if crc32c(memoryview(data)[_CRC_ENDS:]) != crc:
        raise CorruptSnapshot("its checksum does not match")
    for fields in _ENTRY.iter_unpack(memoryview(data)[_PREFIX.size :]):
        producer_id, epoch, sequence, offset, delta, timestamp_ms, coordinator_epoch, transaction = fields
        batches = [WrittenBatch(sequence, offset, delta, timestamp_ms)] if offset >= 0 else []
        yield ProducerEntry(
            producer_id,
            epoch,
            coordinator_epoch,
            timestamp_ms,
            transaction if transaction >= 0 else -1,
            batches,
        )
