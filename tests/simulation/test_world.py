"""A whole cluster in one loop: it serves, dies, comes back, and does so in the same way again."""

from __future__ import annotations

import trio
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch

from tests.broker_client import Client, fetch_request, one_partition, produce_request
from tests.simulation.world import World, simulate


async def client_of(world: World, node: int = 1) -> Client:
    return Client(await world.connect(*world.addresses[node - 1]))  # type: ignore[arg-type]


async def make_topic(world: World, name: str) -> int:
    """Makes a topic of one partition; gives its leader."""
    client = await client_of(world)
    asked = CreateTopics.Request.Topic
    made = await client.ask(
        CreateTopics.Request(
            topics=[asked(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[])],
            timeout_ms=1000,
        ),
        4,
    )
    assert made.topics[0].error_code == ErrorCode.NONE
    found = await client.ask(Metadata.Request(topics=[Metadata.Request.Topic(name=name)]), 4)
    await client.stream.aclose()
    return int(found.topics[0].partitions[0].leader_id)


async def produce(world: World, leader: int, text: bytes) -> int:
    client = await client_of(world, leader)
    data = batch.build([batch.Record(None, text, 1)])
    answer = one_partition(await client.ask(produce_request("t", data), 8))
    await client.stream.aclose()
    assert answer.error_code == ErrorCode.NONE
    return int(answer.base_offset)


async def all_of(world: World, leader: int) -> bytes:
    client = await client_of(world, leader)
    answer = one_partition(await client.ask(fetch_request("t", 0), 8))
    await client.stream.aclose()
    assert answer.error_code == ErrorCode.NONE
    return bytes(answer.records)


def test_it_serves_and_stops_and_leaves_nothing() -> None:
    async def main(world: World) -> None:
        await world.start()
        leader = await make_topic(world, "t")
        assert [await produce(world, leader, b"%d" % number) for number in range(3)] == [0, 1, 2]
        await world.stop()
        assert world.violations == []

    simulate(1, main)


def test_a_killed_process_loses_nothing_that_was_written() -> None:
    async def main(world: World) -> None:
        await world.start()
        leader = await make_topic(world, "t")
        await produce(world, leader, b"before")
        await world.crash()
        await world.restart()
        assert b"before" in await all_of(world, leader)
        assert await produce(world, leader, b"after") == 1
        await world.stop()
        assert world.violations == []

    simulate(1, main)


def test_the_same_seed_gives_the_same_trace() -> None:
    hashes = []

    async def main(world: World) -> None:
        await world.start()
        leader = await make_topic(world, "t")
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(produce, world, leader, b"%d" % number)
        await world.crash(power=True)
        await world.restart()
        await world.stop()
        hashes.append((world.trace.hash, world.trace.events))

    simulate(1, main)
    simulate(1, main)
    simulate(2, main)
    assert hashes[0] == hashes[1] != hashes[2]
