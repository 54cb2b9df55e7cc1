"""A broker in a child process that tells what it holds: tasks, connections, waiters, descriptors, memory.

`python -m tests.hostile.watched_broker DIR [name=value ...]` serves data in DIR, and answers `counts` and
`memory` on standard input as `kwire serve` answers its questions. `descriptors=N` lowers the limit.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import trio

from kwire.cli.control import Questions, follow_standard_input
from kwire.config import BrokerConfig
from kwire.server.launch import Running, Settings, run_broker

ROOT = Path(__file__).resolve().parents[2]
PAGE_BYTES = os.sysconf("SC_PAGESIZE")
ANSWER_SECONDS = 60.0


def counts_of(running: Running) -> dict[str, int]:
    """What may not grow with clients that have gone."""
    gc.collect()
    cluster = running.cluster
    return {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "connections": running.server.connection_count,
        "waiters": sum(partition.readers_waiting for partition in cluster.open_partitions.opened.values()),
        "waiting members": sum(len(each._waiting) for each in cluster.groups._shards.opened()),
        "session partitions": sum(node.fetch_sessions.held_partitions for node in cluster.nodes.values()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "topics": len(cluster.image.topics),
    }


def memory_bytes() -> int:
    """The resident set."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE_BYTES


class WatchedBroker:
    """The child, as its parent sees it. A context manager."""

    def __init__(self, data: Path, log: IO[Any], *properties: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.watched_broker", str(data), *properties],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "codecs", ROOT / "storage"))),
            },
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        assert line.startswith("ready "), f"the broker did not start: {line!r}"
        host, _, port = line.split()[1].rpartition(":")
        self.address = (host, int(port))

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def counts(self) -> dict[str, int]:
        """See `counts_of`."""
        answer: dict[str, int] = self._ask("counts")
        return answer

    def memory(self) -> int:
        """Its resident set in bytes."""
        answer: int = self._ask("memory")
        return answer

    def _ask(self, question: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question.encode() + b"\n")
        self._process.stdin.flush()
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        assert poll.poll(ANSWER_SECONDS * 1000), "the broker hangs"
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> WatchedBroker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


async def serve(data: Path, properties: dict[str, str]) -> None:
    """What the child does."""
    settings = Settings(host="127.0.0.1", port=0, data=[data], config=BrokerConfig(properties))
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, settings)
        questions: Questions = {"counts": lambda: counts_of(running), "memory": memory_bytes}
        print(f"ready {running.addresses[0]}", flush=True)
        await follow_standard_input(questions)
        running.stop()


def main(arguments: list[str]) -> None:
    """The child's process."""
    import logging

    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kwire.storage").setLevel(logging.WARNING)
    properties = dict(each.split("=", 1) for each in arguments[1:])
    descriptors = properties.pop("descriptors", None)
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(descriptors), int(descriptors)))
    trio.run(serve, Path(arguments[0]), properties)


if __name__ == "__main__":
    main(sys.argv[1:])
