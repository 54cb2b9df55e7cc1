"""Five clients at work on a cluster of three while one node at a time is stopped, crashes and comes back.

The topic has 10 partitions with 2 replicas. Each client sends numbered records (idempotent, acks=all) and
reads, in a group of its own, those of all five. Then the log holds every record once, in the order of each
sender, and each group was given every record once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from compat.waiting import until
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from crew import FIVE, Crew
from nodes import TRUE_PORTS, Nodes, taken, three_nodes
from pykafka import KafkaClient

TOPIC, PARTITIONS, REPLICAS = "numbered", 10, 2
LISTENERS = {
    f"node.{node_id}.listeners": f"PLAINTEXT://localhost:{port}" for node_id, port in enumerate(TRUE_PORTS, 1)
}
PROPERTIES = {"group.initial.rebalance.delay.ms": "0"}


def make_topic(admin: AdminClient) -> None:
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, REPLICAS)])[TOPIC].result(20)
    until(lambda: all(count == REPLICAS for count in in_sync(admin)), "the topic's replicas are in sync")


def in_sync(admin: AdminClient) -> list[int]:
    """How many replicas of each partition are in sync."""
    found = admin.list_topics(TOPIC, timeout=20).topics[TOPIC].partitions.values()
    return [len(partition.isrs) for partition in found] or [0]


def leaders(admin: AdminClient) -> set[int]:
    found = admin.list_topics(TOPIC, timeout=20).topics[TOPIC].partitions.values()
    return {partition.leader for partition in found}


def whole_log(bootstrap: str) -> list[tuple[int, int, str]]:
    """(partition, offset, value) of everything in the topic, by a reader in no group's way."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.partition.eof": True})
    reader.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    found, open_partitions = [], set(range(PARTITIONS))

    def read() -> bool:
        for message in reader.consume(500, timeout=0.5):
            if message.error():
                open_partitions.discard(message.partition())
            else:
                found.append((message.partition(), message.offset(), message.value().decode()))
        return not open_partitions

    until(read, "the log is read to its end", 30)
    reader.close()
    return found


def check(crew: Crew, log: list[tuple[int, int, str]]) -> None:
    written = Counter(value for _, _, value in log)
    sent = Counter(f"{worker.name} {number}" for worker in crew.workers for number in range(worker.sent))
    assert not sent - written, f"acknowledged and lost: {sorted(sent - written)[:10]}"
    assert not written - sent, f"written more than once: {sorted(written - sent)[:10]}"
    orders: dict[tuple[int, str], list[int]] = defaultdict(list)
    for partition, _, value in sorted(log):
        name, number = value.split()
        orders[partition, name].append(int(number))
    assert all(numbers == sorted(numbers) for numbers in orders.values())
    once = Counter(log)
    for worker in crew.workers:
        assert not once - worker.got, f"{worker.name} missed {sorted(once - worker.got)[:10]}"
        doubled = worker.got - once
        assert not doubled, (
            f"{worker.name} was given {len(doubled)} twice, {sorted(doubled)[:10]}: {worker.state()}"
        )


def work_through(nodes: Nodes, folder: Path, names: list[str], events: list[str]) -> Crew:
    """Run the clients; at each event wait until all of them go on; then end them in order and compare."""
    admin = AdminClient({"bootstrap.servers": nodes.bootstrap})
    make_topic(admin)
    crew = Crew(names)
    try:
        for worker in crew.workers:
            worker.start(nodes.bootstrap, TOPIC, folder / f"{worker.name}.log")
        crew.until("every client has its partitions", lambda worker: worker.ready)
        crew.go_on("before anything happens")
        for event in events:

            def happens(event: str = event) -> None:
                nodes.order(event)
                what, _, node = event.partition(" ")
                if what == "start":
                    until(
                        lambda: set(in_sync(admin)) == {REPLICAS}, f"the replicas of {node} are in sync again"
                    )
                else:
                    assert int(node) not in leaders(admin)

            crew.go_on(f"after {event}", happens)
        crew.until("what was sent is acknowledged and read", lambda worker: worker.idle)
        log = whole_log(nodes.bootstrap)
        crew.until("every group has read everything", lambda worker: len(worker.got) >= len(log))
        for worker in crew.workers:
            worker.end()
        crew.until("the clients end in order", lambda worker: worker.ended)
        check(crew, log)
    finally:
        for worker in crew.workers:
            if hasattr(worker, "process"):
                worker.kill()
    assert "Traceback" not in nodes.logged(), nodes.logged()[-3000:]
    return crew


@pytest.mark.restarts
@pytest.mark.parametrize("name", [*FIVE, pytest.param("kafkajs", marks=pytest.mark.kafkajs)])
def test_nothing_is_lost_or_doubled_by_one_client(name: str, tmp_path: Path) -> None:
    with three_nodes(PROPERTIES) as nodes:
        work_through(nodes, tmp_path, [name], ["stop 2", "start 2", "crash 3", "start 3"])


@pytest.mark.restarts
def test_nothing_is_lost_or_doubled_by_five_clients(tmp_path: Path) -> None:
    with three_nodes(PROPERTIES) as nodes:
        events = ["stop 2", "start 2", "crash 3", "start 3", "crash 1", "start 1"]
        work_through(nodes, tmp_path, list(FIVE), events)


@pytest.mark.restarts
def test_pykafka_shows_all_three() -> None:
    with three_nodes(PROPERTIES) as nodes:
        make_topic(AdminClient({"bootstrap.servers": nodes.bootstrap}))
        client = KafkaClient(hosts=nodes.bootstrap)
        assert sorted(client.brokers) == [1, 2, 3]
        assert {f"{node.host.decode()}:{node.port}" for node in client.brokers.values()} == set(
            nodes.addresses
        )
        found = client.topics[TOPIC.encode()].partitions.values()
        assert len(found) == PARTITIONS
        assert {partition.leader.id for partition in found} == {1, 2, 3}
        assert all(len(partition.replicas) == REPLICAS for partition in found)


@pytest.mark.restarts
@pytest.mark.true_ports
def test_the_ports_of_the_set_up() -> None:
    busy = taken(TRUE_PORTS)
    assert not busy, f"other programs listen on {busy}"
    with three_nodes({**PROPERTIES, **LISTENERS}) as nodes:
        client = KafkaClient(hosts="localhost:9092,localhost:29092,localhost:39092")
        assert {node_id: node.port for node_id, node in client.brokers.items()} == dict(
            enumerate(TRUE_PORTS, 1)
        )
        assert len(nodes.addresses) == 3
