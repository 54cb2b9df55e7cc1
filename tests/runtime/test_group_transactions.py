"""Transactions of producers with a group's offsets, in a whole broker; the transaction coordinator is played
by the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch

from kwire.coordinators.outcome import TransactionEnd
from kwire.partitions.partition import Partition
from kwire.runtime.groups import OFFSETS_TOPIC
from kwire.runtime.soon import awaited
from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, serving
from tests.handlers.group_requests import (
    commit_request,
    committed_errors,
    fetch_request,
    fetched,
    stable_group,
)

NONE = ErrorCode.NONE
A = 7
"""A producer."""


class Transactions:
    """Says what it is told to of every transaction; `when_asked` runs before it answers."""

    def __init__(self, error_code: ErrorCode = NONE) -> None:
        self.error_code = error_code
        self.asked: list[int] = []
        self.when_asked: Any = None

    async def admit(
        self,
        node_id: int,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[tuple[str, int]],
        transaction_version: int,
    ) -> dict[tuple[str, int], ErrorCode]:
        self.asked.append(transaction_version)
        if self.when_asked is not None:
            await self.when_asked()
        return {partition: self.error_code for partition in partitions}


def played(running: Running, error_code: ErrorCode = NONE) -> Transactions:
    """Who admits writes to transactions on that broker from now on."""
    found = Transactions(error_code)
    cluster: Any = running.cluster
    cluster.transactions.admit = found.admit
    return found


async def commit(
    client: Client, offset: int, version: int = 3, *, epoch: int = 0, group_id: str = "g", **fields: Any
) -> ErrorCode:
    """Commit an offset of partition 0 of "t" in a transaction."""
    topic = TxnOffsetCommit.Request.Topic
    request = TxnOffsetCommit.Request(
        transactional_id="tx",
        group_id=group_id,
        producer_id=A,
        producer_epoch=epoch,
        topics=[
            topic(
                name="t",
                partitions=[
                    topic.Partition(partition_index=0, committed_offset=offset, committed_metadata="m")
                ],
            )
        ],
        **fields,
    )
    response = await client.ask(request, version)
    code: ErrorCode = response.topics[0].partitions[0].error_code
    return code


def offsets_partition(running: Running, group_id: str = "g") -> Partition:
    index = running.cluster.groups.partition_of(group_id)
    assert index is not None
    found = running.cluster.partition(OFFSETS_TOPIC, index)
    assert found is not None
    return found


async def end(
    running: Running, *, is_commit: bool = True, epoch: int = 0, coordinator_epoch: int = 0, version: int = 1
) -> ErrorCode:
    marker = TransactionEnd(A, epoch, coordinator_epoch, is_commit)
    index = offsets_partition(running).index
    return await awaited(running.cluster.groups.end_transaction(index, marker, version))


async def visible(client: Client, *, require_stable: bool = False) -> int | ErrorCode:
    """The offset of partition 0 of "t", or why it is not told."""
    request = fetch_request("g", 7, [0])
    request.require_stable = require_stable
    while True:
        response = await client.ask(request, 7)
        if response.error_code is not ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            break
    offset, _, error_code = fetched(response, 7)[0]
    return error_code or offset


def batches(partition: Partition) -> list[tuple[int, int, bool, bool]]:
    """What is in a partition's log: producer id, epoch, whether transactional, whether a marker."""
    found = partition.log.read(0, 1 << 20)
    data = b"".join(partition.log.read_bytes(part) for part in found.parts)
    return [
        (header.producer_id, header.producer_epoch, header.is_transactional, header.is_control)
        for _, header in batch.walk(data)
    ]


async def test_offsets_count_once_their_marker_is_written_and_before_they_are_unstable() -> None:
    async with serving() as running, connected(running) as client:
        played(running)
        await create_topic(running, "t")
        assert await commit(client, 5) is NONE
        assert await visible(client) == -1
        assert await visible(client, require_stable=True) is ErrorCode.UNSTABLE_OFFSET_COMMIT
        partition = offsets_partition(running)
        assert partition.has_open_transaction(A, 0)
        assert partition.last_stable_offset == 0
        assert await end(running) is NONE
        assert await visible(client, require_stable=True) == 5
        assert not partition.has_open_transaction(A, 0)
        assert partition.last_stable_offset == partition.log_end_offset == 2
        assert batches(partition) == [(A, 0, True, False), (A, 0, True, True)]


@pytest.mark.parametrize("is_commit", [True, False])
@pytest.mark.parametrize("restarts_after", [0, 1, 2, 3])
async def test_what_was_decided_of_offsets_survives_restarts_on_disk(
    tmp_path: Path, restarts_after: int, is_commit: bool
) -> None:
    async def plain(running: Running, client: Client) -> None:
        while committed_errors(await client.ask(commit_request("g", 8, {0: 4}), 8)) != {0: NONE}:
            pass

    async def pending(running: Running, client: Client) -> None:
        while (error_code := await commit(client, 5)) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            pass
        assert error_code is NONE

    async def marker(running: Running, client: Client) -> None:
        while (error_code := await end(running, is_commit=is_commit)) is ErrorCode.NOT_LEADER_OR_FOLLOWER:
            await trio.lowlevel.checkpoint()
        assert error_code is NONE

    steps = [plain, pending, marker]
    for part in (steps[:restarts_after], steps[restarts_after:]):
        async with serving(data=[tmp_path]) as running, connected(running) as client:
            played(running)
            if running.cluster.controller.image.topic("t") is None:
                await create_topic(running, "t")
            for step in part:
                await step(running, client)
            if restarts_after == 2 and part is not steps[2:]:
                expected: int | ErrorCode = 4 if len(part) == 2 else 0
                if len(part) == 2:
                    assert await visible(client) == expected
                    assert await visible(client, require_stable=True) is ErrorCode.UNSTABLE_OFFSET_COMMIT
    async with serving(data=[tmp_path]) as running, connected(running) as client:
        assert await visible(client, require_stable=True) == (5 if is_commit else 4)


@pytest.mark.parametrize(("version", "asked"), [(0, 0), (4, 1), (5, 2)])
async def test_the_transaction_coordinator_is_asked_once_a_transaction(version: int, asked: int) -> None:
    async with serving() as running, connected(running) as client:
        transactions = played(running)
        await create_topic(running, "t")
        assert await commit(client, 5, version) is NONE
        assert await commit(client, 6, version) is NONE
        assert transactions.asked == [asked]
        assert await end(running) is NONE
        assert await commit(client, 7, version) is NONE
        assert transactions.asked == [asked] * 2


@pytest.mark.parametrize("error_code", [ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.INVALID_TXN_STATE])
async def test_what_the_transaction_coordinator_does_not_admit_is_not_written(error_code: ErrorCode) -> None:
    async with serving() as running, connected(running) as client:
        played(running, error_code)
        await create_topic(running, "t")
        assert await commit(client, 5) is error_code
        assert offsets_partition(running).log_end_offset == 0


async def test_a_commit_whose_transaction_ends_while_it_is_verified_is_refused() -> None:
    """Nobody would end it again: the marker has been written already."""
    async with serving() as running, connected(running) as client:
        transactions = played(running)

        async def ends_meanwhile() -> None:
            assert await end(running) is NONE

        transactions.when_asked = ends_meanwhile
        await create_topic(running, "t")
        assert await commit(client, 5) is ErrorCode.INVALID_TXN_STATE
        assert not offsets_partition(running).has_open_transaction(A, 0)
        transactions.when_asked = None
        assert await commit(client, 6) is NONE


async def test_a_producer_that_was_fenced_is_refused_and_the_group_is_not_unloaded() -> None:
    async with serving() as running, connected(running) as client:
        played(running)
        await create_topic(running, "t")
        assert await commit(client, 5, epoch=3) is NONE
        shard = running.cluster.groups._shards._opened[offsets_partition(running).index][1]
        machine = shard.machine
        assert await commit(client, 6, epoch=2) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await end(running, epoch=2) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert shard.machine is machine
        assert await end(running, epoch=3, coordinator_epoch=4) is NONE
        assert await end(running, epoch=3, coordinator_epoch=3) is ErrorCode.TRANSACTION_COORDINATOR_FENCED
        assert await visible(client) == 5


async def test_under_version_2_the_end_raises_the_epoch_and_may_come_twice() -> None:
    async with serving() as running, connected(running) as client:
        played(running)
        await create_topic(running, "t")
        assert await commit(client, 5, 5, epoch=3) is NONE
        assert await end(running, epoch=3, version=2) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await end(running, epoch=4, version=2) is NONE
        assert await end(running, epoch=4, version=2) is NONE
        assert await commit(client, 6, 5, epoch=3) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await commit(client, 6, 5, epoch=4) is NONE
        assert await visible(client) == 5


async def test_a_producer_that_was_fenced_hears_of_that_before_its_group_is_asked() -> None:
    async with serving() as running, connected(running) as client:
        played(running)
        await create_topic(running, "t")
        member_id = await stable_group(client, "g")
        stale: dict[str, Any] = {"generation_id_or_member_epoch": 2, "member_id": member_id}
        assert await commit(client, 5, epoch=3, **stale) is ErrorCode.ILLEGAL_GENERATION
        assert await commit(client, 5, epoch=3, **{**stale, "generation_id_or_member_epoch": 1}) is NONE
        assert await commit(client, 5, epoch=2, **stale) is ErrorCode.INVALID_PRODUCER_EPOCH


async def test_an_empty_group_id_is_invalid() -> None:
    async with serving() as running, connected(running) as client:
        played(running)
        await create_topic(running, "t")
        assert await commit(client, 5, group_id="") is ErrorCode.INVALID_GROUP_ID


async def test_a_node_that_does_not_coordinate_the_group_says_so_and_asks_nobody() -> None:
    async with serving(brokers=2) as running:
        transactions = played(running)
        await create_topic(running, "t")
        coordinator = running.cluster.groups.coordinator_of("g")
        node_ids = sorted(running.cluster.nodes)
        other = next(position for position, node_id in enumerate(node_ids) if node_id != coordinator)
        async with connected(running, other) as client:
            assert await commit(client, 5) is ErrorCode.NOT_COORDINATOR
        assert not transactions.asked


@pytest.mark.parametrize(
    ("version", "told"),
    [(1, ErrorCode.COORDINATOR_NOT_AVAILABLE), (3, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)],
)
async def test_while_a_group_loads_its_transactions_wait(version: int, told: ErrorCode) -> None:
    async with serving() as running, connected(running) as client:
        played(running)
        await create_topic(running, "t")
        assert await commit(client, 5) is NONE
        groups = running.cluster.groups
        groups._shards._opened.pop(offsets_partition(running).index)[1].close()
        loading: list[Any] = []
        spawn = groups._shards.spawn
        groups._shards.spawn = loading.append  # type: ignore[method-assign, assignment]  # it loads when let
        assert (await client.ask(ListGroups.Request(), 0)).error_code is NONE
        assert await commit(client, 6, version) is told
        assert await end(running) is ErrorCode.NOT_LEADER_OR_FOLLOWER
        for task in loading:
            spawn(task)
        while (error_code := await end(running)) is ErrorCode.NOT_LEADER_OR_FOLLOWER:
            await trio.lowlevel.checkpoint()
        assert error_code is NONE
        assert await visible(client) == 5


async def test_ends_for_partitions_that_nobody_leads_or_has_are_told_apart() -> None:
    async with serving({"offsets.topic.replication.factor": "1"}, brokers=2) as running:
        groups = running.cluster.groups
        name = next(f"g{n}" for n in range(100) if groups.coordinator_of(f"g{n}") == 2)
        index = groups.partition_of(name)
        assert index is not None
        marker = TransactionEnd(A, 0, 0, True)
        assert await awaited(groups.end_transaction(999, marker, 1)) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        await running.stop_node(2)
        assert await awaited(groups.end_transaction(index, marker, 1)) is ErrorCode.NOT_LEADER_OR_FOLLOWER
        await running.start_node(2)
        assert await awaited(groups.end_transaction(index, marker, 1)) is NONE


async def test_with_too_few_replicas_in_sync_transactions_wait_and_nothing_is_unloaded() -> None:
    properties = {"offsets.topic.replication.factor": "2", "min.insync.replicas": "2"}
    async with serving(properties, brokers=2) as running:
        played(running)
        groups = running.cluster.groups
        name = next(f"g{n}" for n in range(100) if groups.coordinator_of(f"g{n}") == 1)
        await create_topic(running, "t")
        index = groups.partition_of(name)
        assert index is not None
        async with connected(running, 0) as client:
            assert await commit(client, 5, group_id=name) is NONE
            shard = groups._shards._opened[index][1]
            machine = shard.machine
            await running.stop_node(2)
            assert groups._shards._opened[index][1] is shard
            assert await commit(client, 6, group_id=name) is ErrorCode.COORDINATOR_NOT_AVAILABLE
            marker = TransactionEnd(A, 0, 0, True)
            assert await awaited(groups.end_transaction(index, marker, 1)) is ErrorCode.NOT_ENOUGH_REPLICAS
            assert shard.machine is machine
            await running.start_node(2)
            while await awaited(groups.end_transaction(index, marker, 1)) is not NONE:
                await trio.lowlevel.checkpoint()
