"""The entries of index files, one by one, as they stand there: nothing is believed, nothing is put right."""

from collections.abc import Iterator
from struct import Struct

from .source import CHUNK_BYTES, Source, Unreadable

OFFSETS = Struct(">ii")
"""Relative offset, position."""
TIMES = Struct(">qi")
"""Timestamp, relative offset."""
TRANSACTIONS = Struct(">hqqqq")
"""Version, producer id, first offset, last offset, last stable offset."""
_AT_ONCE = 4096


def zeros_from(source: Source, position: int) -> bool:
    """Whether the file holds nothing but zeros from there on: the room that Kafka gives an index ahead, until
    its segment is sealed.
    """
    while position < source.size:
        part = source.view(position, CHUNK_BYTES)
        if any(part):
            return False
        position += len(part) or source.size
    return True


def entries(source: Source, layout: Struct) -> Iterator[tuple[int, ...]]:
    """Each entry; Unreadable behind the last whole one when the file ends within one."""
    whole = source.size - source.size % layout.size
    for position in range(0, whole, _AT_ONCE * layout.size):
        part = source.view(position, min(_AT_ONCE * layout.size, whole - position))
        yield from layout.iter_unpack(part[: len(part) - len(part) % layout.size])
    if whole < source.size:
        raise Unreadable(source.path, f"{source.size - whole} bytes where an entry has {layout.size}", whole)
