"""One contract for every codec: what went in comes out, within the bound, and bad streams are refused."""

import functools
import gzip
import lzma
import struct
import subprocess
import sys
import tracemalloc
import zlib
from contextlib import suppress

import lz4.frame
import pytest
import snappy
import xxhash
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.records import compression
from kwire_codecs.records.compression import BadStream, Compression, compress, decompress

CODECS = [Compression.GZIP, Compression.SNAPPY, Compression.LZ4, Compression.ZSTD]
MB = 1024 * 1024
every_codec = pytest.mark.parametrize("codec", CODECS)
contents = st.binary(max_size=300) | st.builds(
    lambda piece, n: piece * n, st.binary(max_size=20), st.integers(0, 9000)
)


@given(contents, st.sampled_from(Compression))
def test_what_goes_in_comes_out(data: bytes, codec: Compression) -> None:
    assert decompress(codec, compress(codec, data), len(data)) == data
    assert decompress(codec, memoryview(compress(codec, bytearray(data))), len(data) + 1) == data


@pytest.mark.parametrize("codec", [5, 6, 7, -1])
def test_an_unknown_codec_is_refused(codec: int) -> None:
    with pytest.raises(BadStream, match="unknown"):
        decompress(codec, b"", 10)
    with pytest.raises(ValueError, match="unknown"):
        compress(codec, b"")


@pytest.mark.parametrize("codec", Compression)
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_one_byte_more_than_the_bound_is_too_large(codec: Compression, size: int) -> None:
    stream = compress(codec, bytes(size))
    assert decompress(codec, stream, size) == bytes(size)
    with pytest.raises(BadStream) as caught:
        decompress(codec, stream, size - 1)
    assert caught.value.too_large


@every_codec
def test_a_stream_cut_off_anywhere_is_refused(codec: Compression) -> None:
    stream = compress(codec, b"some text, some more text, and some more" * 9)
    for end in range(len(stream)):
        if codec is Compression.SNAPPY and end == 16:
            # Between the blocks of xerial snappy a cut does not show: nothing says how many there are.
            assert decompress(codec, stream[:end], MB) == b""
            continue
        with pytest.raises(BadStream) as caught:
            decompress(codec, stream[:end], MB)
        assert not caught.value.too_large


@every_codec
@pytest.mark.parametrize("garbage", [b"\0", b"garbage!", b"\xff" * 40])
def test_garbage_behind_the_end_is_refused(codec: Compression, garbage: bytes) -> None:
    with pytest.raises(BadStream):
        decompress(codec, compress(codec, b"text" * 100) + garbage, MB)


@every_codec
def test_concatenated_streams_are_read_to_the_end(codec: Compression) -> None:
    stream = compress(codec, b"first" * 9000) + compress(codec, b"second") + compress(codec, b"third" * 10)
    wanted = b"first" * 9000 + b"second" + b"third" * 10
    assert decompress(codec, stream, len(wanted)) == wanted
    with pytest.raises(BadStream) as caught:
        decompress(codec, stream, len(wanted) - 1)
    assert caught.value.too_large


@every_codec
def test_nothing_at_all_is_no_stream(codec: Compression) -> None:
    with pytest.raises(BadStream):
        decompress(codec, b"", MB)


@given(st.binary(max_size=100), st.sampled_from(CODECS), st.booleans(), st.integers(0, 2000))
def test_garbage_is_a_bad_stream_or_stays_within_the_bound(
    data: bytes, codec: Compression, dressed: bool, bound: int
) -> None:
    if dressed:  # behind a header that is right, so that more than the first check is met
        data = compress(codec, b"")[:7] + data
    with suppress(BadStream):
        assert len(decompress(codec, data, bound, legacy_lz4=True)) <= bound


@given(st.data(), st.sampled_from(CODECS))
def test_a_damaged_stream_is_a_bad_stream_or_stays_within_the_bound(
    data: st.DataObject, codec: Compression
) -> None:
    stream = bytearray(compress(codec, b"some text, " * 60 + bytes(5000)))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadStream):
        assert len(decompress(codec, stream, 6000)) <= 6000


@functools.cache
def bomb(codec: Compression) -> bytes:
    """64 MB of nothing in as little as the codec can."""
    return compress(codec, bytes(64 * MB))


@pytest.mark.slow
@every_codec
def test_a_bomb_is_refused_within_a_small_multiple_of_the_bound(codec: Compression) -> None:
    stream = bomb(codec)
    compress(codec, b"")  # the library is loaded
    tracemalloc.start()
    try:
        with pytest.raises(BadStream) as caught:
            decompress(codec, stream, MB)
        assert caught.value.too_large
        assert tracemalloc.get_traced_memory()[1] < 4 * MB + 2 * len(stream)
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@every_codec
def test_a_bomb_does_not_grow_the_process(codec: Compression) -> None:
    # tracemalloc does not see what the libraries allocate on their own: the kernel does.
    program = """
import resource, sys
from kwire_codecs.records.compression import BadStream, compress, decompress
codec = int(sys.argv[1])
compress(codec, b"")
stream = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(3):
    try:
        decompress(codec, stream, 1 << 20)
    except BadStream:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", program, str(int(codec))]
    path = ":".join(sys.path)
    done = subprocess.run(
        command, input=bomb(codec), capture_output=True, check=True, env={"PYTHONPATH": path}
    )
    assert int(done.stdout) < 16 * 1024  # KB


# What each codec has of its own


def test_snappy_is_read_raw_and_framed_and_written_framed() -> None:
    data = b"snappy " * 20_000
    framed = compress(Compression.SNAPPY, data)
    assert framed.startswith(b"\x82SNAPPY\0\0\0\0\1\0\0\0\1")
    assert decompress(Compression.SNAPPY, framed, len(data)) == data
    assert decompress(Compression.SNAPPY, snappy.compress(data), len(data)) == data


def test_a_snappy_length_that_lies_is_refused_before_it_is_allocated() -> None:
    for declared in (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff", b"\x80\x80\x80\x08", b"\xe8\x07"):
        with pytest.raises(BadStream):
            decompress(Compression.SNAPPY, declared + b"abcdef", 2**40)


@pytest.mark.parametrize(
    "tail", [b"\0\0\0\x09abc", b"\xff\xff\xff\xffabc", b"\0\0", b"\x82SNAPPY", b"\x82SNAPPY\0\0\0\0\1\0\0\0"]
)
def test_xerial_blocks_that_do_not_add_up_are_refused(tail: bytes) -> None:
    with pytest.raises(BadStream):
        decompress(Compression.SNAPPY, compress(Compression.SNAPPY, b"text") + tail, MB)


def test_lz4_is_written_in_independent_blocks_of_64_kb_without_its_size() -> None:
    info = lz4.frame.get_frame_info(compress(Compression.LZ4, bytes(200_000)))
    assert (info["block_size"], info["block_linked"], info["content_size"]) == (65536, False, 0)


@pytest.mark.parametrize("size", [0, 10, 300_000])
@pytest.mark.parametrize("with_size", [False, True])
def test_lz4_frames_of_every_make_are_read(size: int, with_size: bool) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    for linked in (False, True):
        for checksum in (False, True):
            frame = lz4.frame.compress(
                data,
                store_size=with_size,
                block_linked=linked,
                content_checksum=checksum,
                block_checksum=checksum,
            )
            assert decompress(Compression.LZ4, frame, len(data)) == data
            assert decompress(Compression.LZ4, frame, len(data), legacy_lz4=True) == data


def test_the_old_lz4_header_checksum_is_written_and_read_for_magic_0_only() -> None:
    old = compress(Compression.LZ4, b"text" * 100, legacy_lz4=True)
    new = compress(Compression.LZ4, b"text" * 100)
    assert old[6] == xxhash.xxh32_intdigest(old[:6]) >> 8 & 0xFF
    assert new[6] == xxhash.xxh32_intdigest(new[4:6]) >> 8 & 0xFF
    assert old[:6] + old[7:] == new[:6] + new[7:]
    assert decompress(Compression.LZ4, old, 400, legacy_lz4=True) == b"text" * 100
    assert decompress(Compression.LZ4, new, 400, legacy_lz4=True) == b"text" * 100
    with pytest.raises(BadStream):
        decompress(Compression.LZ4, old, 400)


@given(st.binary(max_size=15))
def test_the_short_xxh32_is_xxh32(data: bytes) -> None:
    assert compression._xxh32_short(data) == xxhash.xxh32_intdigest(data)


def test_zstd_frames_are_read_with_and_without_size_and_checksum() -> None:
    data = b"zstd " * 100_000
    for with_size in (False, True):
        for checksum in (False, True):
            writer = zstandard.ZstdCompressor(write_content_size=with_size, write_checksum=checksum)
            frame = writer.compress(data)
            assert decompress(Compression.ZSTD, frame, len(data)) == data
            with pytest.raises(BadStream) as caught:
                decompress(Compression.ZSTD, frame, len(data) - 1)
            assert caught.value.too_large


def test_skippable_zstd_frames_are_skipped() -> None:
    frame = compress(Compression.ZSTD, b"text")
    skipped = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 5) + b"12345"
    assert decompress(Compression.ZSTD, skipped + frame + skipped, 4) == b"text"
    with pytest.raises(BadStream):
        decompress(Compression.ZSTD, frame + skipped[:-1], 4)


def test_a_declared_zstd_size_is_refused_unread() -> None:
    frame = bytearray(compress(Compression.ZSTD, bytes(10 * MB)))
    with pytest.raises(BadStream) as caught:
        decompress(Compression.ZSTD, frame, MB)
    assert caught.value.too_large


@pytest.mark.parametrize("wbits", [15, -15])
def test_zlib_and_raw_deflate_are_not_gzip(wbits: int) -> None:
    with pytest.raises(BadStream):
        decompress(Compression.GZIP, zlib.compress(b"text", wbits=wbits), MB)
    with pytest.raises(BadStream):
        decompress(Compression.GZIP, lzma.compress(b"text"), MB)


def test_gzip_with_a_name_and_a_wrong_checksum_are_told_apart() -> None:
    assert decompress(Compression.GZIP, gzip.compress(b"text", mtime=5), 4) == b"text"
    damaged = bytearray(gzip.compress(b"text"))
    damaged[-8] ^= 1
    with pytest.raises(BadStream):
        decompress(Compression.GZIP, damaged, 4)


@every_codec
def test_levels_are_the_codecs_own(codec: Compression) -> None:
    data = bytes(range(256)) * 100
    for level in {Compression.GZIP: (1, 9), Compression.LZ4: (1, 9, 17), Compression.ZSTD: (-7, 1, 22)}.get(
        codec, (0,)
    ):
        assert decompress(codec, compress(codec, data, level), len(data)) == data


def test_importing_the_module_loads_no_codec_library() -> None:
    libraries = "{'lz4', 'snappy', 'zstandard'}"
    program = f"import sys, kwire_codecs.records.batch; print({libraries} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "set()"
