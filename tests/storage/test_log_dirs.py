"""Log directories: identity, lock, which log lies where, checkpoints, deletion."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage import checkpoints, uuids
from kwire_storage.checkpoints import BadCheckpoint
from kwire_storage.directories.log_dirs import ForeignDirectory, LockedError, LogDirs
from kwire_storage.engine import LogConfig, StorageError
from kwire_storage.leader_epochs import EpochEntry
from kwire_storage.memory_dirs import MemoryDirs
from kwire_storage.segments import file_names

from tests.storage import disks
from tests.storage.batches import fill, offsets, read_all
from tests.storage.disks import TOPIC_ID, FailingDisk, sweep

CONFIG = LogConfig(segment_bytes=400)
OTHER_ID = UUID(int=TOPIC_ID.int + 1)


def open_dirs(*paths: Path, node_id: int = 1, cluster_id: str | None = None) -> LogDirs:
    return LogDirs(
        [str(path) for path in paths], node_id=node_id, new_uuid=disks.uuids(), cluster_id=cluster_id
    )


# Identity and lock


def test_a_new_directory_gets_its_identity_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    dirs = open_dirs(path)
    known = dirs.cluster_id, dirs.directory_ids
    dirs.close(clean=True)
    properties = checkpoints.decode_properties((path / "meta.properties").read_bytes())
    assert properties == {
        "version": "1",
        "cluster.id": known[0],
        "node.id": "1",
        "directory.id": uuids.to_text(known[1][0]),
    }
    dirs = open_dirs(path)
    assert (dirs.cluster_id, dirs.directory_ids) == known
    dirs.close(clean=True)


def test_a_cluster_id_may_be_given(tmp_path: Path) -> None:
    open_dirs(tmp_path, cluster_id="the-cluster").close(clean=True)
    dirs = open_dirs(tmp_path)
    assert dirs.cluster_id == "the-cluster"
    dirs.close(clean=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"node_id": 2}, "belongs to node 1, and this is node 2"),
        ({"cluster_id": "another"}, "belongs to cluster the-cluster, and this one is another"),
    ],
)
def test_a_directory_of_somebody_else_is_refused(
    tmp_path: Path, arguments: dict[str, object], says: str
) -> None:
    open_dirs(tmp_path, cluster_id="the-cluster").close(clean=True)
    with pytest.raises(ForeignDirectory, match=says):
        open_dirs(tmp_path, **arguments)  # type: ignore[arg-type]  # a table of keyword arguments
    open_dirs(tmp_path).close(clean=True)  # the refusal has let go of the lock


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version=0\nbroker.id=1\ncluster.id=x\n", "version '0'"),
        ("", "version None"),
        ("version=2\nnode.id=1\ncluster.id=x\n", "version '2'"),
        ("version=1\nnode.id=1\ncluster.id=x\ndirectory.id=?\n", "no usable directory.id"),
        ("version=1\nnode.id=1\ndirectory.id=AAAAEAAAAAAAAAAAAAAAAA\n", "names no cluster.id"),
        ("version=1\ncluster.id=x\n", "names no node.id"),
    ],
)
def test_a_directory_that_can_not_be_read_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "meta.properties").write_text(text)
    with pytest.raises((ForeignDirectory, StorageError), match=says):
        open_dirs(tmp_path)


def test_one_of_several_that_can_not_be_understood_is_offline_and_stays_as_it_is(tmp_path: Path) -> None:
    paths = tmp_path / "a", tmp_path / "b"
    open_dirs(*paths).close(clean=True)
    for text in ("version=2\nnode.id=1\ncluster.id=x\n", "version=1\nnode.id=1\n"):
        (tmp_path / "b" / "meta.properties").write_text(text)
        dirs = open_dirs(*paths)
        assert dirs.offline == [str(tmp_path / "b")]
        dirs.close(clean=True)
        assert (tmp_path / "b" / "meta.properties").read_text() == text
    (tmp_path / "b" / "meta.properties").write_text("")  # nobody's
    with pytest.raises(ForeignDirectory):
        open_dirs(*paths)


def test_a_directory_of_a_kafka_before_3_7_gets_an_id(tmp_path: Path) -> None:
    file = tmp_path / "meta.properties"
    file.write_text("version=1\nnode.id=1\ncluster.id=the-cluster\n")
    dirs = open_dirs(tmp_path)
    (made,) = dirs.directory_ids
    assert (dirs.cluster_id, made.int != 0) == ("the-cluster", True)
    dirs.give_back()
    assert file.exists()
    again = open_dirs(tmp_path)
    assert again.directory_ids == [made]
    again.close(clean=True)


def test_directories_of_two_clusters_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        open_dirs(tmp_path / name, cluster_id=name).close(clean=True)
    with pytest.raises(ForeignDirectory, match="different clusters"):
        open_dirs(tmp_path / "a", tmp_path / "b")


def test_a_directory_in_use_is_refused_with_who_uses_it(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    with pytest.raises(LockedError, match=f"in use by process {os.getpid()}: stop it, or choose another"):
        open_dirs(tmp_path)
    dirs.close(clean=False)
    open_dirs(tmp_path).close(clean=False)


def test_a_directory_in_use_by_another_process_is_refused(tmp_path: Path) -> None:
    # lockf, alone, is the lock that a Java process takes.
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match="in use by another broker"):
            open_dirs(tmp_path)
        holder.communicate(b"\n")
    open_dirs(tmp_path).close(clean=False)


def test_a_path_that_is_no_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file failed: (File exists|Not a directory)"):
        open_dirs(tmp_path / "file")


# Clean and unclean stops


def test_a_clean_stop_is_marked_once_with_the_broker_epoch(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    assert not dirs.was_clean
    dirs.close(clean=True, broker_epoch=42)
    marker = tmp_path / ".kafka_cleanshutdown"
    assert json.loads(marker.read_text()) == {"version": 0, "brokerEpoch": 42}
    dirs = open_dirs(tmp_path)
    assert (dirs.was_clean, dirs.previous_broker_epoch) == (True, 42)
    assert not marker.exists()
    dirs.close(clean=False)
    dirs = open_dirs(tmp_path)
    assert (dirs.was_clean, dirs.previous_broker_epoch) == (False, -1)
    dirs.close(clean=False)


@pytest.mark.parametrize("text", ["", "rubbish", "[]", '{"version":0}', '{"version":0,"brokerEpoch":null}'])
def test_a_marker_that_says_nothing_still_marks(tmp_path: Path, text: str) -> None:
    (tmp_path / ".kafka_cleanshutdown").write_text(text)
    dirs = open_dirs(tmp_path)
    assert (dirs.was_clean, dirs.previous_broker_epoch) == (True, -1)
    dirs.close(clean=False)


# Logs


def test_logs_are_found_again_with_their_topic_ids(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    for topic, partition in (("a", 0), ("a-1", 12), ("with.dots_and-dashes", 3)):
        fill(dirs.open(topic, partition, TOPIC_ID, CONFIG), 1)
    dirs.close(clean=True)
    for name in ("no-partition-x", "a-0.0123456789abcdef0123456789abcdef-stray", "lost+found", "a-01"):
        (tmp_path / name).mkdir()
    dirs = open_dirs(tmp_path)
    assert sorted(found[:3] for found in dirs.existing()) == [
        ("a", 0, TOPIC_ID),
        ("a-1", 12, TOPIC_ID),
        ("with.dots_and-dashes", 3, TOPIC_ID),
    ]
    dirs.close(clean=False)


def test_opening_a_log_again_gives_the_same(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    assert dirs.open("a", 0, TOPIC_ID, CONFIG) is dirs.open("a", 0, TOPIC_ID, CONFIG)
    with pytest.raises(ValueError, match="is open for topic id"):
        dirs.open("a", 0, OTHER_ID, CONFIG)
    dirs.close(clean=False)


def test_a_log_of_a_topic_that_had_the_name_before_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dirs = open_dirs(tmp_path)
    fill(dirs.open("a", 0, TOPIC_ID, CONFIG), 5)
    dirs.close(clean=True)
    dirs = open_dirs(tmp_path)
    log = dirs.open("a", 0, OTHER_ID, CONFIG)
    assert log.log_end_offset == 0
    fill(log, 1)
    assert "renamed to a-0." in caplog.text
    (stray,) = tmp_path.glob("*-stray")
    assert (stray / "00000000000000000000.log").exists()
    dirs.close(clean=True)


def test_logs_go_where_the_fewest_are(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path / "one", tmp_path / "two")
    for partition in range(5):
        assert dirs.directory_of("a", partition) is None
        fill(dirs.open("a", partition, TOPIC_ID, CONFIG), 1)
        assert dirs.directory_of("a", partition) in dirs.directory_ids
    held = [len(usage.logs) for usage in dirs.usage()]
    assert sorted(held) == [2, 3]
    dirs.close(clean=True)
    dirs = open_dirs(tmp_path / "one", tmp_path / "two")
    assert len(dirs.existing()) == 5
    for partition in range(5):
        assert offsets(dirs.open("a", partition, TOPIC_ID, CONFIG)) == [(0, 0)]
    dirs.close(clean=False)


def test_one_partition_in_two_directories_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "a-0").mkdir(parents=True)
    with pytest.raises(ForeignDirectory, match="both there"):
        open_dirs(tmp_path / "one", tmp_path / "two")


def test_usage_tells_sizes_and_free_space(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = dirs.open("a", 0, TOPIC_ID, CONFIG)
    fill(log, 3)
    (usage,) = dirs.usage()
    assert usage.path == str(tmp_path)
    assert usage.logs == [("a", 0, TOPIC_ID, log.size_bytes)]
    assert 0 < usage.usable_bytes <= usage.total_bytes
    dirs.close(clean=False)


# Deletion


def test_a_deleted_log_is_renamed_at_once_and_removed_after_its_delay(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = dirs.open("a", 0, TOPIC_ID, CONFIG)
    fill(log, 9)
    expected = read_all(log)
    parts = log.read(0, 1 << 20).parts
    files = sorted(path.name for path in (tmp_path / "a-0").iterdir())
    dirs.delete("a", 0, delay_ms=60_000)
    dirs.delete("a", 0, delay_ms=60_000)
    assert dirs.existing() == []
    (doomed,) = tmp_path.glob("a-0*")
    assert re.fullmatch(r"a-0\.[0-9a-f]{32}-delete", doomed.name)
    again = dirs.open("a", 0, OTHER_ID, CONFIG)
    fill(again, 1)
    assert sweep(dirs, 1_000) == 0
    assert sweep(dirs, 60_999) == 0
    assert sorted(path.name for path in doomed.iterdir()) == files
    assert sweep(dirs, 61_000) == 1
    assert not doomed.exists()
    assert b"".join(map(log.read_bytes, parts)) == expected
    assert offsets(again) == [(0, 0)]
    dirs.close(clean=True)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["a-0"]


def test_without_a_delay_the_next_sweep_removes_it(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    fill(dirs.open("a", 0, TOPIC_ID, CONFIG), 9)
    dirs.delete("a", 0)
    assert sweep(dirs, 0) == 1
    assert list(tmp_path.glob("a-0*")) == []
    dirs.close(clean=False)


def test_what_can_not_be_removed_is_left_to_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dirs = open_dirs(tmp_path)
    fill(dirs.open("a", 0, TOPIC_ID, CONFIG), 9)
    dirs.delete("a", 0)
    (doomed,) = tmp_path.glob("a-0*")
    (doomed / "a directory").mkdir()
    assert sweep(dirs) == 0
    assert str(doomed) in caplog.text
    (doomed / "a directory").rmdir()
    dirs.close(clean=False)
    dirs = open_dirs(tmp_path)
    assert sweep(dirs) == 1
    dirs.close(clean=False)


def test_what_a_kill_left_undeleted_is_swept_after_the_start(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    fill(dirs.open("a", 0, TOPIC_ID, CONFIG), 9)
    dirs.close(clean=True)
    dirs = open_dirs(tmp_path)
    dirs.delete("a", 0)
    (doomed,) = tmp_path.glob("*-delete")
    assert doomed.name.startswith("a-0.")
    dirs.close(clean=False)
    dirs = open_dirs(tmp_path)
    assert dirs.existing() == []
    assert sweep(dirs) == 1
    dirs.close(clean=False)
    assert list(tmp_path.glob("a-0*")) == []


def test_the_longest_name_can_be_set_aside(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    topic = "x" * 249
    fill(dirs.open(topic, 12345, TOPIC_ID, CONFIG), 1)
    dirs.delete(topic, 12345)
    assert sweep(dirs) == 1
    dirs.close(clean=False)
    assert list(tmp_path.glob("*xxx*")) == []


# Checkpoints


def test_checkpoints_have_kafkas_text(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    for partition in (0, 1):
        fill(dirs.open("a", partition, TOPIC_ID, CONFIG), 7)
    dirs.open("a", 0, TOPIC_ID, CONFIG).flush()
    dirs.open("a", 1, TOPIC_ID, CONFIG).advance_log_start(3)
    dirs.save_log_starts()
    assert (tmp_path / "log-start-offset-checkpoint").read_text() == "0\n1\na 1 3\n"
    dirs.checkpoint()
    assert (tmp_path / "recovery-point-offset-checkpoint").read_text() == "0\n2\na 0 7\na 1 0\n"
    assert (tmp_path / "replication-offset-checkpoint").read_text() == "0\n2\na 0 7\na 1 7\n"
    dirs.close(clean=True)
    assert (tmp_path / "recovery-point-offset-checkpoint").read_text() == "0\n2\na 0 7\na 1 7\n"


def test_half_a_number_at_a_checkpoints_end_is_no_number() -> None:
    whole = checkpoints.encode_epochs([EpochEntry(0, 0), EpochEntry(3, 1234)])
    assert checkpoints.decode_epochs(whole)[-1] == (3, 1234)
    for size in range(len(whole) - 4, len(whole)):
        with pytest.raises(BadCheckpoint):
            checkpoints.decode_epochs(whole[:size])


def test_checkpoints_keep_what_belongs_to_logs_that_were_not_opened(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    for partition in (0, 1):
        fill(dirs.open("a", partition, TOPIC_ID, CONFIG), 7)
    dirs.open("a", 1, TOPIC_ID, CONFIG).advance_log_start(3)
    dirs.close(clean=True)
    dirs = open_dirs(tmp_path)
    dirs.open("a", 0, TOPIC_ID, CONFIG)
    dirs.close(clean=True)
    dirs = open_dirs(tmp_path)
    assert dirs.open("a", 1, TOPIC_ID, CONFIG).log_start_offset == 3
    dirs.delete("a", 1)
    dirs.close(clean=True)
    assert (tmp_path / "log-start-offset-checkpoint").read_text() == "0\n0\n"
    assert (tmp_path / "recovery-point-offset-checkpoint").read_text() == "0\n1\na 0 7\n"


@pytest.mark.parametrize("text", ["", "0\n", "1\n0\n", "0\n5\na 0 1\n", "0\n1\na 0\n", "0\n1\na 0 x\n"])
def test_checkpoints_that_are_wrong_cost_time_and_no_records(tmp_path: Path, text: str) -> None:
    dirs = open_dirs(tmp_path)
    fill(dirs.open("a", 0, TOPIC_ID, CONFIG), 7)
    dirs.close(clean=False)
    for name in ("recovery-point", "replication", "log-start"):
        (tmp_path / f"{name}-offset-checkpoint").write_text(text)
    dirs = open_dirs(tmp_path)
    assert offsets(dirs.open("a", 0, TOPIC_ID, CONFIG)) == [(at, at) for at in range(7)]
    dirs.close(clean=False)


def test_one_log_that_can_not_be_closed_leaves_the_others_closed_and_no_mark(tmp_path: Path) -> None:
    disk = FailingDisk()
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=disks.uuids(), files=disk)
    for partition in range(3):
        fill(dirs.open("a", partition, TOPIC_ID, CONFIG), 7)
    disk.bytes_left = 20
    dirs.close(clean=True)
    dirs = open_dirs(tmp_path)
    assert not dirs.was_clean
    for partition in range(3):
        assert dirs.open("a", partition, TOPIC_ID, CONFIG).log_end_offset == 7
    dirs.close(clean=False)


# Memory


def test_memory_directories_do_the_same_without_files() -> None:
    dirs = MemoryDirs(node_id=1, new_uuid=disks.uuids())
    log = dirs.open("a", 0, TOPIC_ID, CONFIG)
    fill(log, 3)
    assert dirs.open("a", 0, TOPIC_ID, CONFIG) is log
    assert dirs.existing() == [("a", 0, TOPIC_ID, dirs.directory_ids[0])]
    assert dirs.usage()[0].logs == [("a", 0, TOPIC_ID, log.size_bytes)]
    assert dirs.open("a", 0, OTHER_ID, CONFIG).log_end_offset == 0
    dirs.delete("a", 0)
    assert dirs.existing() == []
    dirs.checkpoint()
    dirs.close(clean=True)


# Texts


@given(st.uuids())
def test_a_uuid_survives_its_text(uuid: UUID) -> None:
    assert len(uuids.to_text(uuid)) == 22
    assert uuids.from_text(uuids.to_text(uuid)) == uuid


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "A" * 24, "A" * 21])
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no Kafka uuid"):
        uuids.from_text(text)


def test_ids_that_kafka_keeps_for_itself_are_not_handed_out() -> None:
    offered = iter([UUID(int=1), UUID(int=99), UUID(int=0xF8 << 120), UUID(int=1 << 90)])
    assert uuids.usable(lambda: next(offered)) == UUID(int=1 << 90)


@pytest.mark.parametrize(
    "data", [b"", b"version: 1\ntopic_id: x", b"version: 0\n", b"version: 0\ntopic_id: ?\n", b"\xff"]
)
def test_partition_metadata_that_is_wrong_is_refused(data: bytes) -> None:
    with pytest.raises(checkpoints.BadCheckpoint):
        checkpoints.decode_partition_metadata(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_checkpoint_or_refused(data: bytes) -> None:
    for decode in (
        checkpoints.decode_offsets,
        checkpoints.decode_epochs,
        checkpoints.decode_partition_metadata,
    ):
        with suppress(checkpoints.BadCheckpoint):
            decode(data)
    checkpoints.decode_properties(data)
    checkpoints.decode_clean_shutdown(data)


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("a-0", ("a", 0)),
        ("a-b-12", ("a-b", 12)),
        ("__consumer_offsets-49", ("__consumer_offsets", 49)),
        ("a-01", None),
        ("a-", None),
        ("-0", None),
        ("a", None),
        ("a-99999999999", None),
        ("a-4294967296", None),
        ("a-0.00-delete", None),
        ("a/b-0", None),
        ("x" * 250 + "-0", None),
    ],
)
def test_names_of_partition_directories(name: str, partition: tuple[str, int] | None) -> None:
    assert file_names.parse_partition_directory(name) == partition


def test_what_a_file_of_a_new_segments_name_held_does_not_count(tmp_path: Path) -> None:
    dirs = open_dirs(tmp_path)
    log = dirs.open("a", 0, TOPIC_ID, CONFIG)
    fill(log, 1)
    log.roll(0)
    (tmp_path / "a-0" / "00000000000000000001.log").write_bytes(b"left behind" * 1000)
    fill(log, 1)
    assert (tmp_path / "a-0" / "00000000000000000001.log").stat().st_size < 1000
    dirs.close(clean=False)
    dirs = open_dirs(tmp_path)
    log = dirs.open("a", 0, TOPIC_ID, CONFIG)
    assert offsets(log) == [(0, 0), (1, 1)]
    dirs.close(clean=True)
