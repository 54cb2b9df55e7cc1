"""Requests made from the declarations, with words and numbers that mean something, and what fuzzing does to
their bytes. Everything comes from the generator that is handed in: a seed repeats it.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from kwire_codecs import wire as w
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request
from kwire_codecs.records import batch
from kwire_codecs.records.compression import Compression
from kwire_codecs.records.record import Record

from kwire.handlers import registry

BOUNDS: Final = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}
TOPICS: Final = tuple(f"fuzz-{number}" for number in range(12))
GROUPS: Final = tuple(f"fuzzers-{number}" for number in range(4))
TRANSACTIONS: Final = tuple(f"fuzz-transaction-{number}" for number in range(4))
EXPRESSIONS: Final = (
    "fuzz-.*",
    "",
    "(fuzz-1|fuzz-2)?",
    "((((((((((a*)*)*)*)*)*)*)*)*)*)*",
    "(a|a)*" * 20 + "b",
    r"(f)\1",
    "(?=fuzz)f",
    "(ab",
    "a{1000}{1000}",
    "[" * 50,
    "(" * 1200 + ")" * 1200,
    "\\pX\\C\\Qf",
    "x" * 30_000,
)
ASSIGNORS: Final = ("uniform", "range", "uniform", "range", "", "RANGE")
FEATURES: Final = ("group.version", "transaction.version", "share.version", "")
TEXTS: Final = (
    "",
    "x",
    "consumer",
    "range",
    "retention.ms",
    "cleanup.policy",
    "compact",
    "1000",
    "\0",
    "ü" * 40,
)
SMALL: Final = (-1, 0, 0, 0, 1, 1, 2, 3, 7)
WAITS: Final = (-1, 0, 1, 20, 200)
SESSIONS_MS: Final = (6_000, 6_001, 10_000, 0, -1)

Frame = bytes


@dataclass
class Words:
    """What requests may name: grows by what the broker answers."""

    member_ids: list[str] = field(default_factory=lambda: [""])
    topic_ids: list[UUID] = field(default_factory=lambda: [UUID(int=0)])
    session_ids: list[int] = field(default_factory=lambda: [0])
    producer_ids: list[int] = field(default_factory=lambda: [-1])
    epochs: list[int] = field(default_factory=lambda: [-2, -1, 0])
    generation: int = 1


class Maker:
    """Makes requests out of one random generator."""

    def __init__(self, rng: random.Random, words: Words) -> None:
        self.rng = rng
        self.words = words

    def frame(self, key: int | None = None, version: int | None = None) -> tuple[int, int, Frame]:
        """A request of an API that is served: its key, its version and its bytes."""
        rng = self.rng
        key = rng.choice(tuple(registry.SERVED)) if key is None else key
        served = registry.SERVED[key]
        version = rng.randint(served.low, served.high) if version is None else version
        request = self.struct(registry.handler(key).api.Request, version)
        parts, _ = frame_request(request, version, rng.randrange(2**31), rng.choice((None, "", "fuzz")))
        return key, version, b"".join(bytes(part) for part in parts)

    def struct(self, cls: type[w.Struct], version: int) -> Any:
        """An object that a version can carry."""
        given = {
            each.name: self.value(each, each.name, version)
            if version in each.versions
            else each.make_default()
            for each in cls.__fields__
        }
        root = cls.__root__
        if root is not None and version in root.flexible and self.rng.random() < 0.05:
            given["unknown_tags"] = {self.rng.randrange(1000, 2**31): self.rng.randbytes(3)}
        return cls(**given)

    def value(self, declared: w.Field, name: str, version: int) -> Any:
        """A value that a field may have."""
        rng = self.rng
        if version in declared.null and rng.random() < 0.15:
            return None
        kind = declared.kind
        if kind in BOUNDS:
            return self.number(kind, name)
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "float64":
            return rng.random()
        if kind == "uuid":
            return rng.choice(self.words.topic_ids)
        if kind == "error_code":
            return ErrorCode.NONE
        if kind == "string":
            return self.text(name)
        if kind == "bytes":
            return self.plain_bytes(name)
        if kind == "records":
            return memoryview(self.records())
        if kind == "struct":
            assert isinstance(declared.element, type)
            return self.struct(declared.element, version)
        count = rng.choice((0, 1, 1, 1, 2, 3))
        if isinstance(declared.element, type):
            return [self.struct(declared.element, version) for _ in range(count)]
        assert declared.element is not None
        return [self.value(declared.element, name, version) for _ in range(count)]

    def number(self, kind: str, name: str) -> int:
        rng = self.rng
        low, high = BOUNDS[kind]
        chosen: tuple[int, ...] | list[int] = SMALL
        if name in ("max_wait_ms", "rebalance_timeout_ms", "timeout_ms"):
            chosen = WAITS
        elif name == "session_timeout_ms":
            chosen = SESSIONS_MS
        elif name == "session_id":
            chosen = self.words.session_ids
        elif name == "producer_id":
            chosen = self.words.producer_ids
        elif name in ("producer_epoch", "member_epoch"):
            chosen = self.words.epochs
        elif name == "transaction_timeout_ms":
            chosen = (200, 1_000, 60_000, 0, -1)
        elif name == "resource_type":
            chosen = (2, 2, 2, 0, 8, 16, 32)  # never a broker's own settings
        elif name in ("generation_id", "generation_id_or_member_epoch"):
            chosen = (-1, 0, self.words.generation)
        elif name in ("max_bytes", "partition_max_bytes"):
            chosen = (0, 1, 1000, 1 << 20, -1)
        elif name in ("num_partitions", "count", "replication_factor"):
            chosen = (-1, 1, 2, 3)
        elif rng.random() < 0.1:
            return rng.choice((low, high, rng.randint(low, high)))
        return min(max(rng.choice(chosen), low), high)

    def text(self, name: str) -> str:
        rng = self.rng
        if rng.random() < 0.1:
            return rng.choice(TEXTS)
        if "transactional_id" in name:
            return rng.choice(TRANSACTIONS)
        if name == "subscribed_topic_regex" or name.endswith("_pattern"):
            return rng.choice(EXPRESSIONS)
        if name == "server_assignor":
            return rng.choice(ASSIGNORS)
        if name == "feature":
            return rng.choice(FEATURES)
        if "member" in name:
            return rng.choice(self.words.member_ids)
        if "group" in name or "key" in name:
            return rng.choice(GROUPS)
        if name in (
            "name", "topic", "topics", "topic_name", "topic_names", "resource_name", "subscribed_topic_names"
        ):  # fmt: skip
            return rng.choice(TOPICS)
        return rng.choice(TEXTS)

    def plain_bytes(self, name: str) -> bytes:
        if name == "metadata":
            return b"\0\0\0\0\0\1\0\6fuzz-1\xff\xff\xff\xff"
        return self.rng.randbytes(self.rng.choice((0, 1, 40)))

    def records(self) -> bytearray:
        """A batch, most often a good one."""
        rng = self.rng
        made = [
            Record(rng.choice((None, b"k")), rng.randbytes(20), timestamp=1) for _ in range(rng.randint(1, 3))
        ]
        producer: dict[str, Any] = {}
        if rng.random() < 0.4:
            producer = {
                "producer_id": rng.choice(self.words.producer_ids),
                "producer_epoch": max(-1, rng.choice(self.words.epochs)),
                "base_sequence": rng.choice((0, 0, 1, 3, -1)),
                "is_transactional": rng.random() < 0.7,
                "is_control": rng.random() < 0.05,
            }
        data = batch.build(made, compression=rng.choice(tuple(Compression)), **producer)
        if rng.random() < 0.3:
            self.flip(data, 61)
            batch.write_crc(data, 0, len(data) - 12)
        return data

    # Mutations

    def flip(self, data: bytearray, within: int | None = None) -> None:
        """Turns a few bits over."""
        for _ in range(self.rng.randint(1, 4)):
            data[self.rng.randrange(min(len(data), within or len(data)))] ^= 1 << self.rng.randrange(8)

    def mutated(self, frames: list[Frame]) -> bytes:
        """A stream of frames with something wrong in it."""
        rng = self.rng
        chosen = list(frames)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(chosen))
            frame = bytearray(chosen[at])
            if len(frame) < 16:
                continue
            match rng.randrange(8):
                case 0:  # bits, behind the size
                    body = bytearray(frame[4:])
                    self.flip(body)
                    frame[4:] = body
                case 1:  # cut, with the right size
                    del frame[rng.randrange(8, len(frame)) :]
                    struct.pack_into(">i", frame, 0, len(frame) - 4)
                case 2:  # two spliced
                    other = rng.choice(frames)
                    frame = frame[: rng.randrange(4, len(frame))] + other[rng.randrange(4, len(other)) :]
                    struct.pack_into(">i", frame, 0, len(frame) - 4)
                case 3:  # a size that lies
                    size = rng.choice((len(frame) - 5, len(frame), -1, 0, 2**31 - 1, rng.randrange(2**20)))
                    struct.pack_into(">i", frame, 0, size)
                case 4:  # another version, or another API
                    struct.pack_into(">h", frame, rng.choice((4, 6)), rng.randint(-1, 80))
                case 5:  # a length or a count within it that lies
                    value = rng.choice((-1, 0, 0x7F, 0x7FFF, 2**31 - 1, -(2**31), rng.randrange(2**16)))
                    struct.pack_into(">i", frame, rng.randrange(12, len(frame) - 3), value)
                case 6:  # said again
                    chosen.insert(rng.randrange(len(chosen)), bytes(frame))
                    continue
                case _:  # in another order
                    rng.shuffle(chosen)
                    continue
            chosen[at] = bytes(frame)
        stream = b"".join(chosen)
        return stream[: rng.randrange(1, len(stream))] if rng.random() < 0.15 else stream
