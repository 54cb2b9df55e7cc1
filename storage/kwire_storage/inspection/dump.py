"""The rows that a file of a data directory holds: batches, records, entries, lines.

Every kind of file that Kafka or kwire writes there is known by its name; `.deleted`, `.cleaned` and `.swap`
behind it do not matter.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from struct import Struct

from kwire_codecs.records.batch import TimestampType
from kwire_codecs.records.compression import Compression

from .. import checkpoints, uuids
from ..checkpoints import BadCheckpoint
from ..files import Files
from ..producer_snapshot import CorruptSnapshot, decode_snapshot
from ..segments import file_names
from ..segments.file_names import CLEANED, DELETED, SWAP
from . import offset_entries
from .batches import Batch, walk
from .decoders import DECODERS, Decoder, control_record
from .plain import Plain, Row, plain
from .source import Source, Unreadable, small_file

Dump = Callable[[str, Files], Iterator[Row]]

_KRAFT_SNAPSHOT = re.compile(r"\d{20}-\d{10}\.checkpoint(\.part)?")
QUORUM_STATE = "quorum-state"
_CODECS = {int(codec): codec.name.lower() for codec in Compression}


def is_kraft_snapshot(name: str) -> bool:
    """Whether a file of that name is a snapshot of the metadata log."""
    return _KRAFT_SNAPSHOT.fullmatch(name) is not None


def _kind_of(path: str) -> str:
    name = os.path.basename(path)
    for suffix in (DELETED, CLEANED, SWAP):
        name = name.removesuffix(suffix)
    if is_kraft_snapshot(name):
        return file_names.LOG
    parsed = file_names.parse_segment_file(name)
    return name if parsed is None else parsed[1]


def is_known(path: str) -> bool:
    """Whether `rows` can read files of that name."""
    return _kind_of(path) in _FILES or _kind_of(path) == file_names.LOG


def rows(path: str, files: Files, *, records: bool = False, decoder: str = "none") -> Iterator[Row]:
    """What the file holds, in its order; each row has its `type`. Raises Unreadable where that ends.

    :param records: the records within each batch too, as the decoder of that name has them.
    """
    kind = _kind_of(path)
    if kind == file_names.LOG:
        return log_rows(path, files, DECODERS[decoder] if records else None)
    if kind in _FILES:
        return _FILES[kind](path, files)
    raise Unreadable(path, "this name is none of those that Kafka's files have")


def log_rows(path: str, files: Files, decode: Decoder | None) -> Iterator[Row]:
    """The batches, damaged ones too, each followed by its records if `decode` is given."""
    with Source(path, files) as source:
        for batch in walk(source):
            yield _batch_row(batch)
            if decode is not None:
                try:
                    yield from _record_rows(batch, decode)
                except Unreadable as wrong:
                    yield {"type": "problem", "position": batch.position, "reason": wrong.reason}


def _batch_row(batch: Batch) -> Row:
    row: Row = {
        "type": "batch",
        "position": batch.position,
        "size": batch.size,
        "base_offset": batch.base_offset,
        "last_offset": batch.last_offset,
    }
    header, message = batch.header, batch.message
    if header is not None:
        row["records"] = header.record_count
        row["leader_epoch"] = header.partition_leader_epoch
        row["compression"] = _CODECS.get(header.compression, header.compression)
        by_broker = header.timestamp_type is TimestampType.LOG_APPEND_TIME
        row["timestamp_type"] = "LogAppendTime" if by_broker else "CreateTime"
        row["max_timestamp"] = header.max_timestamp
        if header.has_producer_id:
            row["producer_id"] = header.producer_id
            row["producer_epoch"] = header.producer_epoch
            row["base_sequence"] = header.base_sequence
        if header.is_transactional:
            row["transactional"] = True
        if header.is_control:
            row["control"] = True
        if header.delete_horizon is not None:
            row["delete_horizon"] = header.delete_horizon
    elif message is not None:
        row["compression"] = _CODECS.get(message.compression, message.compression)
        row["max_timestamp"] = message.timestamp
    row["magic"] = batch.magic
    row["crc_valid"] = batch.crc_is_valid
    return row


def _record_rows(batch: Batch, decode: Decoder) -> Iterator[Row]:
    if batch.header is not None and batch.header.is_control:
        decode = control_record
    for record in batch.records():
        row: Row = {"type": "record", "offset": record.offset, "timestamp": record.timestamp}
        if record.headers:
            row["headers"] = [[plain(name), plain(value)] for name, value in record.headers]
        yield {**row, **decode(record)}


def _offset_index(path: str, files: Files) -> Iterator[Row]:
    return _index(path, files, offset_entries.OFFSETS, ("offset", "position"))


def _time_index(path: str, files: Files) -> Iterator[Row]:
    return _index(path, files, offset_entries.TIMES, ("timestamp", "offset"))


def _index(path: str, files: Files, layout: Struct, names: tuple[str, str]) -> Iterator[Row]:
    """Entries of an offset, which is relative in the file, and something that is 0 in the first at most."""
    base = _base_offset(path)
    offset_at = names.index("offset")
    with Source(path, files) as source:
        looked = False
        for at, fields in enumerate(offset_entries.entries(source, layout)):
            if not fields[1 - offset_at] and not looked:
                looked = True
                if room := _room(source, at * layout.size):
                    yield room
                    return
            row: Row = {"type": "entry", **dict(zip(names, fields, strict=True))}
            row["offset"] = base + fields[offset_at]
            yield row


def _room(source: Source, position: int) -> Row | None:
    """What Kafka gives an index ahead, told in one row."""
    if not offset_entries.zeros_from(source, position):
        return None
    return {"type": "room", "position": position, "size": source.size - position}


def _transaction_index(path: str, files: Files) -> Iterator[Row]:
    with Source(path, files) as source:
        for fields in offset_entries.entries(source, offset_entries.TRANSACTIONS):
            names = ("version", "producer_id", "first_offset", "last_offset", "last_stable_offset")
            yield {"type": "aborted", **dict(zip(names, fields, strict=True))}


def _base_offset(path: str) -> int:
    parsed = file_names.parse_segment_file(os.path.basename(path)[: 20 + len(file_names.TRANSACTION_INDEX)])
    return int(os.path.basename(path)[:20]) if parsed is None else parsed[0]


def _snapshot(path: str, files: Files) -> Iterator[Row]:
    try:
        for entry in decode_snapshot(small_file(path, files)):
            written = entry.batches[-1] if entry.batches else None
            yield {
                "type": "producer",
                "producer_id": entry.producer_id,
                "producer_epoch": entry.epoch,
                "coordinator_epoch": entry.coordinator_epoch,
                "transaction_first_offset": entry.transaction_first_offset,
                "last_timestamp": entry.last_timestamp_ms,
                "last_sequence": -1 if written is None else written.last_sequence,
                "last_offset": -1 if written is None else written.last_offset,
            }
    except CorruptSnapshot as corrupt:
        raise Unreadable(path, f"no producer snapshot: {corrupt}") from None


def _epochs(path: str, files: Files) -> Iterator[Row]:
    try:
        for epoch, start_offset in checkpoints.decode_epochs(small_file(path, files)):
            yield {"type": "epoch", "leader_epoch": epoch, "start_offset": start_offset}
    except BadCheckpoint as bad:
        raise Unreadable(path, str(bad)) from None


def _offsets(path: str, files: Files) -> Iterator[Row]:
    try:
        found = checkpoints.decode_offsets(small_file(path, files))
    except BadCheckpoint as bad:
        raise Unreadable(path, str(bad)) from None
    for (topic, partition), offset in found.items():
        yield {"type": "offset", "topic": topic, "partition": partition, "offset": offset}


def _partition_metadata(path: str, files: Files) -> Iterator[Row]:
    try:
        topic_id = checkpoints.decode_partition_metadata(small_file(path, files))
    except BadCheckpoint as bad:
        raise Unreadable(path, str(bad)) from None
    yield {"type": "topic", "topic_id": uuids.to_text(topic_id)}


def _properties(path: str, files: Files) -> Iterator[Row]:
    found: dict[str, Plain] = dict(checkpoints.decode_properties(small_file(path, files)))
    if "version" not in found:
        raise Unreadable(path, "it names no version")
    yield {"type": "properties", **found}


def _json(path: str, files: Files) -> Iterator[Row]:
    try:
        found = json.loads(small_file(path, files))
    except (ValueError, RecursionError):
        raise Unreadable(path, "it is not JSON") from None
    if not isinstance(found, dict):
        raise Unreadable(path, "it is no JSON object")
    yield {"type": "state", **found}


_FILES: dict[str, Dump] = {
    file_names.OFFSET_INDEX: _offset_index,
    file_names.TIME_INDEX: _time_index,
    file_names.TRANSACTION_INDEX: _transaction_index,
    file_names.SNAPSHOT: _snapshot,
    file_names.LEADER_EPOCHS: _epochs,
    file_names.RECOVERY_POINTS: _offsets,
    file_names.HIGH_WATERMARKS: _offsets,
    file_names.LOG_START_OFFSETS: _offsets,
    "cleaner-offset-checkpoint": _offsets,
    file_names.PARTITION_METADATA: _partition_metadata,
    file_names.META_PROPERTIES: _properties,
    file_names.CLEAN_SHUTDOWN: _json,
    QUORUM_STATE: _json,
}
