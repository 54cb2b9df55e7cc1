"""AddOffsetsToTxn: a transaction is to include offsets of this group.

v1 throttling moves to the client (KIP-219) · v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4
TRANSACTION_ABORTABLE (KIP-890)
"""

from .. import wire as w
from ..errors import ErrorCode


class AddOffsetsToTxn(w.Api, key=25, versions="0-4", flexible="3+"):
    class Request(w.Struct):
        transactional_id: str = w.string()
        producer_id: int = w.int64()
        producer_epoch: int = w.int16()
        group_id: str = w.string()

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
