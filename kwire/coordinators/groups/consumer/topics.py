"""The topics as a group coordinator sees them: names, ids, partition counts and racks, at one moment.

`Topics` is what the machine is handed, and is never changed: a change of the cluster is another view with a
higher version. A topic's hash tells whether anything about it has changed that a group must look at: it is
Kafka's, because it is kept in the groups' records (KIP-1101; Kafka: Utils.computeTopicHash and
computeGroupHash).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

_TOPIC_HASH_VERSION = b"\0"
_INT = struct.Struct("<i")
_LONG = struct.Struct("<Q")


class Topic(NamedTuple):
    """One topic; `racks[partition]` are the racks that hold a replica, of nodes that have one."""

    name: str
    topic_id: UUID
    partition_count: int
    racks: Sequence[Sequence[str]] = ()
    """Empty: no node has a rack."""

    def racks_of(self, partition: int) -> Sequence[str]:
        """The racks of one partition's replicas."""
        return self.racks[partition] if self.racks else ()


class Topics(Protocol):
    """All topics of the cluster, at one version of its metadata."""

    @property
    def version(self) -> int:
        """Grows with every change."""
        ...

    def by_name(self, name: str) -> Topic | None:
        """The topic of that name."""
        ...

    def by_id(self, topic_id: UUID) -> Topic | None:
        """The topic of that id."""
        ...

    def names(self) -> Iterable[str]:
        """Every topic's name."""
        ...


class FixedTopics:
    """Topics that are written down. Immutable."""

    __slots__ = ("_by_id", "_by_name", "version")

    def __init__(self, topics: Iterable[Topic] = (), version: int = 0) -> None:
        self.version = version
        self._by_name = {topic.name: topic for topic in topics}
        self._by_id = {topic.topic_id: topic for topic in self._by_name.values()}

    def by_name(self, name: str) -> Topic | None:
        return self._by_name.get(name)

    def by_id(self, topic_id: UUID) -> Topic | None:
        return self._by_id.get(topic_id)

    def names(self) -> Iterable[str]:
        return self._by_name


def topic_hash(topic: Topic) -> int:
    """What says whether a topic has changed: signed, 64 bits."""
    id_ = topic.topic_id.int
    data = bytearray(_TOPIC_HASH_VERSION)
    data += _LONG.pack(id_ >> 64)
    data += _LONG.pack(id_ & 0xFFFF_FFFF_FFFF_FFFF)
    _put_text(data, topic.name)
    data += _INT.pack(topic.partition_count)
    for partition in range(topic.partition_count):
        data += _INT.pack(partition)
        for rack in sorted(topic.racks_of(partition), key=_utf16_order):
            data += _INT.pack(len(_utf16(rack)) // 2)
            _put_text(data, rack)
    return _hash(bytes(data))


def group_hash(topic_hashes: Mapping[str, int]) -> int:
    """What says whether any of a group's topics has changed; 0 where there is none."""
    if not topic_hashes:
        return 0
    names = sorted(topic_hashes, key=_utf16_order)
    return _hash(b"".join(_LONG.pack(topic_hashes[name] % 2**64) for name in names))


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _utf16_order(text: str) -> bytes:
    """Java compares strings by their UTF-16 units."""
    return text.encode("utf-16-be", "surrogatepass")


def _put_text(data: bytearray, text: str) -> None:
    """As hash4j puts a string: its UTF-16 units, then their number."""
    units = _utf16(text)
    data += units
    data += _INT.pack(len(units) // 2)


def _hash(data: bytes) -> int:
    # A library that only consumer groups need: a broker starts without it.
    from xxhash import xxh3_64_intdigest

    number = xxh3_64_intdigest(data)
    return number - 2**64 if number >= 2**63 else number
