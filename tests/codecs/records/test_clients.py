"""What real clients build is read: kafka-python, aiokafka, pykafka and librdkafka, every magic and codec.

The vectors are made by compat-tests/golden-records/clients.py.
"""

import pytest
from kwire_codecs.records import batch, compression, legacy
from kwire_codecs.records.batch import Record

from tests.codecs.records import golden

VECTORS = golden.load("clients.txt")
START = 1_700_000_000_000
RECORDS = [
    Record(b"key-0", b"value-0", START, (), 0),
    Record(None, b"no key " * 40, START + 7, ((b"trace", b"abc"), (b"empty", b"")), 1),
    Record(b"tombstone", None, START - 1000, (), 2),
    Record(b"", b"", START + 1234, (), 3),
]


def parts(name: str) -> tuple[str, int, int]:
    client, magic, codec = name.rsplit("-", 2)
    return client, int(magic[-1]), golden.CODECS[codec]


@pytest.mark.parametrize("name", [name for name in VECTORS if parts(name)[1] == 2])
def test_a_batch_that_a_client_built_is_read(name: str) -> None:
    data = VECTORS[name]
    ((_, header),) = batch.walk(data)
    assert batch.crc_is_valid(data, 0, header)
    assert header.compression == parts(name)[2]
    assert batch.records(data, 0, header, golden.MAX_BYTES) == RECORDS


@pytest.mark.parametrize("name", [name for name in VECTORS if parts(name)[1] < 2])
def test_a_message_set_that_a_client_built_is_read_and_converted(name: str) -> None:
    client, magic, codec = parts(name)
    expected = [record._replace(headers=()) for record in RECORDS]
    if magic == 0:
        expected = [record._replace(timestamp=-1) for record in expected]
    data = VECTORS[name]
    found = legacy.parse(data, golden.MAX_BYTES)
    assert [record._replace(offset=0) for record in found] == [
        record._replace(offset=0) for record in expected
    ]
    # pykafka leaves every offset to the broker, in the wrapper and inside.
    assert [record.offset for record in found] == ([-1] * 4 if client == "pykafka" else [0, 1, 2, 3])

    converted = legacy.convert_up(data, START, golden.MAX_BYTES)
    header = batch.read_header(converted)
    assert header.compression == codec
    assert batch.records(converted, 0, header, golden.MAX_BYTES) == expected


def test_librdkafka_writes_raw_snappy_and_the_others_frame_it() -> None:
    framed = {}
    for name, data in VECTORS.items():
        client, magic, codec = parts(name)
        if codec == compression.Compression.SNAPPY and magic == 2:
            framed[client] = data[61:].startswith(b"\x82SNAPPY\0")
    assert framed == {"kafka-python": True, "aiokafka": True, "librdkafka": False}
