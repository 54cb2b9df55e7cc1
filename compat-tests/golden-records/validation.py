"""Asks a real Kafka what it makes of every produced set of records in tests/storage/produce_cases.py.

`python compat-tests/golden-records/validation.py 4.4.0` (or 3.9.2) starts that Kafka, sends each case in a
request of its own and writes tests/vectors/records/validation-<version>.txt: a line a case, with the error,
the log start offset that came with it, the records at fault and a summary of what was stored.
tests/storage/test_validation.py holds kwire to it.
"""

import socket
import struct
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "codecs"), str(ROOT / "storage"), str(ROOT / "compat-tests")]

from oracle import Kafka  # noqa: E402  # the path is set above

from tests.storage import produce_cases, stored  # noqa: E402


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


def main(version: str) -> None:
    """Ask Kafka `version` and write its answers."""
    lines = []
    with Kafka(version) as kafka:
        connection = Connection(kafka.bootstrap)
        for topic, configs in produce_cases.TOPICS.items():
            connection.create(topic, configs)
        time.sleep(1)  # the leaders are known to the broker a little after the topics
        now = time.time_ns() // 1_000_000
        cases = list(produce_cases.modern(now))
        if version.startswith("3."):
            cases += produce_cases.old(now)
        for case in cases:
            error, base, start, indices, has_message = connection.produce(
                case.topic, case.version, case.records
            )
            summary = "-"
            if not error and base >= 0:
                summary = stored.summary(connection.fetch(case.topic, base), now)
            indexed = ",".join(map(str, indices)) or "-"
            known = int(base >= 0) if not error else start
            answer = f"{error} {known} {indexed} {int(has_message)} {summary}"
            lines.append(f"{case.topic} v{case.version} {case.name} {answer}")
    target = ROOT / "tests" / "vectors" / "records" / f"validation-{version}.txt"
    target.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} answers in {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1])
