"""Requests of transactional producers, in any version, and a producer that has its transactions by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kwire_codecs.apis.add_offsets_to_txn import AddOffsetsToTxn
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic
from kwire_codecs.apis.describe_transactions import DescribeTransactions
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.produce import Produce
from kwire_codecs.apis.write_txn_markers import WriteTxnMarkers
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch

from kwire.server.launch import Running
from tests.broker_client import Client, create_topic, fetch_request, one_partition
from tests.handlers.data import records, values_in

COMMITTED = 1
"""The isolation level that shows what is committed."""


async def find_coordinator(client: Client, transactional_id: str = "tx") -> int:
    """The node that coordinates a transactional id."""
    found = await client.ask(FindCoordinator.Request(key=transactional_id, key_type=1), 3)
    assert found.error_code is ErrorCode.NONE, found
    node_id: int = found.node_id
    return node_id


def init_request(
    version: int = 4, transactional_id: str | None = "tx", *, timeout_ms: int = 60_000, **fields: Any
) -> InitProducerId.Request:
    """InitProducerId."""
    return InitProducerId.Request(
        transactional_id=transactional_id, transaction_timeout_ms=timeout_ms, **fields
    )


def add_request(
    version: int,
    producer: tuple[int, int],
    partitions: Sequence[int] = (0,),
    *,
    topic: str = "t",
    transactional_id: str = "tx",
    verify_only: bool = False,
) -> AddPartitionsToTxn.Request:
    """AddPartitionsToTxn of one topic's partitions."""
    topics = [Topic(name=topic, partitions=list(partitions))]
    producer_id, epoch = producer
    if version < 4:
        return AddPartitionsToTxn.Request(
            v3_and_below_transactional_id=transactional_id,
            v3_and_below_producer_id=producer_id,
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=topics,
        )
    transaction = AddPartitionsToTxn.Request.Transaction(
        transactional_id=transactional_id,
        producer_id=producer_id,
        producer_epoch=epoch,
        verify_only=verify_only,
        topics=topics,
    )
    return AddPartitionsToTxn.Request(transactions=[transaction])


def added(response: AddPartitionsToTxn.Response, version: int) -> dict[int, ErrorCode]:
    """The error of each partition of the only topic."""
    topics = response.results_by_topic_v3_and_below
    if version >= 4:
        [transaction] = response.results_by_transaction
        topics = transaction.topic_results
    [topic] = topics
    return {each.partition_index: each.partition_error_code for each in topic.results_by_partition}


def offsets_request(
    producer: tuple[int, int], group_id: str = "g", transactional_id: str = "tx"
) -> AddOffsetsToTxn.Request:
    """AddOffsetsToTxn."""
    return AddOffsetsToTxn.Request(
        transactional_id=transactional_id,
        producer_id=producer[0],
        producer_epoch=producer[1],
        group_id=group_id,
    )


def end_request(
    producer: tuple[int, int], *, commit: bool = True, transactional_id: str = "tx"
) -> EndTxn.Request:
    """EndTxn."""
    return EndTxn.Request(
        transactional_id=transactional_id,
        producer_id=producer[0],
        producer_epoch=producer[1],
        committed=commit,
    )


def transactional_produce(
    producer: tuple[int, int],
    value: bytes,
    sequence: int,
    *,
    topic: str = "t",
    partition: int = 0,
    transactional_id: str | None = "tx",
    acks: int = -1,
) -> Produce.Request:
    """A Produce of one record in a transaction (up to version 12)."""
    data = records(
        value,
        timestamp=1_700_000_000_000,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=sequence,
        is_transactional=True,
    )
    asked = Produce.Request.Topic
    return Produce.Request(
        transactional_id=transactional_id,
        acks=acks,
        timeout_ms=1000,
        topic_data=[
            asked(name=topic, partition_data=[asked.Partition(index=partition, records=memoryview(data))])
        ],
    )


async def described(
    client: Client, transactional_id: str = "tx"
) -> DescribeTransactions.Response.TransactionState:
    """One transactional id, by DescribeTransactions."""
    response = await client.ask(DescribeTransactions.Request(transactional_ids=[transactional_id]), 0)
    [state] = response.transaction_states
    found: DescribeTransactions.Response.TransactionState = state
    return found


def marker_request(
    producer: tuple[int, int],
    partitions: Sequence[int] = (0,),
    *,
    topic: str = "t",
    commit: bool = False,
    coordinator_epoch: int = 0,
) -> WriteTxnMarkers.Request:
    """WriteTxnMarkers of one topic's partitions."""
    asked = WriteTxnMarkers.Request.Marker
    return WriteTxnMarkers.Request(
        markers=[
            asked(
                producer_id=producer[0],
                producer_epoch=producer[1],
                transaction_result=commit,
                topics=[asked.Topic(name=topic, partition_indexes=list(partitions))],
                coordinator_epoch=coordinator_epoch,
            )
        ]
    )


async def committed_values(client: Client, topic: str = "t", partition: int = 0) -> list[bytes]:
    """What a reader of committed data is shown of a partition."""
    response = await client.ask(fetch_request(topic, 0, partition=partition, isolation_level=COMMITTED), 12)
    found: Fetch.Response.Topic.Partition = one_partition(response)
    assert found.error_code is ErrorCode.NONE
    aborted = sorted((each.first_offset, each.producer_id) for each in found.aborted_transactions or [])
    hidden: set[int] = set()
    values: list[bytes] = []
    buffer = memoryview(bytes(found.records or b""))  # type: ignore[arg-type]
    for position, header in batch.walk(buffer):
        while aborted and aborted[0][0] <= header.base_offset:
            hidden.add(aborted.pop(0)[1])
        if header.is_control:
            hidden.discard(header.producer_id)
        elif header.producer_id not in hidden or not header.is_transactional:
            values += [value for value in values_in(buffer[position : position + header.size]) if value]
    return values


class Producer:
    """A transactional producer: one that knows transaction.version 2, or a classic one."""

    def __init__(self, client: Client, transactional_id: str = "tx", *, classic: bool = False) -> None:
        self.client = client
        self.transactional_id = transactional_id
        self.classic = classic
        self.producer = (-1, -1)
        self._added: set[tuple[str, int]] = set()
        self._sequences: dict[tuple[str, int], int] = {}

    async def init(self, **fields: Any) -> None:
        """InitProducerId, again while the transaction of the one before is being aborted."""
        while True:
            found = await self.client.ask(init_request(4, self.transactional_id, **fields), 4)
            if found.error_code is not ErrorCode.CONCURRENT_TRANSACTIONS:
                break
        assert found.error_code is ErrorCode.NONE, found
        self.producer = found.producer_id, found.producer_epoch
        self._sequences.clear()
        self._added.clear()

    async def add(self, topic: str = "t", partition: int = 0) -> ErrorCode:
        """AddPartitionsToTxn v3, again while the last transaction ends."""
        while True:
            request = add_request(
                3, self.producer, [partition], topic=topic, transactional_id=self.transactional_id
            )
            [error] = added(await self.client.ask(request, 3), 3).values()
            if error is not ErrorCode.CONCURRENT_TRANSACTIONS:
                return error

    async def produce(self, value: bytes, topic: str = "t", partition: int = 0) -> ErrorCode:
        """One record."""
        where = topic, partition
        if self.classic and where not in self._added:
            error = await self.add(topic, partition)
            if error:
                return error
            self._added.add(where)
        sequence = self._sequences.get(where, 0)
        request = transactional_produce(
            self.producer,
            value,
            sequence,
            topic=topic,
            partition=partition,
            transactional_id=self.transactional_id,
        )
        answer = one_partition(await self.client.ask(request, 11 if self.classic else 12))
        if not answer.error_code:
            self._sequences[where] = sequence + 1
        error_code: ErrorCode = answer.error_code
        return error_code

    async def end(self, *, commit: bool = True) -> ErrorCode:
        """EndTxn."""
        version = 4 if self.classic else 5
        request = end_request(self.producer, commit=commit, transactional_id=self.transactional_id)
        found = await self.client.ask(request, version)
        self._added.clear()
        if not found.error_code and not self.classic:
            self.producer = found.producer_id, found.producer_epoch
            self._sequences.clear()
        error_code: ErrorCode = found.error_code
        return error_code


async def first_producer(
    running: Running, client: Client, *, partitions: int = 1, classic: bool = False, **fields: Any
) -> Producer:
    """The topic `t`, and a producer called `tx` that has its producer id; `fields` are of InitProducerId."""
    await create_topic(running, "t", partitions)
    await find_coordinator(client)
    producer = Producer(client, classic=classic)
    await producer.init(**fields)
    return producer
