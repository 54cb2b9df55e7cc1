"""Control records: what the broker itself writes between the records of producers, and KRaft into its log.

A control batch has the control attribute; its records' keys are (version i16, type i16). The values of
transaction markers are (version i16, coordinator epoch i32); those of KRaft records are messages with their
own schemas. Keys and markers of later versions are read as the newest known one, as Kafka does.
Kafka: ControlRecordType, EndTransactionMarker.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

from . import batch as record_batch
from .corrupt import CorruptBatch, Reason
from .record import Record

_KEY = struct.Struct(">hh")
_MARKER = struct.Struct(">hi")


class ControlType(IntEnum):
    """The type in a control record's key. Readers skip types that they do not know."""

    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6


class EndTransactionMarker(NamedTuple):
    """A transaction's end in one partition; `coordinator_epoch` is that of the coordinator that chose."""

    committed: bool
    coordinator_epoch: int


def encode_key(control_type: ControlType) -> bytes:
    """The key of a control record of that type."""
    return _KEY.pack(0, control_type)


def decode_key(key: bytes | None) -> ControlType | None:
    """The type that a control record's key names, None for one that is not known; raises `CorruptBatch`."""
    if key is None or len(key) < _KEY.size:
        raise CorruptBatch(Reason.RECORD, f"control record key of {len(key or b'')} bytes")
    version, number = _KEY.unpack_from(key)
    if version < 0:
        raise CorruptBatch(Reason.RECORD, f"control record key of version {version}")
    return _TYPES.get(number)


_TYPES = {int(member): member for member in ControlType}


def encode_marker(marker: EndTransactionMarker, timestamp_ms: int) -> Record:
    """The marker as a record."""
    key = encode_key(ControlType.COMMIT if marker.committed else ControlType.ABORT)
    return Record(key, _MARKER.pack(0, marker.coordinator_epoch), timestamp_ms)


def decode_marker(record: Record) -> EndTransactionMarker | None:
    """The marker that `record`, of a control batch, is; None if it is another control record."""
    control_type = decode_key(record.key)
    if control_type not in (ControlType.ABORT, ControlType.COMMIT):
        return None
    value = record.value
    if value is None or len(value) < _MARKER.size:
        raise CorruptBatch(Reason.RECORD, f"transaction marker of {len(value or b'')} bytes")
    version, coordinator_epoch = _MARKER.unpack_from(value)
    if version < 0:
        raise CorruptBatch(Reason.RECORD, f"transaction marker of version {version}")
    return EndTransactionMarker(control_type is ControlType.COMMIT, coordinator_epoch)


def marker_batch(
    marker: EndTransactionMarker, timestamp_ms: int, *, producer_id: int, producer_epoch: int
) -> bytearray:
    """A transaction marker as the batch that ends `producer_id`'s transaction in a partition."""
    return record_batch.build(
        [encode_marker(marker, timestamp_ms)],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def kraft_batch(
    control_type: ControlType, value: bytes, timestamp_ms: int, *, base_offset: int, leader_epoch: int
) -> bytearray:
    """A KRaft control record, its value as its schema encodes it, as a batch of its own."""
    return record_batch.build(
        [Record(encode_key(control_type), value, timestamp_ms)],
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        is_control=True,
    )
