"""The records of `__share_group_state`: snapshots of share partitions, and what changed since."""

from uuid import UUID

from .. import wire as w
from .coordinator import CoordinatorRecord as CoordinatorRecord
from .coordinator import UnknownRecord as UnknownRecord
from .coordinator import decode_with
from .coordinator import encode_key as encode_key
from .coordinator import encode_value as encode_value


class ShareSnapshotKey(w.Message, key=0, versions="0"):
    group_id: str = w.string()
    topic_id: UUID = w.uuid()
    partition: int = w.int32()


class ShareSnapshotValue(w.Message, key=0, versions="0", flexible="0+"):
    class StateBatch(w.Struct):
        first_offset: int = w.int64()
        last_offset: int = w.int64()
        delivery_state: int = w.int8()
        delivery_count: int = w.int16()

    snapshot_epoch: int = w.int32()
    state_epoch: int = w.int32()
    leader_epoch: int = w.int32()
    start_offset: int = w.int64()
    delivery_complete_count: int = w.int32(default=-1, tag=0)
    create_timestamp: int = w.int64()
    write_timestamp: int = w.int64()
    state_batches: list[StateBatch] = w.array(StateBatch)


class ShareUpdateKey(w.Message, key=1, versions="0"):
    group_id: str = w.string()
    topic_id: UUID = w.uuid()
    partition: int = w.int32()


class ShareUpdateValue(w.Message, key=1, versions="0", flexible="0+"):
    class StateBatch(w.Struct):
        first_offset: int = w.int64()
        last_offset: int = w.int64()
        delivery_state: int = w.int8()
        delivery_count: int = w.int16()

    snapshot_epoch: int = w.int32()
    leader_epoch: int = w.int32()
    start_offset: int = w.int64()
    delivery_complete_count: int = w.int32(default=-1, tag=0)
    state_batches: list[StateBatch] = w.array(StateBatch)


RECORD_TYPES: dict[int, tuple[type[w.Message], type[w.Message]]] = {
    0: (ShareSnapshotKey, ShareSnapshotValue),
    1: (ShareUpdateKey, ShareUpdateValue),
}


def decode_record(key: w.Buffer, value: w.Buffer | None) -> CoordinatorRecord | UnknownRecord:
    """Read a record of `__share_group_state`. One of a type or version that isn't known comes back as it is.

    Raises Malformed if a known one can't be read.
    """
    return decode_with(RECORD_TYPES, key, value)
