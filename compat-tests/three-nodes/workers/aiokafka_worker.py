"""aiokafka at its work: see README.md for what it is told and what it says."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from said import say

NAME, BOOTSTRAP, TOPIC = sys.argv[1:]


class Listener(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        say(f"ready {len(list(assigned))}")


async def consume(ended: asyncio.Event) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        group_id=NAME,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=500,
        metadata_max_age_ms=1000,
    )
    consumer.subscribe([TOPIC], listener=Listener())
    await consumer.start()
    while not ended.is_set():
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                say(f"got {record.partition} {record.offset} {record.value.decode()}")
    await consumer.stop()


async def main() -> None:
    ended = asyncio.Event()
    consuming = asyncio.create_task(consume(ended))
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    while True:
        word, *numbers = (await asyncio.to_thread(sys.stdin.readline)).split() or ["end"]
        if word == "end":
            break
        first, last = map(int, numbers)
        sent = [
            await producer.send(TOPIC, f"{NAME} {number}".encode(), partition=number % 10)
            for number in range(first, last)
        ]
        try:
            await asyncio.gather(*sent)
        except KafkaError as error:
            say(f"lost of {first} to {last}: {error!r}")
        say(f"acked {last}")
    await producer.stop()
    ended.set()
    await consuming
    say("ended")


asyncio.run(main())
