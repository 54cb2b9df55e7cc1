"""Segments whose room was reserved (`preallocate`) pass between kwire and a real Kafka, both ways, after
SIGKILL and after a clean stop: one directory, opened by one and the other in turn.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped without.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
import trio
from interchange.census import Census, census
from interchange.scene import NOW_MS, Played, create_topics, play, produce
from interchange.test_dump_log import DUMP, complaints, dump
from interchange.test_round_trip import (
    COMPLAINTS,
    QUICK_ABORTS,
    Exported,
    at,
    go_on,
    no_complaints,
    same,
    started,
)
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record
from kwire_storage.files import Files
from kwire_storage.inspection.directory_check import DirectoryCheck
from oracle import run_tool

from kwire.testing.broker_process import BrokerProcess
from tests.broker_client import Client

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with"),
    pytest.mark.slow,
]

SEGMENT_BYTES = 1 << 20
SETTINGS = {
    "log.preallocate": "true",
    "log.segment.bytes": str(SEGMENT_BYTES),
    "offsets.topic.num.partitions": "2",
    "offsets.topic.segment.bytes": str(SEGMENT_BYTES),
    "transaction.state.log.num.partitions": "2",
    "transaction.state.log.segment.bytes": str(SEGMENT_BYTES),
}
ZEROS = re.compile(r"Found record size 0 smaller than minimum record overhead \(14\) in file \S+\.log\b")
"""What Kafka says of room that was reserved and not used, of its own files too."""


def kwire_on(home: Path) -> BrokerProcess:
    options = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with (home / "kwire.log").open("a") as log:
        return BrokerProcess(["--data", str(home / "logs"), "--port", "0", *options], log=log)


async def fill(client: Client, topic: str) -> None:
    """A new topic, with a sealed segment and one that is written to."""
    await create_topics(client, {topic: (1, {"preallocate": "true"})})
    for number in range(5):
        value = b"%d" % number * 300_000
        await produce(client, topic, batch.build([Record(b"k", value, NOW_MS)]))


async def first_life(address: str) -> tuple[Census, Played]:
    async with at(address) as client:
        played = await play(client)
        await fill(client, "first")
        return await census(client), played


async def next_life(address: str, played: Played, topic: str) -> tuple[Census, Census]:
    """What is there, and what is there after producers have gone on, and a topic was made."""
    async with at(address) as client:
        found = await census(client)
        await go_on(client, played)
        await fill(client, topic)
        return found, await census(client)


def newest(home: Path, topic: str) -> Path:
    return max((home / "logs" / f"{topic}-0").glob("*.log"))


def is_reserved(home: Path, topic: str) -> bool:
    """Whether its newest segment has all its room, and the one before what it needs."""
    sealed, last = sorted(each.stat().st_size for each in (home / "logs" / f"{topic}-0").glob("*.log"))
    return sealed < SEGMENT_BYTES == last


def what_is_unexpected(home: Path) -> list[str]:
    """The complaints in Kafka's log, but for zeros, which it cuts off."""
    said = (home / "kafka.log").read_text(errors="replace").splitlines()
    return [line for line in said if COMPLAINTS.search(line) and not ZEROS.search(line)]


def dumped(segment: Path) -> tuple[list[str], str]:
    """What kafka-dump-log says of a segment that ends in zeros: the lines of its batches, and a complaint."""
    done = run_tool("4.4.0", DUMP["4.4.0"], ["--deep-iteration", "--files", str(segment)])
    assert done.returncode == 1
    return done.stdout.splitlines(), done.stderr


def what_verify_finds(home: Path) -> list[str]:
    """`kwire log verify`."""
    check = DirectoryCheck(Files(), records=True)
    return [str(each) for each in check.run([str(home / "logs")]) if not each.is_note]


def files(home: Path, topics: Iterable[str]) -> list[str]:
    return [str(path) for topic in topics for path in sorted((home / "logs").glob(f"{topic}-*/*.log"))]


def test_preallocated_segments_pass_between_kwire_and_kafka(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    broker = kwire_on(home)
    try:
        written, played = trio.run(first_life, broker.bootstrap_servers)
        os.kill(broker.pid, signal.SIGKILL)
    finally:
        broker.stop()
    assert is_reserved(home, "first")
    shutil.copy(newest(home, "first"), tmp_path / "00000000000000000003.log")

    kafka = started(Exported("4.4.0", home, {**SETTINGS, **QUICK_ABORTS}))
    try:
        found, later = trio.run(next_life, kafka.bootstrap, played, "second")
    finally:
        kafka.kill()
    same(written, found)
    assert is_reserved(home, "second")
    assert what_is_unexpected(home) == []
    of_kwire, of_kafka = tmp_path / "00000000000000000003.log", newest(home, "second")
    (batches, complaint), (batches_of_kafka, complaint_of_kafka) = dumped(of_kwire), dumped(of_kafka)
    assert batches[1:] == batches_of_kafka[1:]  # the first line names the file
    assert ZEROS.search(complaint)
    assert ZEROS.search(complaint_of_kafka)
    assert what_verify_finds(home) == []

    broker = kwire_on(home)
    try:
        found, last = trio.run(next_life, broker.bootstrap_servers, played, "third")
        assert is_reserved(home, "third")
    finally:
        broker.stop()
    same(later, found)
    assert broker.exit_code == 0
    assert not is_reserved(home, "third")
    assert complaints(dump("4.4.0", "--deep-iteration", "--files", ",".join(files(home, last.topics)))) == []

    kafka = started(Exported("4.4.0", home, {**SETTINGS, **QUICK_ABORTS}))
    try:
        found, later = trio.run(next_life, kafka.bootstrap, played, "fourth")
        assert is_reserved(home, "fourth")
    finally:
        kafka.stop()
    same(last, found)
    no_complaints(home)

    broker = kwire_on(home)
    try:
        found, _ = trio.run(next_life, broker.bootstrap_servers, played, "fifth")
    finally:
        broker.stop()
    same(later, found)
    assert not COMPLAINTS.search((home / "kwire.log").read_text())
    assert not list((home / "logs").glob("*-stray"))
    assert not list((home / "logs").glob("*/*.damaged"))
    assert what_verify_finds(home) == []
