"""A disk that was not mounted: its mount point is empty, and looks like a new log directory."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from tests.broker.test_failed_directories import AWAY, FINE, TOPICS, Bench, bench
from tests.broker_client import connected, create_topic, serving


def unmount(path: Path) -> None:
    """The second directory is another disk, which is not there any more."""
    (path / "two").rename(path / "unmounted")
    (path / "two").mkdir()


def mount(path: Path) -> None:
    shutil.rmtree(path / "two")
    (path / "unmounted").rename(path / "two")


@asynccontextmanager
async def again(path: Path, *names: str) -> AsyncIterator[Bench]:
    """Another start, by default on both directories."""
    paths = [path / name for name in names or ("one", "two")]
    rng = random.Random(2)  # new directories get other ids than those of the first start
    async with serving(data=paths, rng=rng) as running, connected(running) as client:
        yield Bench(running, client, None, [str(each) for each in paths])  # type: ignore[arg-type]


async def made(path: Path) -> list[str]:
    """Topics in both directories; gives those in the second one."""
    async with bench(path) as first:
        known = first.running.cluster.image.brokers[1].log_dirs
        await first.until(
            lambda: all(first.partition_image(topic).directories[0] in known for topic in TOPICS)
        )
        lost = first.lost
    assert len(lost) == 2
    return lost


async def test_what_lies_in_a_directory_that_is_not_there_is_out_of_reach_until_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = await made(tmp_path)
    unmount(tmp_path)
    for _ in range(2):
        caplog.clear()
        async with again(tmp_path) as second:
            for topic in TOPICS:
                out = topic in lost
                assert await second.produce(topic, b"second") is (AWAY if out else FINE)
                assert isinstance(await second.values(topic), ErrorCode) == out
                assert (second.partition_image(topic).leader == -1) == out
            answer = await second.client.ask(
                Metadata.Request(topics=[Metadata.Request.Topic(name=lost[0])]), 12
            )
            assert answer.topics[0].partitions[0].error_code is ErrorCode.LEADER_NOT_AVAILABLE
            assert list((tmp_path / "two").glob("?-0")) == []
        [line] = [
            each.getMessage() for each in caplog.records if "is offline: it is new" in each.getMessage()
        ]
        assert all(f"{topic}-0" in line for topic in lost)
        assert "mounted?" in line
        assert not (tmp_path / "two" / "meta.properties").exists()
    mount(tmp_path)
    caplog.clear()
    async with again(tmp_path) as third:
        for topic in lost:
            assert await third.values(topic) == [b"first"]
            assert await third.produce(topic, b"second") is FINE
    assert "is offline" not in caplog.text


async def test_what_a_move_has_left_elsewhere_says_nothing_of_a_disk_that_is_not_mounted(
    tmp_path: Path,
) -> None:
    lost = await made(tmp_path)
    shutil.copytree(tmp_path / "two" / f"{lost[0]}-0", tmp_path / "one" / f"{lost[0]}-0")
    unmount(tmp_path)
    async with again(tmp_path) as second:
        for topic in TOPICS:
            assert await second.produce(topic, b"second") is (AWAY if topic in lost else FINE)
    mount(tmp_path)
    async with again(tmp_path) as third:
        for topic in lost:
            assert await third.values(topic) == [b"first"]
            assert await third.produce(topic, b"second") is FINE


async def test_a_directory_that_was_offline_and_comes_back_empty_is_a_missing_one(tmp_path: Path) -> None:
    lost = await made(tmp_path)
    (tmp_path / "two").rename(tmp_path / "unmounted")
    (tmp_path / "two").write_bytes(b"no directory")
    async with again(tmp_path) as second:
        assert second.partition_image(lost[0]).leader == -1
    (tmp_path / "two").unlink()
    (tmp_path / "two").mkdir()
    async with again(tmp_path) as third:
        assert await third.produce(lost[0], b"second") is AWAY


async def test_a_directory_that_is_taken_out_gives_up_what_it_held(tmp_path: Path) -> None:
    lost = await made(tmp_path)
    unmount(tmp_path)
    async with again(tmp_path) as second:
        assert await second.produce(lost[0], b"second") is AWAY
    async with again(tmp_path, "one") as third:
        assert await third.produce(lost[0], b"anew") is FINE
        assert await third.values(lost[0]) == [b"anew"]
    async with again(tmp_path) as fourth:
        assert await fourth.values(lost[0]) == [b"anew"]
        assert len(fourth.running.cluster.image.brokers[1].log_dirs) == 2


async def test_a_new_directory_beside_all_others_is_used(tmp_path: Path) -> None:
    await made(tmp_path)
    async with again(tmp_path, "one", "two", "three") as second:
        assert len(second.running.cluster.image.brokers[1].log_dirs) == 3
        for topic in TOPICS:
            assert await second.values(topic) == [b"first"]


async def test_a_directory_whose_logs_are_there_may_have_another_id(tmp_path: Path) -> None:
    gone, *_ = await made(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name / "meta.properties").unlink()
    shutil.rmtree(tmp_path / "two" / f"{gone}-0")
    async with again(tmp_path, "one", "two", "three") as second:
        assert len(second.running.cluster.image.brokers[1].log_dirs) == 3
        for topic in TOPICS:
            assert await second.values(topic) == ([] if topic == gone else [b"first"])


async def test_the_only_directory_is_never_missing(tmp_path: Path) -> None:
    async with serving(data=[tmp_path / "one"]) as running, connected(running) as client:
        only = Bench(running, client, None, [])  # type: ignore[arg-type]
        await create_topic(running, "a")
        assert only.partition_image("a").leader == 1
    (tmp_path / "one" / "meta.properties").unlink()
    async with serving(data=[tmp_path / "one"]) as running, connected(running) as client:
        only = Bench(running, client, None, [])  # type: ignore[arg-type]
        assert await only.produce("a", b"first") is FINE
