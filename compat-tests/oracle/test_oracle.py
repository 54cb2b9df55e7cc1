"""The oracle starts, answers, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle import Kafka, KafkaCluster, OracleError, run_tool
from oracle.broker import _free_ports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    with Kafka("4.4.0", {"num.partitions": "3"}) as kafka:
        yield kafka


def topic_command(bootstrap: str, *words: str, version: str = "4.4.0") -> str:
    done = run_tool(version, "org.apache.kafka.tools.TopicCommand", ["--bootstrap-server", bootstrap, *words])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_properties_reach_the_broker(kafka: Kafka) -> None:
    topic_command(kafka.bootstrap, "--create", "--topic", "three")
    assert "PartitionCount: 3" in topic_command(kafka.bootstrap, "--describe", "--topic", "three")


def test_older_tools_can_talk_to_it(kafka: Kafka) -> None:
    assert "__consumer_offsets" in topic_command(kafka.bootstrap, "--list", version="3.9.2").splitlines()


def test_a_taken_port_is_said_in_one_message(kafka: Kafka) -> None:
    port = int(kafka.bootstrap.rpartition(":")[2])
    with pytest.raises(OracleError, match=f"port {port} of 127.0.0.1 can't be had"):
        Kafka("4.4.0", port=port).start()


def test_a_kept_directory_is_started_again(tmp_path: Path) -> None:
    with Kafka("4.4.0", data=tmp_path) as kafka:
        topic_command(kafka.bootstrap, "--create", "--topic", "kept")
    with Kafka("4.4.0", data=tmp_path) as kafka:
        assert "kept" in topic_command(kafka.bootstrap, "--list").splitlines()


def test_one_of_three_brokers_is_stopped_and_comes_back() -> None:
    with KafkaCluster() as kafkas:
        topic = ["--topic", "spread", "--partitions", "3", "--replication-factor", "3"]
        topic_command(kafkas.bootstrap, "--create", *topic)
        kafkas.stop_node(3)
        told = topic_command(kafkas.addresses[0], "--describe", "--under-replicated-partitions")
        assert told.count("Topic: spread") == 3
        kafkas.start_node(3)
        assert len(kafkas.addresses) == 3


def test_the_broker_ends_when_its_starter_is_killed() -> None:
    process = subprocess.Popen([ROOT / "scripts/kafka", "serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline().rpartition(":")[2])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout.read() == ""
    process.stdout.close()
    assert eventually_free(port)


def eventually_free(port: int) -> bool:
    for _ in range(1_000_000):
        try:
            return _free_ports([port]) == [port]
        except OracleError:
            continue
    return False


def test_a_release_that_nobody_knows_is_refused() -> None:
    with pytest.raises(OracleError, match=r"don't know how to run Kafka 1\.0"):
        Kafka("1.0")
