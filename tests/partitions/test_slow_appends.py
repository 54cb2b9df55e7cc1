"""Appends that a thread writes: others follow them in order, and a leader that moves makes them void."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig
from kwire_storage.produce_rules import ProduceRules
from kwire_storage.write_pressure import LARGE_BYTES

from kwire.coordinators.metadata.image import PartitionImage
from kwire.partitions.partition import AppendResult, Partition
from kwire.partitions.threads import instead_of_threads
from tests.deadline import TEST_DEADLINE_SECONDS
from tests.storage.disks import TOPIC_ID, FailingDisk, uuids

RULES = ProduceRules()
NOW_MS = 1_700_000_000_000
SMALL, LARGE = b"v", b"v" * (LARGE_BYTES + 1)


class Bench:
    """A partition on a disk that makes large writes wait: each job of a thread waits for `go`."""

    def __init__(self, path: Path) -> None:
        self.disk = FailingDisk()
        self.dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), files=self.disk)
        log = self.dirs.open("topic", 0, TOPIC_ID, LogConfig())
        log._shared.pressure.wrote(1, 1e9)
        self.go = trio.Event()
        self.jobs = 0
        self.partition = Partition(
            "topic", UUID(int=5), 0, log, lambda: NOW_MS, state=PartitionImage(0, (1, 2), (1, 2), 1, 3)
        )
        instead_of_threads.set(self._run)

    async def _run(self, job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
        self.jobs += 1
        await self.go.wait()
        return job()

    async def append(
        self, value: bytes, results: list[AppendResult] | None = None, *, verified: Any = False, **how: Any
    ) -> AppendResult:
        data = record_batch.build([Record(None, value, NOW_MS)], **how)
        result = await self.partition.append(memoryview(data), RULES, verified=verified)
        if results is not None:
            results.append(result)
        return result

    def stored(self) -> list[int]:
        """The sizes of the values in the log."""
        read = self.partition.read(0, 1 << 30)
        assert not isinstance(read, ErrorCode)
        data = b"".join(bytes(self.partition.log.read_bytes(part)) for part in read.parts)
        return [
            len(record.value or b"")
            for position, header in record_batch.walk(data)
            for record in record_batch.records(data, position, header, 1 << 24)
        ]


def run(tmp_path: Path, test: Callable[[Bench, trio.Nursery], Any]) -> None:
    async def main() -> None:
        with trio.fail_after(TEST_DEADLINE_SECONDS):
            async with trio.open_nursery() as nursery:
                bench = Bench(tmp_path)
                try:
                    await test(bench, nursery)
                finally:
                    bench.go.set()  # nobody can be called off while a thread writes
                nursery.cancel_scope.cancel()
            bench.dirs.close(clean=True)

    trio.run(main)


async def settle() -> None:
    for _ in range(5):
        await trio.lowlevel.checkpoint()


def test_what_comes_behind_a_large_append_follows_it(tmp_path: Path) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        results: list[AppendResult] = []
        assert (await bench.append(SMALL)).base_offset == 0
        nursery.start_soon(bench.append, LARGE, results)
        await settle()
        assert not bench.partition.takes(1, -1, 1), "nothing is appended at once behind it"
        nursery.start_soon(bench.append, SMALL, results)
        nursery.start_soon(bench.append, LARGE + LARGE, results)
        await settle()
        assert (results, bench.stored()) == ([], [1])
        bench.go.set()
        await settle()
        await settle()
        assert sorted((result.base_offset, result.error_code) for result in results) == [
            (1, 0),
            (2, 0),
            (3, 0),
        ]
        assert bench.stored()[:2] == [1, len(LARGE)]
        assert sorted(bench.stored()) == [1, 1, len(LARGE), 2 * len(LARGE)]
        assert bench.jobs == 2
        assert bench.partition.takes(1, -1, 1)
        assert not bench.partition.takes(1, -1, len(LARGE)), "the disk is still slow"

    run(tmp_path, test)


def transactional(producer_id: int, sequence: int = 0) -> dict[str, Any]:
    return {
        "producer_id": producer_id,
        "producer_epoch": 0,
        "base_sequence": sequence,
        "is_transactional": True,
    }


def test_a_large_append_follows_a_marker_that_comes_while_a_thread_writes_it(tmp_path: Path) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        results: list[AppendResult] = []
        partition = bench.partition
        await bench.append(SMALL, verified=True, **transactional(8))
        nursery.start_soon(lambda: bench.append(LARGE, results, verified=True, **transactional(7)))
        await settle()
        assert not partition.end_transaction(8, 0, 0, is_commit=False, transaction_version=0)
        assert partition.bounds() == (0, 2, 2, 2)
        bench.go.set()
        await settle()
        assert [(result.error_code, result.base_offset) for result in results] == [(0, 2)]
        assert partition.bounds() == (0, 2, 3, 3)
        assert partition.log.aborted_transactions(0, 3) == [(8, 0, 1, 2)]

    run(tmp_path, test)


def test_a_batch_that_a_thread_writes_begins_no_transaction_that_ended_meanwhile(tmp_path: Path) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        results: list[AppendResult] = []
        partition = bench.partition
        verified = partition.start_verification(7, 0, 0, supports_epoch_bump=False)
        nursery.start_soon(lambda: bench.append(LARGE, results, verified=verified, **transactional(7)))
        await settle()
        assert not partition.end_transaction(7, 0, 0, is_commit=False, transaction_version=0)
        bench.go.set()
        await settle()
        assert [result.error_code for result in results] == [ErrorCode.INVALID_TXN_STATE]
        assert partition.bounds() == (0, 1, 1, 1)

    run(tmp_path, test)


def test_a_producer_that_repeats_a_large_batch_hears_of_the_first(tmp_path: Path) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        results: list[AppendResult] = []
        how = {"producer_id": 7, "producer_epoch": 0, "base_sequence": 0}
        for _ in range(2):
            nursery.start_soon(lambda: bench.append(LARGE, results, **how))
        await settle()
        bench.go.set()
        await settle()
        assert [(result.base_offset, result.error_code) for result in results] == [(0, 0), (0, 0)]
        assert bench.stored() == [len(LARGE)]

    run(tmp_path, test)


@pytest.mark.parametrize("waits", ["for its own write", "for another's"])
def test_an_append_is_refused_whose_leader_moves_meanwhile(tmp_path: Path, waits: str) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        results: list[AppendResult] = []
        await bench.append(SMALL)
        nursery.start_soon(bench.append, LARGE, results)
        await settle()
        if waits == "for another's":
            nursery.start_soon(bench.append, SMALL, results)
            await settle()
        bench.partition.follow(PartitionImage(0, (1, 2), (1, 2), 2, 4), min_isr=1)
        bench.go.set()
        await settle()
        assert {result.error_code for result in results} == {ErrorCode.NOT_LEADER_OR_FOLLOWER}
        assert bench.stored() == [1]
        assert (await bench.append(SMALL)).base_offset == 1
        assert bench.partition.log.epochs.entries() == [(3, 0), (4, 1)]

    run(tmp_path, test)


def test_a_disk_that_fails_meanwhile_is_a_storage_error_and_the_next_append_goes_on(tmp_path: Path) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        await bench.append(SMALL)
        bench.go.set()
        bench.disk.error, bench.disk.bytes_left = errno.ENOSPC, 50
        assert (await bench.append(LARGE)).error_code is ErrorCode.KAFKA_STORAGE_ERROR
        bench.disk.bytes_left = 1 << 60
        assert (await bench.append(LARGE)).base_offset == 1
        assert bench.stored() == [1, len(LARGE)]

    run(tmp_path, test)


def test_a_client_that_goes_away_meanwhile_disturbs_nobody(tmp_path: Path) -> None:
    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        results: list[AppendResult] = []

        async def leave() -> None:
            with trio.CancelScope() as scope:
                leaving.append(scope)
                await bench.append(LARGE)

        leaving: list[trio.CancelScope] = []
        nursery.start_soon(leave)
        await settle()
        nursery.start_soon(bench.append, SMALL, results)
        leaving[0].cancel()
        await settle()
        assert results == []
        bench.go.set()
        await settle()
        assert [result.base_offset for result in results] == [1]
        assert bench.stored() == [len(LARGE), 1]

    run(tmp_path, test)


def test_who_waits_to_read_is_told_of_an_append_by_a_thread(tmp_path: Path) -> None:
    class Arrivals:
        is_waiting = True
        sizes: list[int] = []  # noqa: RUF012  # one test, one list

        def arrived(self, size: int) -> None:
            self.sizes.append(size)

        def arrived_undecided(self, size: int) -> None: ...

        def wake(self) -> None: ...

        def stir(self) -> None: ...

    async def test(bench: Bench, nursery: trio.Nursery) -> None:
        arrivals = Arrivals()
        bench.partition.watch(arrivals)
        nursery.start_soon(bench.append, LARGE)
        await settle()
        assert arrivals.sizes == []
        bench.go.set()
        await settle()
        assert len(arrivals.sizes) == 1
        assert arrivals.sizes[0] > len(LARGE)

    run(tmp_path, test)
