"""AddPartitionsToTxn (key 24): a transaction is to include these partitions (KIP-98).

v1 throttling moves to the client (KIP-219) · v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4 many
transactions at once, and partitions that are only verified: from brokers (KIP-890) · v5
TRANSACTION_ABORTABLE (KIP-890)

One partition that does not exist, and none of its transaction's is added: UNKNOWN_TOPIC_OR_PARTITION for it,
OPERATION_NOT_ATTEMPTED for the others. So it is with one of the broker's own topics, which a client may not
write to: TOPIC_AUTHORIZATION_FAILED. Who sends version 4 is one that knows transaction.version 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic, TopicResult
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.topic_names import is_internal
from kwire.coordinators.transactions.state import TopicPartition
from kwire.coordinators.transactions.values import ProducerIdAndEpoch
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size
from kwire.runtime.soon import Soon, awaited, then

API = AddPartitionsToTxn
VERSIONS = (0, 5)

MOST_AT_ONCE = 100
"""So many partitions are looked at without giving others a turn."""

Errors = ErrorCode | Mapping[TopicPartition, ErrorCode]
"""One for all partitions, or one for each."""
PartitionResult = TopicResult.PartitionResult


class _Transaction(NamedTuple):
    transactional_id: str
    producer: ProducerIdAndEpoch
    topics: Sequence[Topic]
    only_verify: bool


def at_once(ctx: Context, request: AddPartitionsToTxn.Request) -> Soon[AddPartitionsToTxn.Response]:
    """`handle`, without a coroutine for the few partitions of one client."""
    if ctx.version >= 4 or _size(request.v3_and_below_topics) > MOST_AT_ONCE:
        return handle(ctx, request)
    asked = _only(request)
    hides_fencing = ctx.version < 2
    image = ctx.cluster.image
    partitions = {each: _problem(image, each, True) for each in _partitions(asked.topics)}

    def answer(errors: Errors) -> AddPartitionsToTxn.Response:
        results = [_result(topic, _told(errors, hides_fencing)) for topic in asked.topics]
        return AddPartitionsToTxn.Response(results_by_topic_v3_and_below=results)

    return then(_errors(ctx, asked, partitions, 0), answer)


async def handle(ctx: Context, request: AddPartitionsToTxn.Request) -> AddPartitionsToTxn.Response:
    """Asks the coordinator of each transaction."""
    for_brokers = ctx.version >= 4
    transaction_version = 2 if for_brokers else 0
    hides_fencing = ctx.version < 2
    transactions = [_of(each) for each in request.transactions] if for_brokers else [_only(request)]
    check_size(*(1 + _size(each.topics) for each in transactions))
    turns = Turns(ctx)
    results = []
    for asked in transactions:
        image = ctx.cluster.image
        partitions = {}
        for each in _partitions(asked.topics):
            await turns.one_more()
            partitions[each] = _problem(image, each, not for_brokers)
        errors: Errors = await awaited(_errors(ctx, asked, partitions, transaction_version))
        if errors is ErrorCode.UNSUPPORTED_VERSION:
            return AddPartitionsToTxn.Response(error_code=ErrorCode.UNSUPPORTED_VERSION)
        topics = []
        for topic in asked.topics:
            await turns.one_more(0, cost=1 + len(topic.partitions))
            topics.append(_result(topic, _told(errors, hides_fencing)))
        results.append((asked.transactional_id, topics))
    if not for_brokers:
        [(_, topics)] = results
        return AddPartitionsToTxn.Response(results_by_topic_v3_and_below=topics)
    return AddPartitionsToTxn.Response(
        results_by_transaction=[
            AddPartitionsToTxn.Response.TransactionResult(
                transactional_id=transactional_id, topic_results=topics
            )
            for transactional_id, topics in results
        ]
    )


def _told(errors: Errors, hides_fencing: bool) -> Errors:
    return (
        ErrorCode.INVALID_PRODUCER_EPOCH if errors is ErrorCode.PRODUCER_FENCED and hides_fencing else errors
    )


def _only(request: AddPartitionsToTxn.Request) -> _Transaction:
    return _Transaction(
        request.v3_and_below_transactional_id,
        ProducerIdAndEpoch(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch),
        request.v3_and_below_topics,
        False,
    )


def _of(asked: AddPartitionsToTxn.Request.Transaction) -> _Transaction:
    producer = ProducerIdAndEpoch(asked.producer_id, asked.producer_epoch)
    return _Transaction(asked.transactional_id, producer, asked.topics, asked.verify_only)


def _size(topics: Sequence[Topic]) -> int:
    return sum(1 + len(topic.partitions) for topic in topics)


def _partitions(topics: Sequence[Topic]) -> Iterator[TopicPartition]:
    return (TopicPartition(topic.name, index) for topic in topics for index in topic.partitions)


def _problem(image: ClusterImage, partition: TopicPartition, of_client: bool) -> ErrorCode:
    """Why a partition cannot be in any transaction; NONE for one that can."""
    if of_client and is_internal(partition.topic):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    exists = image.partition(*partition) is not None
    return ErrorCode.NONE if exists else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def _errors(
    ctx: Context,
    asked: _Transaction,
    partitions: Mapping[TopicPartition, ErrorCode],
    transaction_version: int,
) -> Soon[Any]:
    """What comes of one transaction, as `Errors`. `partitions` are its own, and what speaks against each."""
    if any(partitions.values()):
        not_tried = ErrorCode.OPERATION_NOT_ATTEMPTED
        return {each: problem or not_tried for each, problem in partitions.items()}
    transactions = ctx.cluster.transactions
    if asked.only_verify:
        return transactions.verify_partitions(
            ctx.node.id, asked.transactional_id, asked.producer, partitions.keys()
        )
    return transactions.add_partitions(
        ctx.node.id, asked.transactional_id, asked.producer, partitions.keys(), transaction_version
    )


def _result(topic: Topic, errors: Errors) -> TopicResult:
    return TopicResult(
        name=topic.name,
        results_by_partition=[
            PartitionResult(
                partition_index=index,
                partition_error_code=errors
                if isinstance(errors, ErrorCode)
                else errors[TopicPartition(topic.name, index)],
            )
            for index in topic.partitions
        ],
    )
