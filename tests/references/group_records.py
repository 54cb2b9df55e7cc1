"""The records of offsets, encoded by the codecs that are declared for them: what
kwire/coordinators/groups/records.py puts together by hand has to be the same.
"""

from __future__ import annotations

from kwire_codecs.errors import Malformed
from kwire_codecs.internal import group_records as codec
from kwire_codecs.internal.coordinator import encode_key, encode_value

from kwire.coordinators.groups.records import OffsetKey, OffsetValue


def offset_bytes(key: OffsetKey, value: OffsetValue | None) -> tuple[bytes, bytes | None]:
    """Key and value of a committed offset, or of its tombstone. Raises NotEncodable."""
    key_bytes = encode_key(codec.OffsetCommitKey(**key._asdict()))
    if value is None:
        return key_bytes, None
    declared = codec.OffsetCommitValue(
        offset=value.offset,
        leader_epoch=value.leader_epoch,
        metadata=value.metadata,
        commit_timestamp=value.commit_timestamp_ms,
        expire_timestamp=value.expire_timestamp_ms,
        topic_id=value.topic_id,
    )
    return key_bytes, encode_value(declared, 4 if value.expire_timestamp_ms == -1 else 1)


def read_offset(key: bytes, value: bytes | None) -> tuple[OffsetKey, OffsetValue | None] | str:
    """The offset in a record's key and value, or what else these are: "unreadable", "unknown", "another"."""
    try:
        found = codec.decode_record(key, value)
    except Malformed:
        return "unreadable"
    if isinstance(found, codec.UnknownRecord):
        return "unknown"
    if not isinstance(found.key, codec.OffsetCommitKey):
        return "another"
    offset_key = OffsetKey(found.key.group, found.key.topic, found.key.partition)
    if found.value is None:
        return offset_key, None
    read = found.value
    assert isinstance(read, codec.OffsetCommitValue)
    return offset_key, OffsetValue(
        read.offset,
        read.leader_epoch,
        read.metadata,
        read.commit_timestamp,
        read.expire_timestamp,
        read.topic_id,
    )
