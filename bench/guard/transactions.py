"""What is counted of transactions and consumer groups: whole requests, through a socket.

Rules: producers are initialised and partitions added beforehand, unless that is what is counted; what a
request leaves to a task (markers, and the record that completes a transaction) is counted with what comes
next. A transaction whole is all that its client sends for it. ratios.py says what of it may
cost how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode

from bench.guard.broker import framed
from bench.guard.kinds import WholeRow
from bench.guard.stage import PRODUCE_VERSION, TRANSACTED, Stage, one_batch, produce
from kwire.coordinators.transactions.values import ProducerIdAndEpoch

VALUE: Final = bytes(100)
"""As large as a plain produce's."""
CLASSIC_PRODUCE_VERSION: Final = 11
CLASSIC_VERSION: Final = 3
"""Of AddPartitionsToTxn and EndTxn, as producers before KIP-890 ask them."""
END_VERSION: Final = 5
BEAT_VERSION: Final = 1


def _id(stage: Stage, row: str, number: int) -> str:
    return f"{stage.topic}-{row}-{number}"


async def _producers(stage: Stage, row: str, count: int) -> list[tuple[str, ProducerIdAndEpoch]]:
    """New transactional ids, with the producer of each."""
    cluster = stage.broker.cluster
    node_id = next(iter(cluster.nodes))
    names = [_id(stage, row, number) for number in range(count)]
    await stage.broker.ask(FindCoordinator.Request(key_type=1, coordinator_keys=names[:1]), 4)
    producers = []
    for name in names:
        made = await cluster.transactions.init_producer_id(node_id, name, 60_000, None)
        assert made.error_code is ErrorCode.NONE, made
        producers.append((name, ProducerIdAndEpoch(made.producer_id, made.producer_epoch)))
    return producers


def _produce(
    stage: Stage, transactional_id: str, producer: ProducerIdAndEpoch, sequence: int, version: int
) -> bytes:
    batch = one_batch(sequence, VALUE, *producer, is_transactional=True)
    request = produce(stage.topic_id, TRANSACTED, batch)
    request.transactional_id = transactional_id
    if version < PRODUCE_VERSION:
        request.topic_data[0].name = stage.topic
    return framed(request, version)


def _add(stage: Stage, transactional_id: str, producer: ProducerIdAndEpoch) -> bytes:
    request = AddPartitionsToTxn.Request(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=producer.producer_id,
        v3_and_below_producer_epoch=producer.producer_epoch,
        v3_and_below_topics=[Topic(name=stage.topic, partitions=[TRANSACTED])],
    )
    return framed(request, CLASSIC_VERSION)


def _end(transactional_id: str, producer: ProducerIdAndEpoch, version: int) -> bytes:
    request = EndTxn.Request(
        transactional_id=transactional_id,
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        committed=True,
    )
    return framed(request, version)


async def _further_produces(stage: Stage, count: int) -> Sequence[bytes]:
    [(name, producer)] = await _producers(stage, "further", 1)
    return [_produce(stage, name, producer, sequence, PRODUCE_VERSION) for sequence in range(count)]


async def _first_produces(stage: Stage, count: int) -> Sequence[bytes]:
    return [
        _produce(stage, name, producer, 0, PRODUCE_VERSION)
        for name, producer in await _producers(stage, "first", count)
    ]


async def _additions(stage: Stage, count: int) -> Sequence[bytes]:
    return [_add(stage, name, producer) for name, producer in await _producers(stage, "added", count)]


async def _verified_produces(stage: Stage, count: int) -> Sequence[bytes]:
    producers = await _producers(stage, "verified", count)
    await stage.broker.play([_add(stage, name, producer) for name, producer in producers])
    return [_produce(stage, name, producer, 0, CLASSIC_PRODUCE_VERSION) for name, producer in producers]


async def _transactions(stage: Stage, count: int) -> Sequence[bytes]:
    [(name, (producer_id, epoch))] = await _producers(stage, "transactions", 1)
    frames = []
    for number in range(count):  # each end gives the producer its next epoch
        producer = ProducerIdAndEpoch(producer_id, epoch + number)
        frames.append(_produce(stage, name, producer, 0, PRODUCE_VERSION))
        frames.append(_end(name, producer, END_VERSION))
    return frames


async def _beats(stage: Stage, count: int) -> Sequence[bytes]:
    group, asked = f"{stage.group}-of-consumers", ConsumerGroupHeartbeat.Request
    joined = await stage.broker.ask(
        asked(
            group_id=group,
            member_id=f"{group}-member",
            member_epoch=0,
            rebalance_timeout_ms=60_000,
            subscribed_topic_names=[stage.topic],
            topic_partitions=[],
        ),
        BEAT_VERSION,
    )
    assert joined.error_code is ErrorCode.NONE, joined
    given = [
        asked.TopicPartitions(topic_id=topic.topic_id, partitions=topic.partitions)
        for topic in joined.assignment.topic_partitions
    ]
    owned = asked(
        group_id=group, member_id=joined.member_id, member_epoch=joined.member_epoch, topic_partitions=given
    )
    assert (await stage.broker.ask(owned, BEAT_VERSION)).error_code is ErrorCode.NONE
    beat = asked(group_id=group, member_id=joined.member_id, member_epoch=joined.member_epoch)
    return [framed(beat, BEAT_VERSION)] * count


def _of_produce(response: Any) -> ErrorCode:
    found: ErrorCode = response.responses[0].partition_responses[0].error_code
    return found


def _of_addition(response: Any) -> ErrorCode:
    found: ErrorCode = response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    return found


def _of_all(response: Any) -> ErrorCode:
    found: ErrorCode = response.error_code
    return found


IN_TRANSACTION: Final = WholeRow(
    "a whole produce in a transaction", Produce, PRODUCE_VERSION, _further_produces, _of_produce
)
"""What the guard counts; the others are `python -m bench.transactions`'s."""

TRANSACTIONS: Final = [
    IN_TRANSACTION,
    WholeRow("the first produce of a transaction", Produce, PRODUCE_VERSION, _first_produces, _of_produce),
    WholeRow(
        "partitions added to a transaction", AddPartitionsToTxn, CLASSIC_VERSION, _additions, _of_addition
    ),
    WholeRow(
        "the first produce after they were added",
        Produce,
        CLASSIC_PRODUCE_VERSION,
        _verified_produces,
        _of_produce,
    ),
    WholeRow("a transaction of one record", EndTxn, END_VERSION, _transactions, _of_all, 2),
    WholeRow("a whole heartbeat of a consumer group", ConsumerGroupHeartbeat, BEAT_VERSION, _beats, _of_all),
]
