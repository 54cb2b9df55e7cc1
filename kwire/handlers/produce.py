"""Produce (key 0): batches for many partitions, acknowledged when they are appended.

v1 throttle time · v2 append time, magic 1 · v3 magic 2, transactional id (KIP-98) · v5 log start offset · v7
zstd (KIP-110) · v8 record errors (KIP-467) · v9 flexible · v10 newer leaders (KIP-951) · v12 implicit
partition adds (KIP-890) · v13 topic ids (KIP-516)

The magic found in the records counts, not the one that the version implies: pykafka sends magic 1 in version
0. `acks=0` gets no answer; a failure then closes the connection, as Kafka does. Batches of a transaction are
refused with all of the request (TRANSACTIONAL_ID_AUTHORIZATION_FAILED) if it names no transactional id, as
Kafka's handleProduceRequest does; before the first of a transaction is appended its coordinator is asked, see
transactional_produce.py.
"""

from __future__ import annotations

import struct
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.wire import maker
from kwire_storage.produce_rules import ProduceRules
from kwire_storage.validation import Fields, usual_fields

from kwire.coordinators.transactions.values import ProducerIdAndEpoch
from kwire.handlers.context import CloseConnection, Context
from kwire.handlers.leaders import newer_leaders
from kwire.handlers.transactional_produce import Admissions, admission_at_once, admissions, found_for
from kwire.handlers.turns import Turns, check_size
from kwire.partitions.flushing import flush_all
from kwire.partitions.partition import AppendResult, Partition

if TYPE_CHECKING:
    from kwire_storage.producer_state import Verification

    from kwire.broker.cluster import Cluster

API = Produce
VERSIONS = (0, 13)
REPEATED = "kwire.handlers.repeated_produce"

TopicAnswer = Produce.Response.Topic
PartitionAnswer = TopicAnswer.Partition
answer, topic_answer, partition_answer = maker(API.Response), maker(TopicAnswer), maker(PartitionAnswer)
VALID_ACKS = (-1, 0, 1)
LENGTH_POSITION = 8
LEAST_LENGTH = 14
"""What a message of magic 0 has behind its length, the least of all."""
FLAGS_POSITION = record_batch.ATTRIBUTES_POSITION + 1
"""The low byte of the attributes."""
MOST_AT_ONCE = 100
"""So many partitions are appended to without giving others a turn."""
FIRST_APPEND = 30
"""A partition's first batch makes its files: that takes as long as this many later ones."""
NOT_NAMED = PartitionAnswer.CurrentLeader()
NOTHING = memoryview(b"")
ATTRIBUTES = record_batch.BatchHeader._fields.index("attributes")
PRODUCER_ID = record_batch.BatchHeader._fields.index("producer_id")
PRODUCER_EPOCH = record_batch.BatchHeader._fields.index("producer_epoch")
BASE_SEQUENCE = record_batch.BatchHeader._fields.index("base_sequence")
FIRST_FIELDS = struct.Struct(">8xi4xB5xB")
"""Of a batch of magic 2: its length, magic, and the low byte of its attributes."""


def at_once(ctx: Context, request: Produce.Request) -> Any:
    """`handle`, without a coroutine where every batch is a usual one, which is most of the time."""
    cluster, node_id, version, acks = ctx.cluster, ctx.node.id, ctx.version, request.acks
    if acks not in VALID_ACKS:
        return handle(ctx, request)
    now_ms = cluster.clock.now_ms()
    is_transactional = request.transactional_id is not None
    producer: tuple[int, int] | None = None
    all_usual: list[tuple[Partition, memoryview, Fields]] = []
    for topic in request.topic_data:
        name: str | None = cluster.topic_name(topic.topic_id) if version >= 13 else topic.name
        rules: ProduceRules | None = None
        for data in topic.partition_data:
            records = data.records
            if name is None or records is None or len(all_usual) == MOST_AT_ONCE:
                return handle(ctx, request)
            partition = cluster.opened(name, data.index)
            if partition is None or not partition.takes(node_id, acks, len(records)):
                return handle(ctx, request)
            if rules is None:
                rules = cluster.produce_rules(name, version)
            fields = fields_at_once(records, rules, now_ms)
            if fields is None:
                return handle(ctx, request)
            if not is_allowed(partition, fields, is_transactional):
                if is_transactional and len(request.topic_data) == len(topic.partition_data) == 1:
                    return _begin_transaction(ctx, request, partition, records, fields, now_ms)
                return handle(ctx, request)
            if is_transactional:
                its = fields[PRODUCER_ID], fields[PRODUCER_EPOCH]
                if producer != its and producer is not None:
                    return handle(ctx, request)
                producer = its
            all_usual.append((partition, records, fields))
    results = []
    for partition, records, fields in all_usual:
        results.append(partition.append_usual(records, fields, now_ms))
    return _answer(ctx, request, results)


def _begin_transaction(
    ctx: Context,
    request: Produce.Request,
    partition: Partition,
    records: memoryview,
    fields: Fields,
    now_ms: int,
) -> Any:
    """A usual batch, the only one of its request, with which a transaction is to begin."""
    assert request.transactional_id is not None
    producer = ProducerIdAndEpoch(fields[PRODUCER_ID], fields[PRODUCER_EPOCH])
    admitted = admission_at_once(ctx, request.transactional_id, producer, partition, fields[BASE_SEQUENCE])
    if isinstance(admitted, Coroutine):
        return _once_asked(ctx, request, admitted)
    if admitted is False:
        return handle(ctx, request)
    return _answer(ctx, request, [partition.append_usual(records, fields, now_ms, verified=admitted)])


async def _once_asked(
    ctx: Context, request: Produce.Request, asked: Coroutine[Any, Any, object]
) -> Produce.Response | None:
    """What becomes of a request whose coordinator is asked already: it has written that down then."""
    await asked
    return await handle(ctx, request)


def fields_at_once(records: memoryview, rules: ProduceRules, now_ms: int) -> Fields | None:
    """The header's fields of the batch to append, if nothing speaks against it and no time is lost by doing
    it now; else None. Whether its transaction allows it is another matter: `is_allowed`.
    """
    if rules.log_append_time:  # which is written into what might have to be looked at again
        return None
    return usual_fields(records, rules, now_ms)


def is_allowed(partition: Partition, fields: Fields, is_transactional: bool) -> bool:
    """Whether nobody has to be asked for the batch's transaction: it is in none, or in one that is open.
    `is_transactional`: the request names a transactional id.
    """
    # What is usual and in no transaction is nothing that `_refusal_of_all` objects to.
    return not fields[ATTRIBUTES] & record_batch.TRANSACTIONAL or (
        is_transactional and partition.has_open_transaction(fields[PRODUCER_ID], fields[PRODUCER_EPOCH])
    )


def usual(
    cluster: Cluster,
    node_id: int,
    version: int,
    acks: int,
    topic: str,
    index: int,
    records: memoryview,
    now_ms: int,
    is_transactional: bool,
) -> tuple[Partition, Fields] | None:
    """Where to append what, as `at_once` would find it for one partition of a request; else None, and nothing
    has changed.
    """
    partition = cluster.opened(topic, index)
    if partition is None or acks not in VALID_ACKS or not partition.takes(node_id, acks, len(records)):
        return None
    rules = cluster.produce_rules(topic, version)
    fields = fields_at_once(records, rules, now_ms)
    if fields is None or not is_allowed(partition, fields, is_transactional):
        return None
    return partition, fields


async def handle(ctx: Context, request: Produce.Request) -> Produce.Response | None:
    """Appends each partition's batches in request order; every acks waits for the append."""
    if ctx.answer_is_large:
        check_size(*(1 + len(topic.partition_data) for topic in request.topic_data))
    cluster, node_id, version, acks = ctx.cluster, ctx.node.id, ctx.version, request.acks
    refusal = _refusal_of_all(request)
    results: list[AppendResult] = []
    turns = Turns(ctx)
    now_ms = cluster.clock.now_ms()
    is_transactional = request.transactional_id is not None
    unflushed: list[tuple[int, Partition]] = []
    admitted: Admissions = {}
    if request.transactional_id is not None and refusal is None:
        found = await admissions(ctx, request, turns)
        if isinstance(found, AppendResult):
            refusal = found
        else:
            admitted = found
    for topic in request.topic_data:
        name: str | None = cluster.topic_name(topic.topic_id) if version >= 13 else topic.name
        for data in topic.partition_data:
            records = data.records
            admission = found_for(admitted, name, data.index) if admitted else False
            result = refusal
            if result is None and isinstance(admission, AppendResult):
                result = admission
            if result is None and not admitted and name is not None and records is not None:
                usually = usual(
                    cluster, node_id, version, acks, name, data.index, records, now_ms, is_transactional
                )
                if usually is not None:
                    partition, fields = usually
                    result = partition.append_usual(records, fields, now_ms)
            if result is None:
                assert not isinstance(admission, AppendResult)
                result = await _append(ctx, request, name, data, admission)
                if not result.error_code and name is not None:
                    appended = cluster.opened(name, data.index)
                    if appended is not None and appended.must_flush:
                        unflushed.append((len(results), appended))
            if turns.is_due(1, FIRST_APPEND if result.base_offset == 0 else 1):
                await turns.give_one()
                now_ms = cluster.clock.now_ms()
            results.append(result)
    if unflushed:
        await _flush(unflushed, results)
    return _answer(ctx, request, results)


async def _flush(unflushed: Sequence[tuple[int, Partition]], results: list[AppendResult]) -> None:
    """What `flush.messages` wants on the device is there when this returns, or its result says why not."""
    due = [(partition, results[at].last_offset + 1) for at, partition in unflushed]
    for (at, _), error_code in zip(unflushed, await flush_all(due), strict=True):
        if error_code:
            results[at] = AppendResult(error_code)


def _answer(
    ctx: Context, request: Produce.Request, results: Sequence[AppendResult]
) -> Produce.Response | None:
    """The response that says what became of each partition, in request order."""
    following = iter(results)
    failure: ErrorCode | None = None
    leader_ids: set[int] = set()
    with_ids = ctx.version >= 13
    topics = []
    for topic in request.topic_data:
        partitions = []
        for data in topic.partition_data:
            result = next(following)
            error_code, base_offset, append_time_ms, log_start_offset, _, _, _ = result
            if error_code:
                failure = failure or error_code
                partitions.append(_failed(ctx, topic, data.index, result, leader_ids))
            else:
                partitions.append(
                    partition_answer(
                        index=data.index,
                        base_offset=base_offset,
                        log_append_time_ms=append_time_ms,
                        log_start_offset=log_start_offset,
                    )
                )
        topics.append(
            topic_answer(topic_id=topic.topic_id, partition_responses=partitions)
            if with_ids
            else topic_answer(name=topic.name, partition_responses=partitions)
        )
    if request.acks == 0:
        if failure:
            raise CloseConnection(f"a produce with acks=0 failed with {failure.name}")
        return None
    if not leader_ids or ctx.version < 10:
        return answer(responses=topics)
    return answer(
        responses=topics, node_endpoints=newer_leaders(ctx, Produce.Response.NodeEndpoint, leader_ids)
    )


def _refusal_of_all(request: Produce.Request) -> AppendResult | None:
    """What the first batches say against the request as a whole, before any topic is looked for.

    Kafka's RequestUtils.hasTransactionalRecords opens each partition's first batch, and no further; one that
    it can't open fails them all.
    """
    for topic in request.topic_data:
        for data in topic.partition_data:
            records = data.records
            if records is None or len(records) < record_batch.LOG_OVERHEAD:
                continue
            if len(records) >= record_batch.HEADER_SIZE:
                length, magic, flags = FIRST_FIELDS.unpack_from(records)
                if magic == 2 and length >= LEAST_LENGTH and not flags & record_batch.TRANSACTIONAL:
                    continue
            length = int.from_bytes(records[LENGTH_POSITION : record_batch.LOG_OVERHEAD], "big", signed=True)
            if length < LEAST_LENGTH:
                message = f"a batch length of {length} is less than any batch has"
                return AppendResult(ErrorCode.CORRUPT_MESSAGE, error_message=message)
            if len(records) <= record_batch.MAGIC_POSITION:
                continue
            magic = records[record_batch.MAGIC_POSITION]
            if magic > 2:
                message = f"there is no magic {magic}"
                return AppendResult(ErrorCode.CORRUPT_MESSAGE, error_message=message)
            if (
                magic == 2
                and request.transactional_id is None
                and len(records) > FLAGS_POSITION
                and records[FLAGS_POSITION] & record_batch.TRANSACTIONAL
            ):
                return AppendResult(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    return None


def _partition(
    cluster: Cluster, node_id: int, acks: int, name: str | None, index: int
) -> Partition | AppendResult:
    """Where to append, or why that may not be."""
    if name is None:
        return AppendResult(ErrorCode.UNKNOWN_TOPIC_ID)
    partition = cluster.reach(name, index)
    if not isinstance(partition, Partition):
        return AppendResult(partition)
    if acks not in VALID_ACKS:
        return AppendResult(ErrorCode.INVALID_REQUIRED_ACKS)
    if partition.is_internal:
        return AppendResult(ErrorCode.INVALID_TOPIC_EXCEPTION)
    refusal = partition.refusal_for(node_id, -1)
    if refusal:
        return AppendResult(refusal)
    if acks == -1 and partition.is_under_min_isr:
        return AppendResult(ErrorCode.NOT_ENOUGH_REPLICAS, log_start_offset=partition.log_start_offset)
    return partition


async def _append(
    ctx: Context, request: Produce.Request, name: str | None, data: Any, verified: Verification | bool
) -> AppendResult:
    partition = _partition(ctx.cluster, ctx.node.id, request.acks, name, data.index)
    if isinstance(partition, AppendResult):
        return partition
    records = data.records
    result = await partition.append(
        records if records is not None else NOTHING,
        ctx.cluster.produce_rules(partition.topic, ctx.version),
        verified=verified,
    )
    if request.acks == -1 and partition.is_under_min_isr and not result.error_code:
        # Others went out of sync while the records were looked at in a thread.
        return AppendResult(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
    return result


def _failed(ctx: Context, topic: Any, index: int, result: AppendResult, leader_ids: set[int]) -> Any:
    leader = NOT_NAMED
    name: str | None = ctx.cluster.topic_name(topic.topic_id) if ctx.version >= 13 else topic.name
    if ctx.version >= 10 and result.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER and name is not None:
        partition = ctx.cluster.reach(name, index)
        if not isinstance(partition, ErrorCode):
            leader_ids.add(partition.leader_id)
            leader = PartitionAnswer.CurrentLeader(
                leader_id=partition.leader_id, leader_epoch=partition.leader_epoch
            )
    return PartitionAnswer(
        index=index,
        error_code=result.error_code,
        base_offset=-1,
        log_append_time_ms=-1,
        log_start_offset=result.log_start_offset,
        record_errors=[
            PartitionAnswer.RecordError(batch_index=position, batch_index_error_message=message)
            for position, message in result.record_errors
        ],
        error_message=result.error_message,
        current_leader=leader,
    )
