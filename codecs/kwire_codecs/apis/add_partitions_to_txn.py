"""AddPartitionsToTxn: a transaction is to include these partitions.

v1 throttling moves to the client (KIP-219) · v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4 transactions, no
v3 and below transactional id, no v3 and below producer id, more: many transactions at once (KIP-890) · v5
TRANSACTION_ABORTABLE (KIP-890)
"""

from .. import wire as w
from ..errors import ErrorCode


class Topic(w.Struct):
    name: str = w.string()
    partitions: list[int] = w.array(w.int32())


class TopicResult(w.Struct):
    class PartitionResult(w.Struct):
        partition_index: int = w.int32()
        partition_error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

    name: str = w.string()
    results_by_partition: list[PartitionResult] = w.array(PartitionResult)


class AddPartitionsToTxn(w.Api, key=24, versions="0-5", flexible="3+"):
    class Request(w.Struct):
        class Transaction(w.Struct):
            transactional_id: str = w.string()
            producer_id: int = w.int64()
            producer_epoch: int = w.int16()
            verify_only: bool = w.boolean(default=False)
            topics: list[Topic] = w.array(Topic)

        transactions: list[Transaction] = w.array(Transaction, "4+", default=[])
        v3_and_below_transactional_id: str = w.string("0-3", default="")
        v3_and_below_producer_id: int = w.int64("0-3", default=0)
        v3_and_below_producer_epoch: int = w.int16("0-3", default=0)
        v3_and_below_topics: list[Topic] = w.array(Topic, "0-3", default=[])

    class Response(w.Struct):
        class TransactionResult(w.Struct):
            transactional_id: str = w.string()
            topic_results: list[TopicResult] = w.array(TopicResult)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code("4+", default=ErrorCode.NONE, ignorable=True)
        results_by_transaction: list[TransactionResult] = w.array(TransactionResult, "4+", default=[])
        results_by_topic_v3_and_below: list[TopicResult] = w.array(TopicResult, "0-3", default=[])
