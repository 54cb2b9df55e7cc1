"""InitProducerId: a producer asks for its id and epoch.

v1 throttling moves to the client (KIP-219) · v2 flexible · v3 producer id, producer epoch (KIP-360) · v4
PRODUCER_FENCED (KIP-588) · v5 TRANSACTION_ABORTABLE (KIP-890) · v6 enable 2pc, keep prepared txn, ongoing txn
producer id, ongoing txn producer epoch (KIP-939, unstable)
"""

from .. import wire as w
from ..errors import ErrorCode


class InitProducerId(w.Api, key=22, versions="0-6", flexible="2+", unstable="6"):
    class Request(w.Struct):
        transactional_id: str | None = w.string(null="0+")
        transaction_timeout_ms: int = w.int32()
        producer_id: int = w.int64("3+", default=-1)
        producer_epoch: int = w.int16("3+", default=-1)
        enable_2pc: bool = w.boolean("6+", default=False)
        keep_prepared_txn: bool = w.boolean("6+", default=False)

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0, ignorable=True)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        producer_id: int = w.int64(default=-1)
        producer_epoch: int = w.int16()
        ongoing_txn_producer_id: int = w.int64("6+", default=-1)
        ongoing_txn_producer_epoch: int = w.int16("6+", default=-1)
