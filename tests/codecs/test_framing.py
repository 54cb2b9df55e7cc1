"""Frames out of a byte stream, whatever its pieces."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs import wire as w
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.compile import decoder
from kwire_codecs.errors import Malformed
from kwire_codecs.framing import SMALLEST_FRAME, Frames, frame_request, frame_response
from kwire_codecs.headers import RequestHeader, read_request_header

LIMIT = 2_000_000


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4) + body for body in bodies)


def drain(frames: Frames) -> list[bytes]:
    found = []
    while (frame := frames.next_frame()) is not None:
        found.append(bytes(frame))
    return found


def receive(frames: Frames, data: bytes) -> None:
    """What a connection does: receive into the buffers that it is offered."""
    while data:
        with frames.get_buffer() as room:
            count = min(len(room), len(data))
            room[:count] = data[:count]
        frames.buffer_updated(count)
        data = data[count:]


def received(frames: Frames, data: bytes) -> list[bytes]:
    """The same in one step for each piece: the frames that came out."""
    found = []
    while data:
        with frames.get_buffer() as room:
            count = min(len(room), len(data))
            room[:count] = data[:count]
        frame = frames.received(count)
        data = data[count:]
        if frame is not None:
            found += [bytes(frame), *drain(frames)]
    return found


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(8, 300) | st.just(70_000) | st.just(600_000), max_size=4),
    st.integers(0, 2**32),
)
def test_frames_come_out_as_they_went_in_however_they_are_cut(sizes: list[int], seed: int) -> None:
    chance = random.Random(seed)
    bodies = [chance.randbytes(size) for size in sizes]
    stream, frames, found = framed(*bodies), Frames(LIMIT), []
    while stream:
        count = chance.choice([1, 3, 4, 5, 100, 65_536, 300_000])
        piece, stream = stream[:count], stream[count:]
        way = chance.randrange(3)
        if way == 0:
            frames.feed(piece)
        elif way == 1:
            receive(frames, piece)
        else:
            found += received(frames, piece)
        found += drain(frames)
    assert found == bodies
    assert not frames.mid_frame
    assert frames.buffered_bytes == 0


def test_frames_come_out_a_byte_at_a_time() -> None:
    bodies, frames, found = [b"eight888", b"another-body"], Frames(LIMIT), []
    for byte in framed(*bodies):
        frames.feed(bytes([byte]))
        found += drain(frames)
    assert found == bodies


def test_many_frames_in_one_piece_come_out_one_by_one() -> None:
    frames = Frames(LIMIT)
    frames.feed(framed(*[b"%08d" % number for number in range(1000)]))
    assert drain(frames) == [b"%08d" % number for number in range(1000)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(8, 40), min_size=1, max_size=4), st.integers(0, 60))
def test_a_frame_that_comes_whole_comes_out_at_once(sizes: list[int], first: int) -> None:
    stream, frames = framed(*(bytes([size]) * size for size in sizes)), Frames(LIMIT)
    found = received(frames, stream[:first]) + received(frames, stream[first:])
    assert found == [bytes([size]) * size for size in sizes]
    assert not frames.mid_frame


def test_a_frame_that_comes_whole_and_is_too_large_is_refused() -> None:
    frames = Frames(100)
    with pytest.raises(Malformed, match="its size is 101 bytes"):
        received(frames, framed(bytes(101)))


@pytest.mark.parametrize("size", [-1, -(2**31), 0, SMALLEST_FRAME - 1, LIMIT + 1, 2**31 - 1])
def test_a_size_out_of_bounds_is_refused_at_its_fourth_byte(size: int) -> None:
    frames = Frames(LIMIT)
    data = size.to_bytes(4, signed=True)
    frames.feed(data[:3])
    assert frames.next_frame() is None
    frames.feed(data[3:])
    with pytest.raises(Malformed, match=f"its size is {size} bytes, not between 8 and {LIMIT}"):
        frames.next_frame()


def test_frames_before_one_of_a_wrong_size_still_come_out() -> None:
    frames = Frames(LIMIT)
    frames.feed(framed(b"eight888") + b"\xff\xff\xff\xff")
    assert bytes(frames.next_frame() or b"") == b"eight888"
    with pytest.raises(Malformed):
        frames.next_frame()


def test_memory_follows_what_was_received_and_not_what_was_announced() -> None:
    frames = Frames(2**31 - 1)
    frames.feed((2**31 - 1).to_bytes(4) + b"x")
    assert frames.next_frame() is None
    with frames.get_buffer() as room:
        assert len(room) < 1_200_000


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell its pages so")
def test_a_frame_that_has_begun_takes_no_memory_for_what_has_not_come() -> None:
    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    begun = []
    before = resident_bytes()
    for _ in range(100):
        frames = Frames(2**31 - 1, bytearray(8))
        frames.feed((1_000_000).to_bytes(4) + b"begun")
        assert frames.next_frame() is None
        begun.append(frames)
    assert resident_bytes() - before < 20_000_000


def test_a_large_frame_is_received_straight_into_its_own_bytearray() -> None:
    body = random.Random(1).randbytes(200_000)
    frames = Frames(LIMIT)
    frames.feed(framed(body)[:1000])
    assert frames.next_frame() is None
    with frames.get_buffer() as room:
        assert len(room) == 200_000 - 996
        room[:] = body[996:]
        buffer = room.obj
    frames.buffer_updated(200_000 - 996)
    frame = frames.next_frame()
    assert frame is not None
    assert frame.obj is buffer
    assert frame == body


@pytest.mark.parametrize(("size", "copies"), [(200_000, 0), (1_048_676, 0), (1_200_000, 1), (20_000_000, 3)])
def test_a_frame_that_outgrows_its_room_is_copied_seldom(size: int, copies: int) -> None:
    frames, piece = Frames(2**31 - 1), random.Random(size).randbytes(65_536)
    frames.feed(size.to_bytes(4) + piece[:5])
    assert frames.next_frame() is None
    rooms: dict[int, object] = {}
    expected = bytearray(piece[:5])
    while len(expected) < size:
        with frames.get_buffer() as room, memoryview(room.obj) as whole:
            rooms[len(whole)] = room.obj
            assert len(whole) <= max(4 * len(expected), 1088 * 1024)
            count = min(len(room), len(piece))
            room[:count] = piece[:count]
        frames.buffer_updated(count)
        expected += piece[:count]
    frame = frames.next_frame()
    assert frame is not None
    assert frame == expected
    assert frame.obj is rooms.pop(size)
    assert len(rooms) == copies
    frame[0] = 1
    assert frame[0] == 1


def test_a_frame_can_be_written_to_and_pins_nothing_but_itself() -> None:
    frames = Frames(LIMIT)
    frames.feed(framed(b"eight888", b"nine99999"))
    first = frames.next_frame()
    assert first is not None
    first[0:1] = b"E"
    assert isinstance(first.obj, bytearray)
    assert len(first.obj) == 8
    assert drain(frames) == [b"nine99999"]


def test_connections_may_share_a_scratch_buffer() -> None:
    scratch = bytearray(64)
    one, other = Frames(LIMIT, scratch), Frames(LIMIT, scratch)
    receive(one, framed(b"eight888")[:6])
    receive(other, framed(b"different")[:6])
    receive(one, framed(b"eight888")[6:])
    receive(other, framed(b"different")[6:])
    assert (drain(one), drain(other)) == ([b"eight888"], [b"different"])


def test_a_stream_that_ends_in_a_frame_can_be_told() -> None:
    frames = Frames(LIMIT)
    assert not frames.mid_frame
    frames.feed(b"\0\0")
    assert frames.mid_frame
    frames.feed(b"\0\x08eight")
    assert frames.next_frame() is None
    assert frames.mid_frame
    frames.feed(b"888")
    assert frames.next_frame() is not None
    assert not frames.mid_frame


def test_a_response_is_framed_with_its_header_and_size() -> None:
    parts, size = frame_response(Heartbeat.Response(), 4, 77)
    data = b"".join(parts)
    assert data == b"\0\0\0\x0c" + b"\0\0\0\x4d" + b"\0" + b"\0\0\0\0" + b"\0\0" + b"\0"
    assert size == len(data)


def test_an_api_versions_response_has_the_oldest_header() -> None:
    parts, _ = frame_response(ApiVersions.Response(api_keys=[]), 3, 1)
    assert b"".join(parts)[4:] == b"\0\0\0\1" + b"\0\0" + b"\1" + b"\0\0\0\0" + b"\0"


def test_a_responses_size_counts_what_is_sent_from_elsewhere() -> None:
    partition = Fetch.Response.Topic.Partition(
        partition_index=0, high_watermark=0, records=w.Chunks(1000, [object()])
    )
    response = Fetch.Response(responses=[Fetch.Response.Topic(topic="t", partitions=[partition])])
    parts, size = frame_response(response, 4, 1)
    own = sum(len(part) for part in parts if isinstance(part, bytearray))
    assert size == own + 1000
    assert int.from_bytes(bytes(parts[0])[:4]) == size - 4


@pytest.mark.parametrize("client_id", ["client", "", None])
@pytest.mark.parametrize("version", [0, 4])
def test_a_framed_request_is_read_back(client_id: str | None, version: int) -> None:
    request = Heartbeat.Request(group_id="g", generation_id=1, member_id="m")
    parts, size = frame_request(request, version, -5, client_id)
    frames = Frames(LIMIT)
    frames.feed(b"".join(parts))
    frame = frames.next_frame()
    assert frame is not None
    assert len(frame) == size - 4
    header, at = read_request_header(frame)
    assert header == RequestHeader(12, version, -5, client_id)
    assert decoder(Heartbeat.Request, version)(frame[at:]) == request
