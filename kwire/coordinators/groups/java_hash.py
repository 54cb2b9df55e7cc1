"""Java's `String.hashCode`, by which Kafka places groups on partitions, and HashMap's order, which breaks
its ties.
"""

from __future__ import annotations

from collections.abc import Collection
from struct import iter_unpack


def java_hash(text: str) -> int:
    """`String.hashCode()`: over UTF-16 code units, in 32 bits, signed."""
    result = 0
    for (unit,) in iter_unpack("<H", text.encode("utf-16-le", "surrogatepass")):
        result = (31 * result + unit) & 0xFFFF_FFFF
    return result - 0x1_0000_0000 if result & 0x8000_0000 else result


def partition_for(key: str, partition_count: int) -> int:
    """The partition of a coordinator's topic that a group (or transactional id) lives on.

    Kafka: `Utils.abs(key.hashCode()) % count`, where abs of the smallest integer is 0.
    """
    value = java_hash(key)
    return (0 if value == -0x8000_0000 else abs(value)) % partition_count


def hash_map_order(names: Collection[str]) -> list[str]:
    """The order in which a Java HashMap of these keys is walked (its bins never grow into trees here)."""
    size = 16
    while len(names) > size * 3 // 4:
        size *= 2

    def slot(name: str) -> int:
        value = java_hash(name) & 0xFFFF_FFFF
        return (value ^ (value >> 16)) & (size - 1)

    return sorted(names, key=slot)
