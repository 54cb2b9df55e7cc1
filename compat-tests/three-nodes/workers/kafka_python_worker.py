"""kafka-python at its work: see README.md for what it is told and what it says."""

from __future__ import annotations

import sys
import threading

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from said import orders, say

NAME, BOOTSTRAP, TOPIC = sys.argv[1:]
ended = threading.Event()


class Listener(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked) -> None:
        pass

    def on_partitions_assigned(self, assigned) -> None:
        say(f"ready {len(assigned)}")


def consume() -> None:
    consumer = KafkaConsumer(
        bootstrap_servers=BOOTSTRAP.split(","),
        group_id=NAME,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        reconnect_backoff_max_ms=500,
    )
    consumer.partitions_for_topic(TOPIC)  # FINDINGS.md: it must not join before it knows of the topic
    consumer.subscribe([TOPIC], listener=Listener())
    while not ended.is_set():
        found = consumer.poll(timeout_ms=2000)  # FINDINGS.md: what is joined behind a poll's end may get lost
        for records in found.values():
            for record in records:
                say(f"got {record.partition} {record.offset} {record.value.decode()}")
        if found:
            consumer.commit_async()
    try:
        consumer.commit()
    except KafkaError as error:
        say(f"lost the commit: {error!r}")
    consumer.close(autocommit=False)


producer = KafkaProducer(
    bootstrap_servers=BOOTSTRAP.split(","),
    acks="all",
    enable_idempotence=True,
    linger_ms=5,
    reconnect_backoff_max_ms=500,
)
consuming = threading.Thread(target=consume)
consuming.start()
for first, last in orders():
    futures = [
        (number, producer.send(TOPIC, f"{NAME} {number}".encode(), partition=number % 10))
        for number in range(first, last)
    ]
    for number, future in futures:
        try:
            future.get(timeout=60)
        except KafkaError as error:
            say(f"lost {NAME} {number}: {error!r}")
    say(f"acked {last}")
producer.close(timeout=10)
ended.set()
consuming.join()
say("ended")
