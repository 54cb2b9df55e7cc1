"""A data directory passes between kwire and a real Kafka, both ways and back, and clients see the same.

All topics, records, offsets, groups, transactions and configs are read through a client before and after; an
idempotent producer goes on with its sequence, and an open transaction is ended by its producer. What kwire
does not act on (ACLs, SCRAM, quotas, share groups) is asked of the Kafka that opens the directory last.

Run: `pytest compat-tests/interchange`. Needs Java, and Maven for the first fetch; skipped without.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from interchange.census import Census, census, other_groups, read, security
from interchange.scene import NOW_MS, Played, create, led, play, produce, secure
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record
from oracle import Kafka, KafkaCluster, OracleError, run_tool

from kwire.cli.export_config import exported
from kwire.cli.refusal import Refusal
from kwire.config import load_properties
from tests.broker_client import Client, connected, create_topic, one_partition, produce_request, serving

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no java to run Kafka with"),
    pytest.mark.slow,
]

QUICK = {"broker.heartbeat.interval.ms": "100", "log.cleaner.dedupe.buffer.size": "2097152"}
SNAPSHOTS = {"metadata.log.max.record.bytes.between.snapshots": "700"}
QUICK_ABORTS = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"}
SECURED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


class Exported(Kafka):
    """A Kafka with the settings that `kwire export-config` gives for the directory, and these on top."""

    def __init__(self, version: str, home: Path, more: dict[str, str] | None = None) -> None:
        super().__init__(version, data=home)
        self._home = home
        self._more = more or {}

    def _settings(self, home: Path) -> dict[str, str]:
        text = exported(
            [str(home / "logs")],
            host="127.0.0.1",
            port=self._ports["PLAINTEXT"],
            controller_port=self._ports["CONTROLLER"],
        )
        return {**load_properties(text), **QUICK, **self._more}


class Dynamic(Kafka):
    """A Kafka whose voters are in its log (KIP-853, kraft.version 1), formatted with `--standalone`."""

    def _settings(self, home: Path) -> dict[str, str]:
        settings = super()._settings(home)
        voter = settings.pop("controller.quorum.voters")
        return {**settings, "controller.quorum.bootstrap.servers": voter.partition("@")[2]}

    def _formatted_as(self) -> str:
        return "-standalone"


@asynccontextmanager
async def at(address: str) -> AsyncIterator[Client]:
    host, _, port = address.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        yield Client(stream)


def started(kafka: Kafka) -> Kafka:
    try:
        kafka.start()
    except OracleError as error:
        if "is missing" in str(error):
            pytest.skip(f"Kafka can't be had: {error}")
        raise
    return kafka


COMPLAINTS = re.compile(
    r"\b(?:corrupt|invalid (?:index|offset|batch|record)|rebuild|stray|fault|fatal|truncat|inconsistent)",
    re.IGNORECASE,
)


def no_complaints(home: Path) -> None:
    """Kafka has set nothing aside, and has found no file to be wrong."""
    assert not [path.name for path in (home / "logs").iterdir() if path.name.endswith("-stray")]
    said = (home / "kafka.log").read_text(errors="replace").splitlines()
    assert [line for line in said if COMPLAINTS.search(line)] == []


def same(before: Census, after: Census, *, but: tuple[str, ...] = ()) -> None:
    """Everything is as it was; a cluster may have got more internal topics, and broker configs of its own."""
    assert after.cluster_id == before.cluster_id
    assert {name: after.topics[name] for name in before.topics} == before.topics
    assert not set(after.topics) - set(before.topics) - {
        "__consumer_offsets", "__transaction_state", "__share_group_state",
    }  # fmt: skip
    assert after.bounds == before.bounds
    assert after.records == before.records
    assert after.committed == before.committed
    assert {group: after.groups[group] for group in before.groups if group not in but} == {
        group: said for group, said in before.groups.items() if group not in but
    }
    assert after.offsets == before.offsets
    assert after.transactions == before.transactions
    assert after.broker_configs == before.broker_configs


async def go_on(client: Client, played: Played) -> None:
    """Producers go on where they were: duplicates are known, sequences follow, the transaction is ended."""
    idempotent = played.idempotent
    answer = await client.ask(produce_request("idempotent", played.last_batch), 9)
    assert one_partition(answer).error_code == ErrorCode.NONE
    assert one_partition(answer).base_offset == idempotent.sequence - 3
    played.last_batch = idempotent.next_batch()
    assert await produce(client, "idempotent", played.last_batch) == idempotent.sequence - 3
    idempotent.sequence += 30
    answer = await client.ask(produce_request("idempotent", idempotent.next_batch()), 9)
    assert one_partition(answer).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    idempotent.sequence -= 33
    open_one = played.open
    open_one.client = client
    if open_one.is_open:
        await open_one.write(78)
        await open_one.end(commit=True)
    await open_one.write(79)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_real_kafka_serves_what_kwire_wrote_and_kwire_what_became_of_it(tmp_path: Path, how: str) -> None:
    home = tmp_path / "kafka"
    ours = tmp_path / "ours"
    properties = {"metadata.max.retention.bytes": "0", **SNAPSHOTS, "offsets.topic.num.partitions": "5"}

    async def write() -> tuple[Census, Played]:
        async with serving(properties, data=[ours]) as broker, connected(broker) as client:
            played = await play(client)
            await broker.cluster.controller.snapshot()
            await create_topic(broker, "behind-the-snapshot")
            await broker.cluster.controller.snapshot()
            await create_topic(broker, "behind-them-all")
            seen = await census(client)
            if how == "killed":  # what the operating system has of a process that is gone
                shutil.copytree(ours, home / "logs")
            return seen, played

    written, played = trio.run(write)
    assert len(list((ours / "__cluster_metadata-0").glob("*.checkpoint"))) == 1
    if how == "stopped":
        shutil.copytree(ours, home / "logs")
    kafka = started(Exported("4.4.0", home, QUICK_ABORTS))

    async def look() -> tuple[Census, Census]:
        async with at(kafka.bootstrap) as client:
            found = await census(client)
            await go_on(client, played)
            return found, await census(client)

    try:
        by_kafka, later = trio.run(look)
    finally:
        kafka.stop()
    same(written, by_kafka)
    no_complaints(home)
    assert later.bounds["idempotent", 0][1] == written.bounds["idempotent", 0][1] + 3
    assert later.bounds["txn", 0][2] > written.bounds["txn", 0][2]

    async def again() -> Census:
        async with serving(data=[home / "logs"]) as broker, connected(broker) as client:
            found = await census(client)
            await go_on(client, played)
            return found

    same(later, trio.run(again))


@pytest.mark.parametrize(
    ("version", "how"), [("4.4.0", "stopped"), ("4.4.0", "killed"), ("3.9.2", "stopped"), ("3.9.2", "killed")]
)
def test_kwire_serves_what_a_real_kafka_wrote_and_kafka_takes_it_back(
    tmp_path: Path, version: str, how: str
) -> None:
    is_new = version == "4.4.0"
    home = tmp_path / "home"
    kafka = started(Kafka(version, {**SNAPSHOTS, **SECURED}, data=home))

    async def write() -> tuple[Census, Played, Any]:
        async with at(kafka.bootstrap) as client:
            await secure(client, share_groups=is_new)
            played = await play(client, old_formats=not is_new, versions_2=is_new, consumer_groups=is_new)
            others = await other_groups(client) if is_new else ()
            return await census(client), played, (await security(client), others)

    try:
        written, played, secured = trio.run(write)
    finally:
        if how == "killed":
            kafka.kill()
        kafka.stop()
    assert list((home / "logs" / "__cluster_metadata-0").glob("*1.checkpoint"))
    ours = tmp_path / "ours" / "logs"
    shutil.copytree(home / "logs", ours)

    async def serve() -> tuple[Census, Census]:
        async with (
            serving(data=[ours], properties={**SNAPSHOTS, "metadata.max.retention.bytes": "0"}) as broker,
            connected(broker) as client,
        ):
            found = await census(client)
            await go_on(client, played)
            await broker.cluster.controller.snapshot()
            return found, await census(client)

    by_kwire, later = trio.run(serve)
    same(written, by_kwire, but=("sharers", "streamers"))
    if is_new:
        stands, (_, _, topology, _) = secured[1]
        assert [each[:3] for each in stands] == [("shared", 0, 3), ("shared", 1, 4)]
        assert topology == (3, [("0", ["shared"])])
    assert len(list((ours / "__cluster_metadata-0").glob("*.checkpoint"))) == 1
    back = started(Exported(version, tmp_path / "ours", SECURED))

    async def look() -> tuple[Census, Any]:
        async with at(back.bootstrap) as client:
            found = await census(client)
            secured_still = await security(client), await other_groups(client) if is_new else ()
            await go_on(client, played)
            return found, secured_still

    try:
        by_kafka, secured_still = trio.run(look)
    finally:
        back.stop()
    same(later, by_kafka)
    assert secured_still == secured
    for group in ("sharers", "streamers"):
        assert by_kafka.groups.get(group) == written.groups.get(group)
    no_complaints(tmp_path / "ours")


def test_voters_that_are_in_the_log_pass_through_kwire_to_kafka(tmp_path: Path) -> None:
    home = tmp_path / "home"
    kafka = Dynamic("4.4.0", SNAPSHOTS, data=home, features={"kraft.version": 1})
    kafka._format_options.append("--standalone")
    started(kafka)

    async def write() -> Census:
        async with at(kafka.bootstrap) as client:
            await create(client)
            return await census(client)

    try:
        written = trio.run(write)
    finally:
        kafka.stop()
    assert '"data_version":1' in (home / "logs" / "__cluster_metadata-0" / "quorum-state").read_text()

    async def serve() -> Census:
        properties = {"metadata.max.retention.bytes": "0", "metadata.max.retention.ms": "0"}
        async with serving(properties, data=[home / "logs"]) as broker, connected(broker) as client:
            found = await census(client)
            await create_topic(broker, "of-kwire")
            await broker.cluster.controller.snapshot()
            return found

    same(written, trio.run(serve))
    assert len(list((home / "logs" / "__cluster_metadata-0").glob("*.checkpoint"))) == 1
    back = Exported("4.4.0", home)
    back._ports = dict(kafka._ports)
    started(back)

    async def look() -> Census:
        async with at(back.bootstrap) as client:
            return await census(client)

    try:
        by_kafka = trio.run(look)
    finally:
        back.stop()
    assert by_kafka.topics.pop("of-kwire")
    assert by_kafka.topics == written.topics
    no_complaints(home)


def test_a_transaction_whose_producer_is_gone_is_aborted_by_the_other_broker(
    tmp_path: Path,
) -> None:
    ours = tmp_path / "kafka" / "logs"

    async def write() -> Census:
        from interchange.producers import Producer

        async with serving(data=[ours]) as broker, connected(broker) as client:
            await create_topic(broker, "txn")
            left = Producer(client, "left", knows_version_2=False, topic="txn", timeout_ms=1000)
            await left.begin_life()
            await left.write(10)
            return await census(client)

    before = trio.run(write)
    assert before.bounds["txn", 0] == (0, 1, 0)
    kafka = started(Exported("4.4.0", tmp_path / "kafka", QUICK_ABORTS))

    async def look() -> Census:
        async with at(kafka.bootstrap) as client:
            while True:
                found = await census(client)
                if found.bounds["txn", 0][2] != 0:
                    return found
                await trio.sleep(0.1)

    try:
        after = trio.run(look)
    finally:
        kafka.stop()
    assert after.bounds["txn", 0] == (0, 2, 2)
    assert after.committed["txn", 0] == []
    assert after.transactions["left"][0] in ("PrepareAbort", "CompleteAbort")


def test_of_one_node_of_a_cluster_kwire_serves_what_it_may_lead_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fill(addresses: list[str]) -> None:
        topic = CreateTopics.Request.Topic
        placed = topic.Assignment(partition_index=0, broker_ids=[3])
        wanted = [
            topic(name="all", num_partitions=1, replication_factor=3, assignments=[], configs=[]),
            topic(
                name="elsewhere", num_partitions=-1, replication_factor=-1, assignments=[placed], configs=[]
            ),
        ]
        data = batch.build([Record(b"k", b"%d" % at, NOW_MS) for at in range(10)])
        async with at(addresses[0]) as client:
            await client.ask(CreateTopics.Request(topics=wanted, timeout_ms=20_000), 5)
            leader = await led(client, "all")
        async with at(addresses[leader - 1]) as client:
            await produce(client, "all", data)

    home = tmp_path / "node"
    kafkas = KafkaCluster("4.4.0")
    try:
        kafkas.start()
        trio.run(fill, kafkas.addresses)
        for node_id in (2, 3):
            kafkas.stop_node(node_id)
        assert kafkas.home is not None
        shutil.copytree(kafkas.home / "1" / "logs", home)
    except OracleError as error:
        pytest.skip(f"Kafka can't be had: {error}")
    finally:
        kafkas.stop()

    async def serve() -> None:
        async with serving(data=[home]) as broker, connected(broker) as client:
            found = await read(client, ("all", 0), 0, 10, isolation_level=0)
            assert [value for _, _, _, value, _ in found] == [b"%d" % at for at in range(10)]
            elsewhere = broker.cluster.image.partition("elsewhere", 0)
            assert elsewhere is not None
            assert elsewhere.leader == -1

    trio.run(serve)
    assert "brokers that do not run here (2, 3)" in caplog.text
    with pytest.raises(Refusal, match="directory of broker 1 alone"):
        exported([str(home)], host="h", port=1, controller_port=2)


DECODERS = {
    "__consumer_offsets": "--offsets-decoder",
    "__transaction_state": "--transaction-log-decoder",
    "__cluster_metadata": "--cluster-metadata-decoder",
}
COMPLAINT = re.compile(
    r"mismatch|out of order|not found|exception|\berror\b|corrupt|isvalid: false|could not|unknown",
    re.IGNORECASE,
)


def test_kafkas_dump_tool_reads_every_file_that_kwire_wrote(tmp_path: Path) -> None:
    async def write() -> None:
        properties = {"offsets.topic.num.partitions": "2", "transaction.state.log.num.partitions": "2"}
        async with serving(properties, data=[tmp_path]) as broker, connected(broker) as client:
            await play(client)
            await broker.cluster.controller.snapshot()

    trio.run(write)
    kinds = {path.suffix for path in tmp_path.glob("*-*/*")}
    assert {".log", ".index", ".timeindex", ".snapshot", ".checkpoint", ".txnindex"} <= kinds
    rounds: dict[str, list[Path]] = {}
    for path in sorted(tmp_path.glob("*-*/*")):
        topic = path.parent.name.rpartition("-")[0]
        if path.suffix in (".log", ".checkpoint"):
            rounds.setdefault(DECODERS.get(topic, "--deep-iteration"), []).append(path)
        elif path.suffix in (".index", ".timeindex"):
            rounds.setdefault("--index-sanity-check", []).append(path)
            rounds.setdefault("--verify-index-only", []).append(path)
        elif path.suffix in (".snapshot", ".txnindex"):
            rounds.setdefault("--print-data-log", []).append(path)
    read = 0
    for option, paths in rounds.items():
        arguments = [option, "--files", ",".join(map(str, paths))]
        try:
            done = run_tool("4.4.0", "org.apache.kafka.tools.DumpLogSegments", arguments)
        except OracleError as error:
            pytest.skip(f"Kafka can't be had: {error}")
        assert done.returncode == 0, done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        bad = [
            line
            for line in lines
            if COMPLAINT.search(line) and "isvalid: true" not in line.lower() and not line.startswith("|")
        ]
        assert bad == [], option
        assert sum(line.startswith("Dumping ") for line in lines) == len(paths), option
        read += len(paths)
    assert read > 40
