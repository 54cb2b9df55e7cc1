"""What a Produce in a transaction asks before it appends: whether its partitions are in it (KIP-890).

A client of version 12 or later has its partitions added by the write. For older ones it is verified that they
were added, so that a batch which comes after the end of its transaction cannot begin one that nobody ends;
`transaction.partition.verification.enable` turns that off. Where the transaction is open nobody is asked.

Kafka: ReplicaManager.handleProduceAppend, AddPartitionsToTxnManager.
"""

from __future__ import annotations

from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, Final, NamedTuple

from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import BatchHeader, CorruptBatch
from kwire_storage.producer_state import Verification

from kwire.coordinators.metadata.broker_configs import broker_value
from kwire.coordinators.transactions.state import TopicPartition
from kwire.coordinators.transactions.values import ProducerIdAndEpoch
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns
from kwire.partitions.partition import AppendResult, Partition
from kwire.runtime.transactions import ADD, VERIFY, VERIFY_AS_BEFORE

Admission = AppendResult | Verification | bool
"""Why a partition's batch is not appended, or what `Partition.append` is to be told of its transaction."""
Admissions = dict[TopicPartition, Admission]

ADDS_FROM: Final = 12
"""From this version on a write adds its partitions."""

_NONE: Final = ErrorCode.NONE
_UNDER_WAY: Final = frozenset(
    (
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    )
)
"""What clients do not expect of a Produce; they try again when there are too few replicas."""


class _Begun(NamedTuple):
    """A partition's first batch, of a transaction."""

    partition: Partition
    header: BatchHeader


async def admissions(ctx: Context, request: Produce.Request, turns: Turns) -> Admissions | AppendResult:
    """What comes of the partitions that have a batch of a transaction; or what becomes of all of the request.

    Partitions that do not exist, or that others lead, are left to the append.
    """
    version = ctx.version
    adds = version >= ADDS_FROM
    begun: dict[TopicPartition, _Begun] = {}
    producers: set[tuple[int, int]] = set()
    for topic in request.topic_data:
        name = ctx.cluster.topic_name(topic.topic_id) if version >= 13 else topic.name
        for data in topic.partition_data:
            if turns.is_due(1, 1):
                await turns.give_one()
            header = None if name is None else _transactional(data.records)
            if name is None or header is None:
                continue
            partition = ctx.cluster.reach(name, data.index)
            if isinstance(partition, Partition):
                producers.add((header.producer_id, header.producer_epoch))
                if not partition.refusal_for(ctx.node.id, -1):
                    begun[TopicPartition(name, data.index)] = _Begun(partition, header)
    if len(producers) > 1:
        return AppendResult(
            ErrorCode.INVALID_PRODUCER_ID_MAPPING,
            error_message="Transactional records contained more than one producer ID",
        )
    if not begun:
        return {}
    if not adds and not verifies(ctx):
        return dict.fromkeys(begun, True)
    [(producer_id, producer_epoch)] = producers
    found: Admissions = {}
    asked: dict[TopicPartition, Verification] = {}
    for each, (partition, header) in begun.items():
        started = partition.start_verification(
            producer_id, producer_epoch, header.base_sequence, supports_epoch_bump=adds
        )
        if isinstance(started, ErrorCode):
            found[each] = AppendResult(started)
        elif started is not None:
            asked[each] = started
    if asked:
        assert request.transactional_id is not None
        kind = ADD if adds else VERIFY if version >= 11 else VERIFY_AS_BEFORE
        answers = await ctx.cluster.transactions.admit(
            ctx.node.id, request.transactional_id, producer_id, producer_epoch, list(asked), kind
        )
        for each, verification in asked.items():
            error_code = answers[each]
            found[each] = _refused(error_code, adds) if error_code else verification
    return found


def admission_at_once(
    ctx: Context,
    transactional_id: str,
    producer: ProducerIdAndEpoch,
    partition: Partition,
    base_sequence: int,
) -> Verification | bool | Coroutine[Any, Any, object]:
    """As `admissions`, of the only batch of a request, where that takes no waiting: what `append_usual` is to
    be told. False where there is something against it, and what has to be awaited where it takes longer:
    `admissions` is to be asked then, to whom the question once more does no harm.
    """
    adds = ctx.version >= ADDS_FROM
    if not adds and not verifies(ctx):
        return True
    started = partition.start_verification(*producer, base_sequence, supports_epoch_bump=adds)
    if not isinstance(started, Verification):
        return False
    transactions = ctx.cluster.transactions
    asked = TopicPartition(partition.topic, partition.index)
    coordinator = transactions.coordinator_of(transactional_id)
    answer: object
    if adds:
        answer = transactions.add_partitions(coordinator, transactional_id, producer, (asked,), ADD)
    else:
        answer = transactions.verify_partitions(coordinator, transactional_id, producer, (asked,))
    if type(answer) is CoroutineType:
        return answer
    return started if answer is _NONE or answer == {asked: _NONE} else False


def found_for(found: Admissions, name: str | None, index: int) -> Admission:
    """What comes of one partition; False where there is no batch of a transaction."""
    return False if name is None else found.get(TopicPartition(name, index), False)


def _transactional(records: Any) -> BatchHeader | None:
    """The first batch's header, if it is in a transaction. (There is one batch; the append sees to that.)"""
    if records is None or len(records) < record_batch.HEADER_SIZE:
        return None
    if records[record_batch.MAGIC_POSITION] != 2:
        return None
    try:
        header = record_batch.read_header(records)
    except CorruptBatch:
        return None
    return header if header.is_transactional and header.producer_id >= 0 else None


def verifies(ctx: Context) -> bool:
    """Whether clients that do not know of transaction version 2 have their transactions verified."""
    cluster = ctx.cluster
    name = "transaction.partition.verification.enable"
    return bool(broker_value(cluster.image, cluster.config, ctx.node.id, name))


def _refused(error_code: ErrorCode, adds: bool) -> AppendResult:
    if error_code is ErrorCode.INVALID_TXN_STATE:
        return AppendResult(error_code, error_message="Partition was not added to the transaction")
    # One that knows of epoch bumps expects that its last transaction may not quite have ended.
    if error_code in _UNDER_WAY or (error_code is ErrorCode.CONCURRENT_TRANSACTIONS and not adds):
        message = (
            "Unable to verify the partition has been added to the transaction. "
            f"Underlying error: {error_code.name}"
        )
        return AppendResult(ErrorCode.NOT_ENOUGH_REPLICAS, error_message=message)
    return AppendResult(error_code)
