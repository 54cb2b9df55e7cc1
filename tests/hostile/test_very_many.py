"""Requests that name very many things, of every API, made from the declarations: others get their turns in
between, or the request is refused for its size; counts that lie cost nothing.
"""

from __future__ import annotations

import logging
import struct
import tracemalloc
from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.describe_groups import DescribeGroups
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.compile import decoder_at, encode_bytes
from kwire_codecs.errors import ErrorCode, Malformed
from kwire_storage.produce_rules import ProduceRules

from kwire.handlers import registry
from kwire.handlers.context import CloseConnection, Context
from kwire.handlers.turns import LARGEST_CHANGE, PARTITIONS_A_TURN, Turns
from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, produce_request, serving
from tests.handlers.data import records
from tests.handlers.group_requests import commit_request
from tests.hostile.many import Path, array_paths, filled, lies

HELLO = ApiVersions.Request(client_software_name="tests", client_software_version="1")
COUNT = 5_000
AT_ONCE = 1_000
"""So many may be seen to between two turns of the others."""
DECIDED_AT_ONCE = frozenset((11, 13, 14, 19, 20, 33, 37, 43, 44, 45, 46, 57, 68))
"""Changes of the cluster, or of a group, are one decision, and so have a bound instead."""
QUICK = frozenset(
    (
        (1, ("forgotten_topics_data",)),
        (1, ("forgotten_topics_data", "partitions")),
        (16, ("states_filter",)),
        (19, ("topics", "assignments", "broker_ids")),
        (37, ("topics", "assignments", "broker_ids")),
        (45, ("topics", "partitions", "replicas")),
        (16, ("types_filter",)),
        (32, ("resources", "configuration_keys")),
        (35, ("topics",)),
        (35, ("topics", "partitions")),
        (74, ("resource_types",)),
    )
)
"""Looked up in at once, or put into a set: that takes less time than to read them."""


class Somebody:
    """A connection's face to the handlers."""

    listener_name = "PLAINTEXT"
    peer_host = "127.0.0.1"
    dialled = ("127.0.0.1", 9092)
    principal = "User:ANONYMOUS"
    client_software_name = ""
    client_software_version = ""


def cases() -> list[Any]:
    """Every array of every request: in the first version served that has it."""
    found: dict[tuple[int, Path], int] = {}
    for key, served in registry.SERVED.items():
        for version in range(served.low, served.high + 1):
            for path in array_paths(registry.handler(key).api.Request, version):
                found.setdefault((key, path), version)
    return [
        pytest.param(key, version, path, id=f"{registry.handler(key).api.__name__}-{'.'.join(path)}")
        for (key, path), version in found.items()
        if (key, path) not in QUICK
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("key", "version", "path"), cases())
async def test_others_have_their_turns_while_thousands_are_seen_to(
    key: int, version: int, path: Path
) -> None:
    handler = registry.handler(key)
    count = LARGEST_CHANGE + 1 if key in DECIDED_AT_ONCE else COUNT
    request = filled(handler.api.Request, version, path, count)
    async with serving() as running:
        await create_topic(running, "n0", 20)
        [node] = running.cluster.nodes.values()
        context = Context(running.cluster, node, Somebody(), version, "many")
        context.answer_is_large = True
        turns = 0
        async with trio.open_nursery() as nursery:

            async def count_turns() -> None:
                nonlocal turns
                while True:
                    await trio.lowlevel.checkpoint()
                    turns += 1

            nursery.start_soon(count_turns)
            if key in DECIDED_AT_ONCE:
                with pytest.raises(CloseConnection, match="at once"):
                    await handler.handle(context, request)
            else:
                await handler.handle(context, request)
                assert turns >= count // AT_ONCE
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("key", registry.SERVED)
def test_counts_and_lengths_that_lie_are_refused_and_cost_nothing(key: int) -> None:
    """Every length in a request of every version, replaced by ones that are far too large."""
    cls = registry.handler(key).api.Request
    for version in range(registry.SERVED[key].low, registry.SERVED[key].high + 1):
        data = encode_bytes(filled(cls, version, ("",), 1), version)
        decode = decoder_at(cls, version)
        decode(memoryview(bytearray(data)), 0)
        for lie in lies(data, flexible=version in cls.__root__.flexible):
            tracemalloc.start()
            try:
                decode(memoryview(bytearray(lie)), 0)
            except Malformed:
                pass
            finally:
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            assert peak < 200_000


@pytest.mark.parametrize("key", [key for key in registry.SERVED if registry.SERVED[key].high])
async def test_tagged_fields_galore_are_passed_over(key: int) -> None:
    """Fifty thousand tagged fields that nobody knows: no request has use for them, and no header."""
    served = registry.SERVED[key]
    cls = registry.handler(key).api.Request
    if served.high not in cls.__root__.flexible:
        return
    galore = _uvarint(50_000) + b"".join(_uvarint(1000 + tag) + b"\1x" for tag in range(50_000))
    request = filled(cls, served.high, ("",), 1)
    body = encode_bytes(request, served.high)
    request.unknown_tags = {1000 + tag: b"x" for tag in range(50_000)}
    start = struct.pack(">hhih", key, served.high, 7, -1)
    async with serving() as running, connected(running) as client, connected(running) as other:
        frame = start + b"\0" + encode_bytes(request, served.high)
        await client.send_bytes(struct.pack(">i", len(frame)) + frame)
        answer = await client.receive_frame()
        assert answer is not None
        assert bytes(answer[:4]) == b"\0\0\0\7"
        assert (await other.ask(HELLO, 3)).error_code == ErrorCode.NONE
        frame = start + galore + body
        await client.send_bytes(struct.pack(">i", len(frame)) + frame)
        assert await client.closed_by_broker()
        assert (await other.ask(HELLO, 3)).error_code == ErrorCode.NONE


def _uvarint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _uvarint(value >> 7)


async def served_meanwhile(greedy: Client, request: Any, version: int, others: list[Client]) -> int:
    """Asks while ten others go on; gives how many of their requests were answered before the big one."""
    served = 0
    answered = False
    async with trio.open_nursery() as nursery:

        async def go_on(client: Client) -> None:
            nonlocal served
            while not answered:
                assert (await client.ask(HELLO, 3)).error_code == ErrorCode.NONE
                served += 1

        for client in others:
            nursery.start_soon(go_on, client)
        await greedy.ask(request, version)
        counted, answered = served, True
    return counted


@pytest.mark.slow
@pytest.mark.parametrize("with_sessions", [False, True], ids=["no sessions", "sessions"])
async def test_ten_small_clients_go_on_while_one_fetches_thousands_of_partitions_without_pause(
    with_sessions: bool,
) -> None:
    asked = Fetch.Request.Topic
    async with serving() as running, connected(running) as greedy:
        await create_topic(running, "t", 5_000)
        many = [asked.Partition(partition=at, fetch_offset=0, partition_max_bytes=1) for at in range(5_000)]
        full = Fetch.Request(
            max_wait_ms=0,
            min_bytes=0,
            session_epoch=0 if with_sessions else -1,
            topics=[asked(topic="t", partitions=many)],
        )
        host, _, port = running.addresses[0].rpartition(":")
        others = [Client(await trio.open_tcp_stream(host, int(port))) for _ in range(10)]
        session_id = (await greedy.ask(full, 7)).session_id
        assert bool(session_id) is with_sessions
        for epoch in range(1, 6):
            request = full
            if with_sessions:
                request = Fetch.Request(
                    max_wait_ms=0, min_bytes=0, session_id=session_id, session_epoch=epoch, topics=[]
                )
            # Ten clients, sixteen turns a fetch: less than one each would be starving.
            assert await served_meanwhile(greedy, request, 7, others) >= 10
        for client in others:
            await client.stream.aclose()


@pytest.mark.slow
async def test_the_first_batches_of_a_thousand_partitions_do_not_hold_the_others_up(tmp_path: Any) -> None:
    asked = Produce.Request.Topic
    async with serving(data=[tmp_path]) as running, connected(running) as greedy, connected(running) as other:
        await create_topic(running, "t", 1_000)
        parts = [
            asked.Partition(index=index, records=memoryview(bytes(records(b"x")))) for index in range(1_000)
        ]
        request = Produce.Request(
            acks=-1, timeout_ms=1000, topic_data=[asked(name="t", partition_data=parts)]
        )
        # A hundred turns; were the first batches counted like others, three.
        assert await served_meanwhile(greedy, request, 9, [other]) >= 20
        assert (await other.ask(produce_request("t", records(b"y")), 9)).responses


@pytest.mark.slow
async def test_a_small_request_for_an_endless_answer_is_closed_with_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The offsets of one group, asked for ten thousand times in one request."""
    caplog.set_level(logging.INFO)
    async with serving() as running, connected(running) as greedy, connected(running) as other:
        await create_topic(running, "t", 100)
        committed = await other.ask(commit_request("g", 8, dict.fromkeys(range(100), 5)), 8)
        assert not any(each.error_code for each in committed.topics[0].partitions)
        group = OffsetFetch.Request.Group(group_id="g", topics=None)
        tracemalloc.start()
        await greedy.send(OffsetFetch.Request(groups=[group] * 10_000), 8)
        assert await greedy.closed_by_broker()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200 << 20
        assert (await other.ask(HELLO, 3)).error_code == ErrorCode.NONE
        lines = [record.getMessage() for record in caplog.records if "at once" in record.getMessage()]
        assert len(lines) == 1
        described = await other.ask(DescribeGroups.Request(groups=["g"] * 1_000), 5)
        assert [group.group_id for group in described.groups] == ["g"] * 1_000
        await greedy_again(running, DescribeGroups.Request(groups=["g"] * 300_000), 5)


async def greedy_again(running: Running, request: Any, version: int) -> None:
    async with connected(running) as client:
        await client.send(request, version)
        assert await client.closed_by_broker()


@pytest.mark.parametrize("count", [PARTITIONS_A_TURN - 1, PARTITIONS_A_TURN, PARTITIONS_A_TURN + 1])
async def test_what_comes_in_while_a_fetch_of_many_partitions_looks_is_not_missed(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Fetch.Request.Topic
    every = [
        asked.Partition(partition=at, fetch_offset=0, partition_max_bytes=1 << 20) for at in range(count)
    ]
    request = Fetch.Request(
        max_wait_ms=600_000,
        min_bytes=1,
        session_epoch=-1,
        topics=[asked(topic="t", partitions=every)],
    )
    give = Turns.give_one
    written = False
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", count)
        partition = running.cluster.partition("t", 0)
        assert partition is not None

        async def another_task_writes(self: Turns) -> None:
            nonlocal written
            await give(self)
            if not written:
                written = True
                await partition.append(memoryview(records(b"x")), ProduceRules())

        monkeypatch.setattr(Turns, "give_one", another_task_writes)
        await client.send(request, 11)
        if count < PARTITIONS_A_TURN:
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not written
            await partition.append(memoryview(records(b"x")), ProduceRules())
        _, answer = await client.receive(Fetch, 11)
        assert answer.responses[0].partitions[0].high_watermark == 1


class WritesLater:
    """Another task, which writes to a partition in the second turn of the others: once it was looked at."""

    def __init__(self, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        partition = running.cluster.partition("t", 0)
        assert partition is not None
        self.partition = partition
        self.turns_left: int | None = None
        give = Turns.give_one

        async def another_task_writes(turns: Turns) -> None:
            await give(turns)
            if self.turns_left is not None:
                self.turns_left -= 1
                if self.turns_left == 0:
                    await partition.append(memoryview(records(b"x")), ProduceRules())

        monkeypatch.setattr(Turns, "give_one", another_task_writes)


def fetch_of_two_turns() -> Fetch.Request:
    asked = Fetch.Request.Topic
    every = [
        asked.Partition(partition=at, fetch_offset=0, partition_max_bytes=1 << 20)
        for at in range(2 * PARTITIONS_A_TURN)
    ]
    return Fetch.Request(
        max_wait_ms=600_000, min_bytes=1, session_epoch=-1, topics=[asked(topic="t", partitions=every)]
    )


async def test_what_comes_in_while_a_woken_fetch_looks_again_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2 * PARTITIONS_A_TURN)
        writes = WritesLater(running, monkeypatch)
        await client.send(fetch_of_two_turns(), 11)
        await trio.testing.wait_all_tasks_blocked(0.01)
        writes.turns_left = 2
        writes.partition.wake_all()
        _, answer = await client.receive(Fetch, 11)
        assert answer.responses[0].partitions[0].high_watermark == 1


async def test_what_comes_in_while_a_session_looks_at_many_partitions_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", 2 * PARTITIONS_A_TURN)
        writes = WritesLater(running, monkeypatch)
        first = fetch_of_two_turns()
        first.session_epoch, first.max_wait_ms = 0, 0
        session_id = (await client.ask(first, 11)).session_id
        assert session_id
        writes.turns_left = 2
        following = fetch_of_two_turns()
        following.session_id, following.session_epoch, following.topics = session_id, 1, []
        await client.send(following, 11)
        _, answer = await client.receive(Fetch, 11)
        assert answer.responses[0].partitions[0].high_watermark == 1


async def test_a_produce_to_thousands_of_new_partitions_is_answered() -> None:
    """A log's first batch costs more than others, and counts as one part of the answer all the same."""
    count = 9_000
    asked = Produce.Request.Topic
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t", count)
        parts = [asked.Partition(index=at, records=memoryview(bytes(records(b"x")))) for at in range(count)]
        request = Produce.Request(
            acks=-1, timeout_ms=1000, topic_data=[asked(name="t", partition_data=parts)]
        )
        [topic] = (await client.ask(request, 9)).responses
        assert {each.error_code for each in topic.partition_responses} == {ErrorCode.NONE}


@pytest.mark.slow
async def test_storms_of_topics_are_bounded_and_the_others_go_on() -> None:
    """Thousands created by being asked about, and deleted again, over and over."""
    asked = Metadata.Request.Topic
    async with serving() as running, connected(running) as greedy, connected(running) as other:
        before = len(running.cluster.image.topics)
        for storm in range(3):
            names = [f"storm-{storm}-{number}" for number in range(2_000)]
            create = Metadata.Request(
                topics=[asked(name=name) for name in names], allow_auto_topic_creation=True
            )
            assert await served_meanwhile(greedy, create, 9, [other]) >= 5
            assert len(running.cluster.image.topics) == before + 2_000
            delete = DeleteTopics.Request(topic_names=names, timeout_ms=1000)
            await served_meanwhile(greedy, delete, 5, [other])
            assert len(running.cluster.image.topics) == before
        topic = CreateTopics.Request.Topic
        many = [
            topic(name=f"made-{number}", num_partitions=1, replication_factor=1, assignments=[], configs=[])
            for number in range(2_000)
        ]
        answered = await served_meanwhile(greedy, CreateTopics.Request(topics=many, timeout_ms=1), 5, [other])
        assert answered >= 20
        assert len(running.cluster.image.topics) == before + 2_000
        delete = DeleteTopics.Request(topic_names=[each.name for each in many], timeout_ms=1000)
        await greedy.ask(delete, 5)
        too_many = Metadata.Request(
            topics=[asked(name=f"more-{number}") for number in range(10_001)], allow_auto_topic_creation=True
        )
        answer = await greedy.ask(too_many, 9)
        assert {topic.error_code for topic in answer.topics} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert len(running.cluster.image.topics) == before
