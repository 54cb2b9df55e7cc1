"""Snapshots of the metadata, quorum state and what Kafka formats a directory with: over many lives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
import trio
from kwire_codecs.internal import metadata_records as r
from kwire_codecs.internal.coordinator import UnknownRecord
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.control import ControlType, decode_key, encode_key
from kwire_codecs.records.record import Record as LogRecord
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import StorageError
from kwire_storage.files import Files

from kwire.broker.controller import Controller
from kwire.broker.metadata_loading import ClusterError
from kwire.broker.metadata_log import MetadataLog
from kwire.broker.metadata_snapshots import (
    BOOTSTRAP,
    BadSnapshot,
    SnapshotId,
    decode_snapshot,
    encode_snapshot,
    outlived,
)
from kwire.broker.quorum_state import KRaftState
from kwire.coordinators.metadata import features
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.replay import Replayer, image_records
from tests.broker.test_controller import Home, create
from tests.broker_client import connected, create_topic, serving
from tests.runtime.stepped_time import SteppedTime, settle
from tests.storage.disks import FailingAt, ForgetfulDisk, uuids

ID = SnapshotId(40, 3)
ALICE = r.UserScramCredentialRecord(
    name="alice", mechanism=1, salt=b"salt", stored_key=b"key", server_key=b"other", iterations=4096
)
ACL = r.AccessControlEntryRecord(
    id=UUID(int=7),
    resource_type=2,
    resource_name="t",
    pattern_type=3,
    principal="User:alice",
    host="*",
    operation=3,
    permission_type=3,
)
UNKNOWN = UnknownRecord(b"", b"\x01\x7f\x00what a newer Kafka has to say")


def encoded(records: list[m.Record], kraft: KRaftState = KRaftState()) -> bytes:  # noqa: B008
    batches = encode_snapshot(ID, records, kraft, metadata_version=33, timestamp_ms=5, now_ms=9)
    return b"".join(batches)


class OnDisk(Home):
    """A home whose directories are on a disk; `stop` ends a life with or without care."""

    def __init__(self, path: Path, properties: dict[str, str] | None = None) -> None:
        self.path = path
        super().__init__()
        if properties is not None:
            from kwire.config import BrokerConfig

            self.config = BrokerConfig({"offsets.topic.num.partitions": "3", **properties})

    def host(self, *node_ids: int) -> None:
        super().host(*node_ids)
        self.open()

    def open(self) -> None:
        dirs = LogDirs([str(self.path)], node_id=1, new_uuid=self._new_uuid, cluster_id="cluster")
        self.directories = {1: dirs}  # type: ignore[dict-item]

    async def life(self) -> Controller:
        """A start after a stop without care: only what is on the disk counts."""
        self.directories[1].close(clean=False)
        self.open()
        return await self.start()

    @property
    def metadata(self) -> Path:
        return self.path / "__cluster_metadata-0"

    def snapshots(self) -> list[str]:
        return sorted(found.name for found in self.metadata.glob("*.checkpoint"))


# The format


def test_a_snapshot_begins_with_a_header_ends_with_a_footer_and_counts_from_0() -> None:
    data = memoryview(encoded([m.topic_record("t", UUID(int=9)), ALICE]))
    headers = [header for _, header in record_batch.walk(data)]
    assert [header.is_control for header in headers] == [True, False, True]
    assert [header.base_offset for header in headers] == [0, 1, 3]
    assert {header.partition_leader_epoch for header in headers} == {3}
    found = decode_snapshot(bytes(data))
    assert found.records == [m.topic_record("t", UUID(int=9)), ALICE]
    assert found.timestamp_ms == 5
    assert found.kraft == KRaftState()


def test_kraft_version_and_voters_travel_on_as_they_came() -> None:
    kraft = KRaftState(1, b"\x00\x00\x01 as it came")
    data = encoded([], kraft)
    types = [
        decode_key(record.key)
        for position, header in record_batch.walk(memoryview(data))
        for record in record_batch.records(memoryview(data), position, header, 1 << 20)
    ]
    assert types == [
        ControlType.SNAPSHOT_HEADER,
        ControlType.KRAFT_VERSION,
        ControlType.KRAFT_VOTERS,
        ControlType.SNAPSHOT_FOOTER,
    ]
    assert decode_snapshot(data).kraft == kraft


def test_a_snapshot_that_is_cut_or_garbled_anywhere_is_none() -> None:
    data = encoded([m.topic_record("t", UUID(int=9)), ACL])
    for end in range(len(data)):
        with pytest.raises(BadSnapshot):
            decode_snapshot(data[:end])
    for at in range(len(data)):
        garbled = bytearray(data)
        garbled[at] ^= 0x41
        try:
            found = decode_snapshot(bytes(garbled))
        except BadSnapshot:
            continue
        # A batch's base offset and epoch are outside its checksum.
        assert found == decode_snapshot(data)


def test_a_snapshot_with_more_behind_its_footer_is_none() -> None:
    with pytest.raises(BadSnapshot, match="behind its footer"):
        decode_snapshot(encoded([ACL]) + encoded([ACL]))


def test_old_snapshots_go_by_age_or_size_but_never_the_newest() -> None:
    found = [(SnapshotId(10 * at, 1), 100, 1000 * at) for at in range(1, 5)]
    assert outlived(found, 50, now_ms=9000, retention_bytes=-1, retention_ms=-1) == 0
    assert outlived(found, 50, now_ms=9000, retention_bytes=-1, retention_ms=0) == 3
    assert outlived(found, 50, now_ms=5000, retention_bytes=-1, retention_ms=3000) == 1
    assert outlived(found, 50, now_ms=5000, retention_bytes=449, retention_ms=-1) == 1
    assert outlived(found, 50, now_ms=5000, retention_bytes=0, retention_ms=-1) == 3
    assert outlived([], 50, now_ms=5000, retention_bytes=0, retention_ms=0) == 0


# The image in and out


def test_records_that_kwire_does_not_act_on_come_through_a_snapshot_unchanged() -> None:
    quota = r.ClientQuotaRecord(
        entity=[r.ClientQuotaRecord.Entity(entity_type="user", entity_name=None)],
        key="producer_byte_rate",
        value=1024.0,
        remove=False,
    )
    token = r.DelegationTokenRecord(
        owner="User:a", requester="User:a", renewers=[], issue_timestamp=1, max_timestamp=2,
        expiration_timestamp=2, token_id="t1",
    )  # fmt: skip
    given: list[m.Record] = [
        UNKNOWN,
        ACL,
        ALICE,
        quota,
        token,
        r.ZkMigrationStateRecord(zk_migration_state=2),
    ]
    image = Replayer(ClusterImage()).replay(given, last_offset=5, epoch=1)
    found = decode_snapshot(encoded(list(image_records(image)))).records
    assert sorted(map(repr, found)) == sorted(map(repr, given))


def test_what_is_removed_is_not_in_the_snapshot_either() -> None:
    quota = {"entity": [r.ClientQuotaRecord.Entity(entity_type="user", entity_name="b")], "key": "k"}
    given: list[m.Record] = [
        ACL,
        ALICE,
        r.ClientQuotaRecord(**quota, value=1.0, remove=False),  # type: ignore[arg-type]
        r.RemoveAccessControlEntryRecord(id=ACL.id),
        r.RemoveUserScramCredentialRecord(name="alice", mechanism=1),
        r.ClientQuotaRecord(**quota, value=0.0, remove=True),  # type: ignore[arg-type]
    ]
    image = Replayer(ClusterImage()).replay(given, last_offset=5, epoch=1)
    assert list(image_records(image)) == []


def test_of_records_that_nobody_understands_the_last_word_stays_last() -> None:
    on, off = UnknownRecord(b"", b"\x01\x7f\x00on"), UnknownRecord(b"", b"\x01\x7f\x00off")
    image = Replayer(ClusterImage()).replay([on, off, on], last_offset=2, epoch=1)
    assert list(image_records(image)) == [off, on]


# The life of snapshots


async def test_a_start_reads_the_newest_snapshot_and_the_log_behind_it(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    await create(controller, "below", 2)
    before = controller.image
    assert await controller.snapshot() == SnapshotId(before.offset + 1, before.epoch)
    await create(controller, "behind", 1)
    image = controller.image
    home.directories[1].close(clean=True)
    log = next(home.metadata.glob("*.log"))
    content = bytearray(log.read_bytes())
    content[200] ^= 1  # what lies below the snapshot is not looked at any more
    log.write_bytes(content)
    home.open()
    after = (await home.start()).image
    assert set(after.topics) == {"__consumer_offsets", "below", "behind"}
    assert after.topics["below"].id == image.topics["below"].id
    assert after.configs == image.configs
    assert after.epoch == image.epoch + 1
    assert after.offset > image.offset


async def test_a_broken_snapshot_is_named_and_an_older_one_or_the_whole_log_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    for name in ("first", "second", "third"):
        await create(controller, name)
        await controller.snapshot()
    oldest, middle, newest = home.snapshots()
    cut = (home.metadata / newest).read_bytes()[:-75]  # the footer's batch
    (home.metadata / newest).write_bytes(cut)
    assert {"first", "second", "third"} <= set((await home.life()).image.topics)
    assert f"{newest} is not a whole snapshot" in caplog.text
    assert "without a snapshot footer" in caplog.text
    (home.metadata / middle).write_bytes(b"rubbish")
    (home.metadata / oldest).write_bytes(b"")
    assert {"first", "second", "third"} <= set((await home.life()).image.topics)
    assert {oldest, middle, newest} <= set(home.snapshots())


async def test_a_snapshot_that_is_half_written_or_half_deleted_goes_at_the_start(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    await (await home.start()).snapshot()
    [kept] = home.snapshots()
    leftovers = [
        "00000000000000000003-0000000000.checkpoint.part",
        "00000000000000000003-0000000000-8374.checkpoint.part",
        "00000000000000000002-0000000000.checkpoint.deleted",
    ]
    for name in [*leftovers, "notes.checkpoint"]:
        (home.metadata / name).write_bytes(b"half")
    await home.life()
    names = {path.name for path in home.metadata.iterdir()}
    assert not names & set(leftovers)
    assert {kept, "notes.checkpoint"} <= names


async def test_what_only_old_snapshots_need_is_let_go_and_the_cluster_goes_on(tmp_path: Path) -> None:
    small = {"metadata.max.retention.bytes": "0", "metadata.log.segment.bytes": str(8 << 20)}
    home = OnDisk(tmp_path, small)
    controller = await home.start()
    name = 0
    while len(list(home.metadata.glob("*.log"))) < 2:
        big = {"retention.ms": "1", "follower.replication.throttled.replicas": "x" * 30_000}
        records = [
            m.config_record(2, f"n{name}-{at}", key, value) for at in range(60) for key, value in big.items()
        ]
        controller._commit(records)
        name += 1
    assert await controller.snapshot()
    await create(controller, "between")
    assert await controller.snapshot()
    await create(controller, "behind")
    assert await controller.snapshot()
    image = controller.image
    assert len(home.snapshots()) == 1
    assert next(iter(sorted(home.metadata.glob("*.log")))).name != "00000000000000000000.log"
    again = (await home.life()).image
    assert {"between", "behind"} <= set(again.topics)
    assert again.configs == image.configs
    assert again.offset > image.offset


async def test_the_epoch_that_is_written_down_is_of_a_record_that_is_there(tmp_path: Path) -> None:
    """A Kafka that opens the directory after a kill drops an epoch that begins where the log ends."""
    home = OnDisk(tmp_path, {"metadata.max.retention.bytes": "0"})
    controller = await home.start()
    for name in ("first", "second"):
        await create(controller, name)
        await controller.snapshot()
    [epoch] = (home.metadata / "leader-epoch-checkpoint").read_text().splitlines()[2:]
    assert 0 < int(epoch.split()[1]) < controller.image.offset + 1


async def test_without_the_snapshot_that_holds_the_beginning_nothing_is_guessed(tmp_path: Path) -> None:
    home = OnDisk(tmp_path, {"metadata.max.retention.bytes": "0"})
    controller = await home.start()
    for name in ("first", "second"):
        await create(controller, name)
        await controller.snapshot()
    [only] = home.snapshots()
    home.directories[1].close(clean=True)
    (home.metadata / only).unlink()
    home.open()
    with pytest.raises(StorageError, match=r"begins at offset \d+, and no whole snapshot .* a copy of"):
        await home.start()


async def test_a_log_that_ends_before_its_snapshot_begins_again_behind_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    await create(controller, "in-both")
    short = {path.name: path.read_bytes() for path in home.metadata.glob("0*.log")}
    await create(controller, "in-the-snapshot")
    snapshot = await controller.snapshot()
    assert snapshot is not None
    epoch = controller.image.epoch
    home.directories[1].close(clean=False)
    for name, data in short.items():
        (home.metadata / name).write_bytes(data)
    home.open()
    controller = await home.start()
    assert "the snapshot counts, and the log begins again behind it" in caplog.text
    assert {"in-both", "in-the-snapshot"} <= set(controller.image.topics)
    assert controller.image.epoch > epoch
    [segment] = home.metadata.glob("0*.log")
    assert int(segment.stem) == snapshot.offset
    assert len(list(home.metadata.glob("*.log.damaged"))) == len(short)
    await create(controller, "behind-it")
    image = controller.image
    again = (await home.life()).image
    assert {"in-both", "in-the-snapshot", "behind-it"} <= set(again.topics)
    assert again.epoch > image.epoch
    assert again.offset > image.offset


async def test_an_end_of_an_earlier_epoch_than_the_snapshot_before_it_does_not_count(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    records = list(image_records(controller.image))
    snapshot_id = SnapshotId(controller.image.offset + 1, 9)
    await create(controller, "of-a-leader-that-had-lost")
    batches = encode_snapshot(
        snapshot_id, records, KRaftState(), metadata_version=33, timestamp_ms=1, now_ms=1
    )
    (home.metadata / snapshot_id.name).write_bytes(b"".join(batches))
    again = (await home.life()).image
    assert "of-a-leader-that-had-lost" not in again.topics
    assert again.epoch == 10


def test_a_kill_at_any_call_leaves_a_log_that_begins_again_behind_its_snapshot(tmp_path: Path) -> None:
    def opened(path: Path, files: Files | None = None) -> tuple[LogDirs, MetadataLog]:
        dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids(), cluster_id="cluster", files=files)
        return dirs, MetadataLog(dirs, segment_bytes=200, now_ms=0)

    made = tmp_path / "made"
    dirs, log = opened(made)
    log.begin_epoch(1, UUID(int=1), 0)
    for number in range(9):
        log.append([m.topic_record(f"topic {number}", UUID(int=number + 1))], 33, 0)
    dirs.close(clean=False)
    (made / "__cluster_metadata-0" / ID.name).write_bytes(encoded([ALICE]))
    at, is_done = 0, False
    while not is_done:
        copy = tmp_path / str(at)
        shutil.copytree(made, copy)
        files = FailingAt()
        dirs, log = opened(copy, files)
        files.left = at
        try:
            log.read_snapshot()
            is_done = True
        except StorageError:
            files.left = None
        dirs.close(clean=False)
        for _ in range(2):
            dirs, log = opened(copy)
            assert log.read_snapshot() is not None
            assert (log.next_offset, list(log.read(ID.offset))) == (ID.offset, [])
            dirs.close(clean=False)
        [segment] = (copy / "__cluster_metadata-0").glob("0*.log")
        assert int(segment.stem) == ID.offset
        at += 1
    assert at > 10


async def test_a_snapshot_that_is_of_another_log_is_refused(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    await home.start()
    controller = await home.life()
    assert controller.image.epoch > 0
    (home.metadata / SnapshotId(controller.image.offset + 100, 0).name).write_bytes(encoded([]))
    with pytest.raises(StorageError, match="they are not of one log"):
        await home.life()


async def test_a_second_snapshot_of_the_same_moment_is_not_written(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    first = await controller.snapshot()
    written = (home.metadata / home.snapshots()[0]).stat().st_mtime_ns
    assert await controller.snapshot() == first
    assert (home.metadata / home.snapshots()[0]).stat().st_mtime_ns == written


async def test_two_who_want_a_snapshot_at_the_same_time_get_the_same(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    found: list[SnapshotId | None] = []

    async def take() -> None:
        found.append(await controller.snapshot())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(take)
    assert found == [SnapshotId(controller.image.offset + 1, 0)] * 3
    assert len(home.snapshots()) == 1


async def test_what_a_snapshot_holds_is_on_the_device_before_it(tmp_path: Path) -> None:
    class Recorder(Files):
        """Notes what becomes durable, and when a snapshot gets its name."""

        def __init__(self) -> None:
            self.events: list[str] = []

        def fdatasync(self, descriptor: int) -> None:
            super().fdatasync(descriptor)
            self.events.append("log")

        def rename(self, old: str, new: str) -> None:
            super().rename(old, new)
            if new.endswith(".checkpoint"):
                self.events.append("snapshot")

    home = OnDisk(tmp_path)
    home.directories[1].close(clean=True)
    files = Recorder()
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=home._new_uuid, files=files)
    home.directories = {1: dirs}  # type: ignore[dict-item]
    controller = await home.start()
    files.events.clear()
    controller._commit([m.topic_config_record("t", "retention.ms", "1")])
    await controller.snapshot()
    assert files.events == ["log", "snapshot"]


async def test_a_disk_that_fails_at_any_step_of_a_snapshot_costs_the_snapshot_and_nothing_else(
    tmp_path: Path,
) -> None:
    failed = steps = 0
    while failed == steps:  # until the disk no longer comes to fail
        home = OnDisk(tmp_path / str(steps), {"metadata.max.retention.bytes": "0"})
        home.directories[1].close(clean=True)
        files = FailingAt()
        dirs = LogDirs([str(home.path)], node_id=1, new_uuid=home._new_uuid, files=files)
        home.directories = {1: dirs}  # type: ignore[dict-item]
        controller = await home.start()
        await controller.snapshot()
        await create(controller, "behind")
        image = controller.image
        files.left = steps
        try:
            await controller.snapshot()
        except StorageError:
            failed += 1
        files.left = None
        assert controller.image is image
        await create(controller, "goes-on")
        assert await controller.snapshot()
        assert {"behind", "goes-on"} <= set((await home.life()).image.topics)
        assert [name for name in home.snapshots() if name.endswith(".part")] == []
        steps += 1
    assert failed >= 4


async def test_after_a_loss_of_power_at_any_moment_the_cluster_is_as_it_was_answered(tmp_path: Path) -> None:
    home = OnDisk(tmp_path / "unused", {"metadata.max.retention.bytes": "0"})
    home.directories[1].close(clean=True)
    files = ForgetfulDisk()
    names = {"__consumer_offsets"}
    for life in range(4):
        dirs = LogDirs([str(tmp_path / "data")], node_id=1, new_uuid=home._new_uuid, files=files)
        home.directories = {1: dirs}  # type: ignore[dict-item]
        controller = await home.start()
        assert set(controller.image.topics) == names
        await create(controller, f"t{life}")
        names.add(f"t{life}")
        if life % 2 == 0:
            await controller.snapshot()
        else:
            controller._commit([m.topic_config_record("t0", "retention.ms", "1")])  # not synced
        dirs.give_back()
        files.cut_power(str(tmp_path / "data"))


async def test_snapshots_come_with_bytes_and_with_time_while_a_broker_runs(tmp_path: Path) -> None:
    time = SteppedTime()
    properties = {
        "metadata.log.max.record.bytes.between.snapshots": "20000",
        "metadata.log.max.snapshot.interval.ms": "60000",
    }

    def count() -> int:
        return len(list((tmp_path / "__cluster_metadata-0").glob("*.checkpoint")))

    async with serving(properties, data=[tmp_path], clock=time.clock) as broker:
        await settle()
        assert count() == 0
        while broker.cluster.controller.bytes_since_snapshot < 20_000:
            await create_topic(broker, f"t{broker.cluster.image.offset}", 50)
        await eventually(lambda: count() == 1)
        for _ in range(5):
            await time.step(60_000)
        assert count() == 1  # nothing has changed
        await create_topic(broker, "one-more", 1)
        while count() == 1:
            await time.step(60_000)
            await trio.sleep(0.01)  # a thread writes
        assert count() == 2
        names = set(broker.cluster.image.topics)
    async with serving(properties, data=[tmp_path]) as broker, connected(broker):
        assert set(broker.cluster.image.topics) == names


async def eventually(condition: object) -> None:
    """A thread writes: nothing says when it is done."""
    while not condition():  # type: ignore[operator]  # noqa: ASYNC110
        await trio.sleep(0.01)


# Epochs and quorum state


async def test_a_new_epoch_is_written_where_kafka_looks_for_it(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    for life in range(3):
        assert (await home.life()).image.epoch == life
        state = json.loads((home.metadata / "quorum-state").read_text())
        assert state == {
            "clusterId": "",
            "leaderId": 1,
            "leaderEpoch": life,
            "votedId": -1,
            "appliedOffset": 0,
            "currentVoters": [{"voterId": 1}],
            "data_version": 0,
        }


@pytest.mark.parametrize(
    "text",
    [
        '{"clusterId":"","leaderId":-1,"leaderEpoch":70,"votedId":1,"appliedOffset":0,"currentVoters":[],"data_version":0}',
        '{"leaderId":1,"leaderEpoch":70,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}',
    ],
)
async def test_an_epoch_that_kafka_voted_for_is_never_used_again(tmp_path: Path, text: str) -> None:
    home = OnDisk(tmp_path)
    await home.start()
    (home.metadata / "quorum-state").write_text(text)
    assert (await home.life()).image.epoch == 71
    (home.metadata / "quorum-state").unlink()
    assert (await home.life()).image.epoch == 72


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"leaderEpoch":"7"}', '{"leaderEpoch":-9}', "\0\0\0"])
async def test_an_unreadable_quorum_state_is_named_and_the_logs_epoch_counts(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    home = OnDisk(tmp_path)
    await home.start()
    (home.metadata / "quorum-state").write_text(text)
    assert (await home.life()).image.epoch == 1
    assert "quorum-state is not readable" in caplog.text


async def test_an_epoch_that_only_a_snapshot_knows_is_not_used_again(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    offset = controller.image.offset
    records = list(image_records(controller.image))
    batches = encode_snapshot(
        SnapshotId(offset + 1, 9), records, KRaftState(), metadata_version=33, timestamp_ms=1, now_ms=1
    )
    (home.metadata / SnapshotId(offset + 1, 9).name).write_bytes(b"".join(batches))
    assert (await home.life()).image.epoch == 10


async def test_dynamic_voters_stay_and_leaders_are_named_with_their_directory(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    home.metadata.mkdir()
    kraft = KRaftState(1, b"\x00\x00\x01\x00")
    level = m.feature_level_record("metadata.version", 33)
    batches = encode_snapshot(BOOTSTRAP, [level], kraft, metadata_version=33, timestamp_ms=1, now_ms=1)
    (home.metadata / BOOTSTRAP.name).write_bytes(b"".join(batches))
    controller = await home.life()
    assert controller.image.features == {"metadata.version": 33}
    await controller.snapshot()
    newest = home.snapshots()[-1]
    assert decode_snapshot((home.metadata / newest).read_bytes()).kraft == kraft
    assert json.loads((home.metadata / "quorum-state").read_text())["data_version"] == 1
    await home.life()
    raw = MetadataLog(home.directories[1], segment_bytes=1 << 30, now_ms=0)
    assert raw.read_snapshot() is not None
    assert raw.kraft == kraft


async def test_voters_that_change_in_the_log_are_those_of_the_next_snapshot(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    raw = MetadataLog(home.directories[1], segment_bytes=1 << 30, now_ms=0)
    batch = record_batch.build(
        [
            LogRecord(encode_key(ControlType.KRAFT_VERSION), b"\x00\x00\x00\x01\x00", 1),
            LogRecord(encode_key(ControlType.KRAFT_VOTERS), b"newer voters", 1),
        ],
        base_offset=controller.image.offset + 1,
        leader_epoch=0,
        is_control=True,
    )
    raw._write([batch], 1)
    controller = await home.life()
    await controller.snapshot()
    found = decode_snapshot((home.metadata / home.snapshots()[-1]).read_bytes())
    assert found.kraft == KRaftState(1, b"newer voters")


# What Kafka's tool formats a directory with


@pytest.mark.parametrize("where", ["0-0", "bootstrap.checkpoint"])
async def test_a_directory_that_kafka_formatted_begins_as_it_says(tmp_path: Path, where: str) -> None:
    home = OnDisk(tmp_path)
    level = m.feature_level_record("metadata.version", 21)
    batches = encode_snapshot(
        BOOTSTRAP, [level, ALICE], KRaftState(), metadata_version=21, timestamp_ms=0, now_ms=1
    )
    home.metadata.mkdir()
    target = home.metadata / BOOTSTRAP.name if where == "0-0" else tmp_path / where
    target.write_bytes(b"".join(batches))
    image = (await home.life()).image
    assert image.features == {"metadata.version": 21}
    assert ALICE in image.kept.values()
    again = (await home.life()).image
    assert again.features == image.features


async def test_what_was_changed_since_the_formatting_is_not_undone_by_it(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    level = m.feature_level_record("metadata.version", 33)
    batches = encode_snapshot(
        BOOTSTRAP, [level, ALICE], KRaftState(), metadata_version=33, timestamp_ms=0, now_ms=1
    )
    (tmp_path / "bootstrap.checkpoint").write_bytes(b"".join(batches))
    controller = await home.life()
    controller._commit([r.RemoveUserScramCredentialRecord(name="alice", mechanism=1)])
    assert ALICE not in (await home.life()).image.kept.values()


async def test_a_directory_that_a_newer_kafka_formatted_is_refused(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    level = m.feature_level_record("metadata.version", features.METADATA_VERSION + 1)
    batches = encode_snapshot(BOOTSTRAP, [level], KRaftState(), metadata_version=33, timestamp_ms=0, now_ms=1)
    (tmp_path / "bootstrap.checkpoint").write_bytes(b"".join(batches))
    with pytest.raises(ClusterError, match="kwire knows up to"):
        await home.life()


# Metadata transactions


async def test_a_metadata_transaction_counts_when_it_ends_and_not_when_it_is_aborted(tmp_path: Path) -> None:
    home = OnDisk(tmp_path)
    controller = await home.start()
    random = Random(3)

    def topic(name: str) -> m.Record:
        return m.topic_record(name, UUID(int=random.getrandbits(128)))

    raw = MetadataLog(home.directories[1], segment_bytes=1 << 30, now_ms=0)
    raw.epoch = controller.image.epoch
    begin, end = r.BeginTransactionRecord(name="x"), r.EndTransactionRecord()
    raw.append([topic("before"), begin, topic("kept-1")], 33, 0)
    raw.append([topic("kept-2"), end, begin, topic("dropped-1")], 33, 0)
    raw.append([topic("dropped-2"), r.AbortTransactionRecord(reason="why not"), topic("after")], 33, 0)
    names = set((await home.life()).image.topics)
    assert names == {"__consumer_offsets", "before", "kept-1", "kept-2", "after"}
