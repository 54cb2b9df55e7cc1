"""What this machine can do at best, for figures to be told as shares of it.

Rules: everything is measured anew in each run, because machines differ from hour to hour; a probe does with
the fewest system calls what a broker must do with the same bytes, and nothing else. The other side of a
socket is a process of its own. A few seconds in all; the median of three rounds where a round is short.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time

from crc32c import crc32c

MEBIBYTE = 1024 * 1024
ROUNDS = 3

UNITS = {
    "socket_bytes_per_second": "bytes/s",
    "sendfile_bytes_per_second": "bytes/s",
    "page_cache_write_bytes_per_second": "bytes/s",
    "crc32c_bytes_per_second": "bytes/s",
    "fsync_seconds": "s",
    "round_trips_per_second": "1/s",
    "round_trip_p99_seconds": "s",
    "socket_cpu_seconds_per_gb": "s/GB",
    "sendfile_cpu_seconds_per_gb": "s/GB",
    "page_cache_write_cpu_seconds_per_gb": "s/GB",
}
"""The figures of `measure`, and what they are counted in. CPU seconds are the sender's or the writer's."""


def measure(directory: Path | None = None, *, quick: bool = False) -> dict[str, float]:
    """The figures of UNITS; `directory` is where files are written (default: the temporary one).

    `quick` moves fewer bytes. Raises OSError where a socket or a file cannot be had.
    """
    size = (256 if quick else 1024) * MEBIBYTE
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="kwire-limits-", dir=directory) as folder:
        path = Path(folder) / "bytes"
        seconds, cpu = _middle(lambda: _write(path, size))
        figures["page_cache_write_bytes_per_second"] = size / seconds
        figures["page_cache_write_cpu_seconds_per_gb"] = cpu * 1e9 / size
        seconds, cpu = _middle(lambda: _send(size, _plain))
        figures["socket_bytes_per_second"] = size / seconds
        figures["socket_cpu_seconds_per_gb"] = cpu * 1e9 / size
        with open(path, "rb") as file:
            seconds, cpu = _middle(
                lambda: _send(size, lambda sock, left: _sendfile(sock, file.fileno(), left))
            )
        figures["sendfile_bytes_per_second"] = size / seconds
        figures["sendfile_cpu_seconds_per_gb"] = cpu * 1e9 / size
        path.unlink()
        figures["fsync_seconds"] = _fsync(Path(folder) / "synced", 10 if quick else 50)
    figures["crc32c_bytes_per_second"] = _checksum(size // 2)
    trips = [_ping_pong(0.2 if quick else 1.0) for _ in range(ROUNDS)]
    figures["round_trips_per_second"] = median(rate for rate, _ in trips)
    figures["round_trip_p99_seconds"] = median(p99 for _, p99 in trips)
    return figures


def _middle(round_: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """The median wall and CPU seconds of some rounds."""
    rounds = [round_() for _ in range(ROUNDS)]
    return median(wall for wall, _ in rounds), median(cpu for _, cpu in rounds)


def _write(path: Path, size: int) -> tuple[float, float]:
    """Seconds for a new file of `size` bytes, 1 MiB a pwritev; the bytes stay in the page cache."""
    path.unlink(missing_ok=True)
    piece = os.urandom(MEBIBYTE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        began, cpu = perf_counter(), process_time()
        position = 0
        while position < size:
            position += os.pwritev(descriptor, [piece], position)
        return perf_counter() - began, process_time() - cpu
    finally:
        os.close(descriptor)


def _fsync(path: Path, times: int) -> float:
    """Median seconds of an fsync behind 4 KiB that were appended."""
    taken = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            began = perf_counter()
            os.fsync(file.fileno())
            taken.append(perf_counter() - began)
    return median(taken)


def _checksum(size: int) -> float:
    """CRC-32C bytes a second on one core, 1 MiB at a time: the part of a batch that its CRC covers."""
    piece = os.urandom(MEBIBYTE)
    rates = []
    for _ in range(ROUNDS):
        began = perf_counter()
        for _ in range(size // MEBIBYTE):
            crc32c(piece)
        rates.append(size / (perf_counter() - began))
    return median(rates)


def _plain(sock: socket.socket, size: int) -> None:
    piece = memoryview(os.urandom(MEBIBYTE))
    while size:
        size -= sock.send(piece[: min(size, MEBIBYTE)])


def _sendfile(sock: socket.socket, descriptor: int, size: int) -> None:
    position = 0
    while position < size:
        sent = os.sendfile(sock.fileno(), descriptor, position, min(size - position, MEBIBYTE))
        if not sent:
            raise OSError("the file is shorter than what was to be sent")
        position += sent


def _send(size: int, send: Callable[[socket.socket, int], None]) -> tuple[float, float]:
    """Seconds until the other process has `size` bytes, and the sender's CPU seconds."""
    sock, other = _with(_take_all)
    with closing(sock):
        began, cpu = perf_counter(), process_time()
        send(sock, size)
        used = process_time() - cpu
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
        seconds = perf_counter() - began
    other.join()
    return seconds, used


def _ping_pong(seconds: float) -> tuple[float, float]:
    """Round trips a second of one byte, and the 99th percentile of their seconds; both sides look with select
    before they read, as a server must.
    """
    sock, other = _with(_give_back)
    taken = []
    with closing(sock):
        began = now = perf_counter()
        while now < began + seconds:
            sock.send(b"?")
            select.select([sock], [], [])
            sock.recv(1)
            before, now = now, perf_counter()
            taken.append(now - before)
    other.join()
    return len(taken) / (now - began), quantiles(taken, n=100)[98]


def _with(other_side: Callable[[int], None]) -> tuple[socket.socket, BaseProcess]:
    """A connected socket, and the process at its other end."""
    listening = socket.create_server(("127.0.0.1", 0))
    with closing(listening):
        process = multiprocessing.get_context("fork").Process(
            target=other_side, args=(listening.getsockname()[1],), daemon=True
        )
        process.start()
        listening.settimeout(10)
        sock, _ = listening.accept()
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, process


def _take_all(port: int) -> None:
    """Receives until the end, then says so with one byte."""
    buffer = bytearray(MEBIBYTE)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        while sock.recv_into(buffer):
            pass
        sock.send(b"!")


def _give_back(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            select.select([sock], [], [])
            if not (byte := sock.recv(1)):
                return
            sock.send(byte)
