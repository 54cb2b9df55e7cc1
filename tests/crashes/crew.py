"""The processes of the pipeline: started, listened to, killed, and replaced by successors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import trio

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [str(ROOT), str(ROOT / "codecs"), str(ROOT / "storage")]
LIBRDKAFKA = Path(__file__).parent / "workers" / "librdkafka.py"
LEAVE_SECONDS = 60.0


@dataclass
class Post:
    """What one process of the crew does; who is killed has a successor on the same post."""

    name: str
    client: str
    """`librdkafka`, or `wire` for the small client here."""
    mode: str
    group: str = "-"
    target: str = "-"
    names: int = 0
    """How many transactional ids its processes have had."""

    @property
    def transactional_id(self) -> str:
        return f"{self.name}-{self.names}"

    @property
    def feeds(self) -> bool:
        return self.mode == "feed"


def posts(*, librdkafka: bool) -> list[Post]:
    """Everybody: two members of each group, so that partitions change hands."""
    crew = [
        Post("feeder-wire", "wire", "feed"),
        Post("newest-1", "wire", "newest", "g-newest", "out-newest"),
        Post("newest-2", "wire", "newest", "g-newest", "out-newest"),
        Post("mixed-1", "wire", "classic", "g-mixed", "out-mixed"),
        Post("mixed-2", "wire", "newest", "g-mixed", "out-mixed"),
    ]
    if librdkafka:
        crew += [
            Post("feeder-librdkafka", "librdkafka", "feed"),
            Post("classic-1", "librdkafka", "classic", "g-classic", "out-classic"),
            Post("classic-2", "librdkafka", "classic", "g-classic", "out-classic"),
            Post("consumer-1", "librdkafka", "consumer", "g-consumer", "out-consumer"),
            Post("consumer-2", "librdkafka", "consumer", "g-consumer", "out-consumer"),
        ]
    return crew


@dataclass
class Heard:
    """What the crew said."""

    fed: set[str] = field(default_factory=set)
    committed: Counter[str] = field(default_factory=Counter)
    """Records in acknowledged transactions, by group."""
    transactions: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """Why processes ended by themselves."""
    broken: list[str] = field(default_factory=list)

    @property
    def transformed(self) -> int:
        return self.committed.total()


class Crew:
    """Keeps a process on each post until `leave`; `log` takes what they say on standard error."""

    def __init__(self, bootstrap: str, librdkafka_python: str | None, log: IO[Any]) -> None:
        self.posts = posts(librdkafka=librdkafka_python is not None)
        self.heard = Heard()
        self._bootstrap = bootstrap
        self._python = {"wire": sys.executable, "librdkafka": librdkafka_python or ""}
        self._log = log
        self._processes: dict[str, trio.Process] = {}
        self._leaving: set[str] = set()
        """The posts that are to be left empty."""
        self._told = trio.Event()

    async def run(self) -> None:
        """Until everybody has left."""
        async with trio.open_nursery() as nursery:
            for post in self.posts:
                nursery.start_soon(self._keep, post)

    def is_there(self, post: Post) -> bool:
        process = self._processes.get(post.name)
        return process is not None and process.returncode is None

    def kill(self, post: Post) -> None:
        """SIGKILL."""
        self._processes[post.name].send_signal(signal.SIGKILL)

    async def next_word(self) -> None:
        """Waits until anybody says anything."""
        await self._told.wait()

    async def leave(self, wanted: Callable[[Post], bool]) -> None:
        """Lets these end what they are at; raises AssertionError when one of them does not."""
        self._leaving |= {post.name for post in filter(wanted, self.posts)}
        for post in filter(wanted, self.posts):
            process = self._processes.get(post.name)
            if process is not None and process.stdin is not None:
                await process.stdin.aclose()
        for post in filter(wanted, self.posts):
            process = self._processes.get(post.name)
            if process is not None:
                with trio.move_on_after(LEAVE_SECONDS):
                    await process.wait()
                assert process.returncode is not None, f"{post.name} does not end"

    def kill_all(self) -> None:
        """Nobody is left behind, whatever happened."""
        self._leaving = {post.name for post in self.posts}
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()

    async def _keep(self, post: Post) -> None:
        while not (post.name in self._leaving and post.feeds):
            await self._one_life(post)
            if post.name in self._leaving and self._left_in_peace(post):
                return
            # As a supervisor would, and no busy loop while there is no broker.
            await trio.sleep(0.2)

    def _left_in_peace(self, post: Post) -> bool:
        return self._processes[post.name].returncode in (0, -signal.SIGKILL)

    async def _one_life(self, post: Post) -> None:
        script = [str(LIBRDKAFKA)] if post.client == "librdkafka" else ["-m", "tests.crashes.workers.wire"]
        arguments = [
            self._bootstrap,
            post.name,
            post.mode,
            post.group,
            post.transactional_id,
            "in",
            post.target,
        ]
        process = await trio.lowlevel.open_process(
            [self._python[post.client], *script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)},
        )
        self._processes[post.name] = process
        assert process.stdout is not None
        held = b""
        async for received in process.stdout:
            *lines, held = (held + received).split(b"\n")
            for line in lines:
                self._hear(post, line.decode())
        await process.wait()
        if process.returncode not in (0, -signal.SIGKILL, 3):
            self.heard.broken.append(f"{post.name} ended with exit code {process.returncode}")

    def _hear(self, post: Post, line: str) -> None:
        word, _, rest = line.partition(" ")
        heard = self.heard
        match word:
            case "fed":
                heard.fed.add(rest)
            case "committed":
                heard.committed[post.group] += int(rest)
                heard.transactions += 1
            case "note":
                heard.notes[f"{post.client} {post.mode}: {rest}"] += 1
            case "fatal":
                heard.ends[f"{post.client} {post.mode}: {rest}"] += 1
            case _:
                heard.broken.append(f"{post.name}: {line}")
        told, self._told = self._told, trio.Event()
        told.set()
