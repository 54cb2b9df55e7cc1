"""A consumer in a process of its own, so that it can be killed: worker.py MODE BOOTSTRAP GROUP FROM [TO].

It reads five messages, does MODE's work up to its worst moment, prints `there` and waits for a line on
standard input; then it goes on to the end.  Each message's work is a line `did VALUE` on standard output.
"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, Message, Producer

BATCH = 5


def main(mode: str, bootstrap: str, group: str, source: str, target: str = "") -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )
    # First of all: it ends the transaction that a killed one left open, which holds the group's offsets back.
    producer = transactional(bootstrap, target) if mode == "exactly-once" else None
    consumer.subscribe([source])
    messages: list[Message] = []
    while len(messages) < BATCH:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            messages.append(message)
    if mode == "at-most-once":
        consumer.commit(asynchronous=False)
        worst_moment()
        work(messages)
    elif mode == "at-least-once":
        work(messages)
        worst_moment()
        consumer.commit(asynchronous=False)
    elif producer is not None:
        copy_in_a_transaction(producer, consumer, messages, target)
    consumer.close()


def transactional(bootstrap: str, target: str) -> Producer:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"copy-to-{target}"})
    producer.init_transactions(30)
    return producer


def copy_in_a_transaction(
    producer: Producer, consumer: Consumer, messages: list[Message], target: str
) -> None:
    producer.begin_transaction()
    for message in messages:
        producer.produce(target, message.value())
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 30
    )
    producer.flush(30)
    worst_moment()
    producer.commit_transaction(30)


def work(messages: list[Message]) -> None:
    for message in messages:
        print("did", message.value().decode(), flush=True)


def worst_moment() -> None:
    print("there", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
