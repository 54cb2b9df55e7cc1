"""Connections by the thousand against a broker in a process of its own: that say nothing, that take all its
descriptors, that come and go, that are all dropped at once. Others are served, and nothing is left over.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request

from tests.broker_client import Client, fetch_request, one_partition, produce_request
from tests.handlers.data import records
from tests.hostile.watched_broker import ROOT, WatchedBroker

HELLO = ApiVersions.Request(client_software_name="tests", client_software_version="1")
MANY = os.environ.get("KWIRE_MANY_CONNECTIONS", "2000")
"""10000 by command: `KWIRE_MANY_CONNECTIONS=10000 pytest -s tests/hostile/test_crowds.py`."""
IDLE_CONNECTION_BYTES = 16 << 10


@contextmanager
def silent(broker: WatchedBroker, count: int) -> Iterator[int]:
    """Connections that say nothing; gives how many there are."""
    host, port = broker.address
    command = [sys.executable, "-m", "tests.hostile.attacker", host, str(port), str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().split()[1])
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@contextmanager
def watched(tmp_path: Path, *properties: str) -> Iterator[tuple[WatchedBroker, Callable[[], list[str]]]]:
    """A broker, and what it has logged above information."""
    log = tmp_path / "log"
    with log.open("w") as output, WatchedBroker(tmp_path / "data", output, *properties) as broker:
        yield (
            broker,
            lambda: [
                line
                for line in log.read_text().splitlines()
                if " INFO " not in line and " DEBUG " not in line
            ],
        )


async def connected(broker: WatchedBroker) -> Client:
    return Client(await trio.open_tcp_stream(*broker.address))


async def serves(client: Client, offset: int, topic: str = "t") -> None:
    """Writes a record where it belongs, and reads it."""
    produced = one_partition(await client.ask(produce_request(topic, records(b"x")), 9))
    assert (produced.error_code, produced.base_offset) == (ErrorCode.NONE, offset)
    assert one_partition(await client.ask(fetch_request(topic, 0), 11)).high_watermark == offset + 1


async def created(client: Client, topic: str = "t") -> None:
    asked = Metadata.Request.Topic
    await client.ask(Metadata.Request(topics=[asked(name=topic)], allow_auto_topic_creation=True), 9)


async def until(condition: Callable[[], bool]) -> None:
    """Asks until it holds; the test's deadline ends it otherwise."""
    while not condition():
        await trio.lowlevel.checkpoint()


async def settled(broker: WatchedBroker, before: dict[str, int], *names: str) -> None:
    """Waits until the broker holds no more of these than before."""

    def is_settled() -> bool:
        counts = broker.counts()
        return all(counts[name] <= before[name] for name in names)

    await until(is_settled)


@pytest.mark.slow
async def test_thousands_that_say_nothing_cost_little_and_hold_nobody_up(tmp_path: Path) -> None:
    with watched(tmp_path) as (broker, log):
        client = await connected(broker)
        await created(client)
        await serves(client, 0)
        before, counts = broker.memory(), broker.counts()
        with silent(broker, int(MANY)) as held:
            assert held == int(MANY)
            await until(lambda: broker.counts()["connections"] == held + 1)
            for offset in range(1, 20):
                await serves(client, offset)
            late = await connected(broker)
            assert (await late.ask(HELLO, 3)).error_code == ErrorCode.NONE
            await late.stream.aclose()
            each = (broker.memory() - before) / held
            print(f"{held} idle connections take {each:.0f} bytes each")
            assert each < IDLE_CONNECTION_BYTES
        await settled(
            broker, {"connections": 1, "tasks": counts["tasks"], "descriptors": counts["descriptors"]}
        )
        await serves(client, 20)
        assert log() == []
        await client.stream.aclose()


@pytest.mark.slow
async def test_with_all_descriptors_taken_those_who_are_there_are_served_and_others_when_they_leave(
    tmp_path: Path,
) -> None:
    """256 descriptors: topics can still be written to, one line says what is the matter."""
    with watched(tmp_path, "descriptors=256") as (broker, log):
        client = await connected(broker)
        await created(client)
        await serves(client, 0)
        with silent(broker, 400) as held:
            assert held == 400
            late = await connected(broker)
            await late.send(HELLO, 3)
            for number in range(1, 20):
                await serves(client, number)
            counts = broker.counts()
            assert counts["connections"] < 256 - 32
            assert counts["descriptors"] < 256
            # A new topic needs new files.
            await created(client, "new")
            await serves(client, 0, "new")
        _, answer = await late.receive(ApiVersions, 3)
        assert answer.error_code == ErrorCode.NONE
        [line] = log()
        assert "accepting waits" in line
        assert "ulimit -n" in line
        for one in (client, late):
            await one.stream.aclose()


def abandoned(broker: WatchedBroker, data: bytes, *, reset: bool, half: bool) -> socket.socket:
    """A connection with requests under way that is about to be dropped."""
    sock = socket.create_connection(broker.address)
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if data:
        sock.sendall(data)
    if half:
        sock.shutdown(socket.SHUT_WR)
    return sock


@pytest.mark.slow
@pytest.mark.parametrize("reset", [True, False], ids=["RST", "FIN"])
async def test_a_thousand_dropped_at_once_with_requests_in_progress_leave_nothing(
    tmp_path: Path, reset: bool
) -> None:
    with watched(tmp_path) as (broker, log):
        client = await connected(broker)
        await created(client)
        await serves(client, 0)
        counts = broker.counts()
        parts = []
        for request, version in (
            (fetch_request("t", 1, max_wait_ms=2**31 - 1, session_epoch=0), 11),
            (HELLO, 3),
        ):
            parts += [bytes(part) for part in frame_request(request, version, 1, "dropped")[0]]
        waiting = b"".join(parts)
        dropped = []
        for _ in range(1000):
            dropped.append(abandoned(broker, waiting, reset=reset, half=False))
        await until(lambda: broker.counts()["waiters"] == 1000)
        for sock in dropped:
            sock.close()
        await serves(client, 1)
        await settled(broker, counts, "connections", "tasks", "waiters", "descriptors")
        await serves(client, 2)
        assert log() == []
        await client.stream.aclose()


@pytest.mark.slow
async def test_storms_of_connections_of_every_kind_leave_nothing(tmp_path: Path) -> None:
    """Connect and close, half a request, half closed, reset at once."""
    with watched(tmp_path) as (broker, log):
        client = await connected(broker)
        await created(client)
        await serves(client, 0)
        counts = broker.counts()
        hello = b"".join(bytes(part) for part in frame_request(HELLO, 3, 1, "storm")[0])
        for number in range(1500):
            data = (b"", hello, hello[: len(hello) // 2], hello * 3)[number % 4]
            sock = abandoned(broker, data, reset=number % 3 == 0, half=number % 5 == 0)
            sock.close()
            if not number % 150:
                await serves(client, 1 + number // 150)
        await settled(broker, counts, "connections", "tasks", "descriptors")
        await serves(client, 11)
        assert log() == []
        await client.stream.aclose()


@pytest.mark.slow
async def test_a_half_closed_connection_is_answered(tmp_path: Path) -> None:
    """Whoever has said all that it has to say still listens."""
    with watched(tmp_path) as (broker, _):
        client = await connected(broker)
        for _ in range(5):
            await client.send(HELLO, 3)
        await client.stream.send_eof()
        for _ in range(5):
            _, answer = await client.receive(ApiVersions, 3)
            assert answer.error_code == ErrorCode.NONE
        assert await client.closed_by_broker()
        await client.stream.aclose()
