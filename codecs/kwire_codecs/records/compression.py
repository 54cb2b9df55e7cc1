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


def decompress(codec: int, data: ReadableBuffer, max_bytes: int) -> bytes:
    """What `data` was before `codec` compressed it; raises `BadStream` beyond `max_bytes`."""
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
            return _lz4_decompress(data, max_bytes)
        case Compression.ZSTD:
            return _zstd_decompress(data, max_bytes)
    raise BadStream(f"unknown compression codec {codec}")


def compress(codec: int, data: ReadableBuffer, level: int | None = None) -> bytes:
    """`data` as a stream of `codec`; `level` is the codec's own (snappy has none), None its default."""
    match codec:
        case Compression.NONE:
            return bytes(data)
        case Compression.GZIP:
            compressor = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
            return compressor.compress(data) + compressor.flush()
        case Compression.SNAPPY:
            return _xerial_compress(data)
        case Compression.LZ4:
            return _lz4_compress(data, level)
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
        plain: bytes = snappy.uncompress(bytes(view))
    except snappy.UncompressError as error:
        raise BadStream(f"snappy: {error}") from None
    return plain


def _xerial_compress(data: ReadableBuffer) -> bytes:
    import snappy

    view = memoryview(data)
    out = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK):
        block: bytes = snappy.compress(bytes(view[start : start + _XERIAL_BLOCK]))
        out += (_UINT32.pack(len(block)), block)
    return b"".join(out)


# lz4


def _lz4_decompress(data: ReadableBuffer, max_bytes: int) -> bytes:
    import lz4.frame

    out: list[bytes] = []
    room = max_bytes
    rest = memoryview(data)
    if not rest:
        raise BadStream("lz4 stream is empty")
    while rest:
        reader = lz4.frame.LZ4FrameDecompressor()
        try:
            plain: bytes = reader.decompress(rest, room + 1)
        except RuntimeError as error:
            raise BadStream(f"lz4: {error}") from None
        room -= len(plain)
        if room < 0:
            raise _too_large(max_bytes)
        if not reader.eof:
            raise BadStream("lz4 frame is cut off")
        out.append(plain)
        rest = memoryview(reader.unused_data or b"")
    return b"".join(out)


def _lz4_compress(data: ReadableBuffer, level: int | None) -> bytes:
    import lz4.frame

    frame: bytes = lz4.frame.compress(
        data,
        compression_level=0 if level is None or level == 9 else level,
        block_size=lz4.frame.BLOCKSIZE_MAX64KB,
        block_linked=False,
        store_size=False,
    )
    return frame


# zstd


def _zstd_decompress(data: ReadableBuffer, max_bytes: int) -> bytes:
    import zstandard

    out: list[bytes] = []
    room = max_bytes
    try:
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            while plain := reader.read(min(_CHUNK, room + 1)):
                room -= len(plain)
                if room < 0:
                    raise _too_large(max_bytes)
                out.append(plain)
    except zstandard.ZstdError as error:
        raise BadStream(f"zstd: {error}") from None
    return b"".join(out)
