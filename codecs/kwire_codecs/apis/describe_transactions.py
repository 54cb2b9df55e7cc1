"""DescribeTransactions: state of transactional ids.

flexible from the start
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeTransactions(w.Api, key=65, versions="0", flexible="0+"):
    class Request(w.Struct):
        transactional_ids: list[str] = w.array(w.string())

    class Response(w.Struct):
        class TransactionState(w.Struct):
            class Topic(w.Struct):
                topic: str = w.string()
                partitions: list[int] = w.array(w.int32())

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            transactional_id: str = w.string()
            transaction_state: str = w.string()
            transaction_timeout_ms: int = w.int32()
            transaction_start_time_ms: int = w.int64()
            producer_id: int = w.int64()
            producer_epoch: int = w.int16()
            topics: list[Topic] = w.array(Topic)

        throttle_time_ms: int = w.int32(default=0)
        transaction_states: list[TransactionState] = w.array(TransactionState)
