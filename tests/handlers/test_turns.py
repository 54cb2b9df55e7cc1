"""How very much is cut into pieces, so that others have their turn."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.image import ClusterImage
from kwire.handlers.turns import PARTITIONS_A_DECISION, decisions
from kwire.server.launch import Running
from tests.broker_client import Client, connected, serving

NO_ID = UUID(int=0)


@given(sizes=st.lists(st.integers(0, 3 * PARTITIONS_A_DECISION)))
def test_decisions_are_all_topics_in_order_and_none_is_larger_than_it_need_be(sizes: list[int]) -> None:
    pieces = decisions(sizes, lambda size: size)
    assert [size for piece in pieces for size in piece] == sizes
    assert len(pieces) >= 1
    for piece in pieces:
        assert len(piece) <= 1 or sum(piece) + len(piece) <= PARTITIONS_A_DECISION
    for piece, following in pairwise(pieces):
        assert sum(piece) + len(piece) + 1 + following[0] > PARTITIONS_A_DECISION


async def create(client: Client, names: list[str], partitions: int = 1) -> list[tuple[str, ErrorCode]]:
    topics = [
        CreateTopics.Request.Topic(
            name=name, num_partitions=partitions, replication_factor=1, assignments=[], configs=[]
        )
        for name in names
    ]
    response = await client.ask(CreateTopics.Request(topics=topics, timeout_ms=1000), 7)
    return [(topic.name, topic.error_code) for topic in response.topics]


async def delete(client: Client, names: list[str]) -> dict[str, ErrorCode]:
    topics = [DeleteTopics.Request.Topic(name=name, topic_id=NO_ID) for name in names]
    response = await client.ask(DeleteTopics.Request(topics=topics, timeout_ms=1000), 6)
    return {topic.name: topic.error_code for topic in response.responses}


def changes(broker: Running) -> list[int]:
    """By how many topics each change of the cluster has made it larger, from now on."""
    grown: list[int] = []

    def changed(old: ClusterImage, new: ClusterImage) -> None:
        grown.append(len(new.topics) - len(old.topics))

    broker.cluster.controller.subscribe(changed)
    return grown


async def test_a_storm_of_topics_is_decided_in_pieces() -> None:
    names = [f"t{number}" for number in range(200)]
    async with serving() as broker, connected(broker) as client:
        grown = changes(broker)
        assert await create(client, names) == [(name, ErrorCode.NONE) for name in names]
        assert max(grown) <= PARTITIONS_A_DECISION / 2
        assert sum(grown) == 200
        grown.clear()
        assert await delete(client, names) == dict.fromkeys(names, ErrorCode.NONE)
        assert min(grown) >= -PARTITIONS_A_DECISION / 2
        assert sum(grown) == -200


async def test_what_is_named_twice_among_very_many_is_refused_and_the_others_are_not() -> None:
    names = [f"t{number}" for number in range(200)]
    async with serving() as broker, connected(broker) as client:
        codes = dict(await create(client, [*names, "t7"]))
        assert codes.pop("t7") is ErrorCode.INVALID_REQUEST
        assert set(codes.values()) == {ErrorCode.NONE}
        await create(client, ["t7"])
        codes = await delete(client, [*names, "t8"])
        assert codes.pop("t8") is ErrorCode.INVALID_REQUEST
        assert set(codes.values()) == {ErrorCode.NONE}
        left = await client.ask(Metadata.Request(topics=None), 12)
        assert [topic.name for topic in left.topics if not topic.is_internal] == ["t8"]


async def test_a_topic_named_by_name_and_by_id_among_very_many_is_refused() -> None:
    names = [f"t{number}" for number in range(200)]
    async with serving() as broker, connected(broker) as client:
        await create(client, names)
        by_id = broker.cluster.image.topics["t0"].id
        asked = DeleteTopics.Request.Topic
        topics = [*(asked(name=name, topic_id=NO_ID) for name in names), asked(name=None, topic_id=by_id)]
        await client.ask(DeleteTopics.Request(topics=topics, timeout_ms=1000), 6)
        assert [name for name in broker.cluster.image.topics if name in names] == ["t0"]


async def test_unknown_topics_among_very_many_are_told_as_such() -> None:
    names = [f"t{number}" for number in range(100)]
    async with serving() as broker, connected(broker) as client:
        await create(client, names[:50])
        codes = await delete(client, names)
        assert [codes[name] for name in names[:50]] == [ErrorCode.NONE] * 50
        assert {codes[name] for name in names[50:]} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
