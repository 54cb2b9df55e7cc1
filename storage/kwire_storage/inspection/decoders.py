"""Keys and values of the internal topics' records, for people; of control batches too.

A decoder never fails: what it can't read is shown as it is, with the reason beside it.
"""

from collections.abc import Callable
from struct import Struct

from kwire_codecs.compile import decoder
from kwire_codecs.errors import Malformed
from kwire_codecs.internal import (
    control_records,
    group_records,
    metadata_records,
    share_records,
    transaction_records,
)
from kwire_codecs.internal.coordinator import CoordinatorRecord, UnknownRecord
from kwire_codecs.records import control
from kwire_codecs.records.batch import CorruptBatch, Record
from kwire_codecs.records.control import ControlType
from kwire_codecs.wire import Message

from ..segments import file_names
from .plain import Row, plain, text_of

Decoder = Callable[[Record], Row]

_INT16 = Struct(">h")
_KRAFT: dict[ControlType, tuple[type[Message], int]] = {
    ControlType.LEADER_CHANGE: (control_records.LeaderChangeMessage, 1),
    ControlType.SNAPSHOT_HEADER: (control_records.SnapshotHeaderRecord, 0),
    ControlType.SNAPSHOT_FOOTER: (control_records.SnapshotFooterRecord, 0),
    ControlType.KRAFT_VERSION: (control_records.KRaftVersionRecord, 0),
    ControlType.KRAFT_VOTERS: (control_records.VotersRecord, 0),
}


def as_it_is(record: Record) -> Row:
    """Key and value as text, where they are text."""
    return {"key": text_of(record.key), "value": text_of(record.value)}


def control_record(record: Record) -> Row:
    """A transaction marker, or what KRaft writes of itself."""
    try:
        kind = control.decode_key(record.key)
        if kind is None:
            return {**as_it_is(record), "control": "unknown"}
        row: Row = {"control": kind.name}
        if kind in _KRAFT:
            message, newest = _KRAFT[kind]
            value = record.value or b""
            version = min(_INT16.unpack_from(value)[0], newest) if len(value) >= 2 else 0
            row["value"] = plain(decoder(message, max(version, 0))(memoryview(value)))
        else:
            marker = control.decode_marker(record)
            row["coordinator_epoch"] = None if marker is None else marker.coordinator_epoch
        return row
    except (CorruptBatch, Malformed) as wrong:
        return {**as_it_is(record), "not_decoded": str(wrong)}


def _coordinator(decode: Callable[[bytes, bytes | None], CoordinatorRecord | UnknownRecord]) -> Decoder:
    def rows(record: Record) -> Row:
        try:
            found = decode(record.key or b"", record.value)
        except Malformed as wrong:
            return {**as_it_is(record), "not_decoded": str(wrong)}
        if isinstance(found, UnknownRecord):
            return {**as_it_is(record), "not_decoded": "a type or version that kwire does not know"}
        row: Row = {"record": type(found.key).__name__.removesuffix("Key"), "key": plain(found.key)}
        if found.value is not None:
            row["version"] = found.value_version
        row["value"] = plain(found.value)
        return row

    return rows


def _metadata(record: Record) -> Row:
    try:
        found = metadata_records.decode_value(record.value or b"")
    except Malformed as wrong:
        return {**as_it_is(record), "not_decoded": str(wrong)}
    if isinstance(found, UnknownRecord):
        return {**as_it_is(record), "not_decoded": "a type or version that kwire does not know"}
    message, version = found
    return {"record": type(message).__name__, "version": version, "value": plain(message)}


DECODERS: dict[str, Decoder] = {
    "none": as_it_is,
    "offsets": _coordinator(group_records.decode_record),
    "transactions": _coordinator(transaction_records.decode_record),
    "metadata": _metadata,
    "share": _coordinator(share_records.decode_record),
}
_BY_TOPIC = {
    "__consumer_offsets": "offsets",
    "__transaction_state": "transactions",
    "__cluster_metadata": "metadata",
    "__share_group_state": "share",
}


def decoder_for(directory_name: str) -> str:
    """The name of the decoder for what lies in a partition's directory."""
    partition = file_names.parse_partition_directory(directory_name)
    partition = partition or file_names.parse_future_directory(directory_name)
    return _BY_TOPIC.get(partition[0], "none") if partition else "none"
