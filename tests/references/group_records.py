"""The records of offsets, encoded by the codecs that are declared for them: what
kwire/coordinators/groups/records.py puts together by hand has to be the same.
"""

from __future__ import annotations

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
