"""A log on its way between two directories when the broker is killed, at any call of the file system, and one
of them, or the other, can't be read at the starts after that: nothing that was acknowledged is ever missing.
"""

from __future__ import annotations

import errno
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from kwire_codecs.errors import ErrorCode

from kwire.server.launch import DiskFailed
from tests.broker.test_moving_logs import FINE, Bench, held
from tests.broker_client import connected, create_topic, serving
from tests.runtime.stepped_time import settle
from tests.storage.disks import BreakableDisk

METADATA, SOURCE, DESTINATION = 0, 1, 2
NAMES = ("metadata", "source", "destination")
_seeds = itertools.count(1)


Act = Callable[["Life", Bench, Callable[[], None]], Awaitable[None]]


class DyingDisk(BreakableDisk):
    """Some directories fail, or all of them, at a call that changes something. That all fail is the end of
    the process: what it writes from then on is nowhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.breaks: dict[int, Sequence[str]] = {}
        """What breaks at which call."""

    def count(self, breaks: dict[int, Sequence[str]]) -> None:
        """From now on."""
        self.calls, self.breaks = 0, breaks

    def _change(self, path: str) -> None:
        for broken in self.breaks.get(self.calls, ()):
            self.broken[broken] = errno.EIO
        self.calls += 1
        self._reach(path)

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        self._change(self._paths[descriptor])
        return super().pwritev(descriptor, buffers, position)

    def rename(self, old: str, new: str) -> None:
        self._change(old)
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._change(path)
        super().unlink(path)

    def rmdir(self, path: str) -> None:
        self._change(path)
        super().rmdir(path)

    def mkdir(self, path: str) -> None:
        self._change(path)
        super().mkdir(path)

    def link(self, path: str, new: str) -> None:
        self._change(new)
        super().link(path, new)

    def truncate(self, descriptor: int, size: int) -> None:
        self._change(self._paths[descriptor])
        super().truncate(descriptor, size)


class Life:
    """One log, what of it was acknowledged, and the broker's directories, through all starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.paths = [path / name for name in NAMES]
        self.disk = DyingDisk()
        self.acknowledged: list[bytes] = []
        self._values = itertools.count()

    @asynccontextmanager
    async def start(self, *away: int) -> AsyncIterator[Bench]:
        """A broker, while these directories can't be read."""
        self.disk.broken = {str(self.paths[number]): errno.EIO for number in away}
        self.disk.count({})
        rng = random.Random(next(_seeds))
        async with (
            serving(data=self.paths, files=self.disk, rng=rng) as running,
            connected(running) as client,
        ):
            yield Bench(running, client, self.disk, [str(path) for path in self.paths])

    async def produce(self, made: Bench) -> ErrorCode:
        value = b"%d" % next(self._values)
        code = await made.produce("t", value)
        if code is FINE:
            self.acknowledged.append(value)
        return code

    async def run(self, at: int, act: Act) -> bool:
        """A log in the first of the two directories, and what is done to it, with the process killed at this
        call from `count` on; whether it was.
        """
        try:
            async with self.start() as made:
                await create_topic(made.running, "t")
                await made.alter("t", made.paths[SOURCE])
                with trio.fail_after(10):
                    await act(self, made, lambda: self.disk.count({at: [str(self.path)]}))
                if self.disk.calls <= at:
                    self.disk.count({})
                    return False
        except* (DiskFailed, AssertionError, trio.BrokenResourceError):
            if self.disk.calls <= at:
                raise
        return True

    async def check(self) -> None:
        """With all directories there, the log has what was acknowledged, and can be moved on."""
        async with self.start() as made:
            assert await self.produce(made) is FINE
            found = await made.values("t")
            assert [value for value in found if value in self.acknowledged] == self.acknowledged
            for number in (DESTINATION, SOURCE):
                await made.move("t", number)
            assert found == await made.values("t")
        assert not list(self.path.glob("*/*-future"))


@asynccontextmanager
async def assigned(life: Life, made: Bench) -> AsyncIterator[None]:
    """The log is on its way, and written down to lie where it goes already; it gets no further."""
    assert await life.produce(made) is FINE
    with held(made, "t"):
        assert await made.alter("t", made.paths[DESTINATION]) is FINE
        while made.told_place("t") != DESTINATION:
            await settle()
        yield


async def call_off(life: Life, made: Bench, count: Callable[[], None]) -> None:
    async with assigned(life, made):
        count()
        assert await made.alter("t", made.paths[SOURCE]) is FINE
        assert not made.is_moving("t")
        assert made.told_place("t") == SOURCE
    assert await life.produce(made) is FINE


async def finish(life: Life, made: Bench, count: Callable[[], None]) -> None:
    async with assigned(life, made):
        count()
    assert await life.produce(made) is FINE
    while made.is_moving("t"):
        await settle()
    assert await life.produce(made) is FINE
    await made.until_moved("t", DESTINATION)
    assert await life.produce(made) is FINE


async def place_empty(life: Life, made: Bench, count: Callable[[], None]) -> None:
    while made.told_place("t") != SOURCE:
        await settle()
    count()
    assert await made.alter("t", made.paths[DESTINATION]) is FINE
    assert made.told_place("t") == DESTINATION
    assert await life.produce(made) is FINE


@pytest.mark.parametrize("away", [(SOURCE, DESTINATION), (DESTINATION, SOURCE)])
@pytest.mark.parametrize("act", [call_off, finish, place_empty])
async def test_what_was_acknowledged_is_never_missing(
    tmp_path: Path, act: Act, away: tuple[int, int]
) -> None:
    for at in itertools.count():
        life = Life(tmp_path / str(at))
        was_killed = await life.run(at, act)
        for number in away:
            async with life.start(number) as made:
                code = await life.produce(made)
                assert was_killed or (code is FINE) == (number != (DESTINATION, SOURCE)[act is call_off])
        await life.check()
        if not was_killed:
            break
    assert at > 1
