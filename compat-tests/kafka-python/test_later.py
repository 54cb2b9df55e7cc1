"""Work that kwire has still to get: transactions, ACLs, SASL, TLS.  They pass on Kafka; see later.txt."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from compat.broker import ServedBroker
from compat.waiting import until
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError, NoError, ProducerFencedError
from kafka_python_fixtures import MakeConsumer, MakeProducer, read, unique

OwnBroker = Callable[..., ServedBroker]
Fill = Callable[..., list[bytes]]


# transactions


def transactional(make_producer: MakeProducer, name: str) -> KafkaProducer:
    producer = make_producer(transactional_id=name, max_block_ms=10_000, delivery_timeout_ms=30_000)
    producer.init_transactions()
    return producer


@pytest.mark.fast
def test_committed_records_are_read_and_aborted_ones_are_not(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producer = transactional(make_producer, unique("tx"))
    for number, end in enumerate([producer.abort_transaction, producer.commit_transaction] * 2):
        producer.begin_transaction()
        for i in range(3):
            producer.send(topic, b"%d.%d" % (number, i), partition=0)
        producer.flush(timeout=20)
        end()
    committed = [b"1.0", b"1.1", b"1.2", b"3.0", b"3.1", b"3.2"]
    assert [r.value for r in read(make_consumer(topic, isolation_level="read_committed"), 6)] == committed
    assert len(read(make_consumer(topic, isolation_level="read_uncommitted"), 12)) == 12


def test_an_open_transaction_holds_readers_of_committed_records_back(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producer = transactional(make_producer, unique("tx"))
    producer.begin_transaction()
    producer.send(topic, b"open").get(timeout=20)
    consumer = make_consumer(topic, isolation_level="read_committed")
    assert read(consumer, 0) == []
    assert consumer.end_offsets([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): 0}
    producer.commit_transaction()
    assert [r.value for r in read(consumer, 1)] == [b"open"]


def test_an_older_producer_of_the_same_name_is_fenced(topic: str, make_producer: MakeProducer) -> None:
    name = unique("tx")
    old = transactional(make_producer, name)
    old.begin_transaction()
    old.send(topic, b"old").get(timeout=20)
    transactional(make_producer, name)
    with pytest.raises((ProducerFencedError, KafkaError)):
        old.send(topic, b"late").get(timeout=20)


@pytest.mark.fast
def test_offsets_are_committed_with_the_records(
    topic: str, admin: KafkaAdminClient, make_producer: MakeProducer, fill: Fill
) -> None:
    group, partition = unique("group"), TopicPartition(topic, 0)
    fill(topic, 5)
    producer = transactional(make_producer, unique("tx"))
    producer.begin_transaction()
    producer.send_offsets_to_transaction({partition: OffsetAndMetadata(3, "", -1)}, group)
    producer.abort_transaction()
    producer.begin_transaction()
    producer.send_offsets_to_transaction({partition: OffsetAndMetadata(4, "note", -1)}, group)
    producer.commit_transaction()
    until(lambda: admin.list_group_offsets(group)[group], "the committed offset is visible")
    found = admin.list_group_offsets(group)[group][partition]
    assert (found.offset, found.metadata) == (4, "note")


# access control


@pytest.mark.fast
def test_acls_are_created_described_and_deleted(admin: KafkaAdminClient) -> None:
    pattern = ResourcePattern(ResourceType.TOPIC, unique("topic"))
    acl = ACL("User:somebody", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)
    anything = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)
    assert admin.create_acls([acl])["failed"] == []

    def described() -> list[ACL]:
        found, error = admin.describe_acls(anything)
        assert error is NoError
        return list(found)

    until(lambda: described() == [acl], "the ACL is described")
    ((_, deleted, error),) = admin.delete_acls([anything])
    assert (deleted, error) == ([acl], NoError)
    until(lambda: described() == [], "the ACL is gone")


# who is asking: brokers of their own, with a further listener


def secured(own_broker: OwnBroker, protocol: str, *options: str) -> str:
    """Start a broker with one more listener, named SAFE, and say where it is."""
    safe = ["--listener", f"SAFE={protocol}", "--user", "alice=alice-secret"]
    return own_broker(*safe, *options).listeners["SAFE"]


def produce_and_consume(**options: object) -> None:
    topic = unique("topic")
    producer = KafkaProducer(**options)
    assert producer.send(topic, b"v").get(timeout=30).offset == 0
    producer.close(timeout=5)
    consumer = KafkaConsumer(topic, auto_offset_reset="earliest", **options)
    assert [r.value for r in read(consumer, 1)] == [b"v"]
    consumer.close()


@pytest.mark.restarts
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl(own_broker: OwnBroker, mechanism: str) -> None:
    produce_and_consume(
        bootstrap_servers=secured(own_broker, "SASL_PLAINTEXT"),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism=mechanism,
        sasl_plain_username="alice",
        sasl_plain_password="alice-secret",
    )


@pytest.mark.restarts
def test_a_wrong_password_is_refused(own_broker: OwnBroker) -> None:
    with pytest.raises(KafkaError):
        KafkaProducer(
            bootstrap_servers=secured(own_broker, "SASL_PLAINTEXT"),
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-256",
            sasl_plain_username="alice",
            sasl_plain_password="wrong",
            bootstrap_timeout_ms=5000,
        )


@pytest.mark.restarts
def test_tls(own_broker: OwnBroker, tmp_path: Path) -> None:
    key, certificate, both = tmp_path / "key.pem", tmp_path / "certificate.pem", tmp_path / "both.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *names, *files], check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    settings = {
        "listener.name.safe.ssl.keystore.type": "PEM",
        "listener.name.safe.ssl.keystore.location": str(both),
    }
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    produce_and_consume(
        bootstrap_servers=secured(own_broker, "SSL", *options),
        security_protocol="SSL",
        ssl_cafile=str(certificate),
    )


def test_scram_users_are_altered_and_described(admin: KafkaAdminClient) -> None:
    user = unique("user")
    change = UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_256, "secret", iterations=4096)
    assert admin.alter_user_scram_credentials([change]) == {user: None}

    def described() -> object:
        return admin.describe_user_scram_credentials([user])[user]["credential_infos"]

    until(
        lambda: described() == [{"mechanism": ScramMechanism.SCRAM_SHA_256, "iterations": 4096}], "the user"
    )


# the rest of the upstream suite


def test_leaders_need_no_election(admin: KafkaAdminClient, topic: str) -> None:
    answer = admin.elect_leaders(0, {topic: [0]})
    assert answer.replica_election_results[0].partition_result[0].error_code == 84


def test_reassignments(admin: KafkaAdminClient, topic: str) -> None:
    node = admin.describe_cluster()["brokers"][0]["broker_id"]
    partition = TopicPartition(topic, 0)
    assert admin.alter_partition_reassignments({partition: [node]}) == {partition: None}
    assert admin.list_partition_reassignments([partition]) == {}


def test_the_metadata_quorum(admin: KafkaAdminClient) -> None:
    (found,) = admin.describe_metadata_quorum()["topics"]
    assert found["topic_name"] == "__cluster_metadata"
    assert found["partitions"][0]["leader_id"] >= 0


@pytest.mark.kafka_4
def test_config_resources_are_listed(admin: KafkaAdminClient) -> None:
    assert "broker" in admin.list_config_resources()


def test_transactions_and_producers_are_described(
    admin: KafkaAdminClient, topic: str, make_producer: MakeProducer
) -> None:
    name = unique("tx")
    producer = transactional(make_producer, name)
    producer.begin_transaction()
    producer.send(topic, b"v").get(timeout=20)
    assert name in str(admin.list_transactions())
    assert topic in str(admin.describe_transactions([name]))
    assert admin.describe_producers([TopicPartition(topic, 0)])
    producer.commit_transaction()
