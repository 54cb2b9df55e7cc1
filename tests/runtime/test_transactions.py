"""The transaction coordinator in a whole broker: time, restarts, deleted topics, leaders that move."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.list_transactions import ListTransactions
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_storage.engine import StorageError, ValidBatch

from kwire.config import BrokerConfig
from kwire.coordinators.metadata.topic_names import TRANSACTION_STATE
from kwire.coordinators.transactions.state import TopicPartition
from kwire.coordinators.transactions.values import (
    ProducerIdAndEpoch,
    TransactionSettings,
    WriteMarkers,
)
from kwire.partitions.partition import Partition
from kwire.runtime.soon import awaited
from kwire.runtime.transaction_host import Retries, retries, transaction_settings
from kwire.runtime.transaction_markers import TRANSACTIONS_A_TURN
from kwire.runtime.transactions import ADD
from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, one_partition, serving
from tests.handlers.three_nodes import place
from tests.handlers.transaction_requests import (
    Producer,
    add_request,
    added,
    committed_values,
    described,
    end_request,
    find_coordinator,
    first_producer,
    init_request,
    transactional_produce,
)
from tests.runtime.stepped_time import SteppedTime, settle

NONE = ErrorCode.NONE
CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS


def state_folders(data: Path) -> list[Path]:
    """What `__transaction_state` has on disk."""
    return list(data.glob("__transaction_state-*"))


def log_of(running: Running, topic: str, index: int = 0) -> Partition:
    found = running.cluster.partition(topic, index)
    assert found is not None
    return found


def markers(partition: Partition) -> list[tuple[int, int]]:
    """Producer id and epoch of each marker in a log."""
    found = partition.log.read(0, 1 << 20)
    data = b"".join(partition.log.read_bytes(part) for part in found.parts)
    return [
        (header.producer_id, header.producer_epoch) for _, header in batch.walk(data) if header.is_control
    ]


@contextmanager
def refusing(partition: Partition, when: Callable[[], bool] = lambda: True) -> Iterator[list[int]]:
    """A log that cannot be written to, inside the block; gives how often that was tried."""
    append = partition.log.append
    refused: list[int] = []

    def refuse(batches: Sequence[ValidBatch], now_ms: int) -> None:
        if not when():
            return append(batches, now_ms)
        refused.append(now_ms)
        raise StorageError("the disk is full")

    partition.log.append = refuse  # type: ignore[method-assign]
    try:
        yield refused
    finally:
        partition.log.append = append  # type: ignore[method-assign]


async def loaded_state(client: Client, transactional_id: str = "tx") -> str:
    """The id's state, once its coordinator has loaded it."""
    while (state := await described(client, transactional_id)).error_code is not NONE:
        assert state.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        await trio.lowlevel.checkpoint()
    name: str = state.transaction_state
    return name


# Settings


def test_settings_are_those_of_kafkas_names() -> None:
    names = {
        "transaction.max.timeout.ms": "1",
        "transactional.id.expiration.ms": "2",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "3",
        "transaction.remove.expired.transaction.cleanup.interval.ms": "4",
        "add.partitions.to.txn.retry.backoff.ms": "5",
        "add.partitions.to.txn.retry.backoff.max.ms": "7",
        "request.timeout.ms": "6",
    }
    config = BrokerConfig(names)
    assert transaction_settings(config) == TransactionSettings(1, 2, 3, 4)
    assert retries(config) == Retries(5, 6)
    assert transaction_settings(BrokerConfig({})) == TransactionSettings()
    assert retries(BrokerConfig({})) == Retries()


# Time


@pytest.mark.parametrize("classic", [True, False])
async def test_a_transaction_that_takes_too_long_is_aborted(classic: bool) -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        producer = await first_producer(running, client, classic=classic, timeout_ms=10_000)
        await producer.produce(b"lost")
        await time.step(10_000)
        assert (await described(client)).transaction_state == "Ongoing"
        await time.step(10_000)
        assert (await described(client)).transaction_state == "CompleteAbort"
        assert markers(log_of(running, "t")) == [(producer.producer[0], producer.producer[1] + 1)]
        assert await producer.produce(b"late") is ErrorCode.INVALID_PRODUCER_EPOCH
        # Its epoch may as well be that of a retry, but nothing is committed.
        refusal = ErrorCode.PRODUCER_FENCED if classic else ErrorCode.INVALID_TXN_STATE
        assert await producer.end() is refusal
        assert await committed_values(client) == []


async def test_an_id_that_nobody_uses_is_forgotten_in_the_log_as_well() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        await find_coordinator(client)
        await Producer(client).init()
        await time.step(7 * 24 * 3600 * 1000)
        assert (await described(client)).error_code is ErrorCode.TRANSACTIONAL_ID_NOT_FOUND


# Restarts


async def test_transactions_survive_a_restart_on_disk(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        producer = await first_producer(running, client)
        await producer.produce(b"1")
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        assert await loaded_state(client) == "Ongoing"
        producer.client = client
        assert await producer.produce(b"2") is NONE
        assert await producer.end() is NONE
        await settle()
        assert await committed_values(client) == [b"1", b"2"]
    assert len(state_folders(tmp_path)) == 1


async def test_while_it_loads_the_coordinator_says_so() -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client)
        shards = running.cluster.transactions._shards
        index = shards.partition_of("tx")
        assert index is not None
        shards._opened.pop(index)[1].close()
        held: list[Callable[[], Any]] = []
        spawn = shards.spawn
        shards.spawn = held.append  # type: ignore[method-assign, assignment]  # it loads when let
        loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert (await client.ask(init_request(), 4)).error_code is loading
        assert (await client.ask(end_request(producer.producer), 4)).error_code is loading
        assert (await described(client)).error_code is loading
        [error] = added(await client.ask(add_request(3, producer.producer), 3), 3).values()
        assert error is loading
        listed = await client.ask(ListTransactions.Request(state_filters=[], producer_id_filters=[]), 0)
        assert (listed.error_code, listed.transaction_states) == (loading, [])
        for version in (9, 12):
            request = transactional_produce(producer.producer, b"1", 0)
            answer = one_partition(await client.ask(request, version))
            assert answer.error_code is ErrorCode.NOT_ENOUGH_REPLICAS
            assert "COORDINATOR_LOAD_IN_PROGRESS" in answer.error_message
        for task in held:
            spawn(task)
        assert await loaded_state(client) == "Empty"


async def test_nothing_is_on_disk_and_nothing_is_loaded_before_the_first_transactional_id(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        async with serving(data=[tmp_path]) as running, connected(running) as client:
            assert TRANSACTION_STATE not in running.cluster.image.topics
            assert (await described(client)).error_code is ErrorCode.NOT_COORDINATOR
    assert not state_folders(tmp_path)


async def test_a_log_that_cannot_be_read_is_refused_and_the_other_ids_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as running, connected(running) as client:
        await find_coordinator(client)
        index = running.cluster.transactions._shards.partition_of("tx")
        assert index is not None
        bad = batch.build([batch.Record(b"\0\0\0\2tx", b"\0\1broken", timestamp=1)])
        partition = log_of(running, TRANSACTION_STATE, index)
        partition.log.append([ValidBatch(memoryview(bad), batch.read_header(bad))], 1)
        with caplog.at_level(logging.ERROR):
            while (found := await client.ask(init_request(), 4)).error_code is (
                ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
            ):
                await trio.lowlevel.checkpoint()
        assert found.error_code is ErrorCode.NOT_COORDINATOR
        assert "is not available" in caplog.text
        assert (await client.ask(init_request(4, "another"), 4)).error_code is NONE


# What stands in a marker's way


async def test_a_topic_deleted_midway_is_left_out(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        for topic in ("t", "gone"):
            await create_topic(running, topic)
        await find_coordinator(client)
        producer = Producer(client)
        await producer.init()
        await producer.produce(b"1")
        await producer.produce(b"1", "gone")
        await client.ask(DeleteTopics.Request(topic_names=["gone"], timeout_ms=1_000), 1)
        assert await producer.end() is NONE
        await settle()
        assert (await described(client)).transaction_state == "CompleteCommit"
        assert await committed_values(client) == [b"1"]


async def test_a_partition_without_a_leader_gets_its_marker_when_it_has_one_again() -> None:
    async with serving(brokers=3) as running, connected(running) as client:
        transactions = running.cluster.transactions
        await find_coordinator(client)
        names = (f"tx-{number}" for number in range(100))
        name = next(each for each in names if transactions.coordinator_of(each) == 1)
        await place(running, "led-by-1", [1])
        await place(running, "led-by-3", [3])
        async with connected(running, 2) as third:
            producer = Producer(client, name)
            await producer.init()
            await producer.produce(b"here", "led-by-1")
            elsewhere = transactional_produce(
                producer.producer, b"there", 0, topic="led-by-3", transactional_id=name
            )
            assert one_partition(await third.ask(elsewhere, 12)).error_code is NONE
        await running.stop_node(3, controlled=False)
        assert await producer.end() is NONE
        await settle()
        state = await described(client, name)
        assert state.transaction_state == "PrepareCommit"
        assert [topic.topic for topic in state.topics] == ["led-by-3"]
        assert await committed_values(client, "led-by-1") == [b"here"]
        assert await producer.produce(b"next", "led-by-1") is CONCURRENT
        await running.start_node(3)
        await settle()
        assert (await described(client, name)).transaction_state == "CompleteCommit"
        async with connected(running, 2) as third:
            assert await committed_values(third, "led-by-3") == [b"there"]


async def test_a_commit_whose_markers_the_disk_refuses_is_completed_when_it_takes_them() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        producer = await first_producer(running, client)
        await producer.produce(b"1")
        partition = log_of(running, "t")
        with refusing(partition) as refused:
            assert await producer.end() is NONE
            await settle()
            await time.step(99)
            assert len(refused) == 1
            await time.step(1)
            assert len(refused) == 2
        await time.step(100)
        assert (await described(client)).transaction_state == "CompleteCommit"
        assert await committed_values(client) == [b"1"]


async def test_while_the_coordinators_own_log_takes_nothing_no_marker_is_written_over_and_over() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        producer = await first_producer(running, client)
        await producer.produce(b"1")
        index = running.cluster.transactions._shards.partition_of("tx")
        assert index is not None
        own, partition = log_of(running, TRANSACTION_STATE, index), log_of(running, "t")
        with refusing(own, lambda: bool(markers(partition))) as refused:
            assert await producer.end() is NONE
            for _ in range(10):
                await time.step(99)
            assert 1 <= len(refused) <= 2
            assert len(markers(partition)) <= 2
        for _ in range(3):
            await time.step(1_000)
        assert await loaded_state(client) == "CompleteCommit"
        assert await committed_values(client) == [b"1"]


async def test_a_shard_that_was_loaded_again_has_its_markers_written_once() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        producer = await first_producer(running, client, classic=True)
        await producer.produce(b"1")
        partition = log_of(running, "t")
        with refusing(partition):
            assert await producer.end() is NONE
            await settle()
            shard = running.cluster.transactions._shards.led_by(1)[0]
            shard._distrust()
            await settle()
        await time.step(1_000)
        assert await loaded_state(client) == "CompleteCommit"
        assert len(markers(partition)) == 1
        # The next transaction has the same epoch, and must not be met by a marker of the one before.
        assert await producer.produce(b"2") is NONE
        await time.step(1_000)
        assert partition.has_open_transaction(*producer.producer)


# Coordinators that move


async def test_an_old_coordinator_writes_nothing_more_and_the_new_one_completes() -> None:
    async with serving(brokers=3) as running:
        transactions = running.cluster.transactions
        async with connected(running) as client:
            await find_coordinator(client)
        name = next(f"tx-{n}" for n in range(100) if transactions.coordinator_of(f"tx-{n}") == 2)
        await place(running, "stuck", [3])
        async with connected(running, 1) as second, connected(running, 2) as third:
            producer = Producer(second, name)
            await producer.init()
            request = transactional_produce(producer.producer, b"1", 0, topic="stuck", transactional_id=name)
            assert one_partition(await third.ask(request, 12)).error_code is NONE
            await running.stop_node(3, controlled=False)
            assert await producer.end() is NONE
        await settle()
        before = running.cluster.image.partition(
            TRANSACTION_STATE, running.cluster.transactions._shards.partition_of(name) or 0
        )
        assert before is not None
        await running.stop_node(2, controlled=False)
        await settle()
        assert transactions.coordinator_of(name) not in (2, -1)
        await running.start_node(3)
        await settle()
        position = sorted(running.cluster.nodes).index(transactions.coordinator_of(name))
        async with connected(running, position) as client:
            assert await loaded_state(client, name) == "CompleteCommit"
        [marker] = markers(log_of(running, "stuck"))
        assert marker == (producer.producer[0], producer.producer[1])
        entry = log_of(running, "stuck").log.producers.get(producer.producer[0])
        assert entry is not None
        assert entry.coordinator_epoch > before.leader_epoch


async def test_others_have_their_turns_while_very_many_transactions_are_carried_out() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await find_coordinator(client)
        await Producer(client).init()
        transactions = running.cluster.transactions
        [shard] = transactions._shards._opened.values()
        turns: list[int] = []

        async def count_turns() -> None:
            while len(markers(log_of(running, "t"))) < 400:
                turns.append(1)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            for number in range(400):
                message = WriteMarkers(f"id-{number}", number, 0, True, 0, [TopicPartition("t", 0)])
                nursery.start_soon(transactions._markers().write, shard[0], message)
        assert len(turns) >= 400 // TRANSACTIONS_A_TURN


async def test_between_two_leaderships_nothing_is_written() -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, classic=True)
        await producer.produce(b"1")
        transactions = running.cluster.transactions
        index = transactions._shards.partition_of("tx")
        assert index is not None
        led, shard = transactions._shards._opened[index]
        assert transactions._shards.shard_of(led) is shard
        message = WriteMarkers("tx", *producer.producer, True, 0, [TopicPartition("t", 0)])
        own = log_of(running, TRANSACTION_STATE, index)
        own.leader_epoch += 1
        await transactions._markers().write(led, message)
        assert not markers(log_of(running, "t"))
        assert transactions._shards.shard_of(led) is None


async def test_a_node_that_does_not_lead_the_partition_is_no_coordinator() -> None:
    async with serving(brokers=3) as running:
        transactions = running.cluster.transactions
        async with connected(running) as client:
            await find_coordinator(client)
        await create_topic(running, "t")
        node_ids = sorted(running.cluster.nodes)
        for position, node_id in enumerate(node_ids):
            async with connected(running, position) as client:
                is_it = transactions.coordinator_of("tx") == node_id
                expected = NONE if is_it else ErrorCode.NOT_COORDINATOR
                assert (await client.ask(init_request(), 4)).error_code is expected
                [error] = added(await client.ask(add_request(3, (1, 0)), 3), 3).values()
                assert (error is ErrorCode.NOT_COORDINATOR) is not is_it
                ended = await client.ask(end_request((1, 0)), 3)
                assert (ended.error_code is ErrorCode.NOT_COORDINATOR) is not is_it


async def test_a_write_is_admitted_by_the_coordinator_wherever_it_arrives() -> None:
    async with serving(brokers=3) as running:
        async with connected(running) as client:
            await find_coordinator(client)
        transactions = running.cluster.transactions
        coordinator = transactions.coordinator_of("tx")
        started = await transactions.init_producer_id(coordinator, "tx", 1_000, None)
        for node_id in sorted(running.cluster.nodes):
            partition = ("t", node_id)
            answers = await transactions.admit(
                node_id, "tx", started.producer_id, started.producer_epoch, [partition], ADD
            )
            assert answers == {partition: NONE}


# The next transaction while the last one ends


async def test_a_write_waits_a_little_for_the_end_of_the_transaction_before() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        await create_topic(running, "t")
        await find_coordinator(client)
        transactions = running.cluster.transactions
        node_id = transactions.coordinator_of("tx")
        started = await transactions.init_producer_id(node_id, "tx", 60_000, None)
        producer = ProducerIdAndEpoch(started.producer_id, started.producer_epoch)
        where = ("t", 0)

        async def admit(epoch: int) -> ErrorCode:
            answers = await transactions.admit(node_id, "tx", producer.producer_id, epoch, [where], ADD)
            return answers[where]

        assert await admit(0) is NONE
        answers: list[ErrorCode] = []

        async def ask() -> None:
            answers.append(await admit(1))

        async with trio.open_nursery() as nursery:
            with refusing(log_of(running, "t")):
                ended = await awaited(transactions.end_transaction(node_id, "tx", producer, True, 2))
                assert ended.producer_epoch == 1
                nursery.start_soon(ask)
                await settle()
                for _ in range(4):
                    await time.step(20)
                assert not answers
                await time.step(20)
                assert answers == [CONCURRENT]
                # Markers are tried again when 100 ms have passed once more.
                await time.step(50)
                nursery.start_soon(ask)
                await settle()
            await time.step(50)
            assert answers == [CONCURRENT, NONE]
        assert not transactions._waiting


async def test_nobody_waits_for_the_end_of_a_transaction_when_the_broker_stops() -> None:
    time = SteppedTime()
    async with serving(clock=time.clock) as running, connected(running) as client:
        producer = await first_producer(running, client)
        await producer.produce(b"1")
        with refusing(log_of(running, "t")):
            await producer.end()
            request = transactional_produce(producer.producer, b"2", 0)
            await client.send(request, 12)
            await settle()
            running.cluster.transactions.drain()
            _, answer = await client.receive(Produce, 12)
            assert one_partition(answer).error_code is CONCURRENT


async def test_a_producer_whose_epochs_are_used_up_goes_on_with_another_id() -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client)
        transactions = running.cluster.transactions
        shard = transactions._shards.shard(1, "tx")
        machine = shard.machine  # type: ignore[union-attr]
        assert machine is not None
        machine._transactions["tx"] = machine._transactions["tx"]._replace(producer_epoch=32766)
        producer.producer = producer.producer[0], 32766
        first = producer.producer[0]
        assert await producer.produce(b"1") is NONE
        assert await producer.end() is NONE
        assert producer.producer[0] != first
        assert producer.producer[1] == 0
        await settle()
        assert await producer.produce(b"2") is NONE
        assert await producer.end(commit=False) is NONE
        assert await producer.produce(b"3") is NONE
        assert await producer.end() is NONE
        await settle()
        assert await committed_values(client) == [b"1", b"3"]
