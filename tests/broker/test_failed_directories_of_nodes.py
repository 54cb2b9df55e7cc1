"""Several nodes with several log directories each: a directory of one of them can't be read at a start."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import trio
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.errors import ErrorCode

from kwire.server.launch import Running
from tests.broker_client import Client, connected, fetch_request, one_partition, produce_request, serving
from tests.handlers.data import records, values_in
from tests.storage.disks import BreakableDisk

NODES = (1, 2, 3)
PARTITIONS = 12


async def make(client: Client, name: str) -> None:
    topic = CreateTopics.Request.Topic(
        name=name, num_partitions=PARTITIONS, replication_factor=3, assignments=[], configs=[]
    )
    answer = await client.ask(CreateTopics.Request(topics=[topic], timeout_ms=5000), 5)
    assert answer.topics[0].error_code == ErrorCode.NONE


def leader_of(running: Running, topic: str, index: int) -> int:
    state = running.cluster.image.partition(topic, index)
    assert state is not None
    return state.leader


async def until(running: Running, condition: Callable[[], bool]) -> None:
    """The cluster comes to be so."""
    send, receive = trio.open_memory_channel[None](1000)
    running.cluster.controller.subscribe(lambda old, new: send.send_nowait(None))
    while not condition():
        await receive.receive()


async def everywhere(running: Running, topic: str, value: bytes) -> list[ErrorCode]:
    """What the leader of each partition says to a record."""
    codes = []
    for index in range(PARTITIONS):
        async with connected(running, leader_of(running, topic, index) - 1) as client:
            request = produce_request(topic, records(value), partition=index)
            codes.append(ErrorCode(one_partition(await client.ask(request, 9)).error_code))
    return codes


async def all_values(running: Running, topic: str) -> list[list[bytes | None]]:
    found = []
    for index in range(PARTITIONS):
        async with connected(running, leader_of(running, topic, index) - 1) as client:
            answer = one_partition(await client.ask(fetch_request(topic, 0, partition=index), 11))
            assert answer.error_code == ErrorCode.NONE
            found.append(values_in(answer.records))
    return found


async def test_no_log_is_begun_anew_by_another_node_while_the_first_ones_directory_is_away(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    disk = BreakableDisk()
    async with serving(data=paths, files=disk, brokers=3) as running, connected(running) as client:
        await make(client, "t")
        assert set(await everywhere(running, "t", b"first")) == {ErrorCode.NONE}
    away = [int(path.name.rpartition("-")[2]) for path in (paths[1] / "broker-2").glob("t-*")]
    assert 0 < len(away) < PARTITIONS
    disk.broken[str(paths[1] / "broker-2")] = errno.EIO
    async with serving(data=paths, files=disk, brokers=3) as running, connected(running) as client:
        await until(running, lambda: all(leader_of(running, "t", index) != 2 for index in away))
        codes = await everywhere(running, "t", b"second")
        assert {index for index, code in enumerate(codes) if code == ErrorCode.KAFKA_STORAGE_ERROR} == set(
            away
        )
        await make(client, "new")  # whose logs can't lie there
        assert set(await everywhere(running, "new", b"x")) == {ErrorCode.NONE}
    disk.broken.clear()
    async with serving(data=paths, files=disk, brokers=3) as running:
        assert set(await everywhere(running, "t", b"third")) == {ErrorCode.NONE}
        for index, values in enumerate(await all_values(running, "t")):
            assert values == [b"first", b"third"] if index in away else [b"first", b"second", b"third"]
