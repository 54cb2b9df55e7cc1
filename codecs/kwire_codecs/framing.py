"""Frames: a size of four bytes, then that many bytes. Sans-I/O: bytes go in, frames come out.

Rules: a size below 8 (no request is shorter) or above the limit is refused as soon as its four bytes are
there, and nothing is buffered for it. Memory follows what was received, not what was announced: a frame that
is arriving has room for what most producers send at most, untouched and so without memory behind it, or for
four times as much as came; one that outgrows its room is copied into another, four times as large: three
times for 64 MB. Time is linear in the bytes however they are cut. Every frame is a buffer of its own, of its
own size (what is kept of it, record batches say, pins that frame alone): small frames are copied out of what
was received once; the rest of one that is still arriving is received straight into it, through `get_buffer`
and `buffer_updated`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct as Layout

from .apis import api
from .compile import writer
from .emit import root_of
from .errors import Malformed
from .headers import RequestHeader, write_request_header
from .rooms import Room, room
from .wire import Buffer, Struct

SMALLEST_FRAME = 8
_SIZE = Layout(">i")
SMALLEST_RECEIVED = SMALLEST_FRAME + _SIZE.size
_SIZE_AND_ID = Layout(">ii")
_pack_head = Layout(">iib").pack  # with a header's tagged fields, of which there are none
SCRATCH_BYTES = 64 * 1024
_FIRST_ROOM = 1088 * 1024
"""A request around a batch of 1 MiB, which is where most producers stop, is not copied on its way."""
_GROWTH = 4


class Frames:
    """Cuts what one connection receives into frames.

    Either `feed` it with bytes, or let the socket write into `get_buffer()` and say with `buffer_updated` how
    much; then take frames with `next_frame` until it returns None.

    `scratch` is where to receive what is not the rest of a begun frame. Connections may share one if nothing
    else uses it between their `get_buffer` and `buffer_updated`; that saves each idle connection its own.
    """

    __slots__ = ("_at", "_body", "_filled", "_held", "_scratch", "_size", "max_frame_bytes")

    def __init__(self, max_frame_bytes: int, scratch: bytearray | None = None) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._scratch = scratch
        self._held = bytearray()  # received and not yet cut, from _at on
        self._at = 0
        # The frame that is arriving: _filled of its _size bytes are there.
        self._body: Room | None = None
        self._filled = 0
        self._size = 0

    @property
    def buffered_bytes(self) -> int:
        """How many received bytes wait here."""
        return len(self._held) - self._at + self._filled

    @property
    def mid_frame(self) -> bool:
        """Whether the peer has begun a frame that is not complete: an end of stream now is a broken one."""
        return self._body is not None or len(self._held) > self._at

    @property
    def head(self) -> bytes:
        """The first four bytes of what is not cut yet: what a frame's size was read from."""
        return bytes(self._held[self._at : self._at + _SIZE.size])

    def get_buffer(self) -> memoryview:
        """Where to receive into, never empty. Release it before calling more than buffer_updated here."""
        body = self._body
        if body is not None and self._filled < self._size:
            if self._filled == len(body):
                self._body = body = room(min(self._size, _GROWTH * len(body)), body)
            return memoryview(body)[self._filled :]
        if self._scratch is None:
            self._scratch = bytearray(SCRATCH_BYTES)
        return memoryview(self._scratch)

    def buffer_updated(self, count: int) -> None:
        """Say that `count` bytes were received into the buffer that `get_buffer` gave."""
        if self._body is not None and self._filled < self._size:
            self._filled += count
        elif self._scratch is not None:
            self._held += memoryview(self._scratch)[:count]

    def received(self, count: int) -> memoryview | None:
        """`buffer_updated` and `next_frame` in one. The usual case, one whole small frame, is copied once."""
        scratch = self._scratch
        if self._body is None and scratch is not None and not self._held and count >= SMALLEST_RECEIVED:
            (size,) = _SIZE.unpack_from(scratch)
            if size == count - _SIZE.size and size <= self.max_frame_bytes:
                return memoryview(scratch[_SIZE.size : count])
        self.buffer_updated(count)
        return self.next_frame()

    def feed(self, data: Buffer) -> None:
        """Take bytes that were received elsewhere."""
        view = memoryview(data)
        while self._body is not None and self._filled < self._size and view:
            with self.get_buffer() as room:
                count = min(len(room), len(view))
                room[:count] = view[:count]
            self._filled += count
            view = view[count:]
        self._held += view

    def next_frame(self) -> memoryview | None:
        """The next frame without its size, as a writable view on a buffer of its own, or None if more is
        needed.

        Raises Malformed for a size that is out of bounds; the connection can't be read on after that.
        """
        body = self._body
        if body is not None:
            if self._filled < self._size:
                return None
            self._body, self._filled = None, 0
            return memoryview(body)
        held, start = self._held, self._at + _SIZE.size
        if start > len(held):
            self._drop()
            return None
        (size,) = _SIZE.unpack_from(held, self._at)
        if not SMALLEST_FRAME <= size <= self.max_frame_bytes:
            raise Malformed(
                "frame",
                -1,
                "",
                f"its size is {size} bytes, not between {SMALLEST_FRAME} and {self.max_frame_bytes}",
            )
        stop = start + size
        if stop <= len(held):
            self._at = stop
            return memoryview(held[start:stop])
        self._size, self._filled = size, len(held) - start
        with memoryview(held)[start:] as begun:
            self._body = room(min(size, max(_GROWTH * len(begun), _FIRST_ROOM)), begun)
        self._at = len(held)
        self._drop()
        return None

    def _drop(self) -> None:
        """Let go of what has been cut. What a burst has made large is not kept for an idle connection."""
        if self._at:
            self._held = self._held[self._at :]
            self._at = 0


# (class, version) -> what writes the body, and whether the header has tagged fields.
_responses: dict[tuple[type[Struct], int], tuple[Callable[[Struct, bytearray, list[Buffer]], int], bool]] = {}


def frame_response(response: Struct, version: int, correlation_id: int) -> tuple[list[Buffer], int]:
    """A whole response frame as buffers to be sent one after the other, and its size in bytes.

    Record batches are in it by reference, the parts of Chunks as they are. Raises NotEncodable.
    """
    cls = type(response)
    found = _responses.get((cls, version))
    if found is None:
        root = root_of(cls)
        assert root.key is not None
        header_version = api(root.key).response_header_version(version)
        found = _responses[cls, version] = writer(cls, version), header_version == 1
    write, has_tags = found
    out = bytearray(_pack_head(0, correlation_id, 0) if has_tags else _SIZE_AND_ID.pack(0, correlation_id))
    parts: list[Buffer] = [out]
    size = write(response, out, parts)
    _SIZE.pack_into(out, 0, size - _SIZE.size)
    return parts, size


def frame_request(
    request: Struct, version: int, correlation_id: int, client_id: str | None
) -> tuple[list[Buffer], int]:
    """A whole request frame as buffers and its size in bytes. For kwire's own clients and tests."""
    root = request.__root__
    assert root is not None
    assert root.key is not None
    out = bytearray(4)
    write_request_header(RequestHeader(root.key, version, correlation_id, client_id), out)
    parts: list[Buffer] = [out]
    size = writer(type(request), version)(request, out, parts)
    _SIZE.pack_into(out, 0, size - 4)
    return parts, size
