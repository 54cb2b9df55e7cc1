"""The records of `__transaction_state`: a key is a transactional id, its value producer and transaction."""

from .. import wire as w
from .coordinator import CoordinatorRecord as CoordinatorRecord
from .coordinator import UnknownRecord as UnknownRecord
from .coordinator import decode_with
from .coordinator import encode_key as encode_key
from .coordinator import encode_value as encode_value


class TransactionLogKey(w.Message, key=0, versions="0"):
    transactional_id: str = w.string()


class TransactionLogValue(w.Message, key=0, versions="0-1", flexible="1+"):
    class TopicPartitions(w.Struct):
        topic: str = w.string()
        partition_ids: list[int] = w.array(w.int32())

    producer_id: int = w.int64()
    previous_producer_id: int = w.int64("1+", default=-1, tag=0)
    next_producer_id: int = w.int64("1+", default=-1, tag=1)
    producer_epoch: int = w.int16()
    next_producer_epoch: int = w.int16("1+", default=-1, tag=3)
    transaction_timeout_ms: int = w.int32()
    transaction_status: int = w.int8()
    transaction_partitions: list[TopicPartitions] | None = w.array(TopicPartitions, null="0+")
    transaction_last_update_timestamp_ms: int = w.int64()
    transaction_start_timestamp_ms: int = w.int64()
    client_transaction_version: int = w.int16("1+", default=0, tag=2)


RECORD_TYPES: dict[int, tuple[type[w.Message], type[w.Message]]] = {
    0: (TransactionLogKey, TransactionLogValue),
}


def decode_record(key: w.Buffer, value: w.Buffer | None) -> CoordinatorRecord | UnknownRecord:
    """Read a record of `__transaction_state`. One of a type or version that isn't known comes back as it is.

    Raises Malformed if a known one can't be read.
    """
    return decode_with(RECORD_TYPES, key, value)
