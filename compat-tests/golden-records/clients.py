"""Writes tests/vectors/records/clients.txt: known records as four real clients build them.

Run it where the clients and every codec library are installed:

    pip install kafka-python==3.0.12 aiokafka==0.14.0 pykafka==2.8.0 'setuptools<81' \\
        confluent-kafka==2.16.1 python-snappy lz4 zstandard xxhash
    python compat-tests/golden-records/clients.py [HOST:PORT of a real Kafka 4.4.0]

librdkafka has no builder to call: it produces to a real broker, which keeps what it was sent, and the batch
is fetched. Without a broker its vectors are left as they are.
"""

import base64
import struct
import sys
from pathlib import Path

TARGET = Path(__file__).parents[2] / "tests" / "vectors" / "records" / "clients.txt"
START = 1_700_000_000_000
HEADERS = [("trace", b"abc"), ("empty", b"")]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# (key, value, timestamp): the test has the same.
RECORDS = [
    (b"key-0", b"value-0", START),
    (None, b"no key " * 40, START + 7),
    (b"tombstone", None, START - 1000),
    (b"", b"", START + 1234),
]

vectors: dict[str, bytes] = {}


def kafka_python() -> None:
    """kafka-python's builders, all three magics."""
    from kafka.record.memory_records import MemoryRecordsBuilder

    for magic in range(3):
        for number, codec in enumerate(CODECS if magic == 2 else CODECS[:4]):
            builder = MemoryRecordsBuilder(magic=magic, compression_type=number, batch_size=1 << 20)
            for index, (key, value, timestamp) in enumerate(RECORDS):
                headers = HEADERS if magic == 2 and index == 1 else []
                builder.append(timestamp=timestamp, key=key, value=value, headers=headers)
            builder.close()
            vectors[f"kafka-python-magic{magic}-{codec}"] = bytes(builder.buffer())


def aiokafka() -> None:
    """aiokafka's builders, all three magics; it refuses lz4 in magic 0."""
    from aiokafka.record.default_records import DefaultRecordBatchBuilder
    from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

    for magic in range(3):
        for number, codec in enumerate([CODECS[:3], CODECS[:4], CODECS][magic]):
            if magic == 2:
                builder = DefaultRecordBatchBuilder(
                    magic=2,
                    compression_type=number,
                    is_transactional=0,
                    producer_id=-1,
                    producer_epoch=-1,
                    base_sequence=0,
                    batch_size=1 << 20,
                )
            else:
                builder = LegacyRecordBatchBuilder(magic=magic, compression_type=number, batch_size=1 << 20)
            for index, (key, value, timestamp) in enumerate(RECORDS):
                headers = HEADERS if magic == 2 and index == 1 else []
                builder.append(index, timestamp=timestamp, key=key, value=value, headers=headers)
            vectors[f"aiokafka-magic{magic}-{codec}"] = bytes(builder.build())


def pykafka() -> None:
    """pykafka's message sets: magic 0, and magic 1 inside the same Produce v0."""
    from pykafka.protocol import Message, MessageSet

    for magic, broker_version in ((0, "0.9.0"), (1, "0.10.2")):
        for number, codec in enumerate(CODECS[:4]):
            messages = [
                Message(value, partition_key=key, protocol_version=magic, timestamp=timestamp)
                for key, value, timestamp in RECORDS
            ]
            message_set = MessageSet(number, messages, broker_version)
            out = bytearray(len(message_set))
            message_set.pack_into(out, 0)
            vectors[f"pykafka-magic{magic}-{codec}"] = bytes(out)


def librdkafka(bootstrap: str) -> None:
    """confluent-kafka, by way of a broker."""
    from confluent_kafka import Producer
    from connection import Connection

    connection = Connection(bootstrap)
    for codec in CODECS:
        topic = f"golden-{codec}"
        connection.create(topic, {})
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 500})
        for index, (key, value, timestamp) in enumerate(RECORDS):
            headers = HEADERS if index == 1 else None
            producer.produce(topic, key=key, value=value, timestamp=timestamp, headers=headers, partition=0)
        producer.flush(30)
        stored = bytearray(connection.fetch(topic, 0))
        struct.pack_into(">i", stored, 12, -1)  # the epoch that the broker wrote
        vectors[f"librdkafka-magic2-{codec}"] = bytes(stored)


if __name__ == "__main__":
    if TARGET.exists():
        for line in TARGET.read_text().splitlines():
            vectors[line.split()[0]] = base64.b64decode(line.split()[1])
    kafka_python()
    aiokafka()
    pykafka()
    if len(sys.argv) > 1:
        librdkafka(sys.argv[1])
    lines = [f"{name} {base64.b64encode(data).decode()}\n" for name, data in sorted(vectors.items())]
    TARGET.write_text("".join(lines))
    print(f"{len(lines)} vectors in {TARGET.name}")
