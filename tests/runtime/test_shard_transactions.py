"""Transactions of producers in a shard's log: in which batches they are written, what the log may refuse,
and what a shard that loads makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, control
from kwire_storage.engine import ValidBatch

from kwire.coordinators.outcome import Outcome, TransactionalRecord, TransactionEnd
from kwire.runtime import journal, loading
from kwire.runtime.shard import Refused, Shard
from tests.runtime.stepped_time import SteppedTime, settle
from tests.runtime.test_shard import Log, Numbered, TallyFormat, run

NONE = ErrorCode.NONE
A, B = 7, 9
"""Producers."""


class Books:
    """A coordinator that adds up numbers by name; those of a transaction count once it is committed."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.pending: dict[int, list[Numbered]] = {}

    def replay(self, record: Numbered) -> None:
        name, number = record
        self.totals[name] = self.totals.get(name, 0) + number

    def replay_transactional(self, producer_id: int, record: Numbered) -> None:
        self.pending.setdefault(producer_id, []).append(record)

    def replay_transaction_end(self, producer_id: int, is_commit: bool) -> None:
        for record in self.pending.pop(producer_id, ()):
            if is_commit:
                self.replay(record)

    def on_loaded(self, now_ms: int) -> Outcome[None, Numbered]:
        return Outcome(None)

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, Numbered]:
        raise AssertionError

    @property
    def state(self) -> tuple[dict[str, int], dict[int, list[Numbered]]]:
        return self.totals, self.pending


def of(producer_id: int, *records: Numbered, epoch: int = 0) -> list[Any]:
    return [TransactionalRecord(producer_id, epoch, record) for record in records]


def end(producer_id: int, is_commit: bool = True, epoch: int = 0) -> TransactionEnd:
    return TransactionEnd(producer_id, epoch, 3, is_commit)


def empty_batch(**whose: Any) -> list[ValidBatch]:
    data = batch.build([], keep_offsets=True, last_offset=0, **whose)
    return [ValidBatch(memoryview(data), batch.read_header(data))]


def nothing() -> ErrorCode:
    return NONE


class Bench:
    """A shard of Books."""

    def __init__(self, nursery: trio.Nursery, log: Log | None = None) -> None:
        self.nursery = nursery
        self.log = log or Log()
        self.shard: Shard[Books] = Shard(
            "books", self.log, Books, TallyFormat(), SteppedTime().clock, nursery.start_soon
        )
        self.shard.open()

    @property
    def books(self) -> Books:
        assert self.shard.machine is not None
        return self.shard.machine

    def begin(self, *records: Any, refusal: Callable[[], ErrorCode] = nothing) -> Any:
        """An operation of the first record's producer."""
        producer_id = records[0].producer_id
        return self.shard.begin_transactional(
            producer_id, lambda machine, now_ms: Outcome("done", records), refusal
        )

    def soon(self, *records: Any, refusal: Callable[[], ErrorCode] = nothing) -> list[Any]:
        """The same in a task; gives the list that its answer will be in."""
        answers: list[Any] = []

        async def begin() -> None:
            begun = self.begin(*records, refusal=refusal)
            answers.append(begun if isinstance(begun, str | Refused) else await begun)

        self.nursery.start_soon(begin)
        return answers

    def plain(self, *records: Numbered) -> Any:
        return self.shard.begin(lambda machine, now_ms: Outcome("done", records))

    async def loaded_again(self) -> Books:
        again = Bench(self.nursery, self.log)
        await settle()
        return again.books

    @property
    def written(self) -> list[tuple[int, int, int, list[Any]]]:
        """What is in the log: producer id, epoch, attributes and records, batch by batch."""
        found = []
        for data in self.log.batches:
            header = batch.read_header(data)
            records = batch.records(data, 0, header, 1 << 20)
            assert header.base_sequence == -1
            values = (
                [control.decode_marker(record) for record in records]
                if header.is_control
                else [(record.key, record.value) for record in records]
            )
            found.append((header.producer_id, header.producer_epoch, header.attributes, values))
        return found


PLAIN, TRANSACTIONAL, MARKER = 0x00, 0x10, 0x30


def test_records_of_a_transaction_are_one_batch_of_their_producer_and_its_end_is_a_marker() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        assert bench.begin(*of(A, ("a", 1), ("b", 2), epoch=5)) == "done"
        assert bench.begin(end(A, epoch=6)) == "done"
        assert bench.written == [
            (A, 5, TRANSACTIONAL, [(b"a", b"1"), (b"b", b"2")]),
            (A, 6, MARKER, [control.EndTransactionMarker(True, 3)]),
        ]
        assert bench.log.end_offset == 3

    run(test)


def test_what_is_decided_together_is_written_in_its_order_producer_by_producer() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        bench.begin(*of(A, ("a", 1)), ("b", 2), ("c", 3), *of(B, ("d", 4)), end(A, False), ("e", 5))
        assert bench.log.appends == 1
        assert [(producer_id, attributes) for producer_id, _, attributes, _ in bench.written] == [
            (A, TRANSACTIONAL),
            (-1, PLAIN),
            (B, TRANSACTIONAL),
            (A, MARKER),
            (-1, PLAIN),
        ]
        assert bench.written[1][3] == [(b"b", b"2"), (b"c", b"3")]

    run(test)


@pytest.mark.parametrize(("largest", "batches"), [(1_000, 1), (50, 7)])
def test_a_large_request_is_one_batch_of_its_producer_unless_nobody_could_ask_for_so_much(
    monkeypatch: pytest.MonkeyPatch, largest: int, batches: int
) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        answers = bench.soon(*of(A, *[("a-long-name", 1)] * 20))
        await settle()
        assert answers == ["done"]
        assert len(bench.written) == batches
        assert {producer_id for producer_id, *_ in bench.written} == {A}
        assert bench.log.appends == 1

    monkeypatch.setattr(journal, "BATCH_BYTES", 50)
    monkeypatch.setattr(journal, "LARGEST_BYTES", largest)
    monkeypatch.setattr(journal, "RECORDS_A_TURN", 3)
    run(test)


def test_a_shard_that_loads_has_open_transactions_as_they_were() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        bench.plain(("a", 1))
        bench.begin(*of(A, ("a", 10)))
        bench.begin(*of(B, ("a", 100)))
        bench.begin(end(A))
        bench.begin(*of(A, ("a", 1_000)))
        bench.begin(end(B, False))
        assert bench.books.state == ({"a": 11}, {A: [("a", 1_000)]})
        assert (await bench.loaded_again()).state == bench.books.state

    run(test)


@pytest.mark.parametrize("records", [of(A, ("a", 1)), [end(A)]], ids=["records", "end"])
def test_what_the_log_refuses_changes_nothing_and_unloads_nothing(records: list[Any]) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        books = bench.books
        bench.begin(*of(A, ("b", 1)))
        fenced = ErrorCode.INVALID_PRODUCER_EPOCH
        assert bench.begin(*records, refusal=lambda: fenced) == Refused(fenced)
        assert bench.books is books
        assert books.state == ({}, {A: [("b", 1)]})
        assert len(bench.written) == 1

    run(test)


def test_where_nothing_is_to_be_written_the_log_is_not_asked() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        answer = bench.shard.begin_transactional(
            A, lambda machine, now_ms: Outcome("nothing to do"), lambda: ErrorCode.INVALID_PRODUCER_EPOCH
        )
        assert answer == "nothing to do"

    run(test)


def test_the_log_is_asked_once_all_that_came_before_of_the_producer_is_written() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        seen: list[int] = []

        def look() -> ErrorCode:
            seen.append(len(bench.log.batches))
            return NONE

        bench.log.held = trio.Event()
        first = bench.soon(*of(A, ("a", 1)), refusal=look)
        await settle()
        second = bench.soon(end(A), refusal=look)
        third = bench.soon(*of(B, ("b", 1)), refusal=look)
        await settle()
        assert (first, second, third) == ([], [], [])
        assert seen == [0, 0]  # the other producer need not wait
        bench.log.held.set()
        await settle()
        assert first == second == third == ["done"]
        assert seen == [0, 0, 1]
        assert bench.books.state == ({"a": 1}, {B: [("b", 1)]})
        assert (await bench.loaded_again()).state == bench.books.state

    run(test)


def test_who_waited_for_an_append_that_failed_is_refused() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        bench.log.held = trio.Event()
        first = bench.soon(*of(A, ("a", 1)))
        await settle()
        second = bench.soon(end(A))
        await settle()
        bench.shard.close()
        bench.log.held.set()
        await settle()
        assert first == second == [Refused(ErrorCode.NOT_COORDINATOR)]

    run(test)


def test_a_machine_that_cannot_replay_a_transaction_is_thrown_away() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        books = bench.books
        with pytest.raises(ValueError, match="unpack"):
            bench.begin(end(A), "no record")
        assert bench.books is not books

    run(test)


def test_a_marker_that_compaction_has_emptied_ends_nothing() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        bench.begin(*of(A, ("a", 1)))
        whose = {"producer_id": A, "producer_epoch": 0, "is_transactional": True, "is_control": True}
        bench.log.take(empty_batch(**whose))
        assert (await bench.loaded_again()).state == ({}, {A: [("a", 1)]})

    run(test)


def test_a_shard_that_loads_gives_others_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        bench.plain(*[("a", 1)] * 50)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(others)
        again = Bench(nursery, bench.log)
        while again.shard.machine is None:
            await trio.lowlevel.checkpoint()
        assert turns >= 10
        assert again.books.totals == {"a": 50}

    monkeypatch.setattr(loading, "RECORDS_A_TURN", 5)
    run(test)


def test_shards_that_share_a_lock_load_one_after_the_other() -> None:
    async def test(nursery: trio.Nursery) -> None:
        lock = trio.Lock()
        benches = [Bench(nursery) for _ in range(3)]
        for bench in benches:
            bench.plain(("a", 1))
            bench.log.read_held = trio.Event()
        again: list[Shard[Books]] = []
        for bench in benches:
            shard: Shard[Books] = Shard(
                "books", bench.log, Books, TallyFormat(), SteppedTime().clock, nursery.start_soon, loads=lock
            )
            shard.open()
            again.append(shard)
            await settle()
        for number, bench in enumerate(benches):
            assert [shard.machine is not None for shard in again] == [n < number for n in range(3)]
            assert lock.statistics().tasks_waiting == 2 - number
            assert bench.log.read_held is not None
            bench.log.read_held.set()
            await settle()
        assert all(shard.machine is not None for shard in again)

    run(test)


producers = st.sampled_from([A, B])
numbered = st.tuples(st.sampled_from("ab"), st.integers(1, 3))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("plain"), st.lists(numbered, min_size=1, max_size=3)),
        st.tuples(st.just("pending"), producers, st.lists(numbered, min_size=1, max_size=3)),
        st.tuples(st.just("end"), producers, st.booleans()),
        st.tuples(st.just("failing"), producers),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.booleans())
def test_memory_is_what_the_log_says_whatever_happens(steps: Sequence[Any], waits: bool) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery)
        expected = Books()
        for step in steps:
            bench.log.held = trio.Event() if waits else None
            match step:
                case ("plain", records):
                    nursery.start_soon(awaited_plain, bench, records)
                    for record in records:
                        expected.replay(record)
                case ("pending", producer_id, records):
                    bench.soon(*of(producer_id, *records))
                    for record in records:
                        expected.replay_transactional(producer_id, record)
                case ("end", producer_id, is_commit):
                    bench.soon(end(producer_id, is_commit))
                    expected.replay_transaction_end(producer_id, is_commit)
                case ("failing", producer_id):
                    bench.log.error = ErrorCode.KAFKA_STORAGE_ERROR
                    bench.soon(*of(producer_id, ("lost", 1)))
            await settle()
            if bench.log.held is not None:
                bench.log.held.set()
            await settle()
            bench.log.error = NONE
            assert bench.books.state == expected.state
        assert (await bench.loaded_again()).state == expected.state

    async def awaited_plain(bench: Bench, records: list[Numbered]) -> None:
        begun = bench.plain(*records)
        assert begun == "done" or await begun == "done"

    run(test)
