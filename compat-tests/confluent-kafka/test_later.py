"""Work that kwire has still to get: transactions, ACLs, SASL, the new group protocols.  See later.txt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from client import committed, create_topic, produce_values, read, share, unique
from compat.broker import ServedBroker
from compat.waiting import until
from confluent_kafka import Consumer, ElectionType, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

Fill = Callable[..., list[bytes]]
MakeTopic = Callable[..., str]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]


def transactional(make_producer: MakeProducer, name: str) -> Producer:
    producer = make_producer(**{"transactional.id": name})
    producer.init_transactions(20)
    return producer


@pytest.mark.fast
def test_committed_messages_are_read_and_aborted_ones_are_not(
    topic: str, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    producer = transactional(make_producer, unique("tx"))
    for number, end in enumerate([producer.abort_transaction, producer.commit_transaction] * 2):
        producer.begin_transaction()
        for i in range(3):
            producer.produce(topic, b"%d.%d" % (number, i))
        assert producer.flush(20) == 0
        end(20)
    committed_only = make_consumer(topic, isolation_level="read_committed")
    expected = [b"1.0", b"1.1", b"1.2", b"3.0", b"3.1", b"3.2"]
    assert [m.value() for m in read(committed_only, 6)] == expected
    assert len(read(make_consumer(topic, isolation_level="read_uncommitted"), 12)) == 12


def test_offsets_are_committed_with_the_messages(
    topic: str, group: str, fill: Fill, make_producer: MakeProducer, make_consumer: MakeConsumer
) -> None:
    fill(topic, 5)
    consumer = make_consumer(topic, group_id=group)
    read(consumer, 5)
    producer = transactional(make_producer, unique("tx"))
    for offset, end in ((2, producer.abort_transaction), (4, producer.commit_transaction)):
        producer.begin_transaction()
        asked = [TopicPartition(topic, 0, offset)]
        producer.send_offsets_to_transaction(asked, consumer.consumer_group_metadata(), 20)
        end(20)
    until(lambda: committed(consumer, topic) == 4, "the committed offset is visible")


def test_an_older_producer_of_the_same_name_is_fenced(topic: str, make_producer: MakeProducer) -> None:
    name = unique("tx")
    old = transactional(make_producer, name)
    old.begin_transaction()
    old.produce(topic, b"old")
    assert old.flush(20) == 0
    transactional(make_producer, name)
    with pytest.raises(KafkaException) as caught:
        old.commit_transaction(20)
    assert caught.value.args[0].fatal()
    assert caught.value.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED)


def test_a_transaction_longer_than_the_broker_allows_is_refused(make_producer: MakeProducer) -> None:
    producer = make_producer(**{"transactional.id": unique("tx"), "transaction.timeout.ms": 2_000_000_000})
    with pytest.raises(KafkaException) as caught:
        producer.init_transactions(20)
    assert caught.value.args[0].code() == KafkaError.INVALID_TRANSACTION_TIMEOUT


@pytest.mark.fast
def test_acls_are_created_described_and_deleted(admin: AdminClient) -> None:
    name = unique("topic")
    binding = AclBinding(
        ResourceType.TOPIC,
        name,
        ResourcePatternType.LITERAL,
        "User:somebody",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    anything = AclBindingFilter(
        ResourceType.TOPIC,
        name,
        ResourcePatternType.ANY,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    admin.create_acls([binding])[binding].result(20)
    until(lambda: admin.describe_acls(anything).result(20) == [binding], "the ACL is described")
    assert admin.delete_acls([anything])[anything].result(20) == [binding]


@pytest.mark.restarts
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl(own_broker: Callable[..., ServedBroker], mechanism: str) -> None:
    broker = own_broker("--listener", "SAFE=SASL_PLAINTEXT", "--user", "alice=alice-secret")
    safe = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": "alice",
        "sasl.password": "alice-secret",
    }
    address = broker.listeners["SAFE"]
    topic = create_topic(AdminClient({"bootstrap.servers": address, **safe}), unique("topic"))
    produce_values(address, topic, [b"v"], **safe)
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "g", "auto.offset.reset": "earliest", **safe}
    )
    consumer.subscribe([topic])
    assert [m.value() for m in read(consumer, 1)] == [b"v"]
    consumer.close()


def test_scram_users_are_altered_and_described(admin: AdminClient) -> None:
    user = unique("user")
    wanted = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    change = UserScramCredentialUpsertion(user, wanted, b"secret")
    admin.alter_user_scram_credentials([change])[user].result(20)

    def described() -> bool:
        (info,) = admin.describe_user_scram_credentials([user])[user].result(20).scram_credential_infos
        return (info.mechanism, info.iterations) == (wanted.mechanism, wanted.iterations)

    until(described, "the user is described")


def test_leaders_need_no_election(admin: AdminClient, topic: str) -> None:
    partition = TopicPartition(topic, 0)
    answer = admin.elect_leaders(ElectionType.PREFERRED, [partition]).result(20)
    assert answer[partition].code() == KafkaError.ELECTION_NOT_NEEDED


@pytest.mark.kafka_4
def test_the_new_group_protocol(
    make_topic: MakeTopic, group: str, fill: Fill, make_consumer: MakeConsumer
) -> None:
    """KIP-848: the broker assigns, and members change one by one."""
    topic = make_topic(partitions=2)
    options = {"group.id": group, "group.protocol": "consumer"}

    def member() -> Consumer:
        return make_consumer(topic, heartbeat_interval_ms=None, **options)

    first = member()
    share(first, partitions=2, timeout_s=15)
    second = member()
    share(first, second, partitions=2)
    fill(topic, 3, partition=1)
    reader = first if first.assignment()[0].partition == 1 else second
    assert len(read(reader, 3)) == 3
