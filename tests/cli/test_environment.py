"""What KAFKA_* variables and a container's defaults make of a configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwire.broker.listeners import parse_listeners
from kwire.broker_settings import BROKER_SETTINGS
from kwire.cli.environment import (
    mounted_properties,
    options_from,
    property_name,
    read_environment,
    started_in_kafkas_words,
    variable_name,
    with_container_listeners,
)
from kwire.cli.refusal import Refusal

# As the images' own documentation shows them.
NAMES = [
    ("KAFKA_BROKER_ID", "broker.id"),
    ("KAFKA_CFG_NUM_PARTITIONS", "num.partitions"),
    ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "offsets.topic.replication.factor"),
    ("KAFKA_A__B___C_D", "a_b-c.d"),
    ("KAFKA_LISTENER_NAME_SASL__PLAINTEXT_X", "listener.name.sasl_plaintext.x"),
    ("KAFKA_A____B", "a-.b"),
    ("PATH", None),
    ("KAFKAESQUE", None),
]


@pytest.mark.parametrize(("variable", "name"), NAMES)
def test_a_variable_stands_for_a_setting(variable: str, name: str | None) -> None:
    assert property_name(variable) == name


@given(st.sampled_from(sorted(BROKER_SETTINGS)))
def test_every_setting_has_a_variable(name: str) -> None:
    assert property_name(variable_name(name)) == name
    assert re.fullmatch("[A-Z0-9_]+", variable_name(name))


def test_what_the_images_set_beside_settings_is_taken_quietly() -> None:
    said = read_environment(
        {
            "KAFKA_HEAP_OPTS": "-Xmx1G",
            "KAFKA_OPTS": "-Dx=y",
            "KAFKA_JMX_PORT": "9101",
            "KAFKA_LOG4J_ROOT_LOGLEVEL": "WARN",
            "KAFKA_CONFLUENT_SUPPORT_METRICS_ENABLE": "false",
            "KAFKA_REST_BOOTSTRAP_SERVERS": "PLAINTEXT://:9092",
            "KAFKA_VERSION": "4.4.0",
            "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw",
            "HOME": "/",
        }
    )
    assert said == ({}, "5L6g3nShT-eMCtK--X86sw", [])


def test_what_kubernetes_says_of_a_service_called_kafka_is_no_setting() -> None:
    said = read_environment(
        {
            "KAFKA_SERVICE_HOST": "10.0.0.7",
            "KAFKA_SERVICE_PORT": "9092",
            "KAFKA_SERVICE_PORT_CLIENTS": "9092",
            "KAFKA_PORT": "tcp://10.0.0.7:9092",
            "KAFKA_PORT_9092_TCP": "tcp://10.0.0.7:9092",
            "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.7",
            "KAFKA_UI_SERVICE_HOST": "10.0.0.8",
            "KAFKA_UI_PORT": "tcp://10.0.0.8:80",
        }
    )
    assert said == ({}, None, [])


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_one_and_without_its_value() -> None:
    said = read_environment({"KAFKA_NUM_PARTITION": "s3cret", "KAFKA_CREATE_TOPICS": "t:1:1"})
    assert said.properties == {}
    near, other = sorted(said.warnings, reverse=True)
    assert near.startswith("KAFKA_NUM_PARTITION has no effect")
    assert near.endswith("did you mean KAFKA_NUM_PARTITIONS?")
    assert other.startswith("KAFKA_CREATE_TOPICS has no effect")
    assert "s3cret" not in near


def test_an_empty_variable_is_unset_and_bitnamis_new_names_win() -> None:
    said = read_environment(
        {"KAFKA_NUM_PARTITIONS": "1", "KAFKA_CFG_NUM_PARTITIONS": "2", "KAFKA_LOG_DIRS": " "}
    )
    assert said.properties == {"num.partitions": "2"}


def test_settings_of_zookeeper_are_taken() -> None:
    assert read_environment({"KAFKA_ZOOKEEPER_CONNECT": "zk:2181"}) == (
        {"zookeeper.connect": "zk:2181"},
        None,
        [],
    )


def test_voters_that_are_other_containers_are_told() -> None:
    said = read_environment({"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@a:9093,2@b:9093,3@c:9093"})
    assert "KWIRE_OPTIONS='--brokers 3'" in said.warnings[0]


@pytest.mark.parametrize("cluster_id", ["a b", "a\nnode.id=9", "\u00e9", "x" * 65])
def test_a_cluster_id_that_is_none_is_refused(cluster_id: str) -> None:
    with pytest.raises(Refusal, match="CLUSTER_ID is no cluster id"):
        read_environment({"CLUSTER_ID": cluster_id})


@pytest.mark.parametrize(
    ("variables", "listeners", "advertised"),
    [
        ({"KAFKA_ADVERTISED_HOST_NAME": "me"}, "PLAINTEXT://:9092", "PLAINTEXT://me:9092"),
        ({"KAFKA_ADVERTISED_PORT": "1", "KAFKA_PORT": "2"}, "PLAINTEXT://:2", "PLAINTEXT://localhost:1"),
    ],
)
def test_the_names_of_old_are_taken(variables: dict[str, str], listeners: str, advertised: str) -> None:
    found = read_environment(variables).properties
    assert found == {"listeners": listeners, "advertised.listeners": advertised}


# What is said -> listeners, advertised.listeners
LISTENERS: list[tuple[dict[str, str], str, str]] = [
    ({}, "PLAINTEXT://:9092,CONTAINERS://:29092", "PLAINTEXT://localhost:9092"),
    (
        {"advertised.listeners": "PLAINTEXT://kafka:29092,PLAINTEXT_HOST://localhost:9092"},
        "PLAINTEXT://:29092,PLAINTEXT_HOST://:9092",
        "PLAINTEXT://kafka:29092,PLAINTEXT_HOST://localhost:9092",
    ),
    ({"advertised.listeners": "PLAINTEXT://[::1]:1"}, "PLAINTEXT://:1", "PLAINTEXT://[::1]:1"),
    ({"listeners": "PLAINTEXT://0.0.0.0:1"}, "PLAINTEXT://0.0.0.0:1", "PLAINTEXT://localhost:1"),
    (
        {
            "listeners": "CONTROLLER://:3,A://:1,B://:2",
            "listener.security.protocol.map": "A:PLAINTEXT,B:PLAINTEXT",
        },
        "CONTROLLER://:3,A://:1,B://:2",
        "A://localhost:1",
    ),
    (
        {"listeners": "PLAINTEXT://kafka:1,PLAINTEXT_HOST://:2"},
        "PLAINTEXT://kafka:1,PLAINTEXT_HOST://:2",
        "PLAINTEXT://kafka:1",
    ),
    (
        {"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT"},
        "PLAINTEXT://:9092",
        "PLAINTEXT://localhost:9092",
    ),
]


@pytest.mark.parametrize(("said", "listeners", "advertised"), LISTENERS)
def test_a_container_listens_on_every_address_and_advertises_localhost(
    said: dict[str, str], listeners: str, advertised: str
) -> None:
    found = with_container_listeners(said)
    assert (found["listeners"], found["advertised.listeners"]) == (listeners, advertised)
    parse_listeners(listeners, advertised, found["listener.security.protocol.map"], ["CONTROLLER"])


def test_contradictory_listeners_are_refused_before_they_are_completed() -> None:
    with pytest.raises(Refusal, match="same port"):
        with_container_listeners({"listeners": "PLAINTEXT://:1,PLAINTEXT_HOST://:1"})


def test_more_options_come_from_a_variable() -> None:
    assert options_from({"KWIRE_OPTIONS": "--memory --set 'a=b c'"}) == ["--memory", "--set", "a=b c"]
    assert options_from({}) == []
    with pytest.raises(Refusal, match="KWIRE_OPTIONS cannot be read"):
        options_from({"KWIRE_OPTIONS": "--set 'a"})


def test_the_first_mounted_file_counts(tmp_path: Path) -> None:
    places = [str(tmp_path / name) for name in ("a", "b", "c")]
    assert mounted_properties(places) is None
    for place in places[1:]:
        Path(place).write_text("")
    assert mounted_properties(places) == tmp_path / "b"


@pytest.mark.parametrize(
    "waited_for",
    [
        ".*Transitioning from RECOVERY to RUNNING.*",  # Testcontainers for Java and Go
        r".*\[KafkaServer id=\d+\] started.*",  # for Python, with ZooKeeper
        ".*Kafka Server started.*",  # for Python, with KRaft
    ],
)
def test_wrappers_find_the_words_that_they_wait_for(waited_for: str) -> None:
    assert re.fullmatch(waited_for, started_in_kafkas_words(1))
