"""A process of the pipeline by librdkafka: `feed` makes inputs, `classic` and `consumer` transform them.

    librdkafka.py BOOTSTRAP NAME MODE GROUP TRANSACTIONAL_ID SOURCE TARGET

Needs confluent-kafka alone. What it did is a line each on standard output: `fed ID`, `committed COUNT`,
`note WORDS`. It ends when its standard input does; what cannot go on says `fatal WORDS` and ends at once.
"""

from __future__ import annotations

import select
import sys
import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

BATCH = 20
SECONDS = 30.0
PADDING = b"." * 200


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def is_wanted() -> bool:
    """Whether standard input is still open."""
    return not select.select([sys.stdin], [], [], 0)[0]


def common(bootstrap: str, name: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap,
        "client.id": name,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 300,
        "retry.backoff.ms": 20,
        "retry.backoff.max.ms": 300,
        # Where a crash cuts a subscription's metadata they are asked for again then: after five minutes.
        "topic.metadata.refresh.interval.ms": 1000,
        # With `rebootstrap`, its default, it may wait for ever in send_offsets_to_transaction once its
        # only broker was away (compat-tests/confluent-kafka/FINDINGS.md).
        "metadata.recovery.strategy": "none",
        "log_level": 2,
    }


def feed(bootstrap: str, name: str, source: str) -> None:
    """Idempotent records, several requests on the way."""
    producer = Producer({**common(bootstrap, name), "enable.idempotence": True, "linger.ms": 5})
    life = time.time_ns()
    number = 0

    def delivered(error: KafkaError | None, message: Message) -> None:
        value = message.value()
        assert value is not None
        if error is None:
            tell("fed", value.split(b" ")[0].decode())
        elif error.fatal():
            tell("fatal", error.str())
            sys.exit(3)

    while is_wanted():
        for _ in range(5):
            producer.produce(
                source, b"%s-%d-%d %s" % (name.encode(), life, number, PADDING), on_delivery=delivered
            )
            number += 1
        until = time.monotonic() + 0.25
        while (left := until - time.monotonic()) > 0:
            producer.poll(left)
    producer.flush(SECONDS)


class Pipeline:
    """Reads a batch, writes it, and its offsets, in a transaction; over and over."""

    def __init__(self, bootstrap: str, name: str, mode: str, group: str, transactional_id: str) -> None:
        self.gathered: list[Message] = []
        self.producer = Producer(
            {
                **common(bootstrap, name),
                "transactional.id": transactional_id,
                "transaction.timeout.ms": 8000,
                "message.timeout.ms": 8000,
                "linger.ms": 0,
            }
        )
        group_settings: dict[str, Any] = {"group.protocol": "consumer"}
        if mode == "classic":
            group_settings = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 300}
        self.consumer = Consumer(
            {
                **common(bootstrap, name),
                **group_settings,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "max.poll.interval.ms": 60000,
                "fetch.wait.max.ms": 50,
            }
        )

    def run(self, source: str, target: str) -> None:
        self.until_done(self.producer.init_transactions)
        self.consumer.subscribe([source], on_revoke=self.give_back, on_lost=self.give_back)
        try:
            while is_wanted():
                self.gather()
                if self.gathered:
                    messages, self.gathered = self.gathered, []
                    self.transform(messages, target)
        finally:
            self.consumer.close()

    def gather(self) -> None:
        message = self.consumer.poll(0.1)
        while message is not None:
            error = message.error()
            if error is None:
                self.gathered.append(message)
            elif error.fatal():
                raise KafkaException(error)
            if len(self.gathered) >= BATCH:
                return
            message = self.consumer.poll(0)

    def give_back(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """What was read of these is somebody else's from now on."""
        gone = {each.partition for each in partitions}
        self.gathered = [message for message in self.gathered if message.partition() not in gone]

    def transform(self, messages: list[Message], target: str) -> None:
        self.producer.begin_transaction()
        try:
            offsets: dict[tuple[str, int], int] = {}
            for message in messages:
                topic, partition, offset = message.topic(), message.partition(), message.offset()
                assert topic is not None and partition is not None and offset is not None  # noqa: PT018
                self.producer.produce(target, message.value())
                offsets[topic, partition] = offset + 1
            self.until_done(
                self.producer.send_offsets_to_transaction,
                [TopicPartition(*where, offset) for where, offset in offsets.items()],
                self.consumer.consumer_group_metadata(),
            )
            self.until_done(self.producer.commit_transaction)
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            tell("note", "aborts:", error.args[0].str())
            self.until_done(self.producer.abort_transaction)
            self.back_to_what_is_committed()
        else:
            tell("committed", len(messages))

    def until_done(self, call: Any, *arguments: Any) -> None:
        while True:
            try:
                call(*arguments, 5.0)
                return
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise

    def back_to_what_is_committed(self) -> None:
        while assignment := self.consumer.assignment():
            try:
                for found in self.consumer.committed(assignment, 5.0):
                    self.consumer.seek(TopicPartition(found.topic, found.partition, max(found.offset, 0)))
                return
            except KafkaException as error:
                tell("note", "does not know where to go on:", error.args[0].str())
                if assignment == self.consumer.assignment():
                    time.sleep(0.1)


def main(
    bootstrap: str, name: str, mode: str, group: str, transactional_id: str, source: str, target: str
) -> None:
    try:
        if mode == "feed":
            feed(bootstrap, name, source)
        else:
            Pipeline(bootstrap, name, mode, group, transactional_id).run(source, target)
    except KafkaException as error:
        tell("fatal", error.args[0].name(), error.args[0].str())
        sys.exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
