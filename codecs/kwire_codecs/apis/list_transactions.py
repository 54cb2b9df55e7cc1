"""ListTransactions: the transactional ids that this broker coordinates.

flexible from the start · v1 duration filter (KIP-994) · v2 transactional id pattern (KIP-1152)
"""

from .. import wire as w
from ..errors import ErrorCode


class ListTransactions(w.Api, key=66, versions="0-2", flexible="0+"):
    class Request(w.Struct):
        state_filters: list[str] = w.array(w.string())
        producer_id_filters: list[int] = w.array(w.int64())
        duration_filter: int = w.int64("1+", default=-1)
        transactional_id_pattern: str | None = w.string("2+", null="2+", default=None)

    class Response(w.Struct):
        class TransactionState(w.Struct):
            transactional_id: str = w.string()
            producer_id: int = w.int64()
            transaction_state: str = w.string()

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        unknown_state_filters: list[str] = w.array(w.string())
        transaction_states: list[TransactionState] = w.array(TransactionState)
