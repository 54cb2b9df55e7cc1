"""The codecs of record batches: gzip, snappy, lz4, zstd.

Rules:
- `decompress` never gives, nor holds, more than about `max_bytes`; a declared size is checked before it is
  believed. Whatever is wrong with a stream, the one error is `BadStream`.
- A stream must fill its input: concatenated frames are read on, anything else behind the end is an error.
- `compress` writes what the Java client writes: snappy in xerial framing, lz4 in independent 64 KB blocks.
- The codec libraries are imported on first use; most brokers never decompress anything.
"""

import struct
import zlib
from enum import IntEnum
from typing import cast

ReadableBuffer = bytes | bytearray | memoryview

_CHUNK = 64 * 1024


class Compression(IntEnum):
    """The codec in the lowest three bits of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class BadStream(Exception):
    """The bytes are no such stream, or (`too_large`) they are one that grows beyond the bound."""

    def __init__(self, detail: str, *, too_large: bool = False) -> None:
        super().__init__(detail)
        self.too_large = too_large


def decompress(codec: int, data: ReadableBuffer, max_bytes: int, *, legacy_lz4: bool = False) -> bytes:
    """What `data` was before `codec` compressed it; raises `BadStream` beyond `max_bytes`.

    `legacy_lz4`, for magic 0, accepts any header checksum in an lz4 frame, as Kafka does there (KAFKA-3160).
    """
    match codec:
        case Compression.NONE:
            if len(data) > max_bytes:
                raise _too_large(max_bytes)
            return bytes(data)
        case Compression.GZIP:
            return _gunzip(data, max_bytes)
        case Compression.SNAPPY:
            return _snappy_decompress(data, max_bytes)
        case Compression.LZ4:
            return _lz4_decompress(data, max_bytes, legacy_lz4)
        case Compression.ZSTD:
            return _zstd_decompress(data, max_bytes)
    raise BadStream(f"unknown compression codec {codec}")


def compress(
    codec: int, data: ReadableBuffer, level: int | None = None, *, legacy_lz4: bool = False
) -> bytes:
    """`data` as a stream of `codec`; `level` is the codec's own (snappy has none), None its default.

    `legacy_lz4`, for magic 0, writes the lz4 header checksum that clients of that time expect (KAFKA-3160).
    """
    match codec:
        case Compression.NONE:
            return bytes(data)
        case Compression.GZIP:
            compressor = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
            return compressor.compress(data) + compressor.flush()
        case Compression.SNAPPY:
            return _xerial_compress(data)
        case Compression.LZ4:
            return _lz4_compress(data, level, legacy_lz4)
        case Compression.ZSTD:
            import zstandard

            return zstandard.ZstdCompressor(level=3 if level is None else level).compress(data)
    raise ValueError(f"unknown compression codec {codec}")


def _too_large(max_bytes: int) -> BadStream:
    return BadStream(f"decompresses to more than {max_bytes} bytes", too_large=True)


# gzip


def _gunzip(data: ReadableBuffer, max_bytes: int) -> bytes:
    # zlib hands the unread input back as a copy; were each of many tiny members given all that is left, the
    # copies would add up to the square of the input. So only the first is given everything.
    out: list[bytes] = []
    room = max_bytes
    view = memoryview(data)
    position, step = 0, len(view)
    while position < len(view):
        inflater = zlib.decompressobj(31)
        while not inflater.eof:
            piece = view[position : position + step]
            if not piece:
                raise BadStream("gzip stream is cut off")
            try:
                plain = inflater.decompress(piece, room + 1)
            except zlib.error as error:
                raise BadStream(f"gzip: {error}") from None
            position += len(piece) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
            room -= len(plain)
            if room < 0:
                raise _too_large(max_bytes)
            out.append(plain)
        step = 8192
    if not out:
        raise BadStream("gzip stream is empty")
    return b"".join(out)


# snappy: raw as librdkafka writes it, or in the xerial framing of the Java client and most others

_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK = 32 * 1024
_UINT32 = struct.Struct(">I")
_SNAPPY_MAX_RATIO = 22  # a three-byte element copies at most 64 bytes


def _snappy_decompress(data: ReadableBuffer, max_bytes: int) -> bytes:
    view = memoryview(data)
    if bytes(view[:8]) != _XERIAL_MAGIC:
        return _raw_snappy_decompress(view, max_bytes)
    out: list[bytes] = []
    room = max_bytes
    position = 0
    while position < len(view):
        if view[position] == 0x82 and bytes(view[position : position + 8]) == _XERIAL_MAGIC:
            position += len(_XERIAL_HEADER)  # also between blocks, where streams were concatenated
            if position > len(view):
                raise BadStream("xerial snappy header is cut off")
            continue
        if len(view) - position < 4:
            raise BadStream("xerial snappy block length is cut off")
        (size,) = _UINT32.unpack_from(view, position)
        position += 4
        if size > len(view) - position:
            raise BadStream(f"xerial snappy block of {size} bytes where {len(view) - position} are left")
        plain = _raw_snappy_decompress(view[position : position + size], room)
        out.append(plain)
        room -= len(plain)
        position += size
    return b"".join(out)


def _raw_snappy_decompress(view: memoryview, max_bytes: int) -> bytes:
    import snappy

    declared = shift = 0
    for byte in bytes(view[:5]):
        declared |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    else:
        raise BadStream("snappy length is malformed")
    if declared > _SNAPPY_MAX_RATIO * len(view):
        raise BadStream(f"snappy declares {declared} bytes, more than {len(view)} bytes can hold")
    if declared > max_bytes:
        raise _too_large(max_bytes)
    try:
        return cast(bytes, snappy.uncompress(bytes(view)))
    except snappy.UncompressError as error:
        raise BadStream(f"snappy: {error}") from None


def _xerial_compress(data: ReadableBuffer) -> bytes:
    import snappy

    view = memoryview(data)
    out = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK):
        block: bytes = snappy.compress(bytes(view[start : start + _XERIAL_BLOCK]))
        out += (_UINT32.pack(len(block)), block)
    return b"".join(out)


# lz4: the frame format. The first Kafka clients that spoke it computed the header's checksum from the magic
# number on, not from behind it, and magic 0 has kept that.

_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_CONTENT_SIZE = 0x08
_LZ4_DICTIONARY = 0x01


def _lz4_decompress(data: ReadableBuffer, max_bytes: int, legacy: bool) -> bytes:
    import lz4.frame

    view = memoryview(data)
    if legacy:
        view = memoryview(_with_lz4_checksum(bytes(view), broken=False))
    out: list[bytes] = []
    room = max_bytes
    position = 0
    while position < len(view):
        reader = lz4.frame.LZ4FrameDecompressor()
        end = _lz4_frame_end(view, position)
        piece = view[position:end]
        step = max(_CHUNK, 4 * len(piece))  # the library sets aside at once what it is allowed to give
        while not reader.eof:
            try:
                plain: bytes = reader.decompress(piece, min(step, room + 1))
            except RuntimeError as error:
                raise BadStream(f"lz4: {error}") from None
            room -= len(plain)
            if room < 0:
                raise _too_large(max_bytes)
            if not plain and not reader.eof:
                raise BadStream("lz4 frame is cut off")
            out.append(plain)
            piece = view[end:end]
            step *= 2
        position = end
    if not out:
        raise BadStream("lz4 stream is empty")
    return b"".join(out)


def _lz4_header_size(view: memoryview | bytes, position: int) -> int:
    """Magic, descriptor and checksum byte of the frame at `position`."""
    if len(view) - position < 7 or bytes(view[position : position + 4]) != _LZ4_MAGIC:
        raise BadStream("no lz4 frame")
    flags = view[position + 4]
    return 7 + (8 if flags & _LZ4_CONTENT_SIZE else 0) + (4 if flags & _LZ4_DICTIONARY else 0)


def _lz4_frame_end(view: memoryview, position: int) -> int:
    # Frames are told apart by their block lengths: handing the library all the rest for each of many tiny
    # frames would copy the square of the input.
    flags = view[position + 4] if len(view) - position > 4 else 0
    at = position + _lz4_header_size(view, position)
    while True:
        if len(view) - at < 4:
            raise BadStream("lz4 frame is cut off")
        size = int.from_bytes(view[at : at + 4], "little") & 0x7FFFFFFF
        at += 4
        if size == 0:
            break
        at += size + (4 if flags & 0x10 else 0)
    at += 4 if flags & 0x04 else 0
    if at > len(view):
        raise BadStream("lz4 frame is cut off")
    return at


def _lz4_compress(data: ReadableBuffer, level: int | None, legacy: bool) -> bytes:
    import lz4.frame

    frame: bytes = lz4.frame.compress(
        data,
        compression_level=0 if level is None or level == 9 else level,
        block_size=lz4.frame.BLOCKSIZE_MAX64KB,
        block_linked=False,
        store_size=False,
    )
    return _with_lz4_checksum(frame, broken=True) if legacy else frame


def _with_lz4_checksum(frame: bytes, *, broken: bool) -> bytes:
    at = _lz4_header_size(frame, 0) - 1
    if at >= len(frame):
        raise BadStream("lz4 frame is cut off")
    checksum = _xxh32_short(frame[:at] if broken else frame[4:at]) >> 8 & 0xFF
    return frame[:at] + bytes([checksum]) + frame[at + 1 :]


def _xxh32_short(data: bytes) -> int:
    """XXH32, seed 0, of fewer than 16 bytes: all that a frame descriptor needs."""
    mask = 0xFFFFFFFF
    value = 374761393 + len(data)
    at = 0
    while at + 4 <= len(data):
        value = value + int.from_bytes(data[at : at + 4], "little") * 3266489917 & mask
        value = (value << 17 | value >> 15) * 668265263 & mask
        at += 4
    for byte in data[at:]:
        value = value + byte * 374761393 & mask
        value = (value << 11 | value >> 21) * 2654435761 & mask
    value = (value ^ value >> 15) * 2246822519 & mask
    value = (value ^ value >> 13) * 3266489917 & mask
    return value ^ value >> 16


# zstd: the library reads a frame that is cut off as a short one, so where frames end is found out here.

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"  # behind a byte 0x50 to 0x5f


def _zstd_decompress(data: ReadableBuffer, max_bytes: int) -> bytes:
    import zstandard

    out: list[bytes] = []
    room = max_bytes
    view = memoryview(data)
    if not view:
        raise BadStream("zstd stream is empty")
    position = 0
    decompressor = zstandard.ZstdDecompressor()
    while position < len(view):
        end, declared = _zstd_frame_end(view, position)
        if declared > room:
            raise _too_large(max_bytes)
        try:
            with decompressor.stream_reader(view[position:end]) as reader:
                while plain := reader.read(min(_CHUNK, room + 1)):
                    room -= len(plain)
                    if room < 0:
                        raise _too_large(max_bytes)
                    out.append(plain)
        except zstandard.ZstdError as error:
            raise BadStream(f"zstd: {error}") from None
        position = end
    return b"".join(out)


def _zstd_frame_end(view: memoryview, position: int) -> tuple[int, int]:
    """Where the frame at `position` ends, and the content size that it declares (0 if it declares none)."""
    left = len(view) - position
    if left < 6:
        raise BadStream("zstd frame is cut off")
    if view[position] & 0xF0 == 0x50 and view[position + 1 : position + 4] == _SKIPPABLE_MAGIC:
        at = position + 8 + int.from_bytes(view[position + 4 : position + 8], "little")
        if left < 8 or at > len(view):
            raise BadStream("zstd frame is cut off")
        return at, 0
    if view[position : position + 4] != _ZSTD_MAGIC:
        raise BadStream("no zstd frame")
    descriptor = view[position + 4]
    single_segment = descriptor >> 5 & 1
    at = position + 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    size_length = (single_segment, 2, 4, 8)[descriptor >> 6]
    declared = int.from_bytes(view[at : at + size_length], "little") + (256 if size_length == 2 else 0)
    at += size_length
    last = False
    while not last:
        if len(view) - at < 3:
            raise BadStream("zstd frame is cut off")
        header = view[at] | view[at + 1] << 8 | view[at + 2] << 16
        last = header & 1 == 1
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
    at += 4 if descriptor & 4 else 0
    if at > len(view):
        raise BadStream("zstd frame is cut off")
    return at, declared
