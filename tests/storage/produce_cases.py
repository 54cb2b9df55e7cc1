"""Sets of records that a client may send, good and bad, for `test_validation.py` and for Kafka itself.

compat-tests/golden-records/validation.py sends every case to a real broker and writes down its answers. A
case depends on nothing but the time, so that what Kafka answered at one time holds for the test at another.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from kwire_codecs.records import batch, compression, legacy
from kwire_codecs.records.batch import ReadableBuffer, Record, TimestampType

DAY_MS = 86_400_000
SMALL = 2000

TOPICS: dict[str, dict[str, str]] = {
    "plain": {},
    "small": {"max.message.bytes": str(SMALL)},
    "compacted": {"cleanup.policy": "compact"},
    "append": {"message.timestamp.type": "LogAppendTime"},
    "compacted-append": {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"},
    "window": {"message.timestamp.before.max.ms": "1000000", "message.timestamp.after.max.ms": "60000"},
    "gzip": {"compression.type": "gzip", "max.message.bytes": str(SMALL)},
    "uncompressed": {"compression.type": "uncompressed", "max.message.bytes": str(SMALL)},
    "snappy": {"compression.type": "snappy"},
    "lz4": {"compression.type": "lz4"},
    "zstd": {"compression.type": "zstd"},
    "append-gzip": {"compression.type": "gzip", "message.timestamp.type": "LogAppendTime"},
    "segment": {"segment.bytes": "1048576", "max.message.bytes": "3000000"},
}


class Case(NamedTuple):
    """`records` as they travel in a Produce request of `version` for the topic `topic`."""

    name: str
    topic: str
    version: int
    records: bytes


def patch(data: ReadableBuffer, *changes: tuple[int, str, int], crc: bool = True) -> bytes:
    """The batch with fields (position, layout, value) overwritten, and its CRC made right again."""
    out = bytearray(data)
    for position, layout, value in changes:
        struct.pack_into(layout, out, position, value)
    if crc:
        batch.write_crc(out, 0, len(out) - 12)
    return bytes(out)


def with_body(body: bytes, count: int, codec: int = 0, timestamp: int = 0) -> bytes:
    """A batch of magic 2 around any bytes as its records."""
    header = bytes(batch.build([Record(None, None, timestamp)]))[:61]
    data = header + (compression.compress(codec, body) if 0 < codec < 5 else body)
    return patch(data, (8, ">i", len(data) - 12), (57, ">i", count), (23, ">i", count - 1), (21, ">h", codec))


def wrap(
    inner: ReadableBuffer, magic: int, *, offset: int = 0, codec: int = 1, bits: int = 0, time: int = 0
) -> bytes:
    """A wrapper of magic 0 or 1 around any bytes, with a right CRC."""
    value = compression.compress(codec, inner, legacy_lz4=magic == 0) if codec < 5 else bytes(inner)
    body = struct.pack(">bb", magic, codec | bits) + (struct.pack(">q", time) if magic else b"")
    body += struct.pack(">ii", -1, len(value)) + value
    return struct.pack(">qiI", offset, len(body) + 4, crc32(body)) + body


# Bodies of two records: each is length, attributes, timestamp delta, offset delta, key, value, headers.
ONE, TWO = b"\x0e\0\0\0\1\2v\0", b"\x0e\0\2\2\1\2w\0"
BODIES = {
    "right": ONE + TWO,
    "empty": b"",
    "one-missing": ONE,
    "one-cut-off": ONE + TWO[:-1],
    "one-too-many": ONE + TWO + TWO,
    "a-byte-behind": ONE + TWO + b"\0",
    "length-negative": ONE + b"\1\0\2\2\1\2w\0",
    "length-too-great": ONE + b"\x10\0\2\2\1\2w\0",
    "length-too-small": ONE + b"\x0c\0\2\2\1\2w\0",
    "key-beyond": ONE + b"\x0e\0\2\2\x7e\1w\0",
    "value-beyond": ONE + b"\x0e\0\2\2\1\x7ew\0",
    "headers-negative": ONE + b"\x0e\0\2\2\1\2w\1",
    "headers-missing": ONE + b"\x0e\0\2\2\1\2w\2",
    "header-key-null": ONE + b"\x12\0\2\2\1\2w\2\1\1",
    "varint-endless": ONE + b"\x1c\0\2" + b"\xff" * 12,
    "offsets-same": ONE + ONE,
    "offsets-swapped": TWO + ONE,
    "offsets-with-gap": ONE + b"\x0e\0\2\6\1\2w\0",
}


def modern(now: int) -> Iterator[Case]:
    """What Produce v3 and above must carry: one batch of magic 2."""

    def case(name: str, records: ReadableBuffer, topic: str = "plain", version: int = 8) -> Case:
        return Case(name, topic, version, bytes(records))

    two = [Record(b"k", b"value", now - 5), Record(b"l", b"value", now - 9, ((b"h", None),))]
    good = bytes(batch.build(two))
    for codec in range(5):
        packed = batch.build(two, compression=codec)
        for topic in (
            "plain",
            "append",
            "compacted",
            "gzip",
            "uncompressed",
            "snappy",
            "lz4",
            "zstd",
            "append-gzip",
        ):
            yield case(f"codec-{codec}", packed, topic)
        yield case(f"codec-{codec}-v6", packed, version=6)
        yield case(f"codec-{codec}-v3", packed, version=3)
        yield case(f"codec-{codec}-v7", packed, version=7)
        if codec:
            yield case(f"codec-{codec}-garbage", patch(good, (21, ">h", codec)))
            cut = bytes(packed[:-3])
            yield case(f"codec-{codec}-cut", patch(cut, (8, ">i", len(cut) - 12)))
            for topic in ("plain", "gzip", "compacted"):
                for name, body in BODIES.items():
                    yield case(f"codec-{codec}-body-{name}", with_body(body, 2, codec, now), topic)
    for name, body in BODIES.items():
        for topic in ("plain", "gzip", "compacted", "append"):
            yield case(f"body-{name}", with_body(body, 2, 0, now), topic)
    for codec in (5, 6, 7):
        for version in (3, 5, 6, 7, 8):
            yield case(f"codec-{codec}-v{version}", patch(good, (21, ">h", codec)), version=version)

    yield case("nothing", b"")
    yield case("11-bytes", good[:11])
    yield case("16-bytes", good[:16])
    yield case("cut-off", good[:-1])
    yield case("two-batches", good * 2)
    yield case("two-batches-second-cut-off", good + good[:-1])
    yield case("behind-5-bytes", good + bytes(5))
    yield case("behind-12-zeros", good + bytes(12))
    yield case("behind-16-bytes", good + good[:16])
    yield case("behind-magic-9", good + patch(good, (16, "b", 9), crc=False)[:30])
    yield case("length-13", patch(good, (8, ">i", 13), crc=False))
    yield case("length-0", patch(good, (8, ">i", 0), crc=False))
    yield case("length-negative", patch(good, (8, ">i", -5), crc=False))
    yield case("length-greatest", patch(good, (8, ">i", 2**31 - 1), crc=False))
    for length in (14, 30, 48):
        yield case(f"length-{length}", patch(good[: length + 12], (8, ">i", length), crc=False))
    yield case("length-49", patch(good[:61], (8, ">i", 49)))
    yield case("magic-3", patch(good, (16, "b", 3), crc=False))
    yield case("magic-negative", patch(good, (16, "b", -1), crc=False))
    for magic in (0, 1):
        yield case(f"magic-{magic}-in-v8", legacy.build(two, magic))
        yield case(f"magic-{magic}-in-v3", legacy.build(two, magic), version=3)
    yield case("base-offset-1", patch(good, (0, ">q", 1)))
    yield case("base-offset-negative", patch(good, (0, ">q", -1)))
    yield case("leader-epoch-77", patch(good, (12, ">i", 77)))
    yield case("crc-wrong", patch(good, (17, ">I", 1), crc=False))
    big = bytes(batch.build([Record(b"k", bytes(SMALL), now)]))
    yield case("too-large", big, "small")
    yield case("too-large-and-crc-wrong", patch(big, (17, ">I", 1), crc=False), "small")
    yield case("too-large-and-base-offset-1", patch(big, (0, ">q", 1)), "small")
    for extra in range(-1, 3):
        data = batch.build([Record(b"k", bytes(SMALL - 71 + extra), now)])
        yield case(f"size-{len(data) - SMALL:+}", data, "small")
    yield case("shrinks-below-the-limit", batch.build([Record(b"k", bytes(SMALL - 100), now)]), "gzip")
    yield case(
        "grows-beyond-the-limit",
        batch.build([Record(b"k", bytes(SMALL), now)], compression=1),
        "uncompressed",
    )
    yield case("beyond-a-segment", batch.build([Record(b"k", bytes(1_100_000), now)]), "segment")
    for count, delta in (
        (0, 1),
        (1, 1),
        (3, 1),
        (-1, 1),
        (2, 0),
        (2, -1),
        (0, -1),
        (2**31 - 1, 2**31 - 2),
        (2, -(2**31)),
    ):
        yield case(f"count-{count}-delta-{delta}", patch(good, (57, ">i", count), (23, ">i", delta)))
    yield case("control", patch(good, (21, ">h", 0x20)))
    yield case("control-transactional", patch(good, (21, ">h", 0x30)))
    yield case("producer-without-sequence", patch(good, (43, ">q", 5), (51, ">h", 0), (53, ">i", -1)))
    yield case("producer-sequence-negative", patch(good, (43, ">q", 5), (51, ">h", 0), (53, ">i", -7)))
    yield case("sequence-without-producer", patch(good, (53, ">i", 7)))
    yield case("producer-minus-2", patch(good, (43, ">q", -2), (53, ">i", -1)))
    for bit in (0x40, 0x80, 0x4000):
        yield case(f"attribute-{bit:x}", patch(good, (21, ">h", bit)))
        yield case(f"attribute-{bit:x}", patch(good, (21, ">h", bit)), "gzip")
    for topic in ("plain", "append", "compacted", "gzip", "append-gzip"):
        yield case("says-append-time", patch(good, (21, ">h", 8)), topic)
        yield case("says-append-time-of-never", patch(good, (21, ">h", 8), (35, ">q", -1)), topic)
        yield case(
            "says-append-time-in-far-future", patch(good, (21, ">h", 8), (35, ">q", now + 9 * DAY_MS)), topic
        )
    for topic in ("plain", "append", "gzip"):
        yield case("max-timestamp-too-low", patch(good, (35, ">q", now - 999)), topic)
        yield case("max-timestamp-too-high", patch(good, (35, ">q", now + 999)), topic)
        yield case("max-timestamp-in-far-future", patch(good, (35, ">q", now + 9 * DAY_MS)), topic)
        never = [Record(b"k", b"v", -1), Record(b"k", b"w", -1)]
        yield case("no-timestamps", batch.build(never), topic)
    keyless = [
        Record(b"k", b"v", now),
        Record(None, b"v", now),
        Record(b"k", b"v", now),
        Record(None, b"v", now),
    ]
    late = [keyless[0], keyless[2]._replace(timestamp=now + 9 * DAY_MS), keyless[1]]
    early = [keyless[0], keyless[2]._replace(timestamp=now - 2_000_000), Record(b"k", b"v", 0)]
    for topic in ("plain", "compacted", "compacted-append", "window"):
        for codec in (0, 1, 4):
            yield case(f"keyless-{codec}", batch.build(keyless, compression=codec), topic)
            yield case(f"late-{codec}", batch.build(late, compression=codec), topic)
            yield case(f"early-{codec}", batch.build(early, compression=codec), topic)
    limits = [Record(b"k", b"v", now + step) for step in (-900_000, 0, 50_000)]
    beyond = [Record(b"k", b"v", now + step) for step in (0, -1_100_000, 70_000)]
    yield case("within-the-window", batch.build(limits), "window")
    yield case("beyond-the-window", batch.build(beyond), "window")
    extreme = [Record(b"k", b"v", stamp) for stamp in (0, 2**62)]
    yield case("timestamps-extreme", batch.build(extreme))
    yield case("timestamps-extreme", batch.build(extreme), "append")


def old(now: int) -> Iterator[Case]:
    """What Produce v0 to v2 may carry as well, in Kafka up to 3.9."""

    def case(name: str, records: ReadableBuffer, topic: str = "plain", version: int = 2) -> Case:
        return Case(name, topic, version, bytes(records))

    two = [Record(b"k", b"value", now - 5), Record(b"l", None, now - 9)]
    good = bytes(batch.build(two))
    yield case("old-nothing", b"")
    yield case("old-cut-off", good[:-1])
    yield case("old-magic-2", good)
    yield case("old-magic-2", good, version=0)
    yield case("old-magic-2-zstd", batch.build(two, compression=4))
    yield case("old-magic-2-twice", good * 2)
    yield case("old-magic-9", patch(good, (16, "b", 9), crc=False))
    for magic in (0, 1):
        name = f"old-{magic}"
        one = bytes(legacy.build(two[:1], magic))
        for codec in range(4):
            packed = legacy.build(two, magic, compression=codec)
            for topic in (
                "plain",
                "append",
                "compacted",
                "gzip",
                "uncompressed",
                "lz4",
                "zstd",
                "append-gzip",
                "window",
            ):
                for version in (0, 2):
                    yield case(f"{name}-codec-{codec}", packed, topic, version)
        yield case(f"{name}-cut-off", legacy.build(two, magic)[:-1])
        yield case(f"{name}-two-wrappers", wrap(one, magic) * 2)
        yield case(f"{name}-wrapper-and-message", wrap(one, magic) + one)
        yield case(f"{name}-message-and-wrapper", one + wrap(one, magic))
        yield case(f"{name}-and-magic-2", one + good)
        yield case(f"{name}-behind-magic-2", good + one)
        yield case(f"{name}-and-other-magic", one + legacy.build(two, 1 - magic))
        yield case(f"{name}-crc-wrong", one[:-1] + b"x")
        yield case(f"{name}-inner-crc-wrong", wrap(one[:-1] + b"x", magic))
        yield case(f"{name}-inner-other-magic", wrap(legacy.build(two, 1 - magic), magic))
        yield case(f"{name}-inner-magic-2", wrap(good, magic))
        yield case(f"{name}-inner-compressed", wrap(wrap(one, magic), magic))
        yield case(f"{name}-inner-nothing", wrap(b"", magic))
        yield case(f"{name}-inner-cut-off", wrap(one + one[:-1], magic))
        yield case(f"{name}-inner-only-cut-off", wrap(one[:-1], magic))
        yield case(f"{name}-inner-size-5", wrap(struct.pack(">qi", 0, 5) + bytes(30), magic))
        for offset in (-1, 0, 1, 7):
            unassigned = [record._replace(offset=-1) for record in two]
            counted = [record._replace(offset=i) for i, record in enumerate(two)]
            yield case(
                f"{name}-wrapper-at-{offset}-unassigned",
                wrap(legacy.build(unassigned, magic), magic, offset=offset),
            )
            yield case(
                f"{name}-wrapper-at-{offset}-counted",
                wrap(legacy.build(counted, magic), magic, offset=offset),
            )
        for codec in (1, 2, 3):
            yield case(f"{name}-garbage-{codec}", _raw(magic, codec))
        for codec in (4, 5):
            yield case(f"{name}-codec-{codec}", wrap(one, magic, codec=codec))
        late = [two[0], two[1]._replace(timestamp=now + 9 * DAY_MS)]
        keyless = [two[0], Record(None, b"v", now)]
        for codec in (0, 1):
            for topic in ("compacted", "window", "append"):
                yield case(f"{name}-late-{codec}", legacy.build(late, magic, compression=codec), topic)
                yield case(f"{name}-keyless-{codec}", legacy.build(keyless, magic, compression=codec), topic)
        for topic in ("plain", "append"):
            stamped = legacy.build(
                two, magic, compression=1, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=now
            )
            plain = legacy.build(two, magic, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=now)
            yield case(f"{name}-says-append-time-1", stamped, topic)
            yield case(f"{name}-says-append-time-0", plain, topic)
        big = [Record(b"k", bytes(SMALL), now)]
        yield case(f"{name}-too-large", legacy.build(big, magic), "small")
        yield case(f"{name}-grows-beyond", legacy.build(big, magic, compression=1), "uncompressed")
        shrinks = [Record(b"k", bytes(SMALL - 200), now + i) for i in range(3)]
        yield case(f"{name}-several-below-the-limit", legacy.build(shrinks, magic), "small")
        yield case(f"{name}-several-below-the-limit", legacy.build(shrinks, magic), "gzip")


def _raw(magic: int, codec: int) -> bytes:
    """A wrapper whose value is no stream of its codec."""
    body = struct.pack(">bb", magic, codec) + (bytes(8) if magic else b"") + struct.pack(">ii", -1, 16)
    body += b"garbage, garbage"
    return struct.pack(">qiI", 0, len(body) + 4, crc32(body)) + body
