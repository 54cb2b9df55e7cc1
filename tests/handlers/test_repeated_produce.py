"""Produces that are like the one before them: answered as if each were the first, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs.apis.produce import Produce
from kwire_codecs.compile import decoder
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import Frames, frame_request, frame_response
from kwire_codecs.headers import read_response_header

from kwire.handlers import registry
from kwire.handlers.repeated_produce import AnswerForm
from kwire.server.launch import Running
from kwire.server.requests import CLOSE, MOST_REMEMBERED, Later, Requests
from tests.broker_client import create_topic, produce_request, serving
from tests.handlers.data import records
from tests.storage.disks import FailingDisk

Asked = Produce.Request.Topic
Answered = Produce.Response.Topic


@given(
    version=st.integers(0, 13),
    name=st.text(max_size=20),
    topic_id=st.uuids(),
    correlation_id=st.integers(-(1 << 31), (1 << 31) - 1),
    index=st.integers(0, (1 << 31) - 1),
    numbers=st.tuples(*[st.integers(-1, (1 << 63) - 1)] * 3),
)
def test_an_answer_that_is_filled_in_is_the_one_that_would_be_encoded(
    version: int, name: str, topic_id: Any, correlation_id: int, index: int, numbers: tuple[int, int, int]
) -> None:
    partition = Answered.Partition(
        index=index, base_offset=numbers[0], log_append_time_ms=numbers[1], log_start_offset=numbers[2]
    )
    response = Produce.Response(
        responses=[Answered(name=name, topic_id=topic_id, partition_responses=[partition])]
    )
    form = AnswerForm(Asked(name=name, topic_id=topic_id, partition_data=[]), version)
    filled = form.filled(correlation_id.to_bytes(4, "big", signed=True), (index, 0, *numbers))
    assert bytes(filled) == b"".join(
        bytes(part) for part in frame_response(response, version, correlation_id)[0]
    )


@dataclass(eq=False)
class FakeConnection:
    """As much of a connection as `Requests.begin` asks for."""

    node: Any
    listener_name: str = "PLAINTEXT"
    said: list[str] = field(default_factory=list)

    def describe(self) -> str:
        return "a test"


class Asker:
    """Hands frames to `Requests.begin`, and gives the bytes of the answers."""

    def __init__(self, running: Running) -> None:
        self.requests = Requests(running.cluster)
        self.connection: Any = FakeConnection(next(iter(running.cluster.nodes.values())))
        self.correlation_id = 0

    async def ask(self, request: Any, version: int, *, new_connection: bool = False) -> bytes | None:
        """The whole answer; None where the connection is closed."""
        self.correlation_id += 1
        parts, _ = frame_request(request, version, self.correlation_id, "test")
        return await self.send(bytearray(b"".join(parts)[4:]), new_connection=new_connection)

    async def send(self, frame: bytearray, *, new_connection: bool = False) -> bytes | None:
        if new_connection:
            self.requests.connection_closed(self.connection)
        answer: Any = self.requests.begin(self.connection, memoryview(frame))
        if isinstance(answer, Later):
            answer = await answer.answer
        return None if answer is CLOSE else b"".join(bytes(part) for part in answer or ())

    @property
    def remembered(self) -> Any:
        return self.requests._repeated.get(self.connection)


def result(answer: bytes | None, version: int) -> tuple[ErrorCode, int]:
    """What the answer says of its one partition."""
    assert answer is not None
    frame = memoryview(answer)[4:]
    _, _, position = read_response_header(frame, Produce.response_header_version(version))
    [topic] = decoder(Produce.Response, version)(frame[position:]).responses
    [partition] = topic.partition_responses
    return partition.error_code, partition.base_offset


def topic_request(running: Running, data: bytearray, version: int, **fields: Any) -> Produce.Request:
    """A produce to topic `t`, by its id where the version has no name."""
    request = produce_request("t", data, **fields)
    if version >= 13:
        request.topic_data[0].topic_id = running.cluster.controller.image.topics["t"].id
        request.topic_data[0].name = ""
    return request


@pytest.mark.parametrize("version", range(3, 14))
async def test_the_third_produce_is_answered_by_what_is_remembered_of_the_second(version: int) -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        await asker.ask(topic_request(running, records(b"first"), version), version)
        assert asker.remembered is None
        await asker.ask(topic_request(running, records(b"second"), version), version)
        remembered = asker.remembered
        assert remembered is not None
        request = topic_request(running, records(b"x" * 300, b"y"), version)
        frame = bytearray(b"".join(frame_request(request, version, 99, "test")[0])[4:])
        [answer] = remembered.answer(memoryview(frame))
        assert answer[4:8] == frame[4:8]
        assert result(bytes(answer), version) == (ErrorCode.NONE, 2)


def a_batch() -> st.SearchStrategy[bytearray]:
    """Batches good and bad, of one idempotent producer and of none."""
    usual = st.builds(
        lambda values, sequence: (
            records(*values, producer_id=7, producer_epoch=0, base_sequence=sequence)
            if sequence >= 0
            else records(*values)
        ),
        st.lists(st.binary(max_size=200), min_size=1, max_size=3),
        st.integers(-1, 3),
    )
    transactional = st.just(
        records(b"x", producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True)
    )
    garbled = st.builds(lambda data, at: data[:at] + b"\xff" + data[at + 1 :], usual, st.integers(0, 60))
    return st.one_of(usual, usual, usual, transactional, garbled)


@st.composite
def produces(draw: st.DrawFn) -> tuple[Any, ...]:
    """A topic, partition, acks, batch and version: mostly like the others of the run."""
    often = st.integers(0, 9)
    topic = "t" if draw(often) < 9 else draw(st.sampled_from(["u", "nowhere"]))
    acks = -1 if draw(often) < 9 else draw(st.sampled_from([0, 1, 3]))
    version = 9 if draw(often) < 9 else draw(st.sampled_from([3, 8, 12]))
    garble = None if draw(often) < 9 else (draw(st.integers(8, 60)), draw(st.integers(0, 255)))
    index = draw(st.sampled_from([0, 0, 0, 1, 2]))
    return topic, index, acks, draw(a_batch()), version, garble


@settings(max_examples=60)
@given(sent=st.lists(produces(), min_size=3, max_size=12))
def test_answers_and_logs_are_the_same_with_nothing_remembered(sent: list[tuple[Any, ...]]) -> None:
    """Each frame goes to two brokers: to one of them, as over a connection of its own."""
    trio.run(both_ways, sent)


async def both_ways(sent: list[tuple[Any, ...]]) -> None:
    seen = []
    for forgets in (False, True):
        async with serving() as running:
            answers: list[bytes | None] = []
            for topic in "tu":
                await create_topic(running, topic, partitions=2)
            asker = Asker(running)
            begun = [("t", index, -1, records(b"first"), 9, None) for index in (0, 1, 0)]
            for topic, index, acks, data, version, garble in [*begun, *sent]:
                request = produce_request(topic, bytearray(data), acks=acks)
                request.topic_data[0].partition_data[0].index = index
                parts, _ = frame_request(request, version, len(answers), "test")
                frame = bytearray(b"".join(parts)[4:])
                if garble is not None:
                    frame[garble[0]] = garble[1]
                answers.append(await asker.send(frame, new_connection=forgets))
            logs = []
            for topic in "tu":
                for index in range(2):
                    partition = running.cluster.partition(topic, index)
                    assert partition is not None
                    found: Any = partition.read(0, 1 << 20)
                    logs.append(b"".join(bytes(part) for part in found.parts))
            seen.append((answers, logs))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("before", [1, 2, 3])
async def test_a_batch_in_a_transaction_is_refused_as_ever(before: int) -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for _ in range(before):
            await asker.ask(produce_request("t", records(b"x")), 9)
        data = records(b"x", producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True)
        refused = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        assert result(await asker.ask(produce_request("t", data), 9), 9) == (refused, -1)


async def test_what_the_disk_refuses_is_a_failure_of_the_disk_and_not_of_the_batch(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(data=[tmp_path], files=disk) as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for value in (b"first", b"second"):
            await asker.ask(produce_request("t", records(value)), 9)
        assert asker.remembered is not None
        disk.bytes_left = 0
        refused = result(await asker.ask(produce_request("t", records(b"third")), 9), 9)
        disk.bytes_left = 1 << 60
        again = result(await asker.ask(produce_request("t", records(b"third")), 9), 9)
    assert (refused, again) == ((ErrorCode.KAFKA_STORAGE_ERROR, -1), (ErrorCode.NONE, 2))


async def test_a_batch_that_does_not_follow_is_refused_as_ever() -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        seen = []
        for sequence in (0, 1, 2, 3, 9, 4, 3):
            data = records(b"x", producer_id=7, producer_epoch=0, base_sequence=sequence)
            seen.append(result(await asker.ask(produce_request("t", data), 9), 9))
        assert asker.remembered is not None
        fine = [(ErrorCode.NONE, offset) for offset in range(5)]
        out_of_order = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
        assert seen == [*fine[:4], out_of_order, fine[4], fine[3]]


@pytest.mark.parametrize("version", [3, 9])
async def test_another_beginning_is_not_what_is_remembered(version: int) -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for _ in range(2):
            await asker.ask(produce_request("t", records(b"x")), version)
        parts, _ = frame_request(produce_request("t", records(b"y")), version, 3, "test")
        frame = b"".join(parts)[4:]
        index_at = frame.rindex(b"t", 0, frame.index(records(b"y"))) + (2 if version >= 9 else 5)
        for at in (*range(4), *range(8, index_at)):
            other = bytearray(frame)
            other[at] ^= 1
            assert asker.remembered.answer(memoryview(other)) is None
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        assert partition.log_end_offset == 2
        assert asker.remembered.answer(memoryview(bytearray(frame))) is not None
        assert partition.log_end_offset == 3


@pytest.mark.parametrize("version", [3, 9])
async def test_another_end_is_not_what_is_remembered(version: int) -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for _ in range(2):
            await asker.ask(produce_request("t", records(b"x")), version)
        parts, _ = frame_request(produce_request("t", records(b"y")), version, 3, "test")
        frame = bytearray(b"".join(parts)[4:])
        for end in (b"\0", b"\1\0", b"abc"):
            assert asker.remembered.answer(memoryview(frame + end)) is None
        for size in range(len(frame)):
            assert asker.remembered.answer(memoryview(frame[:size])) is None
        if version >= 9:
            for at in (1, 2, 3):
                tagged = bytearray(frame)
                tagged[-at] = 1
                assert asker.remembered.answer(memoryview(tagged)) is None
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        assert partition.log_end_offset == 2


async def test_frames_as_they_are_cut_from_a_stream_can_be_remembered() -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for size in (1, 7, 1 << 20):
            asker.requests.connection_closed(asker.connection)
            frames = Frames(1 << 20)
            for _ in range(3):
                parts, _ = frame_request(produce_request("t", records(b"x" * 100)), 9, 1, "test")
                stream = b"".join(parts)
                for at in range(0, len(stream), size):
                    frames.feed(stream[at : at + size])
                frame: Any = frames.next_frame()
                await asker.send(frame.obj)
            assert asker.remembered is not None


async def test_a_topic_of_the_same_name_is_not_taken_for_the_one_before() -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for _ in range(3):
            request = topic_request(running, records(b"x"), 13)
            assert result(await asker.ask(request, 13), 13)[0] == ErrorCode.NONE
        old = asker.remembered
        await delete_topic(running, "t")
        await create_topic(running, "t")
        other = Asker(running)
        await other.ask(topic_request(running, records(b"x"), 13), 13)
        assert asker.remembered is old
        again = produce_request("t", records(b"x"))
        again.topic_data[0].topic_id = request.topic_data[0].topic_id
        assert result(await asker.ask(again, 13), 13)[0] == ErrorCode.UNKNOWN_TOPIC_ID


async def delete_topic(running: Running, name: str) -> None:
    from kwire_codecs.apis.delete_topics import DeleteTopics

    asker = Asker(running)
    wanted = DeleteTopics.Request(topics=[], topic_names=[name], timeout_ms=1000)
    await asker.ask(wanted, 5)
    assert running.cluster.partition(name, 0) is None


async def test_what_gains_nothing_is_remembered_a_few_times_only() -> None:
    async with serving() as running:
        for topic in "tu":
            await create_topic(running, topic)
        asker = Asker(running)
        seen = set()
        for _ in range(2 * MOST_REMEMBERED):
            for topic in "tu":
                await asker.ask(produce_request(topic, records(b"x")), 9)
                seen.add(asker.remembered)
        assert len(seen - {None}) == MOST_REMEMBERED


async def test_a_connection_that_has_ended_leaves_nothing_behind() -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for _ in range(2):
            await asker.ask(produce_request("t", records(b"x")), 9)
        assert asker.remembered is not None
        asker.requests.connection_closed(asker.connection)
        assert asker.remembered is None


async def test_a_bug_met_on_the_short_way_is_answered_as_on_the_long_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as running:
        await create_topic(running, "t")
        asker = Asker(running)
        for _ in range(3):
            await asker.ask(produce_request("t", records(b"x")), 9)
        partition = running.cluster.partition("t", 0)
        assert partition is not None

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(partition.log, "append", broken)
        answer = await asker.ask(produce_request("t", records(b"x")), 9)
        assert result(answer, 9)[0] == ErrorCode.UNKNOWN_SERVER_ERROR
        assert "Produce v9 from a test" in caplog.text


def test_only_produce_is_remembered() -> None:
    assert [key for key in registry.SERVED if registry.handler(key).remember] == [Produce.key]
