"""Peers that misuse connections: strangers, silence, greed, and leaving without a word. Others are served on,
memory is bounded, and the log has a line of it.
"""

import errno
import logging
import socket
import struct
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import Frames, frame_request
from kwire_codecs.records import batch
from kwire_codecs.records.compression import Compression
from kwire_codecs.records.record import Record
from kwire_storage.files import Files

from kwire.partitions.threads import AT_ONCE, decode_in_thread
from kwire.server import listening as listening_module
from kwire.server.connection import Connection
from kwire.server.launch import Running
from kwire.server.listening import Crowded, accept_forever, descriptors_for_connections
from kwire.server.requests import Requests
from kwire.server.transport import Transport
from tests.broker_client import (
    Client,
    connected,
    create_topic,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records

HELLO = ApiVersions.Request(client_software_name="tests", client_software_version="1")
HTTP = b"GET / HTTP/1.1\r\nHost: localhost:9092\r\nUser-Agent: curl/8.5.0\r\n\r\n"
CLIENT_HELLO = bytes.fromhex("160301007a0100007603035d6f6b21") + b"\0" * 112


async def still_serves(client: Client) -> bool:
    return bool((await client.ask(HELLO, 3)).error_code == ErrorCode.NONE)


def request_bytes(request: Fetch.Request, version: int) -> bytes:
    return b"".join(bytes(part) for part in frame_request(request, version, 1, "greedy")[0])


def on_a_clock(test: Callable[[trio.testing.MockClock], Awaitable[None]]) -> None:
    """Runs a test in which time passes by the clock's jumps only."""
    clock = trio.testing.MockClock()
    trio.run(test, clock, clock=clock)


async def until(condition: Callable[[], bool]) -> None:
    """Lets everybody else run until `condition` holds: by turns, since a test's clock may stand still."""
    for _ in range(300_000):
        if condition():
            return
        await trio.lowlevel.checkpoint()
    raise AssertionError("it does not come to pass")


# Strangers


@pytest.mark.parametrize(
    ("greeting", "meant"),
    [
        (HTTP, "it looks like HTTP"),
        (b"POST /topics HTTP/1.1\r\n\r\n", "it looks like HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "it looks like HTTP"),
        (CLIENT_HELLO, "it looks like TLS"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "its size is 1397966893 bytes"),
    ],
    ids=["GET", "POST", "HTTP/2", "TLS", "SSH"],
)
async def test_a_stranger_is_closed_with_a_line_that_says_what_it_looks_like(
    greeting: bytes, meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as running, connected(running) as other, connected(running) as stranger:
        caplog.clear()
        await stranger.send_bytes(greeting)
        assert await stranger.closed_by_broker()
        assert await still_serves(other)
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert meant in line


# Crowds


async def test_whoever_waits_for_room_on_any_listener_gets_it() -> None:
    """Two listeners wait at once (both loopbacks of localhost): one connection's end wakes both."""
    async with serving({"max.connections": "2"}, host="localhost") as running:
        port = int(running.addresses[0].rpartition(":")[2])
        early = [Client(await trio.open_tcp_stream("127.0.0.1", port)) for _ in range(2)]
        for client in early:
            assert await still_serves(client)
        late = [Client(await trio.open_tcp_stream(host, port)) for host in ("127.0.0.1", "::1")]
        for client in late:
            await client.send(HELLO, 3)
        await trio.testing.wait_all_tasks_blocked(0.01)
        for client in early:
            await client.stream.aclose()
        for client in late:
            _, answer = await client.receive(ApiVersions, 3)
            assert answer.error_code == ErrorCode.NONE
            await client.stream.aclose()


async def test_a_full_broker_says_so_once_and_serves_those_it_has(caplog: pytest.LogCaptureFixture) -> None:
    async with serving({"max.connections": "3"}) as running, connected(running) as other:
        for _ in range(20):
            async with connected(running) as first, connected(running) as second, connected(running) as third:
                assert await still_serves(first)
                assert await still_serves(second)
                await third.send(HELLO, 3)
                assert await still_serves(other)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["accepting waits: max.connections=3 connections are open"]


class NoDescriptors:
    """A listener whose machine has no descriptors left, for as long as it is told to be so."""

    def __init__(self, accepted: Transport | None) -> None:
        self.exhausted = True
        self.tries = 0
        self.accepted: list[Any] = [accepted]

    @property
    def port(self) -> int:
        return 1

    async def wait_readable(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self.exhausted and not self.accepted:
            await trio.sleep_forever()

    def accept(self) -> Transport:
        self.tries += 1
        assert self.tries < 1_000, "it does not pause"
        if self.exhausted:
            raise OSError(errno.EMFILE, "Too many open files")
        if not self.accepted:
            raise BlockingIOError
        taken: Transport = self.accepted.pop()
        return taken

    def close(self) -> None:
        """Nothing to close."""


def test_without_descriptors_accepting_pauses_says_so_once_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: trio.testing.MockClock) -> None:
        listening = NoDescriptors(None)
        taken: list[Transport] = []
        clock.autojump_threshold = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_forever, listening, taken.append, trio.lowlevel.checkpoint, Crowded())
            await trio.sleep(30)
            assert listening.tries <= 30 / listening_module.PAUSE_SECONDS + 1
            assert not taken
            listening.exhausted = False
            await trio.sleep(1)
            assert taken == [None]
            nursery.cancel_scope.cancel()

    on_a_clock(main)
    assert [record.getMessage() for record in caplog.records] == [
        "accepting pauses, and goes on when connections end: Too many open files"
    ]


@pytest.mark.parametrize("error", [errno.EPROTO, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EPERM])
def test_a_connection_that_failed_before_it_was_accepted_is_passed_over(error: int) -> None:
    class Failing(NoDescriptors):
        def accept(self) -> Transport:
            if self.exhausted:
                self.exhausted = False
                raise OSError(error, "of the connection")
            return super().accept()

    async def main(clock: trio.testing.MockClock) -> None:
        taken: list[Transport] = []
        clock.autojump_threshold = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                accept_forever, Failing(None), taken.append, trio.lowlevel.checkpoint, Crowded()
            )
            await trio.sleep(1)
            assert taken == [None]
            nursery.cancel_scope.cancel()

    on_a_clock(main)


def test_some_descriptors_are_kept_for_files() -> None:
    affordable, descriptors = descriptors_for_connections()
    assert 0 < affordable < descriptors


# Greed


async def test_a_client_that_takes_no_answers_is_asked_for_no_more_requests() -> None:
    """Converted batches are copies: a hundred answers gathered would be a hundred megabytes."""
    async with serving() as running, connected(running) as greedy, connected(running) as other:
        await create_topic(running, "t", configs={"max.message.bytes": "2000000"})
        await other.ask(produce_request("t", records(b"x" * 1_000_000)), 9)
        request = request_bytes(fetch_request("t", 0, max_bytes=2_000_000), 3)
        [connection] = [
            each
            for each in running.server._connections
            if each.peer_address.endswith(f":{greedy.stream.socket.getsockname()[1]}")
        ]
        tracemalloc.start()
        await greedy.send_bytes(request * 200)
        await until(lambda: connection._waiting_for_output)
        assert await still_serves(other)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 << 20


def test_a_byte_a_second_holds_what_came_and_no_more_and_silence_ends_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def main(clock: trio.testing.MockClock) -> None:
        properties = {"connections.max.idle.ms": "60000"}
        async with serving(properties) as running, connected(running) as slow, connected(running) as other:
            [connection] = [
                each
                for each in running.server._connections
                if each.peer_address.endswith(f":{slow.stream.socket.getsockname()[1]}")
            ]
            await slow.send_bytes(struct.pack(">i", 50 << 20))
            frames = connection._frames
            for count in range(1, 301):
                await slow.send_bytes(b"\0")
                while frames.buffered_bytes < count:
                    await trio.lowlevel.checkpoint()
                clock.jump(1)
                assert await still_serves(other)
            assert len(frames._body or b"") <= 300_000
            for _ in range(70):
                clock.jump(1)
                assert await still_serves(other)
            assert await slow.closed_by_broker()
            clock.autojump_threshold = 0

    on_a_clock(main)
    [line] = [record.getMessage() for record in caplog.records if "idle" in record.getMessage()]
    assert "idle for over 60000 ms" in line


# Leaving


def reset(stream: trio.SocketStream) -> None:
    """Ends a connection with RST."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


def waiters(running: Running, topic: str) -> int:
    partition = running.cluster.partition(topic, 0)
    assert partition is not None
    return partition.readers_waiting


@pytest.mark.parametrize("leave", [reset, lambda stream: stream.socket.close()], ids=["RST", "FIN"])
def test_a_client_that_leaves_while_its_fetch_waits_is_noticed(
    leave: Callable[[trio.SocketStream], None],
) -> None:
    """Nothing is read from a connection whose request is in progress, and this one would wait for 24 days."""

    async def main(clock: trio.testing.MockClock) -> None:
        async with serving() as running, connected(running) as other:
            await create_topic(running, "t")
            await still_serves(other)
            tasks = trio.lowlevel.current_statistics().tasks_living
            host, _, port = running.addresses[0].rpartition(":")
            leaving = [Client(await trio.open_tcp_stream(host, int(port))) for _ in range(20)]
            for client in leaving:
                # More behind it: the end of the stream is not the next thing to be read.
                request = request_bytes(fetch_request("t", 0, max_wait_ms=2**31 - 1), 4)
                await client.send_bytes(request * 2)
            await until(lambda: waiters(running, "t") == 20)
            for client in leaving:
                leave(client.stream)
            for _ in range(12):
                clock.jump(1)
                assert await still_serves(other)
            await until(lambda: waiters(running, "t") == 0)
            await until(lambda: running.server.connection_count == 1)
            assert trio.lowlevel.current_statistics().tasks_living == tasks
            clock.autojump_threshold = 0

    on_a_clock(main)


def test_a_client_that_waits_and_stays_is_let_wait() -> None:
    async def main(clock: trio.testing.MockClock) -> None:
        async with serving() as running, connected(running) as patient, connected(running) as other:
            await create_topic(running, "t")
            await patient.send(fetch_request("t", 0, max_wait_ms=2**31 - 1), 4)
            await until(lambda: waiters(running, "t") == 1)
            for _ in range(100):
                clock.jump(6)
                assert await still_serves(other)
            await other.ask(produce_request("t", records(b"x")), 9)
            _, answer = await patient.receive(Fetch, 4)
            assert one_partition(answer).high_watermark == 1
            clock.autojump_threshold = 0

    on_a_clock(main)


class Hung:
    """A transport that brings requests, and whose peer is gone when the first answer is sent."""

    peer = ("127.0.0.1", 1)
    local = ("127.0.0.1", 2)

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.sends = 0

    def recv_into(self, buffer: memoryview) -> int:
        if not self._data:
            raise BlockingIOError
        count = min(len(buffer), len(self._data))
        buffer[:count], self._data = self._data[:count], self._data[count:]
        return count

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        self.sends += 1
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def sendfile(self, part: Any) -> int:
        raise AssertionError("there are no files here")

    def cork(self, held: bool) -> None:
        raise AssertionError("there are no files here")

    async def wait_readable(self) -> None:
        await trio.sleep_forever()

    async def wait_writable(self) -> None:
        await trio.sleep_forever()

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        return False

    def peer_has_left(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to close."""


def for_a_thread() -> bytes:
    """A Produce whose batch a thread decompresses, because the topic is compacted."""
    data = batch.build([Record(b"k", b"v", timestamp=1)], compression=Compression.ZSTD)
    return b"".join(bytes(part) for part in frame_request(produce_request("t", data), 9, 1, "gone")[0])


@pytest.mark.parametrize(
    "waiting",
    [request_bytes(fetch_request("t", 0, max_wait_ms=60_000), 4), for_a_thread()],
    ids=["for records", "for a thread"],
)
async def test_a_client_found_gone_when_its_next_request_begins_to_wait_harms_nobody(waiting: bytes) -> None:
    """What the request waits for must not find a task that has ended: trio's loop would end with it."""
    async with serving() as running, connected(running) as other:
        await create_topic(running, "t", configs={"cleanup.policy": "compact"})
        cluster, server = running.cluster, running.server
        hello = b"".join(bytes(part) for part in frame_request(HELLO, 3, 1, "gone")[0])
        transport = Hung(hello + waiting)
        [node] = cluster.nodes.values()
        [endpoint] = node.endpoints.values()
        connection = Connection(
            transport, Requests(cluster), node, endpoint, Frames(1 << 20), server._network.now
        )
        busy = threading.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(partial(decode_in_thread, busy.wait))
            await trio.testing.wait_all_tasks_blocked()
            await connection.run()
            assert transport.sends == 1
            assert waiters(running, "t") == 0
            busy.set()
        keyed = batch.build([Record(b"k", b"v", timestamp=1)])
        assert not one_partition(await other.ask(produce_request("t", keyed), 9)).error_code
        assert await still_serves(other)


# Slow disks

LOOKED_AT_BYTES = 16_384


class ColdFiles(Files):
    """A disk whose pages are not in the cache until they were read, and which takes its time to read them."""

    def __init__(self) -> None:
        self.cold = False
        self.reads = 0
        self.asked = threading.Event()
        self.answers = threading.Event()

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        # Finding a batch looks at headers, on the loop.
        if self.cold and (nowait or sum(map(len, buffers)) > LOOKED_AT_BYTES):
            if nowait:
                raise BlockingIOError
            self.asked.set()
            assert threading.current_thread() is not threading.main_thread(), "the loop waits for the disk"
            self.answers.wait()
            self.reads += 1
        return super().preadv(descriptor, buffers, position)


async def test_what_is_not_in_the_page_cache_is_read_by_a_thread_while_others_are_served(
    tmp_path: Path,
) -> None:
    files = ColdFiles()
    values = [bytes([65 + number]) * 300_000 for number in range(10)]
    async with serving(data=[tmp_path], files=files) as running:
        await create_topic(running, "t", configs={"segment.bytes": "1048576"})
        async with connected(running) as producer:
            for value in values:
                assert not one_partition(
                    await producer.ask(produce_request("t", records(value)), 9)
                ).error_code
    async with (
        serving(data=[tmp_path], files=files) as running,
        connected(running) as reader,
        connected(running) as other,
    ):
        assert one_partition(await other.ask(fetch_request("t", 0, max_bytes=1), 4)).high_watermark == 10
        files.cold = True
        await reader.send(fetch_request("t", 0, max_bytes=10_000_000), 4)
        await until(files.asked.is_set)
        for _ in range(10):
            assert await still_serves(other)
        files.answers.set()
        _, answer = await reader.receive(Fetch, 4)
        read = bytes(one_partition(answer).records)
        assert [value in read for value in values] == [True] * len(values)
        assert files.reads >= 3
        files.cold = False
