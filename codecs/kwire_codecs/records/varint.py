"""Zig-zag varints, as magic 2 records use them: at most 5 bytes for 32 bits, 10 for 64.

`read_*` take any indexable bytes and give (value, next position). They raise `CorruptBatch` for a number
that does not end in the buffer or does not fit its width; like Kafka's ByteUtils they accept an encoding
that is longer than it need be.
"""

from collections.abc import Callable

from .corrupt import CorruptBatch, Reason

_OVERFLOW = "varint is too long"
_TRUNCATED = "varint is cut off"


def _reader(bits: int) -> Callable[[bytes, int], tuple[int, int]]:
    last_shift, largest = (bits - 1) // 7 * 7, (1 << bits) - 1

    def read(buffer: bytes, position: int) -> tuple[int, int]:
        result = shift = 0
        try:
            while True:
                byte = buffer[position]
                position += 1
                result |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > last_shift:
                    raise CorruptBatch(Reason.RECORD, _OVERFLOW, position)
        except IndexError:
            raise CorruptBatch(Reason.RECORD, _TRUNCATED, position) from None
        if result > largest:
            raise CorruptBatch(Reason.RECORD, _OVERFLOW, position)
        return (result >> 1) ^ -(result & 1), position

    return read


read_int = _reader(32)
"""The signed 32-bit varint at a position."""
read_long = _reader(64)
"""The signed 64-bit varint at a position."""


def append(out: bytearray, value: int) -> None:
    """Append `value`, a signed number of at most 64 bits, to `out`."""
    value = (value << 1) ^ (value >> 63)
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def encode(value: int) -> bytes:
    """`value` as a varint: one byte from a table for -64 to 63."""
    if -64 <= value < 64:
        return SHORT[value]
    if -8192 <= value < 8192:
        value = (value << 1) ^ (value >> 63)
        return (value & 0x7F | 0x80 | value >> 7 << 8).to_bytes(2, "little")
    out = bytearray()
    append(out, value)
    return bytes(out)


# Of one byte. Indexed by the value itself: Python's negative indices find -1 to -64 at the end.
SHORT = [bytes([value << 1]) for value in range(64)] + [bytes([(-value << 1) - 1]) for value in range(-64, 0)]
