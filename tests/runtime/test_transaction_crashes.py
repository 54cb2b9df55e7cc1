"""A broker that dies between any two steps of a commit or an abort, and what the next one makes of it.

The steps are writes: the decision, a marker in each partition, the record that completes it. After the n-th
the disk stands still, whatever the dying process still does.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode
from kwire_storage.files import Files

from kwire.config import BrokerConfig
from kwire.server.launch import Running, Settings, run_broker
from tests.broker_client import Client, connected
from tests.handlers.group_requests import fetch_request, fetched
from tests.handlers.transaction_requests import (
    Producer,
    committed_values,
    described,
    end_request,
    find_coordinator,
    first_producer,
    init_request,
    offsets_request,
)

NONE = ErrorCode.NONE
OFFSET = 17
WRITES = 6
"""The decision, three markers of records and one of offsets, the completion."""
COUNTED = ("/__transaction_state-", "/t-", "/__consumer_offsets-")


class MortalFiles(Files):
    """The files of a process that dies when it has written `left` more times to a partition's log: nothing
    that it does then changes anything.
    """

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False
        self._counted: dict[int, bool] = {}

    def die(self) -> None:
        self.dead = True

    def _must_live(self) -> None:
        if self.dead:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if flags & (os.O_CREAT | os.O_TRUNC):
            self._must_live()
        descriptor = super().open(path, flags, mode)
        self._counted[descriptor] = path.endswith(".log") and any(name in path for name in COUNTED)
        return descriptor

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        counts = self._counted[descriptor]
        if counts and self.left == 0:
            self.die()
        self._must_live()
        if counts and self.left is not None:
            self.left -= 1
        return super().pwritev(descriptor, buffers, position)

    def truncate(self, descriptor: int, size: int) -> None:
        self._must_live()
        super().truncate(descriptor, size)

    def rename(self, old: str, new: str) -> None:
        self._must_live()
        super().rename(old, new)

    def link(self, path: str, new: str) -> None:
        self._must_live()
        super().link(path, new)

    def unlink(self, path: str) -> None:
        self._must_live()
        super().unlink(path)

    def rmdir(self, path: str) -> None:
        self._must_live()
        super().rmdir(path)

    def mkdir(self, path: str) -> None:
        self._must_live()
        super().mkdir(path)

    def makedirs(self, path: str) -> None:
        self._must_live()
        super().makedirs(path)


@asynccontextmanager
async def process(disk: Path) -> AsyncIterator[tuple[Running, MortalFiles]]:
    """A broker on that disk; it is killed at the end."""
    files = MortalFiles()
    chosen = Settings(
        host="127.0.0.1",
        port=0,
        config=BrokerConfig(
            {"offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1"}
        ),
        rng=random.Random(1),
        data=[disk],
        files=files,
    )
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, chosen)
        yield running, files
        files.die()
        nursery.cancel_scope.cancel()


async def in_a_transaction(client: Client, running: Running, *, classic: bool) -> Producer:
    """A producer with records in three partitions and offsets of a group in its transaction."""
    producer = await first_producer(running, client, partitions=3, classic=classic)
    for partition in range(3):
        assert await producer.produce(b"%d" % partition, partition=partition) is NONE
    if classic:
        assert (await client.ask(offsets_request(producer.producer), 3)).error_code is NONE
    topic = TxnOffsetCommit.Request.Topic
    request = TxnOffsetCommit.Request(
        transactional_id="tx",
        group_id="g",
        producer_id=producer.producer[0],
        producer_epoch=producer.producer[1],
        topics=[
            topic(
                name="t",
                partitions=[
                    topic.Partition(partition_index=0, committed_offset=OFFSET, committed_metadata="m")
                ],
            )
        ],
    )
    answer = await client.ask(request, 3 if classic else 5)
    assert answer.topics[0].partitions[0].error_code is NONE
    return producer


async def settled_state(client: Client) -> str:
    """The transaction's state once its coordinator has loaded it, and carried out what it found."""
    while True:
        await find_coordinator(client)
        state = await described(client)
        if state.error_code is NONE and not state.transaction_state.startswith("Prepare"):
            return state.transaction_state
        assert state.error_code in (NONE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        await trio.lowlevel.checkpoint()


async def committed_offset(client: Client) -> int:
    while True:
        response = await client.ask(fetch_request("g", 7, [0]), 7)
        if response.error_code is NONE:
            return fetched(response, 7)[0][0]
        await trio.lowlevel.checkpoint()


def has_open_transactions(running: Running) -> bool:
    """Whether any log of a topic or of offsets waits for a marker."""
    return any(
        partition.log.producers.first_undecided_offset is not None
        for partition in running.cluster.open_partitions.opened.values()
    )


async def check_outcome(client: Client, running: Running, *, commit: bool) -> None:
    """All of it is visible, or nothing; and nothing is left open."""
    for partition in range(3):
        expected = [b"%d" % partition] if commit else []
        assert await committed_values(client, partition=partition) == expected
    assert await committed_offset(client) == (OFFSET if commit else -1)
    assert await settled_state(client) == ("CompleteCommit" if commit else "CompleteAbort")
    assert not has_open_transactions(running)


@pytest.mark.parametrize("classic", [True, False], ids=["classic", "with epoch bumps"])
@pytest.mark.parametrize("commit", [True, False], ids=["commit", "abort"])
@pytest.mark.parametrize("writes", range(WRITES + 1))
async def test_a_crash_between_any_two_steps_of_an_end(
    tmp_path: Path, writes: int, commit: bool, classic: bool
) -> None:
    async with process(tmp_path) as (running, files), connected(running) as client:
        producer = await in_a_transaction(client, running, classic=classic)
        files.left = writes
        before = producer.producer
        answered = await producer.end(commit=commit)
        await trio.testing.wait_all_tasks_blocked()
        # A decision that is in the log is told; one that is not never is.
        assert (answered is NONE) is (writes > 0)
        assert files.dead is (writes < WRITES)
    async with process(tmp_path) as (running, files), connected(running) as client:
        state = await settled_state(client)
        if not writes:
            assert state == "Ongoing"
            for partition in range(3):
                assert await committed_values(client, partition=partition) == []
            assert await committed_offset(client) == -1
        # Whatever it was told: the client asks again.
        again = await client.ask(end_request(before, commit=commit), 4 if classic else 5)
        assert again.error_code is NONE
        if not classic:
            assert (again.producer_id, again.producer_epoch) == (before[0], before[1] + 1)
        await settled_state(client)
        await check_outcome(client, running, commit=commit)


@pytest.mark.parametrize("writes", range(1, WRITES))
async def test_a_crash_while_the_next_broker_carries_out_what_the_first_decided(
    tmp_path: Path, writes: int
) -> None:
    async with process(tmp_path) as (running, files), connected(running) as client:
        producer = await in_a_transaction(client, running, classic=False)
        files.left = 2
        assert await producer.end() is NONE
        await trio.testing.wait_all_tasks_blocked()
    async with process(tmp_path) as (running, files):
        files.left = writes
        # Nobody asks for anything: what was decided is carried out all the same.
        while not files.dead and has_open_transactions(running):
            await trio.lowlevel.checkpoint()
    async with process(tmp_path) as (running, _), connected(running) as client:
        await settled_state(client)
        await check_outcome(client, running, commit=True)


@pytest.mark.parametrize("classic", [True, False], ids=["classic", "with epoch bumps"])
@pytest.mark.parametrize("writes", range(WRITES + 1))
async def test_a_crash_between_any_two_steps_of_a_fence(tmp_path: Path, writes: int, classic: bool) -> None:
    async with process(tmp_path) as (running, files), connected(running) as client:
        zombie = await in_a_transaction(client, running, classic=classic)
        files.left = writes
        successor = Producer(client, classic=classic)
        fenced = await client.ask(init_request(), 4)
        # The fence holds before anyone is told of it.
        told = ErrorCode.CONCURRENT_TRANSACTIONS if writes else ErrorCode.NOT_COORDINATOR
        assert fenced.error_code is told
        await trio.testing.wait_all_tasks_blocked()
        assert files.dead is (writes < WRITES)
    async with process(tmp_path) as (running, _), connected(running) as client:
        await settled_state(client)
        successor = Producer(client, classic=classic)
        await successor.init()
        assert successor.producer[0] == zombie.producer[0]
        assert successor.producer[1] >= zombie.producer[1] + 2
        zombie.client = client
        assert await zombie.end() in (ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH)
        assert await zombie.produce(b"late") in (
            ErrorCode.PRODUCER_FENCED,
            ErrorCode.INVALID_PRODUCER_EPOCH,
        )
        for partition in range(3):
            assert await committed_values(client, partition=partition) == []
        assert await successor.produce(b"new") is NONE
        assert await successor.end() is NONE
        await settled_state(client)
        assert await committed_values(client) == [b"new"]
        assert await committed_offset(client) == -1
