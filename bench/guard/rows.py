"""What is counted: the functions that a profile of small and large produces and fetches, a heartbeat and an
offset commit shows on top, and those requests whole; transactions.py has what belongs to these.

Rules: a function's row prepares everything outside of what is counted, and then does the same work as often
as it is told; a whole request goes through socket, connection loop, decoder, handler, log and encoder. Every
row reaches what it measures through `planted`, which is how a slow-down is planted for the self-test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import Any, TypeAlias

from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.produce import Produce
from kwire_codecs.compile import decoder_at
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import Frames, frame_response
from kwire_codecs.headers import read_request_header
from kwire_storage.engine import ValidBatch
from kwire_storage.produce_rules import ProduceRules
from kwire_storage.validation import accept_usual

from bench.guard.broker import NOW_MS, framed
from bench.guard.kinds import FunctionRow, Planted, WholeRow, Work
from bench.guard.stage import (
    COMMIT_VERSION,
    EMPTY,
    FETCH_VERSION,
    FULL,
    HEARTBEAT_VERSION,
    PRODUCE_VERSION,
    VARIOUS,
    WATCHED,
    WRITTEN,
    Stage,
    fetch,
    one_batch,
    produce,
)
from bench.guard.transactions import IN_TRANSACTION
from kwire.broker.fetch_sessions import FetchedPartition, FetchSession
from kwire.partitions.waiting import Waiter
from kwire.server.requests import Requests

VALUE = bytes(100)


def _calls(function: Callable[..., object], *arguments: object) -> Work:
    def work(times: int) -> None:
        for _ in repeat(None, times):
            function(*arguments)

    return work


def _frames(stage: Stage, planted: Planted, most: int) -> Work:
    frame = framed(stage.heartbeat(), HEARTBEAT_VERSION)
    size = len(frame)
    frames = Frames(1 << 20)
    next_frame = planted(frames.next_frame)

    def work(times: int) -> None:
        for _ in repeat(None, times):
            room = frames.get_buffer()
            room[:size] = frame
            room.release()
            frames.buffer_updated(size)
            while next_frame() is not None:
                pass

    return work


def _produce_frame(stage: Stage) -> memoryview:
    return memoryview(bytearray(framed(_produce(stage), PRODUCE_VERSION)))[4:]


def _produce(stage: Stage, sequence: int = 0) -> Produce.Request:
    return produce(stage.topic_id, EMPTY, one_batch(sequence, VALUE))


def _header(stage: Stage, planted: Planted, most: int) -> Work:
    return _calls(planted(read_request_header), _produce_frame(stage))


def _produce_decode(stage: Stage, planted: Planted, most: int) -> Work:
    frame = _produce_frame(stage)
    _, position = read_request_header(frame)
    return _calls(planted(decoder_at(Produce.Request, PRODUCE_VERSION)), frame, position)


def _produce_encode(stage: Stage, planted: Planted, most: int) -> Work:
    topic = Produce.Response.Topic
    answer = topic.Partition(
        index=0, error_code=ErrorCode.NONE, base_offset=5, log_append_time_ms=-1, log_start_offset=0
    )
    response = Produce.Response(responses=[topic(topic_id=stage.topic_id, partition_responses=[answer])])
    return _calls(planted(frame_response), response, PRODUCE_VERSION, 1)


def _fetch_decode(stage: Stage, planted: Planted, most: int) -> Work:
    request = fetch(stage.topic_id, FULL, 5, session_id=99, session_epoch=3)
    frame = memoryview(bytearray(framed(request, FETCH_VERSION)))[4:]
    _, position = read_request_header(frame)
    return _calls(planted(decoder_at(Fetch.Request, FETCH_VERSION)), frame, position)


def _fetched(stage: Stage) -> Fetch.Response.Topic.Partition:
    return Fetch.Response.Topic.Partition(
        partition_index=FULL,
        error_code=ErrorCode.NONE,
        high_watermark=5,
        last_stable_offset=5,
        log_start_offset=0,
        aborted_transactions=None,
        records=memoryview(one_batch(0, VALUE)),
    )


def _fetch_encode(stage: Stage, planted: Planted, most: int) -> Work:
    topic = Fetch.Response.Topic(topic_id=stage.topic_id, partitions=[_fetched(stage)])
    return _calls(planted(frame_response), Fetch.Response(session_id=99, responses=[topic]), FETCH_VERSION, 1)


def _batch_check(stage: Stage, planted: Planted, most: int) -> Work:
    return _calls(planted(accept_usual), memoryview(one_batch(0, VALUE)), ProduceRules(), NOW_MS)


def _append(stage: Stage, planted: Planted, most: int) -> Work:
    partition = stage.partition(WRITTEN)
    rules = stage.broker.cluster.produce_rules(stage.topic, PRODUCE_VERSION)
    checked: list[list[ValidBatch]] = []
    for sequence in range(most):
        usual = accept_usual(memoryview(one_batch(sequence, VALUE)), rules, NOW_MS)
        assert usual is not None
        checked.append(usual)
    checked.reverse()
    append = planted(partition.append_batches)

    def work(times: int) -> None:
        for _ in repeat(None, times):
            append(checked.pop(), rules)
        assert len(checked) == most - partition.log_end_offset, "an append was refused"

    return work


def _read(stage: Stage, planted: Planted, most: int) -> Work:
    return _calls(planted(stage.partition(FULL).read), 16, 1 << 20)


def _session(stage: Stage, planted: Planted, most: int) -> Work:
    sessions = next(iter(stage.broker.cluster.nodes.values())).fetch_sessions
    named = [FetchedPartition(stage.topic_id, FULL, 0, 1 << 20)]
    session = sessions.create(named, True)
    assert session is not None
    answer = _fetched(stage)
    asked = fetch(stage.topic_id, FULL, 0).topics
    resume = planted(sessions.resume)

    def work(times: int) -> None:
        for _ in repeat(None, times):
            resumed = resume(session.id, session.epoch, True)
            assert isinstance(resumed, FetchSession)
            sessions.update(resumed, asked, ())
            for partition in resumed.to_look_at(True):
                resumed.news(partition, answer, 168)

    return work


def _wake_up(stage: Stage, planted: Planted, most: int) -> Work:
    partition = stage.partition(WATCHED)
    watch = planted(partition.watch)

    def work(times: int) -> None:
        for _ in repeat(None, times):
            waiter = Waiter(1)
            watch(waiter)
            waiter.arrived(168)
            partition.unwatch(waiter)

    return work


FUNCTIONS = [
    FunctionRow("cut a frame", _frames),
    FunctionRow("read a request header", _header),
    FunctionRow("decode Produce", _produce_decode),
    FunctionRow("encode Produce's answer", _produce_encode),
    FunctionRow("decode Fetch", _fetch_decode),
    FunctionRow("encode Fetch's answer", _fetch_encode),
    FunctionRow("check a batch", _batch_check),
    FunctionRow("append a batch", _append),
    FunctionRow("read batches", _read),
    FunctionRow("go on with a fetch session", _session),
    FunctionRow("wait and be woken", _wake_up),
]


def _produces(stage: Stage, count: int) -> list[bytes]:
    return [framed(_produce(stage, sequence), PRODUCE_VERSION) for sequence in range(count)]


def _various_produces(stage: Stage, count: int) -> list[bytes]:
    """Each other than the one before, though they mean the same to one broker: nothing can be remembered."""
    frames = []
    for sequence in range(count):
        request = _produce(stage, sequence)
        request.acks = -1 if sequence % 2 else 1
        request.topic_data[0].partition_data[0].index = VARIOUS
        frames.append(framed(request, PRODUCE_VERSION))
    return frames


def _fetches(stage: Stage, count: int) -> list[bytes]:
    sessions = next(iter(stage.broker.cluster.nodes.values())).fetch_sessions
    made = sessions.create([FetchedPartition(stage.topic_id, FULL, 0, 1 << 20)], True)
    assert made is not None
    asked = partial(fetch, stage.topic_id, FULL, session_id=made.id)
    return [
        framed(asked(16 + epoch % 2, session_epoch=epoch), FETCH_VERSION) for epoch in range(1, count + 1)
    ]


def _heartbeats(stage: Stage, count: int) -> list[bytes]:
    return [framed(stage.heartbeat(), HEARTBEAT_VERSION)] * count


def _commits(stage: Stage, count: int) -> list[bytes]:
    return [framed(stage.commit(offset), COMMIT_VERSION) for offset in range(count)]


def _first(answers: Sequence[Any], field: str) -> ErrorCode:
    found: ErrorCode = getattr(answers[0], field)[0].error_code
    return found


WHOLES = [
    WholeRow(
        "a whole produce",
        Produce,
        PRODUCE_VERSION,
        _produces,
        lambda response: _first(response.responses, "partition_responses"),
    ),
    WholeRow(
        "a whole produce unlike the one before",
        Produce,
        PRODUCE_VERSION,
        _various_produces,
        lambda response: _first(response.responses, "partition_responses"),
    ),
    WholeRow(
        "a whole fetch",
        Fetch,
        FETCH_VERSION,
        _fetches,
        lambda response: _first(response.responses, "partitions"),
    ),
    WholeRow(
        "a whole heartbeat",
        Heartbeat,
        HEARTBEAT_VERSION,
        _heartbeats,
        lambda response: response.error_code,
    ),
    WholeRow(
        "a whole offset commit",
        OffsetCommit,
        COMMIT_VERSION,
        _commits,
        lambda response: _first(response.topics, "partitions"),
    ),
]

Row: TypeAlias = FunctionRow | WholeRow

GROUPS: dict[str, Sequence[Row]] = {"functions": FUNCTIONS, "wholes": [*WHOLES, IN_TRANSACTION]}
NAMES = [row.name for rows in GROUPS.values() for row in rows]


@contextmanager
def requests_through(planted: Planted) -> Iterator[None]:
    """Within, every request is answered by what `planted` makes of the function that does it."""
    begin = Requests.begin
    Requests.begin = planted(begin)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Requests.begin = begin  # type: ignore[method-assign]
