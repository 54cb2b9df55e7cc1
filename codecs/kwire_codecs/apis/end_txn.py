"""EndTxn: commit or abort a transaction.

v1 throttling moves to the client (KIP-219) · v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4
TRANSACTION_ABORTABLE (KIP-890) · v5 producer id, producer epoch (KIP-890)
"""

from .. import wire as w
from ..errors import ErrorCode


class EndTxn(w.Api, key=26, versions="0-5", flexible="3+"):
    class Request(w.Struct):
        transactional_id: str = w.string()
        producer_id: int = w.int64()
        producer_epoch: int = w.int16()
        committed: bool = w.boolean()

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        producer_id: int = w.int64("5+", default=-1, ignorable=True)
        producer_epoch: int = w.int16("5+", default=-1, ignorable=True)
