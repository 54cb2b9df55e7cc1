"""Where batches lie in a segment's file, and walking from one to the next by their headers.

The header of a batch is never trusted to lie within the file: what does not add up raises StorageError,
naming file and byte.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from kwire_codecs.records.batch import HEADER_SIZE, LOG_OVERHEAD

from ..engine import StorageError
from ..open_files import OpenFile
from .offset_index import MAX_RELATIVE_OFFSET

SCAN_BYTES = 8192

# base offset, batch length, (epoch, magic, CRC, attributes), last offset delta, (base timestamp), max
# timestamp
_PLACE = struct.Struct(">qi11xi8xq")


class Place(NamedTuple):
    """Where a batch lies, and what its header says of offsets and time."""

    position: int
    size: int
    base_offset: int
    last_offset: int
    max_timestamp: int

    @property
    def end(self) -> int:
        return self.position + self.size


def walk(
    file: OpenFile, position: int, end: int, least_offset: int, descriptor: int | None = None
) -> Iterator[tuple[memoryview, int, Place]]:
    """Each batch from `position` to `end`: its place, after a buffer and the position in it where its header
    is. Offsets rise, from `least_offset` up to where an index of offsets relative to it can reach. With a
    descriptor that a slice holds, a thread may walk.
    """
    largest_offset = least_offset + MAX_RELATIVE_OFFSET
    chunk, chunk_start, ask = memoryview(b""), position, SCAN_BYTES
    while position < end:
        at = position - chunk_start
        if at + HEADER_SIZE > len(chunk):
            chunk, chunk_start, at = read(file, position, min(ask, end - position), descriptor), position, 0
            if len(chunk) < HEADER_SIZE:
                raise _unreadable(file, position, end)
        base_offset, length, last_delta, max_timestamp = _PLACE.unpack_from(chunk, at)
        size = length + LOG_OVERHEAD
        if (
            size < HEADER_SIZE
            or position + size > end
            or last_delta < 0
            or not least_offset <= base_offset <= largest_offset - last_delta
        ):
            raise _unreadable(file, position, end)
        yield chunk, at, Place(position, size, base_offset, base_offset + last_delta, max_timestamp)
        position += size
        least_offset = base_offset + last_delta + 1
        ask = SCAN_BYTES if size < SCAN_BYTES else HEADER_SIZE  # one of the size of this one may follow


def _unreadable(file: OpenFile, position: int, end: int) -> StorageError:
    return StorageError(f"{file.path} has no whole batch at byte {position} of {end}")


def read(file: OpenFile, position: int, size: int, descriptor: int | None = None) -> memoryview:
    """At most `size` bytes of the file, fewer at its end."""
    view = memoryview(bytearray(size))
    return view[: file.read_up_to(view, position, descriptor)]
