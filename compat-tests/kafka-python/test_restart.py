"""A broker that ends and comes back on its own data directory, while clients go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from compat.broker import ServedBroker
from compat.waiting import until
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka_python_fixtures import read, unique

OwnBroker = Callable[..., ServedBroker]
pytestmark = [pytest.mark.restarts, pytest.mark.timeout(180)]


@pytest.mark.parametrize("end", [ServedBroker.stop, ServedBroker.kill], ids=["stopped", "killed"])
def test_producer_and_group_outlive_the_broker(
    own_broker: OwnBroker, end: Callable[[ServedBroker], None]
) -> None:
    broker = own_broker(persistent=True)
    topic, group = unique("topic"), unique("group")
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    topic_id = admin.describe_topics([topic])[0]["topic_id"]
    cluster_id = admin.describe_cluster()["cluster_id"]
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, reconnect_backoff_max_ms=500)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        reconnect_backoff_max_ms=500,
    )
    for i in range(10):
        producer.send(topic, b"%d" % i, partition=0).get(timeout=20)
    assert [r.value for r in read(consumer, 10)] == [b"%d" % i for i in range(10)]
    consumer.commit()

    end(broker)
    waiting = [producer.send(topic, b"%d" % i, partition=0) for i in range(10, 15)]
    broker.start()

    assert [future.get(timeout=60).offset for future in waiting] == [10, 11, 12, 13, 14]
    assert [r.offset for r in read(consumer, 5, timeout_s=60)] == [10, 11, 12, 13, 14]
    until(lambda: _committed(consumer, topic) == 15, "the member commits again")
    producer.close(timeout=5)
    consumer.close(autocommit=False)

    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    assert admin.describe_topics([topic])[0]["topic_id"] == topic_id
    assert admin.describe_cluster()["cluster_id"] == cluster_id
    assert admin.list_group_offsets(group)[group][TopicPartition(topic, 0)].offset == 15
    admin.close()


def _committed(consumer: KafkaConsumer, topic: str) -> int | None:
    consumer.poll(timeout_ms=200)
    consumer.commit()
    offset: int | None = consumer.committed(TopicPartition(topic, 0))
    return offset
