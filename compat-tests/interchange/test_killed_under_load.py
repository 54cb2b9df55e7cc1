"""A kwire is killed while it is at work, and a real Kafka is started on its directory: nothing that was
acknowledged is missing, doubled or undecided, and producers go on.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped without.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing
from interchange.census import Census, census, decided
from interchange.producers import Producer, until_done
from interchange.scene import Idempotent, Played, led, play, produce
from interchange.test_round_trip import (
    QUICK_ABORTS,
    SNAPSHOTS,
    Exported,
    at,
    go_on,
    no_complaints,
    same,
    started,
)
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record

from kwire.testing.broker_process import BrokerProcess
from tests.broker_client import Client, one_partition, produce_request

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with"),
    pytest.mark.slow,
]

SHORT_SEGMENTS = {"segment.ms": "200"}
LOADED = {
    "loaded": SHORT_SEGMENTS,
    "loaded.by-key": {
        **SHORT_SEGMENTS,
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "1000",
    },
    "loaded.idempotent": SHORT_SEGMENTS,
    "loaded.txn": SHORT_SEGMENTS,
}
KEYS = 20
LEAST = 150
"""Acknowledgements that each kind of client has before the kill."""
LONGEST_SECONDS = 60
TRANSACTIONAL_ID, GROUP = "loader", "loading"


@dataclass
class Load:
    """What clients were told before the kill, and what they were waiting for then."""

    cleaned: Path
    """Says what has been compacted."""
    written: dict[int, bytes] = field(default_factory=dict)
    """Acknowledged records of `loaded`, by offset."""
    newest: dict[bytes, int] = field(default_factory=dict)
    """Of `loaded.by-key`: the offset of each key's newest acknowledged record."""
    by_key: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    idempotent: Idempotent | None = None
    sequence: int = 0
    """Of the idempotent producer: how many records were acknowledged."""
    decided: dict[int, bool] = field(default_factory=dict)
    """By size of their records: transactions whose end was acknowledged, and whether it was a commit."""
    committed_offset: int = -1
    asked_offset: int = -1
    in_flight: int = 0
    is_killed: bool = False
    goes_on: trio.Event = field(default_factory=trio.Event)
    """Set but while the broker stands still."""
    enough: trio.Event = field(default_factory=trio.Event)

    @property
    def is_enough(self) -> bool:
        counts = (len(self.written), len(self.by_key), self.sequence // 3, self.committed_offset)
        if min(counts) <= LEAST or len(self.decided) <= LEAST // 5:
            return False
        return self.cleaned.exists() and "loaded.by-key" in self.cleaned.read_text()


async def work(address: str, load: Load, turn: Callable[[Client], Awaitable[None]]) -> None:
    """Does `turn` again and again, until the broker is gone."""
    async with at(address) as client:
        while True:
            await load.goes_on.wait()
            load.in_flight += 1
            try:
                await turn(client)
            except (AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
                if not load.is_killed:
                    raise
                return
            load.in_flight -= 1
            if load.is_enough:
                load.enough.set()


async def write_under_load(broker: BrokerProcess, directory: Path) -> tuple[Census, Played, Load]:
    """The scene, looked at; then every kind of client at work, and SIGKILL in the midst of it."""
    address = broker.bootstrap_servers
    load = Load(directory / "cleaner-offset-checkpoint")
    async with at(address) as client:
        await create_loaded(client)
        played = await play(client)
        seen = await census(client)
        init = InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1)
        answer = await until_done(client, init, 4, lambda answer: answer.error_code)
        idempotent = load.idempotent = Idempotent(answer.producer_id, answer.producer_epoch)

    async def plain(client: Client) -> None:
        value = os.urandom(300)
        data = batch.build([Record(None, value, int(time.time() * 1000))])
        load.written[await produce(client, "loaded", data)] = value

    async def keyed(client: Client) -> None:
        key, value = b"key-%d" % (len(load.by_key) % KEYS), os.urandom(300)
        data = batch.build([Record(key, value, int(time.time() * 1000))])
        offset = await produce(client, "loaded.by-key", data)
        load.by_key[offset] = key, value
        load.newest[key] = offset

    async def in_sequence(client: Client) -> None:
        await produce(client, "loaded.idempotent", idempotent.next_batch())
        load.sequence = idempotent.sequence

    producer = Producer(client, TRANSACTIONAL_ID, knows_version_2=False, topic="loaded.txn")

    async def transact(client: Client) -> None:
        producer.client = client
        if producer.producer_id < 0:
            await producer.begin_life()
        size = 100 + len(load.decided)
        await producer.write(size)
        await producer.write(size)
        is_commit = size % 3 != 0
        await producer.end(commit=is_commit)
        load.decided[size] = is_commit

    async def commit(client: Client) -> None:
        load.asked_offset += 1
        topic = OffsetCommit.Request.Topic
        partition = topic.Partition(
            partition_index=0, committed_offset=load.asked_offset, committed_metadata=""
        )
        request = OffsetCommit.Request(group_id=GROUP, topics=[topic(name="loaded", partitions=[partition])])
        await until_done(client, request, 7, lambda answer: answer.topics[0].partitions[0].error_code)
        load.committed_offset = load.asked_offset

    with trio.fail_after(LONGEST_SECONDS):
        async with trio.open_nursery() as nursery:
            for turn in (plain, plain, keyed, in_sequence, transact, commit):
                nursery.start_soon(work, address, load, turn)
            load.goes_on.set()
            await load.enough.wait()
            await kill(broker.pid, load)
            nursery.cancel_scope.cancel()
    return seen, played, load


async def kill(pid: int, load: Load) -> None:
    """SIGKILL while somebody waits for an answer: the broker stands still until it is seen that one does."""
    while True:
        load.goes_on = trio.Event()
        os.kill(pid, signal.SIGSTOP)
        await trio.testing.wait_all_tasks_blocked(0.05)  # those who were answered have read it
        if load.in_flight:
            break
        os.kill(pid, signal.SIGCONT)
        load.goes_on.set()
        await trio.sleep(0.01)
    load.is_killed = True
    os.kill(pid, signal.SIGKILL)


async def create_loaded(client: Client) -> None:
    topic = CreateTopics.Request.Topic
    wanted = [
        topic(
            name=name,
            num_partitions=1,
            replication_factor=1,
            assignments=[],
            configs=[topic.Config(name=key, value=value) for key, value in configs.items()],
        )
        for name, configs in LOADED.items()
    ]
    answer = await client.ask(CreateTopics.Request(topics=wanted, timeout_ms=20_000), 5)
    assert {each.error_code for each in answer.topics} == {ErrorCode.NONE}
    for name in LOADED:
        await led(client, name)


def without_load(found: Census) -> Census:
    """What the load did not touch."""
    return found._replace(
        topics={name: said for name, said in found.topics.items() if name not in LOADED},
        records={place: said for place, said in found.records.items() if place[0] not in LOADED},
        committed={place: said for place, said in found.committed.items() if place[0] not in LOADED},
        bounds={place: said for place, said in found.bounds.items() if place[0] not in LOADED},
        groups={group: said for group, said in found.groups.items() if group != GROUP},
        offsets={group: said for group, said in found.offsets.items() if group != GROUP},
        transactions={name: said for name, said in found.transactions.items() if name != TRANSACTIONAL_ID},
    )


def check_load(load: Load, found: Census, *, last_may_be_lost: bool = False) -> None:
    """What was acknowledged is there, once.

    `last_may_be_lost`: of the transaction that was decided last the markers may not have been written when
    the kill came. Kafka, started on a directory (its own too) with PrepareCommit and no marker, has been seen
    to note the transaction's end and to write none: its coordinator gives the marker up when the broker's
    registration from before the kill is fenced.
    """
    records = {each[0]: each[3] for each in found.records["loaded", 0]}
    assert {offset: records.get(offset) for offset in load.written} == load.written
    kept = {each[0]: (each[2], each[3]) for each in found.records["loaded.by-key", 0]}
    assert {
        offset: said for offset, said in kept.items() if offset in load.by_key
    }.items() <= load.by_key.items()
    newest = {key: offset for offset, (key, _) in kept.items()}
    assert all(newest.get(key, -1) >= offset for key, offset in load.newest.items())
    sequences = [each[3] for each in found.records["loaded.idempotent", 0]]
    assert sequences == [b"%d" % at for at in range(len(sequences))]
    assert load.sequence <= len(sequences) <= load.sequence + 3
    sizes = [len(each[3]) for each in found.committed["loaded.txn", 0]]
    last = max(load.decided)
    for size, is_commit in load.decided.items():
        lost = {0} if last_may_be_lost and size == last else set()
        assert sizes.count(size) in {2 if is_commit else 0} | lost, size
    assert load.committed_offset <= found.offsets[GROUP]["loaded", 0][0] <= load.asked_offset


async def look_at(address: str) -> Census:
    async with at(address) as client:
        await decided(client, TRANSACTIONAL_ID)
        return await census(client)


def test_a_real_kafka_has_all_that_a_kwire_acknowledged_before_it_was_killed_under_load(
    tmp_path: Path,
) -> None:
    home = tmp_path / "kafka"
    home.mkdir()
    settings = {
        "metadata.max.retention.bytes": "0",
        "offsets.topic.num.partitions": "5",
        "log.cleaner.backoff.ms": "100",
        **SNAPSHOTS,
    }
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with (home / "kwire.log").open("w") as log:
        broker = BrokerProcess(["--data", str(home / "logs"), "--port", "0", *options], log=log)
        try:
            written, played, load = trio.run(write_under_load, broker, home / "logs")
        finally:
            broker.stop()
    assert broker.exit_code == -signal.SIGKILL
    assert load.in_flight, "a kill that nobody noticed shows nothing"
    shutil.copytree(home / "logs", tmp_path / "copy")
    with (home / "kwire.log").open("a") as log:
        again = BrokerProcess(["--data", str(tmp_path / "copy"), "--port", "0", *options], log=log)
        try:
            by_kwire = trio.run(look_at, again.bootstrap_servers)
        finally:
            again.stop()
    same(without_load(written), without_load(by_kwire))
    check_load(load, by_kwire)
    kafka = started(Exported("4.4.0", home, QUICK_ABORTS))

    async def look() -> Census:
        async with at(kafka.bootstrap) as client:
            await decided(client, TRANSACTIONAL_ID)
            found = await census(client)
            assert load.idempotent is not None
            load.idempotent.sequence = len(found.records["loaded.idempotent", 0])
            next_one = load.idempotent.next_batch()
            answer = await client.ask(produce_request("loaded.idempotent", next_one), 9)
            assert one_partition(answer).error_code == ErrorCode.NONE
            again = Producer(client, TRANSACTIONAL_ID, knows_version_2=False, topic="loaded.txn")
            await again.begin_life()  # ends what the kill left open
            await again.write(50)
            await again.end(commit=True)
            await go_on(client, played)
            return found

    try:
        by_kafka = trio.run(look)
    finally:
        kafka.stop()
    same(without_load(written), without_load(by_kafka))
    check_load(load, by_kafka, last_may_be_lost=True)
    no_complaints(home)
