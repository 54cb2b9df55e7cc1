"""Ids, racks and listeners of the nodes of one process, from the broker's settings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kwire.broker.listeners import ListenerError
from kwire.broker.node_settings import nodes_of
from kwire.config import BrokerConfig
from kwire.server.launch import CannotStart
from tests.broker_client import connected, serving


def described(
    properties: dict[str, str] | None = None,
    count: int = 3,
    ports: Sequence[int] = (9092,),
    racks: Sequence[str] = (),
) -> list[tuple[int, str | None, list[tuple[str, int, tuple[str, int] | None]]]]:
    made = nodes_of(BrokerConfig(properties or {}), count, "localhost", ports, racks)
    return [
        (node.id, node.rack, [(each.host, each.port, each.advertised) for each in listeners])
        for node, listeners in made
    ]


def test_nodes_follow_the_first_in_ids_and_ports() -> None:
    assert described() == [
        (1, None, [("localhost", 9092, None)]),
        (2, None, [("localhost", 9093, None)]),
        (3, None, [("localhost", 9094, None)]),
    ]
    assert [node_id for node_id, _, _ in described({"node.id": "7"})] == [7, 8, 9]
    assert [listeners[0][1] for _, _, listeners in described(ports=(0,))] == [0, 0, 0]


def test_each_node_may_have_a_port_and_a_rack_of_its_own() -> None:
    made = described(ports=(9092, 29092, 39092), racks=("a", "b", "c"))
    assert [(rack, listeners[0][1]) for _, rack, listeners in made] == [
        ("a", 9092),
        ("b", 29092),
        ("c", 39092),
    ]
    assert [rack for _, rack, _ in described({"broker.rack": "x"})] == ["x", "x", "x"]


def test_a_nodes_own_settings_stand_before_those_of_all() -> None:
    made = described(
        {
            "listeners": "PLAINTEXT://:9092",
            "advertised.listeners": "PLAINTEXT://here:19092",
            "broker.rack": "a",
            "node.2.listeners": "PLAINTEXT://127.0.0.1:29092",
            "node.2.advertised.listeners": "PLAINTEXT://there:29092",
            "node.3.broker.rack": "b",
        }
    )
    assert made == [
        (1, "a", [("", 9092, ("here", 19092))]),
        (2, "a", [("127.0.0.1", 29092, ("there", 29092))]),
        (3, "b", [("", 9094, ("here", 19094))]),
    ]


@pytest.mark.parametrize(
    ("properties", "ports", "racks", "message"),
    [
        ({}, (1, 2), (), "--port has 2 values for 3 brokers"),
        ({}, (9092,), ("a", "b"), "--rack has 2 values for 3 brokers"),
        ({}, (9092, 9092, 9093), (), "brokers 1 and 2 want the same port 9092"),
        ({"node.2.listeners": "PLAINTEXT://:9092"}, (9092,), (), "brokers 1 and 2 want the same port 9092"),
        ({"node.2.listeners": "PLAINTEXT://:0"}, (1, 2, 3), (), "broker 2 has a --port and node.2.listeners"),
        ({"listeners": "PLAINTEXT://:1,PLAINTEXT://:1"}, (0,), (), "names PLAINTEXT twice"),
        ({"advertised.listeners": "PLAINTEXT://h:1, PLAINTEXT://h:1"}, (0,), (), "names PLAINTEXT twice"),
        ({"node.2.broker.rack": "b"}, (9092,), ("a",), "broker 2 has a --rack and node.2.broker.rack"),
        ({"node.4.broker.rack": "a"}, (9092,), (), "no broker 4; the brokers are 1 to 3"),
        ({}, (65534,), (), "broker 3 would have port 65536"),
        ({"node.1.listeners": "nonsense"}, (9092,), (), "an entry is NAME://host:port"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(
    properties: dict[str, str], ports: Sequence[int], racks: Sequence[str], message: str
) -> None:
    with pytest.raises(ListenerError, match=message):
        described(properties, ports=ports, racks=racks)


def test_one_rack_is_that_of_all_nodes() -> None:
    assert [rack for _, rack, _ in described({"broker.rack": "x"}, racks=("a",))] == ["a", "a", "a"]


async def test_clients_see_the_racks() -> None:
    async with serving(brokers=3, racks=["a", "b", "c"]) as running, connected(running):
        brokers = running.cluster.image.brokers
        assert {node_id: broker.rack for node_id, broker in brokers.items()} == {1: "a", 2: "b", 3: "c"}


async def test_a_refusal_comes_before_anything_is_opened() -> None:
    with pytest.raises(BaseExceptionGroup) as refused:
        async with serving({"node.9.broker.rack": "a"}, brokers=3):
            pass
    assert refused.group_contains(CannotStart, match=r"node\.9\.broker\.rack")
