"""The records that compat-tests/golden-records/GoldenRecords.java writes, and the vectors it made of them."""

import base64
from pathlib import Path

from kwire_codecs.records.batch import Record

VECTORS = Path(__file__).parents[2] / "vectors" / "records"
APPEND_TIME = 1_700_000_009_999
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
MAX_BYTES = 1 << 20


def load(name: str = "java-3.9.2.txt") -> dict[str, bytes]:
    """The vectors in a file of lines `name base64`."""
    lines = (VECTORS / name).read_text().splitlines()
    return {line.split()[0]: base64.b64decode(line.split()[1]) for line in lines}


def prose(size: int) -> bytes:
    """Numbered words, as the generator makes them."""
    words = []
    length = number = 0
    while length < size:
        words.append(f"word{number * number % 97} ")
        length += len(words[-1])
        number += 1
    return "".join(words).encode()[:size]


def small(magic: int, append_time: bool = False) -> list[Record]:
    """The five records of the small vectors."""
    records = [
        Record(b"key-0", b"value-0", 1_700_000_000_000, (), 100),
        Record(
            None,
            b"no key",
            1_700_000_000_007,
            ((b"trace", b"abc"), (b"nothing", None), (b"", b"")) if magic == 2 else (),
            101,
        ),
        Record(b"tombstone", None, 1_699_999_999_000, (), 102),
        Record(b"", b"", 1_700_000_001_234, (), 103),
        Record("ключ".encode(), prose(300), 1_700_000_000_100, (), 104),
    ]
    if append_time:
        return [record._replace(timestamp=APPEND_TIME) for record in records]
    if magic == 0:
        return [record._replace(timestamp=-1) for record in records]
    return records


def large(magic: int) -> list[Record]:
    """The two records of the large vectors, which fill several blocks of every codec."""
    start = -1 if magic == 0 else 1_700_000_000_000
    step = 0 if magic == 0 else 1
    return [
        Record(b"large", prose(150_000), start, (), 100),
        Record(b"after", b"the large one", start + step, (), 101),
    ]
