"""The clients at work: a process each, told in lines what to do, and what they have said so far."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

FIVE = ("confluent-kafka", "kafka-python", "sarama", "kafka-clients", "aiokafka")
WORKERS = Path(__file__).parent / "workers"
TICKET = 20
"""How many records a client sends at a time: two a partition."""
AT_AN_EVENT = 30
"""How many orders each client has before it while a node stops or starts."""
PATIENCE_S = 60.0
START_S = 60.0


def commands() -> dict[str, list[str]]:
    """How each client is run; run.sh has built what has to be."""
    python = sys.executable
    return {
        "confluent-kafka": [python, str(WORKERS / "confluent_kafka_worker.py")],
        "kafka-python": [python, str(WORKERS / "kafka_python_worker.py")],
        "sarama": [os.environ["THREE_NODES_SARAMA"]],
        "kafka-clients": ["java", "-XX:TieredStopAtLevel=1", "-cp", os.environ["THREE_NODES_JAVA"], "Worker"],
        "aiokafka": [python, str(WORKERS / "aiokafka_worker.py")],
        "kafkajs": [shutil.which("node") or "node", str(WORKERS / "kafkajs_worker.mjs")],
    }


class Worker:
    """One client. Its next records are ordered when its group has read those before, up to the goal."""

    def __init__(self, name: str, changed: threading.Condition) -> None:
        self.name = name
        self.ready = False
        self.tickets = 0
        """How many orders it has sent, had acknowledged and read again."""
        self.goal = 0
        """After how many tickets it waits for the others."""
        self.sent = 0
        self.got: Counter[tuple[int, int, str]] = Counter()
        """(partition, offset, value): how often its group was given it."""
        self.assigned = 0
        """How often partitions were given to it."""
        self.complaints: list[str] = []
        self.ended = False
        self._unread: set[str] = set()
        self._acked = 0
        self._changed = changed

    def start(self, bootstrap: str, topic: str, log: Path) -> None:
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [*commands()[self.name], self.name, bootstrap, topic],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.log = log
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._hear(line.strip())
                self._changed.notify_all()
        with self._changed:
            if not self.ended:
                self.complaints.append("it ended by itself")
            self._changed.notify_all()

    def _hear(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "got":
            partition, offset, value = rest.split(" ", 2)
            self.got[int(partition), int(offset), value] += 1
            self._unread.discard(value)
        elif word == "acked":
            self._acked = int(rest)
        elif word == "ready":
            self.assigned += 1
            if not self.ready and int(rest) == 10:
                self.ready = True
            return
        elif word == "ended":
            self.ended = True
            return
        else:
            self.complaints.append(line)
        if self.sent > self.tickets * TICKET and self._acked == self.sent and not self._unread:
            self.tickets += 1
            self._next()

    def work_until(self, goal: int) -> None:
        """Let it go on until it has done this many tickets."""
        waits = self.idle
        self.goal = goal
        if waits:
            self._next()

    def _next(self) -> None:
        if self.tickets >= self.goal:
            return
        last = self.sent + TICKET
        self._unread = {f"{self.name} {number}" for number in range(self.sent, last)}
        self._tell(f"send {self.sent} {last}")
        self.sent = last

    @property
    def idle(self) -> bool:
        return self.tickets >= self.goal

    def end(self) -> None:
        self._tell("end")

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.complaints.append("it hears no more")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listening.join(10)

    def state(self) -> str:
        return (
            f"{self.name}: {self.tickets} tickets, sent {self.sent}, acked {self._acked}, "
            f"unread {sorted(self._unread)[:5]}, assigned {self.assigned} times, {self.complaints}\n"
            f"{self.log.read_text(errors='replace')[-1500:]}"
        )


class Crew:
    """All of the clients."""

    def __init__(self, names: list[str]) -> None:
        self.changed = threading.Condition()
        self.workers = [Worker(name, self.changed) for name in names]

    def until(self, what: str, holds: Callable[[Worker], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until it holds for every client, with a client's first complaint as the reason if it won't."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while not all(holds(worker) for worker in self.workers):
                broken = [worker.state() for worker in self.workers if worker.complaints]
                assert not broken, f"{what}: {broken[0]}"
                left = deadline - time.monotonic()
                states = [worker.state() for worker in self.workers if not holds(worker)]
                assert left > 0, f"not within {timeout_s:.0f} s: {what}\n" + "\n".join(states)
                self.changed.wait(min(left, 1.0))

    def go_on(self, what: str, event: Callable[[], None] = lambda: None) -> None:
        """Every client is at work while the event happens, and does some more of it after."""
        self._more(AT_AN_EVENT)
        event()
        with self.changed:
            goals = {worker.name: worker.tickets + 4 for worker in self.workers}
            for worker in self.workers:
                worker.work_until(max(worker.goal, goals[worker.name]))
        self.until(f"clients go on {what}", lambda worker: worker.tickets >= goals[worker.name])

    def _more(self, tickets: int) -> None:
        with self.changed:
            for worker in self.workers:
                worker.work_until(worker.tickets + tickets)
