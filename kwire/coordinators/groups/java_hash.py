"""Java's `hashCode`, by which Kafka places groups on partitions, and the orders in which its hash tables are
walked, which break its ties.

Keys lie in slots by their hash; those that share a slot are walked in the order in which they came. How many
slots there are depends on what the table was made for and on the greatest number of keys that it ever held.
Not modelled: in a table of 64 slots and more a slot of more than eight keys is a tree, with an order of its
own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import mul
from struct import iter_unpack
from typing import Final, TypeVar
from uuid import UUID

K = TypeVar("K")

DEFAULT_SLOTS: Final = 16
_CHUNK: Final = 64
_POWERS_OF_31: Final = tuple(31**exponent & 0xFFFF_FFFF for exponent in reversed(range(_CHUNK)))
"""By which the units of a text count, the last one by 1."""
_CROWDED: Final = 8
_LARGE: Final = 64
_FIBONACCI = -7046029254386353131


def java_hash(text: str) -> int:
    """`String.hashCode()`: over UTF-16 code units, in 32 bits, signed."""
    units: Sequence[int]
    if text.isascii():
        units = text.encode()
    else:
        units = [unit for (unit,) in iter_unpack("<H", text.encode("utf-16-le", "surrogatepass"))]
    result = 0
    for start in range(0, len(units), _CHUNK):
        chunk = units[start : start + _CHUNK]
        powers = _POWERS_OF_31[_CHUNK - len(chunk) :]
        result = (result * powers[0] * 31 + sum(map(mul, chunk, powers))) & 0xFFFF_FFFF
    return result - 0x1_0000_0000 if result & 0x8000_0000 else result


def partition_for(key: str, partition_count: int) -> int:
    """The partition of a coordinator's topic that a group (or transactional id) lives on.

    Kafka: `Utils.abs(key.hashCode()) % count`, where abs of the smallest integer is 0.
    """
    value = java_hash(key)
    return (0 if value == -0x8000_0000 else abs(value)) % partition_count


def uuid_hash(id_: UUID) -> int:
    """`Uuid.hashCode()`: both longs' halves, folded; unsigned."""
    bits = id_.int
    folded = (bits >> 64) ^ bits
    return (folded >> 32 ^ folded) & 0xFFFF_FFFF


def utf16_order(text: str) -> bytes:
    """The key by which Java compares strings: their UTF-16 units."""
    return text.encode("utf-16-be", "surrogatepass")


def uuid_order(id_: UUID) -> tuple[int, int]:
    """The key by which Kafka compares ids: two signed longs."""
    high, low = id_.int >> 64, id_.int & 0xFFFF_FFFF_FFFF_FFFF
    return high - 2**64 if high >> 63 else high, low - 2**64 if low >> 63 else low


def slots_for(capacity: int) -> int:
    """The slots of a HashMap that is made with an initial capacity: the next power of two."""
    return 1 << max(capacity - 1, 0).bit_length()


def slots_for_copy(count: int) -> int:
    """The slots of a HashSet that is made from a collection of `count` elements."""
    return slots_for(max(count * 4 // 3 + 1, DEFAULT_SLOTS))


def slots_after(count: int, slots: int = DEFAULT_SLOTS) -> int:
    """The slots of a HashMap of that many at first, once it holds `count` keys."""
    while count > slots * 3 // 4:
        slots *= 2
    return slots


def slots_after_putting(
    held: Collection[K], keys: Collection[K], hash_of: Callable[[K], int], slots: int
) -> int:
    """The slots of a HashMap once it holds these keys as well, put one by one.

    It also grows, as long as it is small, when a ninth key comes to one slot (HashMap.treeifyBin).
    """
    count = len(held) + len(keys)
    if count > _CROWDED and slots < _LARGE:
        hashes = [_spread(hash_of(key)) for key in held]
        for key in keys:
            mine = _spread(hash_of(key))
            if len(hashes) >= _CROWDED:
                mask = slots - 1
                if sum((mine ^ other) & mask == 0 for other in hashes) >= _CROWDED:
                    slots *= 2
            hashes.append(mine)
            slots = slots_after(len(hashes), slots)
            if slots >= _LARGE:
                break
    return slots_after(count, slots)


def in_slots(keys: Collection[K], hash_of: Callable[[K], int], slots: int) -> Sequence[K]:
    """The order in which a HashMap or HashSet of so many slots is walked, its keys put in this order."""
    if len(keys) < 2:
        return tuple(keys)
    mask = slots - 1

    def slot(key: K) -> int:
        value = hash_of(key) & 0xFFFF_FFFF
        return (value ^ (value >> 16)) & mask

    return sorted(keys, key=slot)


def walked(keys: Collection[K], hash_of: Callable[[K], int], slots: int = DEFAULT_SLOTS) -> Sequence[K]:
    """The order of a HashMap or HashSet that was made with so many slots, its keys put in this order."""
    return in_slots(keys, hash_of, slots_after_putting((), keys, hash_of, slots))


def _spread(value: int) -> int:
    value &= 0xFFFF_FFFF
    return value ^ (value >> 16)


def hash_map_order(names: Collection[str]) -> Sequence[str]:
    """The order in which a Java HashMap of these keys is walked, put in this order."""
    return walked(names, java_hash)


def timeline_map_order(names: Collection[str]) -> list[str]:
    """The order in which Kafka's TimelineHashMap is walked: the latest of a slot's keys first.

    The table is taken to have grown to these keys and never held more. (BaseHashTable.findSlot: a fibonacci
    hash's highest bits.)
    """
    bits = 1
    while len(names) * 3 > 4 << bits:
        bits += 1

    def slot(name: str) -> int:
        return (java_hash(name) * _FIBONACCI & 0xFFFF_FFFF_FFFF_FFFF) >> (64 - bits)

    return sorted(reversed(list(names)), key=slot)
