"""The records of `__transaction_state`: a transactional id, and what is known of it (None is a tombstone).

`TransactionsFormat` is the only place that knows their bytes (Kafka: TransactionLog). The value is written
in version 1 from transaction.version 1 on, else in version 0, which knows neither the ids before and after
nor the client's transaction version. What is of an unknown type or version is passed over.

A transaction of one record is three of these records, so version 1 is written and read here; what is not just
as it is written here is the codec's to read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from kwire_codecs.internal import transaction_records as codec
from kwire_codecs.internal.coordinator import encode_value
from kwire_codecs.runtime import Bad, long_uvarint, put_uvarint

from kwire.coordinators.known_records import known_record
from kwire.coordinators.outcome import CoordinatorRecord
from kwire.coordinators.transactions.state import (
    EMPTY,
    NO_PARTITIONS,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    Partitions,
    TopicPartition,
    TransactionMetadata,
    TransactionState,
)

TransactionRecord = CoordinatorRecord[str, TransactionMetadata]

_STATES = {int(state): state for state in TransactionState}

_new = tuple.__new__
"""Makes a named tuple in half the time that calling its class takes."""
_KEY_TYPE: Final = 0
_KEY_START: Final = struct.Struct(">hh")
"""Type, length of the transactional id."""
_START: Final = struct.Struct(">hqhib")
"""Version, producer id, epoch, time-out, state."""
_TIMES: Final = struct.Struct(">qq")
"""When it was last changed, and when the transaction began."""
_ID: Final = struct.Struct(">bbq")
"""A tagged field of eight bytes."""
_CLIENT_VERSION: Final = struct.Struct(">bbh")
"""A tagged field of two bytes."""
_PREVIOUS_ID, _NEXT_ID, _VERSION = 0, 1, 2
"""The fields' tags."""


class TransactionsFormat:
    """How the records travel. `transaction_version` gives the level that the cluster has finalised."""

    __slots__ = ("_transaction_version",)

    def __init__(self, transaction_version: Callable[[], int]) -> None:
        self._transaction_version = transaction_version

    def to_bytes(self, record: TransactionRecord) -> tuple[bytes, bytes | None]:
        """Key and value."""
        transactional_id, metadata = record
        name = transactional_id.encode()
        key = _KEY_START.pack(_KEY_TYPE, len(name)) + name
        if metadata is None:
            return key, None
        if self._transaction_version() >= 1:
            return key, _value_bytes(metadata)
        return key, encode_value(_value(metadata), 0)

    def from_bytes(self, key: bytes | None, value: bytes | None) -> TransactionRecord | None:
        """The record; None for one of an unknown type or version. ValueError if it can't be read."""
        if key is None:
            raise ValueError("a record of __transaction_state has no key")
        usual = _usual(key, value)
        if usual is not None:
            return usual
        found = known_record(codec.decode_record, key, value)
        if found is None:
            return None
        assert isinstance(found.key, codec.TransactionLogKey)
        if found.value is None:
            return CoordinatorRecord(found.key.transactional_id, None)
        assert isinstance(found.value, codec.TransactionLogValue)
        return CoordinatorRecord(found.key.transactional_id, _metadata(found.value))


def _value_bytes(metadata: TransactionMetadata) -> bytes:
    """The value in version 1."""
    producer_id, epoch, timeout_ms, state, partitions, started_ms, updated_ms, before, after, _, client = (
        metadata
    )
    out = bytearray(_START.pack(1, producer_id, epoch, timeout_ms, state))
    if state is EMPTY:
        out.append(0)
    else:
        topics: dict[str, list[int]] = {}
        for topic, index in partitions:
            topics.setdefault(topic, []).append(index)
        put_uvarint(out, len(topics) + 1)
        for topic, indexes in topics.items():
            name = topic.encode()
            put_uvarint(out, len(name) + 1)
            out += name
            put_uvarint(out, len(indexes) + 1)
            out += struct.pack(f">{len(indexes)}ib", *indexes, 0)
    out += _TIMES.pack(updated_ms, started_ms)
    tags = len(out)
    out.append(0)
    if before != NO_PRODUCER_ID:
        out += _ID.pack(_PREVIOUS_ID, 8, before)
        out[tags] += 1
    if after != NO_PRODUCER_ID:
        out += _ID.pack(_NEXT_ID, 8, after)
        out[tags] += 1
    if client:
        out += _CLIENT_VERSION.pack(_VERSION, 2, client)
        out[tags] += 1
    return bytes(out)


def _usual(key: bytes, value: bytes | None) -> TransactionRecord | None:
    """What `_value_bytes` has written, read again; None for anything that is not just so."""
    if value is None or len(key) < 4:
        return None
    kind, length = _KEY_START.unpack_from(key)
    if kind != _KEY_TYPE or length != len(key) - 4:
        return None
    try:
        version, producer_id, epoch, timeout_ms, status = _START.unpack_from(value)
        state = _STATES.get(status)
        if version != 1 or state is None:
            return None
        partitions, at = _partitions(value, _START.size)
        if state is EMPTY:
            partitions = NO_PARTITIONS
        updated_ms, started_ms = _TIMES.unpack_from(value, at)
        at += _TIMES.size
        before = after = NO_PRODUCER_ID
        client = 0
        left, at, last = value[at], at + 1, -1
        while left:
            tag, size = value[at], value[at + 1]
            if tag <= last:
                return None
            last = tag
            if size == 8 and tag == _PREVIOUS_ID:
                before = int.from_bytes(value[at + 2 : at + 10], signed=True)
            elif size == 8 and tag == _NEXT_ID:
                after = int.from_bytes(value[at + 2 : at + 10], signed=True)
            elif size == 2 and tag == _VERSION:
                client = int.from_bytes(value[at + 2 : at + 4], signed=True)
            else:
                return None
            at += 2 + size
            left -= 1
        if at != len(value):
            return None
        metadata = (
            *(producer_id, epoch, timeout_ms, state, partitions, started_ms, updated_ms, before, after),
            *(NO_PRODUCER_EPOCH, client),
        )
        return _new(CoordinatorRecord, (key[4:].decode(), _new(TransactionMetadata, metadata)))
    except (struct.error, IndexError, UnicodeDecodeError, Bad):
        return None


def _partitions(value: bytes, at: int) -> tuple[Partitions, int]:
    """The partitions that stand at a place, and where they end. IndexError and the like for what they are
    not.
    """
    count, at = _count(value, at)
    if count <= 0:
        return NO_PARTITIONS, at
    partitions: dict[TopicPartition, None] = {}
    for _ in range(count):
        length, at = _count(value, at)
        if length < 0:
            raise Bad("a topic without a name")
        topic, at = value[at : at + length].decode(), at + length
        length, at = _count(value, at)
        for index in struct.unpack_from(f">{length}i", value, at):
            partitions[TopicPartition(topic, index)] = None
        at += 4 * length
        if value[at]:
            raise Bad("tagged fields where none are written")
        at += 1
    return partitions, at


def _count(value: bytes, at: int) -> tuple[int, int]:
    """A compact length, -1 for null, and where it ends."""
    found, at = value[at], at + 1
    if found > 127:
        found, at = long_uvarint(value, found, at)
    return found - 1, at


def _value(metadata: TransactionMetadata) -> codec.TransactionLogValue:
    """The value in version 0."""
    return codec.TransactionLogValue(
        producer_id=metadata.producer_id,
        producer_epoch=metadata.producer_epoch,
        transaction_timeout_ms=metadata.timeout_ms,
        transaction_status=int(metadata.state),
        transaction_partitions=None if metadata.state is EMPTY else _by_topic(metadata.partitions),
        transaction_last_update_timestamp_ms=metadata.last_update_timestamp_ms,
        transaction_start_timestamp_ms=metadata.start_timestamp_ms,
    )


def _by_topic(partitions: Partitions) -> list[codec.TransactionLogValue.TopicPartitions]:
    topics: dict[str, list[int]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(index)
    named = codec.TransactionLogValue.TopicPartitions
    return [named(topic=topic, partition_ids=indexes) for topic, indexes in topics.items()]


def _metadata(value: codec.TransactionLogValue) -> TransactionMetadata:
    state = _STATES.get(value.transaction_status)
    if state is None:
        raise ValueError(f"there is no transaction state {value.transaction_status}")
    partitions = NO_PARTITIONS
    if state is not EMPTY and value.transaction_partitions:
        partitions = {
            TopicPartition(each.topic, index): None
            for each in value.transaction_partitions
            for index in each.partition_ids
        }
    return TransactionMetadata(
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        timeout_ms=value.transaction_timeout_ms,
        state=state,
        partitions=partitions,
        start_timestamp_ms=value.transaction_start_timestamp_ms,
        last_update_timestamp_ms=value.transaction_last_update_timestamp_ms,
        previous_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        client_transaction_version=value.client_transaction_version,
    )
