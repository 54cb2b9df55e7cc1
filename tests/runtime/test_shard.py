"""The shard: what is told when, in which order records are written, and what happens when they can't be."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_storage.engine import ValidBatch

from kwire.coordinators.outcome import Completion, Outcome, Ticket, Timer
from kwire.runtime import journal
from kwire.runtime import shard as shard_module
from kwire.runtime.shard import Refused, Shard, Status
from kwire.runtime.soon import Soon, awaited
from tests.deadline import TEST_DEADLINE_SECONDS
from tests.runtime.stepped_time import SteppedTime, settle

Numbered = tuple[str, int]


class Tally:
    """A coordinator that adds up numbers by name; a record is one addition."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.waiting: list[tuple[str, int, Ticket[int]]] = []

    def replay(self, record: Numbered) -> None:
        name, number = record
        self.totals[name] = self.totals.get(name, 0) + number

    def on_loaded(self, now_ms: int) -> Outcome[None, Numbered]:
        return Outcome(None, timers=[Timer("tick", now_ms + 1_000)])

    def expire(self, key: Hashable, now_ms: int) -> Outcome[None, Numbered]:
        if key == "broken":
            raise RuntimeError("a bug")
        return Outcome(None, [("ticks", 1)], timers=[Timer(key, now_ms + 1_000)])

    def add(self, name: str, number: int) -> Outcome[int, Numbered]:
        total = self.totals.get(name, 0) + number
        done = [entry for entry in self.waiting if entry[0] == name and entry[1] <= total]
        self.waiting = [entry for entry in self.waiting if entry not in done]
        return Outcome(total, [(name, number)], [Completion(ticket, total) for _, _, ticket in done])

    def total(self, name: str) -> Outcome[int, Numbered]:
        return Outcome(self.totals.get(name, 0))

    def reach(self, name: str, number: int) -> Outcome[int, Numbered]:
        ticket: Ticket[int] = Ticket()
        self.waiting.append((name, number, ticket))
        return Outcome(ticket)

    def announce(self, name: str, number: int, message: str) -> Outcome[int, Numbered]:
        return Outcome(number, [(name, number)] if number else [], messages=[message])

    def arm(self, key: str, at_ms: int | None) -> Outcome[bool, Numbered]:
        return Outcome(True, timers=[Timer(key, at_ms)])

    def fail(self) -> Outcome[int, Numbered]:
        self.totals["half"] = 1
        raise RuntimeError("a bug")


class TallyFormat:
    def to_bytes(self, record: Numbered) -> tuple[bytes, bytes | None]:
        if record[0] == "unwritable":
            raise OverflowError("it does not fit")
        return record[0].encode(), str(record[1]).encode()

    def from_bytes(self, key: bytes | None, value: bytes | None) -> Numbered | None:
        if key == b"foreign":
            return None
        assert key is not None
        assert value is not None
        return key.decode(), int(value)


def built(records: list[batch.Record], *, is_control: bool = False) -> list[ValidBatch]:
    """One batch, as a log is given it."""
    data = batch.build(records, is_control=is_control)
    return [ValidBatch(memoryview(data), batch.read_header(data))]


class Log:
    """A log in memory that takes appends at once, unless a test holds them up or has them refused."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.start_offset = 0
        self.end_offset = 0
        self.appends = 0
        self.error = ErrorCode.NONE
        self.held: trio.Event | None = None
        self.read_held: trio.Event | None = None
        self.read_error = ErrorCode.NONE

    def append(self, batches: Sequence[ValidBatch]) -> Soon[ErrorCode]:
        self.appends += 1
        return self.take(batches) if self.held is None else self._take_once_let(batches, self.held)

    async def _take_once_let(self, batches: Sequence[ValidBatch], held: trio.Event) -> ErrorCode:
        # Appends are shielded: a test that fails would otherwise wait here for ever.
        with trio.move_on_after(5):
            await held.wait()
        return self.take(batches)

    def take(self, batches: Sequence[ValidBatch]) -> ErrorCode:
        if self.error:
            return self.error
        for buffer, header in batches:
            assert batch.crc_is_valid(buffer, 0, header)
            data = bytearray(buffer)
            batch.stamp(data, 0, self.end_offset, 0)
            self.batches.append(bytes(data))
            self.end_offset += header.last_offset_delta + 1
        return ErrorCode.NONE

    async def read(self, offset: int, max_bytes: int) -> Sequence[memoryview] | ErrorCode:
        if self.read_held is not None:
            await self.read_held.wait()
        if self.read_error:
            return self.read_error
        # One batch at a time, from the one that holds the offset.
        for data in self.batches:
            if batch.read_header(data).last_offset >= offset:
                return [memoryview(data)]
        return []

    @property
    def records(self) -> list[tuple[bytes | None, bytes | None]]:
        return [
            (record.key, record.value)
            for data in self.batches
            for record in batch.records(data, 0, batch.read_header(data), 1 << 20)
        ]


class Bench:
    """A shard of a Tally on stepped time."""

    def __init__(self, nursery: trio.Nursery, log: Log | None = None) -> None:
        self.time = SteppedTime()
        self.log = log or Log()
        self.nursery = nursery
        self.messages: list[object] = []
        self.shard: Shard[Tally] = Shard(
            "tally",
            self.log,
            Tally,
            TallyFormat(),
            self.time.clock,
            self.nursery.start_soon,
            self.messages.append,
        )

    def opened(self) -> Bench:
        self.shard.open()
        return self

    async def add(self, name: str, number: int) -> int | Refused:
        return await self.shard.run(lambda machine, _: machine.add(name, number))

    async def total(self, name: str) -> int | Refused:
        return await self.shard.run(lambda machine, _: machine.total(name))

    async def reach(self, name: str, number: int) -> int | Refused:
        return await self.shard.run(lambda machine, _: machine.reach(name, number))

    async def announce(self, name: str, number: int, message: str) -> int | Refused:
        return await self.shard.run(lambda machine, _: machine.announce(name, number, message))

    def soon(self, operation: Callable[..., Any], *arguments: Any) -> list[int | Refused]:
        """Start an operation; gives the list that its answer will be in."""
        answers: list[int | Refused] = []

        async def run() -> None:
            answers.append(await operation(*arguments))

        self.nursery.start_soon(run)
        return answers


def run(test: Callable[[trio.Nursery], Any]) -> None:
    async def main() -> None:
        with trio.fail_after(TEST_DEADLINE_SECONDS):
            async with trio.open_nursery() as nursery:
                await test(nursery)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_an_operation_without_records_is_answered_without_a_task_switch() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        switched: list[bool] = []
        nursery.start_soon(settle_then, switched)
        assert await bench.total("a") == 0
        assert await bench.add("a", 1) == 1
        assert not switched

    async def settle_then(switched: list[bool]) -> None:
        switched.append(True)

    run(test)


def test_an_answer_is_held_until_its_records_are_appended() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.held = trio.Event()
        added = bench.soon(bench.add, "a", 1)
        await settle()
        assert not added
        bench.log.held.set()
        await settle()
        assert added == [1]

    run(test)


def test_a_later_operation_sees_the_newest_state_and_waits_for_what_it_saw() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.held = trio.Event()
        bench.soon(bench.add, "a", 5)
        await settle()
        seen = bench.soon(bench.total, "a")
        await settle()
        assert not seen
        bench.log.held.set()
        await settle()
        assert seen == [5]

    run(test)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_answer_that_has_to_be_waited_for_is_told_of_what_happens_before_anyone_waits(
    cancelled: bool,
) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        reaching = bench.shard.begin(lambda machine, _: machine.reach("a", 5))
        adding = bench.shard.begin(lambda machine, _: machine.add("a", 1))
        if cancelled:
            bench.shard.close()
            bench.shard.open()
        else:
            bench.shard.begin(lambda machine, _: machine.add("a", 4))
        assert adding == 1
        assert await awaited(reaching) == (Refused(ErrorCode.NOT_COORDINATOR) if cancelled else 5)

    run(test)


def test_a_shard_that_stops_keeps_nobody_waiting_who_has_yet_to_begin() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        reaching = bench.shard.begin(lambda machine, _: machine.reach("a", 5))
        bench.shard.drain()
        assert await awaited(reaching) == Refused(ErrorCode.NOT_COORDINATOR)

    run(test)


operations = st.lists(
    st.tuples(st.sampled_from(["add", "total", "reach", "fails"]), st.sampled_from("ab"), st.integers(1, 3)),
    max_size=15,
)


@settings(max_examples=40)
@given(operations)
def test_a_log_that_takes_records_at_once_and_one_that_waits_come_to_the_same(
    operations: list[tuple[str, str, int]],
) -> None:
    told: list[Any] = []

    async def all_of_them(nursery: trio.Nursery, waits: bool) -> None:
        bench = Bench(nursery).opened()
        answers = []
        for kind, name, number in operations:
            if waits:
                bench.log.held = trio.Event()
            bench.log.error = ErrorCode.KAFKA_STORAGE_ERROR if kind == "fails" else ErrorCode.NONE
            operation = bench.add if kind == "fails" else getattr(bench, kind)
            answers.append(bench.soon(operation, *((name,) if kind == "total" else (name, number))))
            await settle()
            if bench.log.held is not None:
                bench.log.held.set()
            await settle()
        machine = bench.shard.machine
        assert machine is not None
        told.append((answers, bench.log.records, machine.totals))

    run(partial(all_of_them, waits=False))
    run(partial(all_of_them, waits=True))
    assert told[0] == told[1]


def test_what_is_decided_during_an_append_goes_into_the_next_one_together_and_in_order() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.held = trio.Event()
        answers = [bench.soon(bench.add, "a", number) for number in range(1, 4)]
        await settle()
        assert bench.log.appends == 1
        bench.log.held.set()
        await settle()
        assert bench.log.appends == 2
        assert len(bench.log.records) == 3
        assert sorted(answer for (answer,) in answers)[-1] == 6

    run(test)


def test_a_ticket_is_completed_only_when_the_records_that_completed_it_are_appended() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        reached = bench.soon(bench.reach, "a", 3)
        await settle()
        bench.log.held = trio.Event()
        bench.soon(bench.add, "a", 3)
        await settle()
        assert not reached
        bench.log.held.set()
        await settle()
        assert reached == [3]

    run(test)


def test_a_client_that_goes_away_while_it_waits_disturbs_nobody() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        with trio.CancelScope() as scope:
            scope.cancel()
            await bench.reach("a", 1)
        bench.log.held = trio.Event()
        gone = trio.CancelScope()

        async def add() -> None:
            with gone:
                await bench.add("a", 1)

        nursery.start_soon(add)
        await settle()
        other = bench.soon(bench.add, "a", 1)
        gone.cancel()
        await settle()
        bench.log.held.set()
        await settle()
        assert other == [2]
        assert len(bench.log.records) == 2

    run(test)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
def test_a_failed_append_refuses_everybody_and_loads_what_is_in_the_log(
    error: ErrorCode, told: ErrorCode
) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        await bench.add("a", 1)
        waiting = bench.soon(bench.reach, "a", 100)
        await settle()
        bench.log.error = error
        bench.log.held = trio.Event()
        failed = bench.soon(bench.add, "a", 10)
        await settle()
        behind = bench.soon(bench.add, "a", 20)
        read = bench.soon(bench.total, "a")
        await settle()
        bench.log.held.set()
        bench.log.held = None
        await settle()
        assert failed == [Refused(told)]
        assert waiting == behind == read == [Refused(ErrorCode.NOT_COORDINATOR)]
        assert bench.shard.status is Status.ACTIVE
        bench.log.error = ErrorCode.NONE
        assert await bench.total("a") == 1
        assert await bench.add("a", 1) == 2

    run(test)


def test_a_ticket_whose_completion_could_not_be_written_is_refused() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        reached = bench.soon(bench.reach, "a", 1)
        await settle()
        bench.log.error = ErrorCode.KAFKA_STORAGE_ERROR
        assert await bench.add("a", 1) == Refused(ErrorCode.NOT_COORDINATOR)
        await settle()
        assert reached == [Refused(ErrorCode.NOT_COORDINATOR)]

    run(test)


def test_a_message_reaches_the_owner_once_its_records_are_appended() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        assert await bench.announce("a", 0, "nothing to write") == 0
        bench.log.held = trio.Event()
        bench.soon(bench.announce, "a", 1, "written")
        await settle()
        bench.soon(bench.announce, "a", 0, "behind what is being written")
        await settle()
        assert bench.messages == ["nothing to write"]
        bench.log.held.set()
        await settle()
        assert bench.messages == ["nothing to write", "written", "behind what is being written"]

    run(test)


def test_a_message_whose_records_could_not_be_appended_reaches_nobody() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.error = ErrorCode.KAFKA_STORAGE_ERROR
        await bench.announce("a", 1, "never written")
        await settle()
        assert bench.messages == []

    run(test)


def test_a_record_that_cannot_be_encoded_is_refused_and_the_shard_goes_on() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        await bench.add("a", 1)
        assert await bench.add("unwritable", 1) == Refused(ErrorCode.UNKNOWN_SERVER_ERROR)
        await settle()
        assert await bench.total("a") == 1
        assert await bench.total("unwritable") == 0

    run(test)


def test_a_machine_that_fails_is_thrown_away_and_loaded_again() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        await bench.add("a", 1)
        waiting = bench.soon(bench.reach, "a", 100)
        await settle()
        with pytest.raises(RuntimeError):
            await bench.shard.run(lambda machine, _: machine.fail())
        await settle()
        assert waiting == [Refused(ErrorCode.NOT_COORDINATOR)]
        assert await bench.total("half") == 0
        assert await bench.total("a") == 1

    run(test)


def test_while_it_loads_operations_are_refused_and_afterwards_everything_is_there() -> None:
    async def test(nursery: trio.Nursery) -> None:
        before = Bench(nursery).opened()
        for number in range(1, 11):
            await before.add("a", number)
        bench = Bench(nursery, before.log)
        bench.log.read_held = trio.Event()
        bench.shard.open()
        await settle()
        assert await bench.total("a") == Refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        bench.log.read_held.set()
        await settle()
        assert await bench.total("a") == 55

    run(test)


def test_an_empty_log_is_loaded_when_open_returns() -> None:
    async def test(nursery: trio.Nursery) -> None:
        assert Bench(nursery).opened().shard.status is Status.ACTIVE

    run(test)


def test_records_that_are_not_the_coordinators_and_control_batches_are_passed_over() -> None:
    async def test(nursery: trio.Nursery) -> None:
        log = Log()
        log.take(built([batch.Record(b"foreign", b"?"), batch.Record(b"a", b"4")]))
        log.take(built([batch.Record(b"\0\0\0\0", b"?")], is_control=True))
        bench = Bench(nursery, log).opened()
        await settle()
        assert await bench.total("a") == 4

    run(test)


def test_a_log_that_begins_in_the_middle_of_a_batch_is_read_from_there() -> None:
    async def test(nursery: trio.Nursery) -> None:
        log = Log()
        log.take(built([batch.Record(b"a", b"1"), batch.Record(b"a", b"2")]))
        log.start_offset = 1
        bench = Bench(nursery, log).opened()
        await settle()
        assert await bench.total("a") == 2

    run(test)


@pytest.mark.parametrize("trouble", ["unreadable", "corrupt", "nonsense"])
def test_a_log_that_cannot_be_read_is_refused_and_tried_again_later(trouble: str) -> None:
    async def test(nursery: trio.Nursery) -> None:
        log = Log()
        log.take(built([batch.Record(b"a", b"1")]))
        whole = log.batches[0]
        if trouble == "unreadable":
            log.read_error = ErrorCode.KAFKA_STORAGE_ERROR
        elif trouble == "corrupt":
            log.batches[0] = whole[:57] + b"\x7f\xff\xff\xff" + whole[61:]
        else:
            log.batches[0] = bytes(batch.build([batch.Record(b"a", b"one")]))
        bench = Bench(nursery, log).opened()
        await settle()
        assert await bench.total("a") == Refused(ErrorCode.NOT_COORDINATOR)
        log.read_error = ErrorCode.NONE
        log.batches[0] = whole
        await bench.time.step(shard_module.RELOAD_AFTER_MS)
        assert await bench.total("a") == 1

    run(test)


def test_a_shard_that_could_not_be_loaded_is_not_loaded_again_once_it_is_closed() -> None:
    async def test(nursery: trio.Nursery) -> None:
        log = Log()
        log.take(built([batch.Record(b"a", b"1")]))
        log.read_error = ErrorCode.KAFKA_STORAGE_ERROR
        bench = Bench(nursery, log).opened()
        await settle()
        bench.shard.close()
        log.read_error = ErrorCode.NONE
        await bench.time.step(shard_module.RELOAD_AFTER_MS)
        await bench.time.step(5_000)
        assert bench.shard.status is Status.UNLOADED
        assert log.appends == 0

    run(test)


def test_timers_fire_in_time_and_what_they_decide_is_written() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        await bench.time.step(999)
        assert await bench.total("ticks") == 0
        await bench.time.step(1)
        assert await bench.total("ticks") == 1
        await bench.time.step(1_000)
        assert bench.log.records == [(b"ticks", b"1")] * 2

    run(test)


def test_arming_a_timer_again_replaces_it_and_none_disarms_it() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        now_ms = bench.time.now_ms()
        await bench.shard.run(lambda machine, _: machine.arm("tick", now_ms + 5_000))
        await bench.time.step(4_999)
        assert await bench.total("ticks") == 0
        await bench.shard.run(lambda machine, _: machine.arm("tick", None))
        await bench.time.step(10_000)
        assert await bench.total("ticks") == 0

    run(test)


def test_a_timer_whose_handling_fails_throws_the_machine_away() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        await bench.add("a", 1)
        waiting = bench.soon(bench.reach, "a", 100)
        await settle()
        await bench.shard.run(lambda machine, now_ms: machine.arm("broken", now_ms + 1))
        await bench.time.step(1)
        assert waiting == [Refused(ErrorCode.NOT_COORDINATOR)]
        assert await bench.total("a") == 1

    run(test)


def test_a_closed_shard_refuses_and_forgets_its_timers() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        waiting = bench.soon(bench.reach, "a", 1)
        await settle()
        bench.shard.close()
        await bench.time.step(5_000)
        assert waiting == [Refused(ErrorCode.NOT_COORDINATOR)]
        assert await bench.add("a", 1) == Refused(ErrorCode.NOT_COORDINATOR)
        assert bench.log.appends == 0

    run(test)


def test_a_shard_that_is_closed_during_an_append_tells_nobody_that_it_worked() -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.held = trio.Event()
        added = bench.soon(bench.add, "a", 1)
        await settle()
        bench.shard.close()
        bench.log.held.set()
        await settle()
        assert added == [Refused(ErrorCode.NOT_COORDINATOR)]

    run(test)


def test_a_shard_that_is_closed_while_it_encodes_its_records_writes_none_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        nursery.start_soon(close, bench)
        several = Outcome(0, [("a", 1)] * 3)
        assert await bench.shard.run(lambda machine, _: several) == Refused(ErrorCode.NOT_COORDINATOR)
        assert bench.log.appends == 0

    async def close(bench: Bench) -> None:
        bench.shard.close()

    monkeypatch.setattr(journal, "RECORDS_A_TURN", 1)
    run(test)


def test_many_records_are_written_as_several_batches_in_one_append(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.held = trio.Event()
        for _ in range(20):
            bench.soon(bench.add, "a-long-name", 1)
        await settle()
        bench.log.held.set()
        await settle()
        assert bench.log.appends == 2
        assert len(bench.log.records) == 20
        assert len(bench.log.batches) > 3
        again = Bench(nursery, bench.log)
        again.log.held = None
        again.shard.open()
        await settle()
        assert await again.total("a-long-name") == 20

    monkeypatch.setattr(journal, "BATCH_BYTES", 50)
    run(test)


@pytest.mark.parametrize("a_turn", [500, 3])
def test_what_is_decided_at_once_is_one_batch_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch, a_turn: int
) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        bench.log.held = trio.Event()
        bench.soon(bench.add, "first", 1)
        await settle()
        for name in ("many", "more"):
            bench.soon(bench.shard.run, lambda machine, _, name=name: Outcome(0, [(name, 1)] * 10))
        await settle()
        bench.log.held.set()
        await settle()
        sizes = [batch.read_header(data).record_count for data in bench.log.batches]
        assert sizes == [1, 10, 10]
        assert bench.log.appends == 2

    monkeypatch.setattr(journal, "BATCH_BYTES", 50)
    monkeypatch.setattr(journal, "RECORDS_A_TURN", a_turn)
    run(test)


@pytest.mark.parametrize("log_waits", [False, True])
def test_a_message_that_nobody_takes_keeps_nobody_waiting(log_waits: bool) -> None:
    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        assert await bench.add("a", 1) == 1
        before = bench.shard.machine

        def refuse(message: object) -> None:
            raise RuntimeError("its owner has no task for it")

        bench.shard._deliver = refuse
        if log_waits:
            bench.log.held = trio.Event()
        announced = bench.soon(bench.announce, "a", 1, "lost")
        await settle()
        behind = bench.soon(bench.add, "a", 1)
        await settle()
        if bench.log.held is not None:
            bench.log.held.set()
        await settle()
        assert announced == [1]
        assert len(behind) == 1
        assert bench.shard.machine is not before
        assert await bench.add("b", 1) == 1

    run(test)


def test_a_machine_that_fails_once_it_is_loaded_is_tried_again_later() -> None:
    class Broken(Tally):
        def on_loaded(self, now_ms: int) -> Outcome[None, Numbered]:
            raise RuntimeError("a bug")

    async def test(nursery: trio.Nursery) -> None:
        bench = Bench(nursery).opened()
        await bench.add("a", 1)
        bench.shard.close()
        bench.shard._new_machine = Broken
        bench.shard.open()
        await settle()
        assert bench.shard.status is Status.UNLOADED
        assert await bench.total("a") == Refused(ErrorCode.NOT_COORDINATOR)
        bench.shard._new_machine = Tally
        await bench.time.step(shard_module.RELOAD_AFTER_MS)
        await settle()
        assert await bench.total("a") == 1

    run(test)


@pytest.mark.parametrize("record_count", [1, 2])
def test_what_lies_below_the_start_of_the_log_is_not_loaded_though_its_batch_reaches_behind_it(
    record_count: int,
) -> None:
    async def test(nursery: trio.Nursery) -> None:
        log = Log()
        kept = [batch.Record(b"a", b"1", offset=offset) for offset in (0, 3)[:record_count]]
        log.batches.append(bytes(batch.build(kept, keep_offsets=True, last_offset=5)))
        log.start_offset, log.end_offset = 2, 6
        bench = Bench(nursery, log).opened()
        await settle()
        assert await bench.total("a") == record_count - 1

    run(test)
