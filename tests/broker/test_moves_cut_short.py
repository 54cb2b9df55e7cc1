"""A log on its way between two directories when the broker is killed, at any call of the file system, and one
of them, or the other, can't be read at the starts after that: nothing that was acknowledged is ever missing.
"""

from __future__ import annotations

import errno
import itertools
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
import trio
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.directories import directory_of
from kwire.server.launch import DiskFailed
from tests.broker.test_moving_logs import FINE, Bench, held
from tests.broker_client import connected, create_topic, serving
from tests.runtime.stepped_time import settle
from tests.storage.disks import DyingDisk

METADATA, SOURCE, DESTINATION = 0, 1, 2
NAMES = ("metadata", "source", "destination")
_seeds = itertools.count(1)


Act = Callable[["Life", Bench, Callable[[], None]], Awaitable[None]]


class Life:
    """One log, what of it was acknowledged, and the broker's directories, through all starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.paths = [path / name for name in NAMES]
        self.disk = DyingDisk()
        self.acknowledged: list[bytes] = []
        self.ids: list[UUID] = []
        """Of the directories."""
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
            if not away:
                self.ids = list(running.cluster.directories[1].directory_ids)
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
    await settle()
    assert not made.is_left("t")
    assert await life.produce(made) is FINE


async def place_empty(life: Life, made: Bench, count: Callable[[], None]) -> None:
    while made.told_place("t") != SOURCE:
        await settle()
    count()
    assert await made.alter("t", made.paths[DESTINATION]) is FINE
    assert made.told_place("t") == DESTINATION
    assert await life.produce(made) is FINE


async def end(life: Life, made: Bench, count: Callable[[], None]) -> None:
    async with assigned(life, made):
        made.disk.broken[str(life.path)] = errno.EIO


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


async def test_a_copy_does_not_become_the_log_while_the_disk_of_the_log_is_not_mounted(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)

    await life.run(0, end)
    source, unmounted = life.paths[SOURCE], tmp_path / "unmounted"
    source.rename(unmounted)
    source.mkdir()
    for _ in range(2):
        async with life.start() as made:
            assert await life.produce(made) is ErrorCode.KAFKA_STORAGE_ERROR
        assert not (source / "meta.properties").exists()
    shutil.rmtree(source)
    unmounted.rename(source)
    await life.check()


async def test_a_copy_becomes_the_log_where_the_directory_of_the_log_is_given_up(tmp_path: Path) -> None:
    life = Life(tmp_path)

    await life.run(0, end)
    del life.paths[SOURCE]
    async with life.start() as made:
        assert await made.values("t") == life.acknowledged
        assert await life.produce(made) is FINE


@pytest.mark.parametrize("act", [call_off, finish, place_empty])
@pytest.mark.parametrize("number", [SOURCE, DESTINATION])
async def test_a_directory_that_fails_at_any_call_takes_along_what_lies_in_it_and_nothing_else(
    tmp_path: Path, act: Act, number: int
) -> None:
    """With the broker running on: who lies in the other one is led, and the metadata say so."""
    for at in itertools.count():
        life = Life(tmp_path / str(at))
        async with life.start() as made:
            await create_topic(made.running, "t")
            await made.alter("t", made.paths[SOURCE])
            breaks: dict[int, Sequence[str]] = {at: [made.paths[number]]}
            try:
                with trio.fail_after(10):
                    await act(life, made, partial(life.disk.count, breaks))
            except AssertionError:
                assert life.disk.broken
            if not life.disk.broken:
                break
            with trio.fail_after(10):
                place = await until_told(life, made, number)
            code = await life.produce(made)
            assert code is (FINE if place != number else ErrorCode.KAFKA_STORAGE_ERROR), at
            state = made.running.cluster.image.partition("t", 0)
            assert state is not None
            assert state.leader == (1 if place != number else -1), at
        await life.check()
    assert at > 1


async def until_told(life: Life, made: Bench, number: int) -> int:
    """A directory has failed, and the cluster's metadata say so; gives which of them has the log."""
    cluster = made.running.cluster
    directories = cluster.directories[1]
    await made.described("t")  # which looks at each disk
    assert made.paths[number] in directories.offline
    while len(cluster.image.brokers[1].log_dirs) == len(NAMES):
        await settle()
    place = directories.directory_of("t", 0)
    state = cluster.image.partition("t", 0)
    assert state is not None
    assert place is not None
    assert directory_of(state, 1) == place
    return life.ids.index(place)


@pytest.mark.parametrize("act", [call_off, finish])
@pytest.mark.parametrize("order", [(SOURCE, DESTINATION), (DESTINATION, SOURCE)])
async def test_both_directories_fail_during_one_move(
    tmp_path: Path, act: Act, order: tuple[int, int]
) -> None:
    """One a call after the other, with the broker running on; and one of them is still away at the start."""
    for at in itertools.count():
        life = Life(tmp_path / str(at))
        async with life.start() as made:
            await create_topic(made.running, "t")
            await made.alter("t", made.paths[SOURCE])
            first, second = (made.paths[number] for number in order)
            try:
                with trio.fail_after(10):
                    await act(life, made, partial(life.disk.count, {at: [first], at + 1: [second]}))
            except AssertionError:
                assert life.disk.broken
            if not life.disk.broken:
                break
            await made.described("t")
            if len(life.disk.broken) == len(order):
                assert await life.produce(made) is ErrorCode.KAFKA_STORAGE_ERROR
        async with life.start(order[at % 2]) as made:
            await life.produce(made)
        await life.check()
    assert at > 1
