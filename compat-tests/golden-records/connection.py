"""A handful of requests to a real broker, in versions that have no tagged fields."""

import socket
import struct


class Connection:
    """One connection to the broker; requests in versions without tagged fields only."""

    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)

    def ask(self, key: int, version: int, body: bytes) -> bytes:
        """The response's body."""
        request = struct.pack(">hhih", key, version, 1, 6) + b"golden" + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", self._read(4))
        return self._read(size)[4:]

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError("the broker closed the connection")
            data += piece
        return data

    def create(self, topic: str, configs: dict[str, str]) -> None:
        """Create `topic` with one partition."""
        body = struct.pack(">i", 1) + text(topic) + struct.pack(">ihi", 1, 1, 0)
        body += struct.pack(">i", len(configs)) + b"".join(text(k) + text(v) for k, v in configs.items())
        answer = self.ask(19, 2, body + struct.pack(">ib", 10_000, 0))
        (error,) = struct.unpack_from(">h", answer, 8 + 2 + len(topic))
        if error:
            raise SystemExit(f"topic {topic}: error {error}")

    def produce(self, topic: str, version: int, records: bytes) -> tuple[int, int, int, list[int], bool]:
        """(error, base offset, log start offset, indices of refused records, whether there is a message)."""
        body = (b"\xff\xff" if version >= 3 else b"") + struct.pack(">hii", 1, 10_000, 1) + text(topic)
        body += struct.pack(">iii", 1, 0, len(records)) + records
        answer = self.ask(0, version, body)
        position = 4 + 2 + len(topic) + 4 + 4
        error, base_offset = struct.unpack_from(">hq", answer, position)
        position += 10 + (8 if version >= 2 else 0)
        log_start_offset = -1
        if version >= 5:
            (log_start_offset,) = struct.unpack_from(">q", answer, position)
            position += 8
        indices = []
        has_message = False
        if version >= 8:
            (count,) = struct.unpack_from(">i", answer, position)
            position += 4
            for _ in range(count):
                index, length = struct.unpack_from(">ih", answer, position)
                indices.append(index)
                position += 6 + max(length, 0)
            has_message = struct.unpack_from(">h", answer, position)[0] >= 0
        return error, base_offset, log_start_offset, indices, has_message

    def fetch(self, topic: str, offset: int) -> bytes:
        """The batch at `offset`."""
        body = struct.pack(">iiiibiii", -1, 1000, 1, 1 << 24, 0, 0, -1, 1) + text(topic)
        body += struct.pack(">iiiqqii", 1, 0, -1, offset, -1, 1 << 24, 0)
        answer = self.ask(1, 10, body)  # the first version that carries zstd
        position = 4 + 2 + 4 + 4 + 2 + len(topic) + 4 + 4 + 2 + 24
        (aborted,) = struct.unpack_from(">i", answer, position)
        position += 4 + 16 * max(aborted, 0)
        (size,) = struct.unpack_from(">i", answer, position)
        return answer[position + 4 : position + 4 + size]


def text(value: str) -> bytes:
    """A string with its length."""
    return struct.pack(">h", len(value)) + value.encode()
