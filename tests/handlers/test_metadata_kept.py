"""Metadata's topics are kept as bytes, and tell what the image says all the same, whatever happened to it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.wire import Encoded

from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.topics import TopicToDelete, delete_topics
from kwire.handlers import authorized_operations
from kwire.handlers.authorized_operations import NOT_ASKED
from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, serving
from tests.references import metadata as reference

NAMES = ("a", "b", "c", "d")
NODES = (1, 2, 3)
VERSIONS = range(14)


def not_named(old: ClusterImage, new: ClusterImage) -> set[str]:
    """The topics that are not what they were, although the image does not say so."""
    names = old.topics.keys() | new.topics.keys()
    return {name for name in names if old.topics.get(name) is not new.topics.get(name)} - {
        *new.changed_topics
    }


async def told(client: Client, version: int, *, names: list[str] | None, operations: bool = False) -> Any:
    asked = None if names is None else [Metadata.Request.Topic(name=name) for name in names]
    if version == 0 and asked is None:
        asked = []
    request = Metadata.Request(topics=asked, include_topic_authorized_operations=operations)
    return (await client.ask(request, version)).topics


def expected(
    broker: Running, version: int, listener: str, *, names: list[str] | None, operations: bool = False
) -> Any:
    cluster = broker.cluster
    image = cluster.image
    reachable = {node for node in image.brokers if cluster.advertised(node, listener, ("", 0)) is not None}
    shown = authorized_operations.TOPIC if operations else NOT_ASKED
    topics = [
        reference.topic(image, topic, reachable, version, shown)
        for topic in image.topics.values()
        if names is None or topic.name in names
    ]
    # What a version lacks comes back as the default.
    message = encode_bytes(Metadata.Response(brokers=[], topics=topics), version)
    return decoder(Metadata.Response, version)(message).topics


async def delete(broker: Running, name: str) -> None:
    await broker.cluster.controller.submit(lambda image: delete_topics(image, [TopicToDelete(name)]))


async def change(broker: Running, chance: random.Random) -> None:
    """Something that Metadata tells of."""
    cluster = broker.cluster
    name = chance.choice(NAMES)
    what = chance.randrange(5)
    if what == 0 and name in cluster.image.topics:
        await delete(broker, name)
    elif what == 1 and name in cluster.image.topics:
        await delete(broker, name)
        await create_topic(broker, name, chance.choice((1, 2, 200)))
    elif what <= 2 and name not in cluster.image.topics:
        await create_topic(broker, name, chance.choice((1, 2, 200)))
    elif what == 3:
        node = chance.choice(NODES[1:])
        cluster.nodes[node].up = not cluster.nodes[node].up
        await cluster.controller.set_fenced(node, not cluster.nodes[node].up)
    else:
        await cluster.controller.set_fenced(3, not cluster.image.brokers[3].fenced)


@pytest.mark.parametrize("seed", range(4))
async def test_every_version_tells_what_the_image_says_after_any_change(seed: int) -> None:
    chance = random.Random(seed)
    settings = {"auto.create.topics.enable": "false"}
    async with serving(settings, brokers=3) as broker, connected(broker) as client:
        [listener] = broker.cluster.nodes[1].endpoints
        unknown: set[str] = set()
        broker.cluster.controller.subscribe(lambda old, new: unknown.update(not_named(old, new)))
        for _ in range(40):
            await change(broker, chance)
            for version in chance.sample(VERSIONS, 3):
                operations = version >= 8 and chance.random() < 0.5
                names = chance.choice((None, [*NAMES]))
                found = await told(client, version, names=names, operations=operations)
                right = expected(broker, version, listener, names=names, operations=operations)
                found = [topic for topic in found if topic.error_code == 0]
                assert sorted(found, key=by_name) == sorted(right, key=by_name)
        assert not unknown


def by_name(topic: Any) -> str:
    name: str = topic.name
    return name


async def test_a_topic_that_has_not_changed_is_encoded_once() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "mine")
        first = await told(client, 12, names=["mine"])
        size = broker.cluster.encoded_topics.size
        assert size > 0
        assert await told(client, 12, names=["mine"]) == first
        assert broker.cluster.encoded_topics.size == size


async def test_clients_of_two_listeners_are_told_of_their_own() -> None:
    async with serving(brokers=2) as broker, connected(broker) as client, connected(broker, node=1) as other:
        await create_topic(broker, "mine", 2)
        [name] = broker.cluster.nodes[2].endpoints
        endpoint = broker.cluster.nodes[2].endpoints[name]
        assert {part.leader_id for part in (await told(client, 12, names=["mine"]))[0].partitions} == {1, 2}
        broker.cluster.nodes[2].endpoints.clear()
        assert {part.leader_id for part in (await told(client, 12, names=["mine"]))[0].partitions} == {1, -1}
        broker.cluster.nodes[2].endpoints[name] = endpoint
        assert {part.leader_id for part in (await told(other, 12, names=["mine"]))[0].partitions} == {1, 2}


@pytest.mark.parametrize("version", VERSIONS)
def test_encoded_elements_are_the_elements(version: int) -> None:
    from kwire_codecs.compile import element_encoder

    topics = [
        reference.Topic(
            name=name,
            partitions=[
                reference.Partition(partition_index=index, leader_id=1, replica_nodes=[1], isr_nodes=[1])
                for index in range(count)
            ],
        )
        for name, count in (("a", 0), ("b", 200))
    ]
    encode = element_encoder(Metadata.Response, reference.Topic, version)
    rows = Encoded(2, b"".join(map(encode, topics)))
    whole = Metadata.Response(brokers=[], topics=topics)
    assert encode_bytes(Metadata.Response(brokers=[], topics=rows), version) == encode_bytes(whole, version)
