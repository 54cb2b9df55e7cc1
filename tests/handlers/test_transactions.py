"""Transactions as clients have them, classic and with epoch bumps, on one broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio.testing
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import ValidBatch

from kwire.coordinators.metadata.topic_names import TRANSACTION_STATE
from kwire.handlers import produce
from kwire.handlers.context import Context
from kwire.runtime.partition_log import PartitionLog
from kwire.runtime.soon import awaited
from kwire.server.launch import Running
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records, values_in
from tests.handlers.transaction_requests import (
    Producer,
    committed_values,
    described,
    find_coordinator,
    first_producer,
    transactional_produce,
)

NONE = ErrorCode.NONE
STYLES = pytest.mark.parametrize("classic", [True, False], ids=["classic", "with epoch bumps"])


@STYLES
async def test_what_is_committed_is_shown_and_what_is_aborted_is_not(classic: bool) -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, partitions=2, classic=classic)
        for number, commit in enumerate([True, False, True]):
            for partition in (0, 1):
                value = b"%d-%d" % (number, partition)
                assert await producer.produce(value, partition=partition) is NONE
                assert await producer.produce(value + b"b", partition=partition) is NONE
            assert await producer.end(commit=commit) is NONE
        await trio.testing.wait_all_tasks_blocked()
        for partition in (0, 1):
            expected = [b"0-%d", b"0-%db", b"2-%d", b"2-%db"]
            assert await committed_values(client, partition=partition) == [e % partition for e in expected]
        assert (await described(client)).transaction_state == "CompleteCommit"


@STYLES
async def test_an_open_transaction_is_not_shown_to_readers_of_committed_data(classic: bool) -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, classic=classic)
        await producer.produce(b"1")
        assert await committed_values(client) == []
        answer = one_partition(await client.ask(fetch_request("t", 0), 12))
        assert values_in(answer.records) == [b"1"]
        state = await described(client)
        assert (state.transaction_state, state.topics[0].topic) == ("Ongoing", "t")


@STYLES
async def test_a_new_producer_aborts_the_transaction_of_the_one_before(classic: bool) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await find_coordinator(client)
        zombie, successor = Producer(client, classic=classic), Producer(client, classic=classic)
        await zombie.init()
        await zombie.produce(b"lost")
        await successor.init()
        assert successor.producer == (zombie.producer[0], zombie.producer[1] + 2)
        assert await zombie.produce(b"lost too") is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await zombie.end() is ErrorCode.PRODUCER_FENCED
        await successor.produce(b"kept")
        await successor.end()
        await trio.testing.wait_all_tasks_blocked()
        assert await committed_values(client) == [b"kept"]


async def test_the_topic_is_made_when_a_coordinator_is_asked_for_and_answers_at_once() -> None:
    async with serving() as running, connected(running) as client:
        assert TRANSACTION_STATE not in running.cluster.image.topics
        for version in range(1, 7):
            request = FindCoordinator.Request(key_type=1)
            if version < 4:
                request.key = "tx"
            else:
                request.coordinator_keys = ["tx", "ty"]
            found = await client.ask(request, version)
            answers = [found] if version < 4 else found.coordinators
            assert [(each.error_code, each.node_id) for each in answers] == [(NONE, 1)] * len(answers)
        topic = running.cluster.image.topic(TRANSACTION_STATE)
        assert topic is not None
        assert len(topic.partitions) == 50


# Produce in a transaction


async def test_a_classic_producer_that_did_not_add_the_partition_is_refused() -> None:
    refusals = {9: ErrorCode.INVALID_TXN_STATE, 11: ErrorCode.TRANSACTION_ABORTABLE}
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, partitions=2, classic=True)
        await producer.add(partition=1)
        for version, refusal in refusals.items():
            answer = one_partition(
                await client.ask(transactional_produce(producer.producer, b"1", 0), version)
            )
            assert answer.error_code is refusal
            assert answer.base_offset == -1
        answer = one_partition(await client.ask(fetch_request("t", 0), 12))
        assert not answer.records


def at_once(running: Running, request: Produce.Request, version: int) -> Any:
    """What a Produce comes to where nothing is waited for."""
    [node] = running.cluster.nodes.values()
    [connection] = running.server._connections
    return produce.at_once(Context(running.cluster, node, connection, version, "test"), request)


async def begun(running: Running, client: Client, *, classic: bool, add: bool = True) -> Producer:
    """A producer whose transaction has yet to begin in a partition that has a record."""
    await create_topic(running, "t")
    await find_coordinator(client)
    await client.ask(produce_request("t", records(b"plain")), 9)
    producer = Producer(client, classic=classic)
    await producer.init()
    if classic and add:
        assert await producer.add() is NONE
    return producer


@STYLES
async def test_the_first_batch_of_a_transaction_takes_no_waiting(classic: bool) -> None:
    async with serving() as running, connected(running) as client:
        producer = await begun(running, client, classic=classic)
        request = transactional_produce(producer.producer, b"1", 0)
        answer = at_once(running, request, 11 if classic else 12)
        assert isinstance(answer, Produce.Response)
        found = one_partition(answer)
        assert (found.error_code, found.base_offset) == (NONE, 1)
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        assert partition.has_open_transaction(*producer.producer)
        assert (await described(client)).transaction_state == "Ongoing"


@STYLES
async def test_what_the_coordinator_has_something_against_is_not_appended_at_once(classic: bool) -> None:
    async with serving() as running, connected(running) as client:
        producer = await begun(running, client, classic=classic, add=False)
        before = producer.producer
        if not classic:
            await producer.init()
        answer = await at_once(running, transactional_produce(before, b"1", 0), 11 if classic else 12)
        refusal = ErrorCode.TRANSACTION_ABORTABLE if classic else ErrorCode.INVALID_PRODUCER_EPOCH
        assert one_partition(answer).error_code is refusal
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        assert partition.log_end_offset == 1


async def test_a_first_batch_follows_the_record_that_adds_its_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = PartitionLog.append
    let = trio.Event()

    async def once_let(log: PartitionLog, batches: Sequence[ValidBatch]) -> ErrorCode:
        await let.wait()
        return await awaited(append(log, batches))

    async with serving() as running, connected(running) as client:
        producer = await begun(running, client, classic=False)
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        monkeypatch.setattr(PartitionLog, "append", once_let)
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await at_once(running, transactional_produce(producer.producer, b"1", 0), 12))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert (answers, partition.log_end_offset) == ([], 1)
            let.set()
        assert one_partition(answers[0]).base_offset == 1


async def test_verification_can_be_turned_off() -> None:
    off = {"transaction.partition.verification.enable": "false"}
    async with serving(off) as running, connected(running) as client:
        producer = await first_producer(running, client, classic=True)
        answer = one_partition(await client.ask(transactional_produce(producer.producer, b"1", 0), 9))
        assert answer.error_code is NONE


async def test_a_transaction_that_nobody_began_is_not_written_to() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        request = transactional_produce((5, 0), b"1", 0)
        for version in (9, 11, 12):
            # There is no coordinator yet: older clients would not know what to do with that.
            answer = one_partition(await client.ask(request, version))
            assert answer.error_code is ErrorCode.NOT_ENOUGH_REPLICAS
            assert "COORDINATOR_NOT_AVAILABLE" in answer.error_message
        await find_coordinator(client)
        for version in (9, 11, 12):
            answer = one_partition(await client.ask(request, version))
            assert answer.error_code is ErrorCode.INVALID_PRODUCER_ID_MAPPING


@pytest.mark.parametrize("version", [3, 9, 11, 12])
async def test_without_a_transactional_id_nothing_of_a_transaction_is_written(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        request = transactional_produce((5, 0), b"1", 0, transactional_id=None)
        answer = one_partition(await client.ask(request, version))
        assert answer.error_code is ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


async def test_a_request_of_two_producers_is_refused_whole() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2)
        request = transactional_produce((5, 0), b"1", 0)
        [other] = transactional_produce((6, 0), b"1", 0, partition=1).topic_data[0].partition_data
        request.topic_data[0].partition_data.append(other)
        response = await client.ask(request, 12)
        errors = [each.error_code for each in response.responses[0].partition_responses]
        assert errors == [ErrorCode.INVALID_PRODUCER_ID_MAPPING] * 2


@STYLES
async def test_a_batch_that_is_sent_again_is_written_once(classic: bool) -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, classic=classic)
        await producer.produce(b"1")
        again = transactional_produce(producer.producer, b"1", 0)
        answer = one_partition(await client.ask(again, 11 if classic else 12))
        assert (answer.error_code, answer.base_offset) == (NONE, 0)
        await producer.end()
        await trio.testing.wait_all_tasks_blocked()
        assert await committed_values(client) == [b"1"]


async def test_a_batch_that_comes_after_its_transaction_was_ended_does_not_begin_one() -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, classic=True)
        await producer.produce(b"1")
        await producer.end()
        await trio.testing.wait_all_tasks_blocked()
        late = transactional_produce(producer.producer, b"late", 1)
        answer = one_partition(await client.ask(late, 9))
        assert answer.error_code is ErrorCode.INVALID_TXN_STATE
        assert await committed_values(client) == [b"1"]


async def test_records_outside_of_the_transaction_go_by_a_transactional_produce_unasked() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        request = produce_request("t", records(b"plain"))
        request.transactional_id = "tx"
        for version in (9, 12):
            assert one_partition(await client.ask(request, version)).error_code is NONE


async def test_one_produce_adds_all_its_partitions_at_once() -> None:
    async with serving() as running, connected(running) as client:
        producer = await first_producer(running, client, partitions=3)
        request = transactional_produce(producer.producer, b"0", 0)
        for partition in (1, 2):
            more = transactional_produce(producer.producer, b"%d" % partition, 0, partition=partition)
            request.topic_data[0].partition_data += more.topic_data[0].partition_data
        response = await client.ask(request, 12)
        assert all(each.error_code is NONE for each in response.responses[0].partition_responses)
        assert [topic.partitions for topic in (await described(client)).topics] == [[0, 1, 2]]
