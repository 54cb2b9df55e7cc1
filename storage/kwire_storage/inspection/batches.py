"""The batches of a `.log` or `.checkpoint` file, one after the other, of any magic.

Each is found by the size that the one before it names. Where that can't be right the walk ends with
Unreadable: nobody knows where the next one begins. A batch with a wrong checksum is one of those found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import legacy
from kwire_codecs.records.batch import HEADER_SIZE, BatchHeader, CorruptBatch, Reason, Record
from kwire_codecs.records.checksum import crc32c

from .source import CHUNK_BYTES, LARGEST_BYTES, Source, Unreadable

_SMALLEST = 26
"""A message of magic 0 without key and value."""
_CRC_FROM = {0: 16, 1: 16, 2: record_batch.ATTRIBUTES_POSITION}


class HalfBatch(Unreadable):
    """The file ends before its last batch does, or with zeros: an append was interrupted, or is under way, or
    room is reserved for more.
    """


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, or a message of the old formats: where it is, and what it says of itself."""

    source: Source
    position: int
    size: int
    magic: int
    base_offset: int
    """Of an old message that is compressed: the last offset within, which is all that is known outside."""
    last_offset: int
    max_timestamp: int
    crc_is_valid: bool
    header: BatchHeader | None
    """None for an old message."""
    message: legacy.Message | None

    def bytes(self) -> memoryview:
        """All of it. Raises Unreadable when it is too large to be held."""
        if self.size > LARGEST_BYTES:
            raise Unreadable(self.source.path, f"a batch of {self.size} bytes", self.position)
        return self.source.view(self.position, self.size)

    def records(self) -> Iterator[Record]:
        """The records within. Raises Unreadable at the first that can't be read."""
        try:
            if self.header is not None:
                yield from record_batch.iterate(self.bytes(), 0, self.header, LARGEST_BYTES)
            else:
                yield from legacy.iterate(self.bytes(), LARGEST_BYTES, check_crc=False)
        except CorruptBatch as corrupt:
            raise Unreadable(
                self.source.path, f"a batch whose records can't be read: {corrupt.detail}", self.position
            ) from None


def walk(source: Source) -> Iterator[Batch]:
    """Each batch, in the file's order. Raises Unreadable, as HalfBatch where the file only ends too early."""
    position = 0
    while position < source.size:
        found = _at(source, position)
        yield found
        position += found.size


def _at(source: Source, position: int) -> Batch:
    left = source.size - position
    start = source.view(position, HEADER_SIZE)
    if len(start) < _SMALLEST:
        raise _cut_off(source, position, left)
    if not any(start) and _are_zeros(source, position):
        raise HalfBatch(
            source.path, f"no batch, but {left} bytes of zeros, as preallocate reserves them", position
        )
    size, magic = record_batch.size_at(start), record_batch.magic_at(start)
    if magic not in (0, 1, 2):
        raise Unreadable(source.path, f"no batch: its magic is {magic}, not 0, 1 or 2", position)
    if size < (HEADER_SIZE if magic == 2 else _SMALLEST + 8 * magic):
        raise Unreadable(source.path, f"no batch: it says that it has {size} bytes", position)
    if size > left:
        raise _cut_off(source, position, left, size)
    try:
        if magic == 2:
            header = record_batch.read_header(start, whole=False)
            crc_is_valid = _checksum(source, position, size, magic) == header.crc
            return Batch(
                source,
                position,
                size,
                magic,
                header.base_offset,
                header.last_offset,
                header.max_timestamp,
                crc_is_valid,
                header,
                None,
            )
        if size > LARGEST_BYTES:
            raise Unreadable(source.path, f"a message of {size} bytes", position)
        message = legacy.read_message(source.view(position, size))
    except CorruptBatch as corrupt:
        if corrupt.reason is Reason.LENGTH and magic == 2:
            raise _cut_off(source, position, left, size) from None
        raise Unreadable(source.path, f"no batch: {corrupt.detail}", position) from None
    crc_is_valid = _checksum(source, position, size, magic) == message.crc
    offset, timestamp = message.offset, message.timestamp
    return Batch(source, position, size, magic, offset, offset, timestamp, crc_is_valid, None, message)


def _are_zeros(source: Source, position: int) -> bool:
    while position < source.size:
        part = source.view(position, min(CHUNK_BYTES, source.size - position))
        if not part:
            break
        if part != bytes(len(part)):
            return False
        position += len(part)
    return True


def _cut_off(source: Source, position: int, left: int, size: int = 0) -> HalfBatch:
    of = f" of {size}" if size else ""
    return HalfBatch(source.path, f"half a batch: {left} bytes{of}", position)


def _checksum(source: Source, position: int, size: int, magic: int) -> int:
    checksum, at, end = 0, position + _CRC_FROM[magic], position + size
    add = crc32c if magic == 2 else crc32
    while at < end:
        part = source.view(at, min(CHUNK_BYTES, end - at))
        if not part:
            raise Unreadable(source.path, "the file became shorter while it was read", at)
        checksum = add(part, checksum)
        at += len(part)
    return checksum
