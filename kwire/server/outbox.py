"""What a connection has to send: the answers that were gathered, in order, sent as far as that goes.

Rules: nothing here waits. Buffers go out many at a time, files by `sendfile` and only what the page cache
has. The few bytes before and behind a file's go out in packets with the file's, not in their own, each of
which would wake the client. What is gathered is bounded by whoever adds to it: it asks `is_full` first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kwire_storage.engine import FileSlice

if TYPE_CHECKING:
    from kwire.server.transport import Transport

MAX_BUFFERS = 512
"""Buffers handed to one sendmsg; the kernel's limit (IOV_MAX) is 1024."""
MAX_GATHERED_BYTES = 64 * 1024
"""With more than this to send, a connection is not asked for another request."""
FEW_BYTES = 64
"""An answer's end of this size is not worth another turn."""
READ_AHEAD_BYTES = 1024 * 1024
"""How much of a file is looked for in the page cache, and brought there, before it is sent."""


class Outbox:
    """The parts that are to be sent: buffers and `FileSlice`s. `now` gives seconds."""

    def __init__(self, transport: Transport, now: Callable[[], float]) -> None:
        self.parts: list[Any] = []
        self.cold: FileSlice | None = None
        """What has to be read from the disk before more can be sent."""
        self.is_cut_off = False
        """Whether the last `send` ended because its time was over."""
        self._transport = transport
        self._now = now
        self._warm: FileSlice | None = None
        self._gathered = 0
        self._is_corked = False

    @property
    def is_full(self) -> bool:
        """Whether this much should be sent before there is more."""
        return self._gathered > MAX_GATHERED_BYTES or len(self.parts) > MAX_BUFFERS

    def add(self, answer: Sequence[Any]) -> None:
        """Behind what there is."""
        self.parts += answer
        self._gathered += len(answer[0]) if len(answer) == 1 else sum(map(len, answer))

    def clear(self) -> None:
        """Nothing is sent any more."""
        self.parts.clear()
        self.cold = self._warm = None

    def is_warm(self, part: FileSlice) -> None:
        """The `cold` part has been read, and is in the page cache."""
        self.cold = None
        self._warm = part

    def send(self, until: float | None = None) -> bool:
        """Sends what the transport takes, and the page cache has, without waiting; True when all is out.

        A client that takes as fast as we give is left at `until`, by `now`, after one part at least. Raises
        OSError as transports do, ConnectionAbortedError when a file has fewer bytes than were promised.
        """
        out = self.parts
        transport = self._transport
        sent = 0
        self.cold = None
        self.is_cut_off = False
        try:
            while out:
                first = out[0]
                if (
                    sent
                    and until is not None
                    and (len(out) > 1 or len(first) > FEW_BYTES)
                    and self._now() > until
                ):
                    self.is_cut_off = True
                    return False
                if isinstance(first, FileSlice):
                    if not self._is_corked:
                        self._cork()
                    sent = self._send_file(first)
                    if sent < 0:
                        return False
                    continue
                if len(out) == 1:
                    sent = transport.sendmsg(out)
                    if sent == len(first):
                        out.clear()
                    else:
                        out[0] = memoryview(first)[sent:]
                    continue
                buffers: list[Any] = []
                for part in out:
                    if isinstance(part, FileSlice):
                        if not self._is_corked:
                            self._cork()
                        break
                    if len(buffers) == MAX_BUFFERS:
                        break
                    buffers.append(part)
                sent = transport.sendmsg(buffers)
                self._drop_sent(buffers, sent)
        except BlockingIOError:
            return False
        self._gathered = 0
        if self._is_corked:
            self._is_corked = False
            transport.cork(False)
        return True

    def _cork(self) -> None:
        self._is_corked = True
        self._transport.cork(True)

    def _send_file(self, first: FileSlice) -> int:
        """Sends of the file that is first; -1 when the disk has to be waited for."""
        out = self.parts
        if first.size > READ_AHEAD_BYTES:
            rest = first.part(READ_AHEAD_BYTES, first.size - READ_AHEAD_BYTES)
            first = first.part(0, READ_AHEAD_BYTES)
            out[:1] = first, rest
        if first is not self._warm and not first.is_cached():
            self.cold = first
            return -1
        sent = self._transport.sendfile(first)
        if sent == 0:
            # The file is shorter than its index said: the client was promised bytes that are not there.
            raise ConnectionAbortedError("a segment ended before a slice of it was sent")
        if sent == first.size:
            del out[0]
            self._warm = None
        else:
            rest = first.part(sent, first.size - sent)
            if first is self._warm:
                self._warm = rest
            out[0] = rest
        return sent

    def _drop_sent(self, buffers: list[Any], sent: int) -> None:
        whole = 0
        for buffer in buffers:
            size = len(buffer)
            if sent < size:
                break
            sent -= size
            whole += 1
        del self.parts[:whole]
        if sent:
            self.parts[0] = memoryview(self.parts[0])[sent:]
