"""Brokers that die at a named point, each a process of its own.

`python -m tests.failpoints.brokers` imports everything once and makes each broker by a fork, which takes a
tenth of the time of a start. A question is a line of JSON on its standard input:

    {"data": DIR, "point": NAME or null, "nth": N}    a broker; the answer is {"pid": ..., "port": ...}
    {"wait": PID}                                     the answer is its exit code, of a signal negative

A broker with a point kills itself with SIGKILL when it reaches it for the N-th time: no handler runs, no
buffer is written, no file closed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import trio

from kwire import failpoints
from kwire.cli.control import follow_standard_input
from kwire.config import BrokerConfig
from kwire.server.launch import Running, Settings, run_broker

ROOT = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 60.0
END_SECONDS = 15.0
"""So long a broker that was answered or cut may take to reach its point."""
PROPERTIES = {
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
}


class Brokers:
    """The process that makes brokers, as its parent sees it. A context manager: with it all of them end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.failpoints.brokers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "codecs", ROOT / "storage"))),
            },
        )

    def start(self, data: Path, point: str | None = None, nth: int = 1) -> tuple[int, int]:
        """Process id and port of a broker that serves; 0 for the port of one that died before it did."""
        answer = self._ask({"data": str(data), "point": point, "nth": nth})
        return answer["pid"], answer["port"]

    def wait(self, pid: int) -> int:
        """The exit code of a broker that has ended or is about to."""
        code: int = self._ask({"wait": pid})
        return code

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert self.wait(pid) == -signal.SIGKILL

    def _ask(self, question: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        assert poll.poll(ANSWER_SECONDS * 1000), "no answer from where brokers are made"
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Brokers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_SECONDS)
        self._process.stdout.close()


async def _serve(data: Path, told: int) -> None:
    settings = Settings(host="127.0.0.1", port=0, data=[data], config=BrokerConfig(PROPERTIES))
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(run_broker, settings)
        os.write(told, running.addresses[0].rpartition(":")[2].encode())
        os.close(told)
        await follow_standard_input({})
        os._exit(0)


def _arm(point: str, nth: int) -> None:
    left = nth

    def reached(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(reached)


def _fork(data: Path, point: str | None, nth: int) -> tuple[int, int]:
    """A broker; it ends when the pipe that is its standard input does, with the process that made it."""
    alive_read, _ = alive = os.pipe()
    told_read, told_write = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(alive_read, 0)
        os.closerange(3, told_write)
        os.dup2(2, 1)
        if point is not None:
            _arm(point, nth)
        try:
            trio.run(_serve, data, told_write)
        finally:
            os._exit(1)
    os.close(alive[0])
    os.close(told_write)
    port = os.read(told_read, 10)
    os.close(told_read)
    return pid, int(port or b"0")


def _wait(pid: int) -> int:
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return 0


def main() -> None:
    """Answers until standard input ends."""
    import kwire.coordinators.groups.coordinator
    import kwire.coordinators.transactions.coordinator
    import kwire.runtime.transaction_markers
    import kwire.server.warm_up  # noqa: F401

    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            print(_wait(question["wait"]), flush=True)
        else:
            pid, port = _fork(Path(question["data"]), question["point"], question["nth"])
            print(json.dumps({"pid": pid, "port": port}), flush=True)


if __name__ == "__main__":
    main()
