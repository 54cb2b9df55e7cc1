"""What a connection has to send: the order of its parts, whole packets around files, turns."""

import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from kwire_storage.engine import FileSlice
from kwire_storage.files import Files
from kwire_storage.open_files import OpenFile, OpenFiles

from kwire.server.outbox import FEW_BYTES, MAX_BUFFERS, MAX_GATHERED_BYTES, Outbox
from kwire.server.transport import SocketTransport, Transport

CONTENT = bytes(range(250)) * 800


@pytest.fixture
def content(tmp_path: Path) -> Iterator[FileSlice]:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    file = OpenFile(str(path), OpenFiles(Files()))
    yield FileSlice(file, 0, len(CONTENT))
    file.close()


class Narrow:
    """A peer that takes a number of bytes at a time, and has to be waited for after so many sends."""

    peer = local = ("127.0.0.1", 1)

    def __init__(self, bytes_a_send: int = 1 << 30, sends: int = 1 << 30) -> None:
        self.bytes_a_send = bytes_a_send
        self.sends = sends
        self.taken = b""
        self.told: list[str] = []

    def _take(self, what: str, data: bytes) -> int:
        if not self.sends:
            raise BlockingIOError
        self.sends -= 1
        self.told.append(what)
        self.taken += data[: self.bytes_a_send]
        return min(len(data), self.bytes_a_send)

    def recv_into(self, buffer: memoryview) -> int:
        raise BlockingIOError

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        return self._take("buffers", b"".join(buffers))

    def sendfile(self, part: FileSlice) -> int:
        return self._take("file", bytes(part.read()))

    def cork(self, held: bool) -> None:
        self.told.append("cork" if held else "uncork")

    async def wait_readable(self) -> None:
        raise AssertionError("nothing waits here")

    async def wait_writable(self) -> None:
        raise AssertionError("nothing waits here")

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        return False

    def peer_has_left(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""


def test_the_bytes_around_a_file_go_out_in_packets_with_it(content: FileSlice) -> None:
    peer = Narrow()
    outbox = Outbox(peer, lambda: 0.0)
    outbox.add([b"before", content, b"behind"])
    assert outbox.send()
    assert peer.told == ["cork", "buffers", "file", "buffers", "uncork"]
    assert peer.taken == b"before" + CONTENT + b"behind"


def test_a_file_that_comes_first_is_not_left_in_half_a_packet(content: FileSlice) -> None:
    peer = Narrow()
    outbox = Outbox(peer, lambda: 0.0)
    outbox.add([content])
    assert outbox.send()
    assert peer.told == ["cork", "file", "uncork"]


def test_an_answer_without_files_is_sent_as_it_is() -> None:
    peer = Narrow()
    outbox = Outbox(peer, lambda: 0.0)
    outbox.add([b"one"])
    outbox.add([b"two", b"three"])
    assert outbox.send()
    assert peer.told == ["buffers"]


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ([b"x" * (MAX_GATHERED_BYTES // 2)], 2),
        ([b"x", b"y" * (MAX_GATHERED_BYTES // 2 - 1)], 2),
        ([b""], MAX_BUFFERS),
    ],
)
def test_a_few_large_answers_are_sent_before_more_requests_are_looked_at(
    answer: list[bytes], count: int
) -> None:
    peer = Narrow(sends=0)
    outbox = Outbox(peer, lambda: 0.0)
    for _ in range(count):
        outbox.add(answer)
    assert not outbox.is_full
    outbox.add([b"x"])
    assert outbox.is_full
    assert not outbox.send()
    assert outbox.is_full
    peer.sends = 10
    assert outbox.send()
    assert not outbox.is_full


def test_a_packet_is_held_until_all_is_sent_however_often_that_is_interrupted(content: FileSlice) -> None:
    peer = Narrow(bytes_a_send=len(CONTENT) // 3, sends=2)
    outbox = Outbox(peer, lambda: 0.0)
    outbox.add([b"before", content, b"behind"])
    assert not outbox.send()
    assert "uncork" not in peer.told
    peer.sends = 1
    assert not outbox.send()
    peer.sends = 100
    assert outbox.send()
    assert peer.told.count("cork") == peer.told.count("uncork") == 1
    assert peer.told[-1] == "uncork"
    assert peer.taken == b"before" + CONTENT + b"behind"


@pytest.mark.parametrize(("size", "is_left"), [(FEW_BYTES, False), (FEW_BYTES + 1, True)])
def test_an_end_of_a_few_bytes_does_not_wait_for_another_turn(
    content: FileSlice, size: int, is_left: bool
) -> None:
    peer = Narrow()
    outbox = Outbox(peer, lambda: 2.0)
    outbox.add([content, bytes(size)])
    assert outbox.send(until=1.0) is not is_left
    assert outbox.is_cut_off is is_left
    assert peer.taken == CONTENT + (b"" if is_left else bytes(size))


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the system has no such option")
def test_a_socket_holds_no_packet_back_once_all_is_sent(content: FileSlice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    with client, server:
        server.setblocking(False)
        client.setblocking(False)
        # pyright takes the socket's methods, kept as attributes, for methods of the class.
        outbox = Outbox(cast("Transport", SocketTransport(server)), lambda: 0.0)
        outbox.add([b"before", content, b"behind"])
        received = b""
        all_sent = outbox.send()
        while len(received) < len(CONTENT) + 12:
            try:
                received += client.recv(1 << 20)
            except BlockingIOError:
                all_sent = all_sent or outbox.send()
        assert all_sent
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK) == 0
        assert received == b"before" + CONTENT + b"behind"
