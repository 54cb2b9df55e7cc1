"""confluent-kafka at its work: see README.md for what it is told and what it says."""

from __future__ import annotations

import sys
import threading

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from said import orders, say

NAME, BOOTSTRAP, TOPIC = sys.argv[1:]
TICKET = 20
ended = threading.Event()


def told(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        say(f"lost {message.value().decode()}: {error}")


def consume() -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": NAME,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 500,
        }
    )
    consumer.subscribe([TOPIC], on_assign=lambda _, assigned: say(f"ready {len(assigned)}"))
    while not ended.is_set():
        found = [message for message in consumer.consume(TICKET, timeout=0.05) if not message.error()]
        for message in found:
            say(f"got {message.partition()} {message.offset()} {message.value().decode()}")
        if found:
            consumer.commit(asynchronous=True)
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._NO_OFFSET:
            say(f"lost the commit: {error}")
    consumer.close()


producer = Producer(
    {
        "bootstrap.servers": BOOTSTRAP,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "reconnect.backoff.max.ms": 500,
    }
)
consuming = threading.Thread(target=consume)
consuming.start()
for first, last in orders():
    for number in range(first, last):
        producer.produce(TOPIC, f"{NAME} {number}", partition=number % 10, on_delivery=told)
    producer.flush()
    say(f"acked {last}")
ended.set()
consuming.join()
say("ended")
