"""The APIs of transactions, version by version: what is answered, where, and with which error."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic
from kwire_codecs.apis.describe_transactions import DescribeTransactions
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.list_transactions import ListTransactions
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, serving
from tests.handlers.transaction_requests import (
    Producer,
    add_request,
    added,
    committed_values,
    described,
    end_request,
    find_coordinator,
    init_request,
    marker_request,
    offsets_request,
    transactional_produce,
)

NONE = ErrorCode.NONE
FENCED, OLD_EPOCH = ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH
MAPPING = ErrorCode.INVALID_PRODUCER_ID_MAPPING


async def started(client: Client, transactional_id: str = "tx") -> tuple[int, int]:
    """A producer that has its id."""
    await find_coordinator(client, transactional_id)
    found = await client.ask(init_request(4, transactional_id), 4)
    assert found.error_code is NONE
    return found.producer_id, found.producer_epoch


# InitProducerId


@pytest.mark.parametrize("version", range(6))
async def test_producers_get_ids_and_the_next_epochs(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await find_coordinator(client)
        first = await client.ask(init_request(version), version)
        second = await client.ask(init_request(version), version)
        other = await client.ask(init_request(version, "other"), version)
        assert (first.error_code, first.producer_epoch) == (NONE, 0)
        assert (second.producer_id, second.producer_epoch) == (first.producer_id, 1)
        assert other.producer_id not in (first.producer_id, -1)


@pytest.mark.parametrize("version", range(3, 6))
async def test_a_producer_that_goes_on_is_fenced_in_the_words_of_its_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        producer_id, epoch = await started(client)

        async def go_on(producer_epoch: int) -> InitProducerId.Response:
            request = init_request(version, producer_id=producer_id, producer_epoch=producer_epoch)
            found: InitProducerId.Response = await client.ask(request, version)
            return found

        assert (await go_on(epoch)).producer_epoch == epoch + 1
        fenced = await go_on(epoch + 5)
        assert fenced.error_code is (FENCED if version >= 4 else OLD_EPOCH)
        assert (fenced.producer_id, fenced.producer_epoch) == (-1, -1)


# AddPartitionsToTxn


@pytest.mark.parametrize("version", range(6))
async def test_partitions_are_added(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 3)
        producer = await started(client)
        response = await client.ask(add_request(version, producer, [2, 0]), version)
        assert added(response, version) == {2: NONE, 0: NONE}
        state = await described(client)
        assert [(topic.topic, topic.partitions) for topic in state.topics] == [("t", [2, 0])]


@pytest.mark.parametrize("version", range(6))
async def test_one_partition_that_does_not_exist_keeps_the_others_out(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 1)
        producer = await started(client)
        for partitions, topic in (([0, 7], "t"), ([0], "nothing")):
            response = await client.ask(add_request(version, producer, partitions, topic=topic), version)
            missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            expected = {0: ErrorCode.OPERATION_NOT_ATTEMPTED, 7: missing} if topic == "t" else {0: missing}
            assert added(response, version) == expected
        assert (await described(client)).transaction_state == "Empty"


@pytest.mark.parametrize("version", range(6))
async def test_clients_do_not_add_partitions_of_the_brokers_own_topics(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 1)
        producer = await started(client)
        request = add_request(version, producer, [0], topic="__consumer_offsets")
        topics = request.transactions[0].topics if version >= 4 else request.v3_and_below_topics
        topics.append(Topic(name="t", partitions=[0]))
        response = await client.ask(request, version)
        results = response.results_by_topic_v3_and_below
        if version >= 4:
            results = response.results_by_transaction[0].topic_results
        errors = [topic.results_by_partition[0].partition_error_code for topic in results]
        refused = [ErrorCode.TOPIC_AUTHORIZATION_FAILED, ErrorCode.OPERATION_NOT_ATTEMPTED]
        assert errors == ([NONE, NONE] if version >= 4 else refused)


@pytest.mark.parametrize("version", range(6))
async def test_who_may_not_add_hears_why_for_each_partition(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2)
        producer_id, epoch = await started(client)
        refusals = {
            (producer_id, epoch + 1): FENCED if version >= 2 else OLD_EPOCH,
            (producer_id + 1, epoch): MAPPING,
        }
        for producer, refusal in refusals.items():
            response = await client.ask(add_request(version, producer, [0, 1]), version)
            assert added(response, version) == {0: refusal, 1: refusal}
        response = await client.ask(add_request(version, (1, 1), transactional_id=""), version)
        assert added(response, version) == {0: ErrorCode.INVALID_REQUEST}


@pytest.mark.parametrize("version", [4, 5])
async def test_brokers_ask_of_many_transactions_at_once_and_may_only_verify(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2)
        first, second = await started(client, "one"), await started(client, "two")
        request = add_request(version, first, [0], transactional_id="one")
        more = add_request(version, second, [0, 1], transactional_id="two", verify_only=True)
        request.transactions += more.transactions
        response = await client.ask(request, version)
        answers = {each.transactional_id: each.topic_results[0] for each in response.results_by_transaction}
        assert [each.partition_error_code for each in answers["one"].results_by_partition] == [NONE]
        abortable = ErrorCode.TRANSACTION_ABORTABLE
        assert [each.partition_error_code for each in answers["two"].results_by_partition] == [abortable] * 2
        assert (await described(client, "two")).transaction_state == "Empty"


async def test_many_partitions_are_added_in_turns() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 400)
        producer = await started(client)
        response = await client.ask(add_request(3, producer, range(400)), 3)
        assert added(response, 3) == dict.fromkeys(range(400), NONE)


async def test_a_transaction_of_no_partitions_begins() -> None:
    async with serving() as running, connected(running) as client:
        producer_id, epoch = await started(client)
        request = AddPartitionsToTxn.Request(
            v3_and_below_transactional_id="tx",
            v3_and_below_producer_id=producer_id,
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=[Topic(name="t", partitions=[])],
        )
        response = await client.ask(request, 3)
        [topic] = response.results_by_topic_v3_and_below
        assert topic.results_by_partition == []
        assert (await described(client)).transaction_state == "Ongoing"


# AddOffsetsToTxn


@pytest.mark.parametrize("version", range(5))
async def test_a_groups_offsets_are_added_as_a_partition(version: int) -> None:
    async with serving() as running, connected(running) as client:
        producer_id, epoch = await started(client)
        refused = await client.ask(offsets_request((producer_id, epoch + 1)), version)
        assert refused.error_code is (FENCED if version >= 2 else OLD_EPOCH)
        assert (await client.ask(offsets_request((producer_id, epoch)), version)).error_code is NONE
        [topic] = (await described(client)).topics
        index = running.cluster.groups.partition_of("g")
        assert (topic.topic, topic.partitions) == ("__consumer_offsets", [index])


# EndTxn


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("version", range(6))
async def test_a_transaction_ends(version: int, commit: bool) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        producer_id, epoch = await started(client)
        await client.ask(add_request(3, (producer_id, epoch)), 3)
        ended = await client.ask(end_request((producer_id, epoch), commit=commit), version)
        assert ended.error_code is NONE
        if version >= 5:
            assert (ended.producer_id, ended.producer_epoch) == (producer_id, epoch + 1)
        await trio.testing.wait_all_tasks_blocked()
        state = await described(client)
        assert state.transaction_state == ("CompleteCommit" if commit else "CompleteAbort")
        assert state.producer_epoch == epoch + (version >= 5)
        again = await client.ask(end_request((producer_id, epoch), commit=commit), version)
        assert again.error_code is NONE


@pytest.mark.parametrize("version", range(6))
async def test_what_cannot_be_ended_is_refused_in_the_words_of_the_version(version: int) -> None:
    async with serving() as running, connected(running) as client:
        producer_id, epoch = await started(client)
        fenced = FENCED if version >= 2 else OLD_EPOCH
        for producer, refusal in (
            ((producer_id, epoch), ErrorCode.INVALID_TXN_STATE),
            ((producer_id, epoch + 1), fenced),
            ((producer_id + 1, epoch), MAPPING),
        ):
            ended = await client.ask(end_request(producer), version)
            assert ended.error_code is refusal
        ended = await client.ask(end_request((1, 1), transactional_id=""), version)
        assert ended.error_code is ErrorCode.INVALID_REQUEST


# WriteTxnMarkers


@pytest.mark.parametrize("version", range(3))
async def test_a_marker_ends_a_hanging_transaction(version: int) -> None:
    off = {"transaction.partition.verification.enable": "false"}
    async with serving(off) as running, connected(running) as client:
        await create_topic(running, "t", 2)
        await client.ask(transactional_produce((9, 3), b"hangs", 0), 9)
        assert running.cluster.partition("t", 0).has_open_transaction(9, 3)  # type: ignore[union-attr]
        response = await client.ask(marker_request((9, 3), [0, 1, 2], coordinator_epoch=1), version)
        [marker] = response.markers
        [topic] = marker.topics
        assert marker.producer_id == 9
        errors = {each.partition_index: each.error_code for each in topic.partitions}
        assert errors == {0: NONE, 1: NONE, 2: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert not running.cluster.partition("t", 0).has_open_transaction(9, 3)  # type: ignore[union-attr]
        assert await committed_values(client) == []


@pytest.mark.parametrize("version", range(3))
async def test_markers_of_old_producers_and_coordinators_are_refused(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        assert (await client.ask(marker_request((9, 3), coordinator_epoch=5), version)).markers
        refusals = {
            ((9, 2), 5): OLD_EPOCH,
            ((9, 4), 4): ErrorCode.TRANSACTION_COORDINATOR_FENCED,
        }
        for (producer, coordinator_epoch), refusal in refusals.items():
            response = await client.ask(
                marker_request(producer, coordinator_epoch=coordinator_epoch), version
            )
            assert response.markers[0].topics[0].partitions[0].error_code is refusal


async def test_markers_of_one_producer_are_answered_in_one_place() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2)
        request = marker_request((9, 3), [0])
        request.markers += marker_request((9, 3), [1]).markers + marker_request((8, 0), [1]).markers
        response = await client.ask(request, 1)
        answered = {
            marker.producer_id: [each.partition_index for each in marker.topics[0].partitions]
            for marker in response.markers
        }
        assert answered == {9: [0, 1], 8: [1]}
        request.markers.clear()
        assert (await client.ask(request, 1)).markers == []


async def test_a_node_writes_markers_where_it_leads_and_knows_only_what_it_has() -> None:
    async with serving(brokers=3) as running:
        await create_topic(running, "t")
        state = running.cluster.image.partition("t", 0)
        assert state is not None
        node_ids = sorted(running.cluster.nodes)
        for position, node_id in enumerate(node_ids):
            async with connected(running, position) as client:
                response = await client.ask(marker_request((9, 3)), 1)
                error = response.markers[0].topics[0].partitions[0].error_code
                leads = node_id == state.leader
                assert error is (NONE if leads else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


# DescribeTransactions, ListTransactions


async def test_transactions_are_described_in_the_order_asked() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        producer_id, epoch = await started(client)
        asked = ["tx", "nobody", "", "tx"]
        response = await client.ask(DescribeTransactions.Request(transactional_ids=asked), 0)
        states = response.transaction_states
        assert [each.transactional_id for each in states] == asked
        not_found = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        assert [each.error_code for each in states] == [NONE, not_found, ErrorCode.INVALID_REQUEST, NONE]
        first = states[0]
        assert (first.producer_id, first.producer_epoch) == (producer_id, epoch)
        assert (first.transaction_state, first.transaction_timeout_ms) == ("Empty", 60_000)
        assert first.transaction_start_time_ms == -1


async def test_before_the_first_transaction_nobody_coordinates_any() -> None:
    async with serving() as running, connected(running) as client:
        assert (await described(client)).error_code is ErrorCode.NOT_COORDINATOR
        listed = await client.ask(ListTransactions.Request(state_filters=[], producer_id_filters=[]), 0)
        assert (listed.error_code, listed.transaction_states) == (NONE, [])


def list_request(**filters: Any) -> ListTransactions.Request:
    return ListTransactions.Request(**{"state_filters": [], "producer_id_filters": [], **filters})


@pytest.mark.parametrize("version", range(3))
async def test_transactions_are_listed_by_state_and_producer(version: int) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        idle = await started(client, "idle")
        busy = await started(client, "busy")
        await client.ask(add_request(3, busy, transactional_id="busy"), 3)

        async def names(**filters: Any) -> tuple[list[str], list[str]]:
            response = await client.ask(list_request(**filters), version)
            assert response.error_code is NONE
            listed = [each.transactional_id for each in response.transaction_states]
            return sorted(listed), response.unknown_state_filters

        assert await names() == (["busy", "idle"], [])
        assert await names(state_filters=["Ongoing"]) == (["busy"], [])
        assert await names(state_filters=["Open", "Empty"]) == (["idle"], ["Open"])
        assert await names(state_filters=["Open"]) == ([], ["Open"])
        assert await names(producer_id_filters=[idle[0], 99_999]) == (["idle"], [])
        if version >= 1:
            assert await names(duration_filter=3_600_000) == (["idle"], [])


async def test_transactions_are_listed_by_pattern() -> None:
    pytest.importorskip("re2")
    pytest.importorskip("kwire.coordinators.regular_expressions")
    async with serving() as running, connected(running) as client:
        for name in ("app-1", "app-2", "other"):
            await started(client, name)

        async def names(pattern: str | None) -> list[str]:
            response = await client.ask(list_request(transactional_id_pattern=pattern), 2)
            assert response.error_code is NONE
            return sorted(each.transactional_id for each in response.transaction_states)

        assert await names("app-.*") == ["app-1", "app-2"]
        assert await names("app") == []
        assert await names("") == await names(None) == ["app-1", "app-2", "other"]
        response = await client.ask(list_request(transactional_id_pattern="(", state_filters=["x"]), 2)
        assert response.error_code is ErrorCode.INVALID_REGULAR_EXPRESSION
        assert (response.transaction_states, response.unknown_state_filters) == ([], [])


async def test_every_node_lists_and_describes_what_it_coordinates_and_no_other() -> None:
    names = [f"id-{number}" for number in range(9)]
    async with serving(brokers=3) as running:
        transactions = running.cluster.transactions
        node_ids = sorted(running.cluster.nodes)
        async with connected(running) as client:
            await find_coordinator(client)
        for name in names:
            async with connected(running, node_ids.index(transactions.coordinator_of(name))) as client:
                producer = Producer(client, name)
                await producer.init()
        for position, node_id in enumerate(node_ids):
            own = {name for name in names if transactions.coordinator_of(name) == node_id}
            async with connected(running, position) as client:
                listed = await client.ask(list_request(), 2)
                assert {each.transactional_id for each in listed.transaction_states} == own
                for name in names:
                    expected = NONE if name in own else ErrorCode.NOT_COORDINATOR
                    assert (await described(client, name)).error_code is expected
                    ended = await client.ask(end_request((1, 0), transactional_id=name), 4)
                    assert (ended.error_code is ErrorCode.NOT_COORDINATOR) is (name not in own)
