"""What is said of a data directory's files: all that is in them, and all that is wrong, in one reading."""

import re
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from kwire_codecs.compile import encode_bytes
from kwire_codecs.internal import control_records, group_records, transaction_records
from kwire_codecs.internal.coordinator import encode_key, encode_value
from kwire_codecs.internal.metadata_records import RemoveTopicRecord, TopicRecord
from kwire_codecs.internal.metadata_records import encode_value as metadata_value
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import legacy
from kwire_codecs.records.batch import Record
from kwire_codecs.records.control import ControlType, kraft_batch
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.files import Files
from kwire_storage.inspection import dump
from kwire_storage.inspection.decoders import decoder_for
from kwire_storage.inspection.directory_check import DirectoryCheck
from kwire_storage.inspection.findings import Finding
from kwire_storage.inspection.plain import Row
from kwire_storage.inspection.source import CHUNK_BYTES, Unreadable

from tests.storage.batches import batch, fill, marker
from tests.storage.damage import flip
from tests.storage.disks import TOPIC_ID, uuids
from tests.storage.test_indexes import SMALL, write_every_kind

SEGMENTS = 4


class CountingFiles(Files):
    """Counts the bytes that are read, and the most that one call asked for; refuses to write."""

    def __init__(self) -> None:
        self.bytes = 0
        self.most = 0

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        self.most = max(self.most, sum(map(len, buffers)))
        got = super().preadv(descriptor, buffers, position, nowait=nowait)
        self.bytes += got
        return got

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        assert flags == 0, "files are only read"
        return super().open(path, flags, mode)

    def lock(self, descriptor: int) -> bool:
        raise AssertionError("no lock is taken")


def write_directory(path: Path, *, clean: bool = True) -> None:
    dirs = LogDirs([str(path)], node_id=1, new_uuid=uuids())
    write_every_kind(dirs.open("topic", 0, TOPIC_ID, SMALL))
    other = dirs.open("other", 3, UUID(int=1 << 90), SMALL)
    fill(other, 30)
    other.advance_log_start(10)
    dirs.close(clean=clean)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "data"
    write_directory(path)
    return path


@pytest.fixture
def directory(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "data"))


def verify(*paths: Path, records: bool = False) -> list[Finding]:
    return list(DirectoryCheck(CountingFiles(), records=records).run([str(path) for path in paths]))


def faults(*paths: Path, records: bool = False) -> list[str]:
    """The findings that are no notes, without the directory's own path."""
    return [
        str(found).replace(f"{paths[0]}/", "")
        for found in verify(*paths, records=records)
        if not found.is_note
    ]


def rows(path: Path, *, records: bool = True, decoder: str = "none") -> list[Row]:
    return list(dump.rows(str(path), Files(), records=records, decoder=decoder))


# verify


def test_a_directory_in_order_has_no_findings(directory: Path) -> None:
    assert verify(directory) == []
    assert verify(directory, records=True) == []


def test_after_a_kill_only_that_is_noted(tmp_path: Path) -> None:
    write_directory(tmp_path / "data", clean=False)
    (tmp_path / "data" / "topic-0" / "leader-epoch-checkpoint").unlink()
    (note,) = verify(tmp_path / "data")
    assert note.is_note
    assert "was killed" in note.message


def test_all_is_read_once_and_a_megabyte_at_a_time(tmp_path: Path) -> None:
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, SMALL)
    log.append([batch(0, 1, value=b"v" * (3 << 20))], 0)
    log.append([batch(log.log_end_offset + at, value=b"v" * 100) for at in range(5000)], 0)
    dirs.close(clean=True)
    files = CountingFiles()
    assert list(DirectoryCheck(files).run([str(tmp_path)])) == []
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert files.bytes <= size * 1.3
    assert files.most <= CHUNK_BYTES


def put(path: Path, layout: str, at: int, *values: int) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, at, *values)
    path.write_bytes(data)


def first(directory: Path, suffix: str) -> Path:
    return min((directory / "topic-0").glob(f"*{suffix}"))


def last(directory: Path, suffix: str) -> Path:
    return max((directory / "topic-0").glob(f"*{suffix}"))


def batch_at(path: Path, number: int) -> int:
    """Where the batch of that number begins."""
    return [position for position, _ in record_batch.walk(path.read_bytes())][number]


def append_to(path: Path, data: bytes | bytearray) -> None:
    path.write_bytes(path.read_bytes() + data)


def damage_table() -> Iterator[tuple[str, Callable[[Path], object], str]]:
    log, index, times = ".log", ".index", ".timeindex"
    yield (
        "a bit of a record",
        lambda d: flip(first(d, log), batch_at(first(d, log), 3) + 70, 1),
        r"topic-0/0{20}\.log at byte P3: the batch at offset 6 has a wrong checksum",
    )
    yield (
        "an offset that falls",
        lambda d: put(first(d, log), ">q", batch_at(first(d, log), 3), 1),
        r"0\.log at byte P3: offset 1 follows 5",
    )
    yield (
        "an epoch that falls",
        lambda d: put(first(d, log), ">i", batch_at(first(d, log), 2) + 12, 8),
        r"0\.log at byte P3: leader epoch 0 follows 8",
    )
    yield (
        "no batch",
        lambda d: put(first(d, log), ">i", batch_at(first(d, log), 3) + 8, 5),
        r"0\.log at byte P3: no batch: it says that it has 17 bytes",
    )
    yield (
        "another magic",
        lambda d: flip(first(d, log), batch_at(first(d, log), 3) + 16),
        r"0\.log at byte P3: no batch: its magic is 253, not 0, 1 or 2|its magic is -3",
    )
    yield (
        "a huge length",
        lambda d: put(first(d, log), ">i", batch_at(first(d, log), 3) + 8, 0x7FFFFFFF),
        r"0\.log at byte P3: half a batch: \d+ bytes of 2147483659",
    )
    yield (
        "half a batch",
        lambda d: last(d, log).write_bytes(last(d, log).read_bytes()[:-3]),
        r"\.log at byte \d+: half a batch",
    )
    yield (
        "an old message",
        lambda d: append_to(last(d, log), legacy.build([Record(b"k", b"v", 5, (), 500)], 1)),
        r"\.log at byte \d+: a message of magic 1",
    )
    yield (
        "segments that overlap",
        lambda d: append_to(first(d, log), bytes(batch(60, 9).buffer)),
        r"offset 68 belongs to the next segment, which begins at \d+",
    )
    yield "half an entry", lambda d: append_to(first(d, index), b"\0"), r"0\.index at byte \d+: 1 bytes where"
    yield (
        "an entry that lies",
        lambda d: put(first(d, index), ">ii", 8, 7, batch_at(first(d, log), 3) + 1),
        r"0\.index at byte 8: no batch begins at \d+, which it names",
    )
    yield (
        "an entry behind its batch",
        lambda d: put(first(d, index), ">ii", 8, 5, batch_at(first(d, log), 3)),
        r"0\.index at byte 8: offset 5 at P3 does not follow 5 at P2",
    )
    yield (
        "an entry beyond the log",
        lambda d: append_to(first(d, index), struct.pack(">ii", 99, 99999)),
        r"0\.index at byte \d+: no batch begins at 99999, which it names; the log has \d+ bytes",
    )
    yield (
        "room ahead",
        lambda d: append_to(first(d, index), bytes(800)),
        r"0\.index: 95 more entries are wrong",
    )
    yield (
        "a time that lies",
        lambda d: put(first(d, times), ">qi", 0, 1061, 5),
        r"0\.timeindex at byte 0: up to offset 5 the largest timestamp is 1060, not 1061",
    )
    yield (
        "no newest time",
        lambda d: first(d, times).write_bytes(b""),
        r"0\.timeindex: its last timestamp is -1; the segment's largest is \d+",
    )
    yield (
        "times beyond the segment",
        lambda d: append_to(first(d, times), struct.pack(">qi", 1 << 50, 9999)),
        r"0\.timeindex at byte \d+: offset 9999 is beyond the segment, which ends at \d+",
    )
    yield (
        "an aborted transaction less",
        lambda d: first(d, ".txnindex").write_bytes(first(d, ".txnindex").read_bytes()[34:]),
        r"txnindex: the transaction of producer 5 that was aborted at offset \d+ is missing",
    )
    yield (
        "no transaction index",
        lambda d: first(d, ".txnindex").unlink(),
        r"txnindex: the transaction of producer 5 that was aborted at offset \d+ is missing",
    )
    yield (
        "an aborted transaction of another",
        lambda d: put(first(d, ".txnindex"), ">q", 2, 6),
        r"txnindex at byte 0: producer 6 has no abort marker at offset \d+",
    )
    yield (
        "a snapshot's bit",
        lambda d: flip(first(d, ".snapshot"), 20),
        r"\.snapshot: no producer snapshot: its checksum does not match",
    )
    yield (
        "a snapshot beyond the log",
        lambda d: shutil.copy(first(d, ".snapshot"), d / "topic-0" / f"{9999:020d}.snapshot"),
        r"9999\.snapshot: it is of offset 9999, and the log ends at \d+",
    )
    yield (
        "epochs of another log",
        lambda d: (d / "topic-0" / "leader-epoch-checkpoint").write_text("0\n1\n4 0\n"),
        r"leader-epoch-checkpoint: offset 0 has leader epoch 0, and this file says 4",
    )
    yield (
        "epochs that are none",
        lambda d: (d / "topic-0" / "leader-epoch-checkpoint").write_text("0\n7\n4 0\n"),
        r"leader-epoch-checkpoint: it announces '7' entries and has 1",
    )
    yield (
        "no topic id",
        lambda d: (d / "topic-0" / "partition.metadata").write_text("version: 0\n"),
        r"topic-0/partition.metadata: '' is no Kafka uuid",
    )
    yield (
        "an index without its segment",
        lambda d: (d / "topic-0" / f"{7:020d}.index").write_bytes(b""),
        r"07\.index: it has no segment",
    )
    yield (
        "a start beyond the log",
        lambda d: (d / "log-start-offset-checkpoint").write_text("0\n1\nother 3 31\n"),
        r"log-start-offset-checkpoint: other-3 has offset 31, and its log ends at 30",
    )
    yield (
        "a recovery point beyond the log",
        lambda d: (d / "recovery-point-offset-checkpoint").write_text("0\n1\nother 3 31\n"),
        r"recovery-point-offset-checkpoint: other-3 has offset 31",
    )
    yield (
        "no cluster",
        lambda d: (d / "meta.properties").write_text("version=1\nnode.id=one\ndirectory.id=x\n"),
        r"meta.properties: it names no cluster.id",
    )
    yield (
        "a mark that is none",
        lambda d: (d / ".kafka_cleanshutdown").write_text("yes"),
        r"kafka_cleanshutdown: it is not JSON",
    )
    yield "no identity", lambda d: (d / "meta.properties").unlink(), r"meta.properties: it is missing"
    yield (
        "a directory in a log's place",
        lambda d: (d / "topic-0" / f"{900:020d}.log").mkdir(),
        r"900\.log.* it can't be read: Is a directory|900\.log.*half a batch",
    )


@pytest.mark.parametrize(
    ("damage", "says"), [row[1:] for row in damage_table()], ids=[r[0] for r in damage_table()]
)
def test_each_kind_of_damage_is_named_with_its_file_and_byte(
    directory: Path, damage: Callable[[Path], object], says: str
) -> None:
    for number in (2, 3):
        says = says.replace(f"P{number}", str(batch_at(first(directory, ".log"), number)))
    damage(directory)
    found = faults(directory)
    assert any(re.search(says, each) for each in found), found


def test_records_that_can_not_be_read_are_found_when_they_are_asked_for(directory: Path) -> None:
    wrong = bytearray(record_batch.build([Record(b"k", b"v", 5)], base_offset=500, leader_epoch=0))
    wrong[61] ^= 0x40  # the first record's length
    record_batch.write_crc(wrong, 0, len(wrong) - 12)
    append_to(last(directory, ".log"), wrong)
    assert not any("records" in each for each in faults(directory))
    assert any("a batch whose records can't be read" in each for each in faults(directory, records=True))


def test_what_an_append_has_under_way_is_noted_beside_a_running_broker(directory: Path) -> None:
    (directory / ".kafka_cleanshutdown").unlink()
    append_to(last(directory, ".log"), bytes(batch(900, 3).buffer)[:-5])
    assert faults(directory) == []
    assert any("an append is under way" in str(found) for found in verify(directory))
    first(directory, ".log").write_bytes(first(directory, ".log").read_bytes()[:-3])
    assert any("half a batch" in each for each in faults(directory))


def test_a_segment_that_retention_deletes_meanwhile_is_no_finding(directory: Path) -> None:
    (directory / ".kafka_cleanshutdown").unlink()
    found = []
    for finding in DirectoryCheck(Deleting(directory / "topic-0")).run([str(directory)]):
        found += [] if finding.is_note else [str(finding)]
    assert found == []


class Deleting(CountingFiles):
    """Opens a segment's file a moment too late."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._first = min(folder.glob("*.log"))

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if path == str(self._first):
            for file in self._first.parent.glob(f"{self._first.stem}.*"):
                file.unlink()
        return super().open(path, flags, mode)


def test_foreign_files_leftovers_and_gaps_are_noted(directory: Path) -> None:
    (directory / "topic-0" / "notes.txt").write_text("mine")
    (directory / "topic-0" / f"{1:020d}.log.deleted").write_bytes(b"")
    (directory / "backup").mkdir()
    shutil.copytree(directory / "topic-0", directory / f"topic-0.{UUID(int=5).hex}-stray")
    for file in (directory / "other-3").glob(f"{4:020d}*"):
        file.unlink()
    notes = [str(found) for found in verify(directory)]
    for says in (
        "notes.txt: a file that Kafka does not know",
        "left over",
        "backup: no partition",
        "set aside",
    ):
        assert any(says in each for each in notes), says
    assert all(each.startswith("note: ") for each in notes)


def test_a_topic_has_one_id_which_the_metadata_log_knows(directory: Path) -> None:
    path = shutil.copytree(directory / "topic-0", directory / "topic-1")
    metadata = Path(path) / "partition.metadata"
    metadata.write_text("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAACQ\n")
    (found,) = faults(directory)
    assert "topic id AAAAAAAAAAAAAAAAAAAACQ is not that of" in found
    shutil.rmtree(path)
    log = directory / "__cluster_metadata-0"
    log.mkdir()
    values = [
        metadata_value(TopicRecord(name="topic", topic_id=TOPIC_ID), 0),
        metadata_value(TopicRecord(name="other", topic_id=UUID(int=77 << 64)), 0),
        metadata_value(TopicRecord(name="gone", topic_id=UUID(int=78 << 64)), 0),
        metadata_value(RemoveTopicRecord(topic_id=UUID(int=78 << 64)), 0),
    ]
    data = record_batch.build([Record(None, value, 5) for value in values], leader_epoch=1)
    (log / f"{0:020d}.log").write_bytes(data)
    found = "\n".join(faults(directory))
    assert "other-3/partition.metadata: topic id" in found
    assert "is not that of the metadata log" in found
    assert "topic-0/partition.metadata" not in found


def test_a_partition_that_is_in_two_directories_is_found(directory: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(directory, tmp_path / "again"))
    found = faults(directory, again)
    assert sum("the same partition is in" in each for each in found) == 2


def test_what_is_no_data_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="this is no data directory"):
        verify(tmp_path)
    (tmp_path / "x.log").write_bytes(b"")
    with pytest.raises(Unreadable, match="none of those that Kafka's files have"):
        verify(tmp_path / "x.log")


@pytest.mark.parametrize("finished", [True, False])
def test_a_snapshot_of_the_metadata_log_ends_with_its_footer(tmp_path: Path, finished: bool) -> None:
    folder = tmp_path / "__cluster_metadata-0"
    folder.mkdir()
    path = folder / f"{9:020d}-{1:010d}.checkpoint"
    head = control_records.SnapshotHeaderRecord(version=0, last_contained_log_timestamp=5)
    data = kraft_batch(ControlType.SNAPSHOT_HEADER, encode_bytes(head, 0), 5, base_offset=0, leader_epoch=1)
    value = metadata_value(TopicRecord(name="topic", topic_id=TOPIC_ID), 0)
    data += record_batch.build([Record(None, value, 5)], base_offset=1, leader_epoch=1)
    foot = control_records.SnapshotFooterRecord(version=0)
    if finished:
        data += kraft_batch(
            ControlType.SNAPSHOT_FOOTER, encode_bytes(foot, 0), 5, base_offset=2, leader_epoch=1
        )
    path.write_bytes(data)
    found = faults(folder)
    assert found == (
        [] if finished else [f"{path.name}: it does not end with a snapshot's footer: it was not finished"]
    )
    records = [row for row in rows(path, decoder="metadata") if row["type"] == "record"]
    shown = [row.get("control") or row.get("record") for row in records]
    assert shown == ["SNAPSHOT_HEADER", "TopicRecord", *(["SNAPSHOT_FOOTER"] * finished)]


# dump


def test_every_batch_and_record_is_told(directory: Path) -> None:
    found = rows(first(directory, ".log"))
    batches = [row for row in found if row["type"] == "batch"]
    data = first(directory, ".log").read_bytes()
    expected = [(position, header.base_offset) for position, header in record_batch.walk(data)]
    assert [(row["position"], row["base_offset"]) for row in batches] == expected
    assert all(row["crc_valid"] for row in batches)
    everywhere = [row for path in (directory / "topic-0").glob("*.log") for row in rows(path, records=False)]
    assert {row["compression"] for row in everywhere} == {"none", "gzip", "snappy", "lz4", "zstd"}
    records = [row for row in found if row["type"] == "record"]
    assert [row["offset"] for row in records] == list(range(len(records)))
    assert records[0]["key"] == "key"
    assert {row["control"] for row in records if "control" in row} <= {"ABORT", "COMMIT"}
    assert rows(first(directory, ".log"), records=False) == batches


def test_every_file_has_its_rows(directory: Path) -> None:
    kinds = {
        ".index": {"entry"},
        ".timeindex": {"entry"},
        ".txnindex": {"aborted"},
        ".snapshot": {"producer"},
    }
    for suffix, types in kinds.items():
        assert {row["type"] for row in rows(first(directory, suffix))} == types, suffix
    assert rows(directory / "topic-0" / "leader-epoch-checkpoint") == [
        {"type": "epoch", "leader_epoch": 0, "start_offset": 0}
    ]
    assert {row["topic"] for row in rows(directory / "recovery-point-offset-checkpoint")} == {
        "topic",
        "other",
    }
    assert rows(directory / "topic-0" / "partition.metadata")[0]["topic_id"] == "AAAAAAAAQACAAAAAAAC-7w"
    assert rows(directory / "meta.properties")[0]["node.id"] == "1"
    assert rows(directory / ".kafka_cleanshutdown")[0]["brokerEpoch"] == -1
    state = directory / "quorum-state"
    state.write_text('{"leaderId":1,"data_version":0}')
    assert rows(state) == [{"type": "state", "leaderId": 1, "data_version": 0}]


def test_a_file_that_is_about_to_go_is_read_by_what_it_was(directory: Path) -> None:
    path = first(directory, ".index")
    before = rows(path)
    path.rename(f"{path}.deleted")
    assert rows(Path(f"{path}.deleted")) == before


def test_messages_of_the_old_formats_are_told(tmp_path: Path) -> None:
    path = tmp_path / f"{0:020d}.log"
    path.write_bytes(
        legacy.build([Record(b"k", b"v", -1, (), 0)], 0)
        + legacy.build([Record(b"k", b"v", 7, (), 1), Record(b"k", b"v", 8, (), 2)], 1, compression=1)
    )
    found = rows(path)
    assert [(row["magic"], row["crc_valid"]) for row in found if row["type"] == "batch"] == [
        (0, True),
        (1, True),
    ]
    assert [(row["offset"], row["timestamp"]) for row in found if row["type"] == "record"] == [
        (0, -1),
        (1, 7),
        (2, 8),
    ]


@pytest.mark.parametrize(
    ("topic", "decoder"),
    [
        ("__consumer_offsets-7", "offsets"),
        ("__transaction_state-0", "transactions"),
        ("__cluster_metadata-0", "metadata"),
        ("__share_group_state-1", "share"),
        ("topic-0", "none"),
        ("somewhere", "none"),
    ],
)
def test_the_directory_names_the_decoder(topic: str, decoder: str) -> None:
    assert decoder_for(topic) == decoder


def shown(path: Path, decoder: str, *records: Record) -> list[Row]:
    file = path / f"{0:020d}.log"
    file.write_bytes(record_batch.build(records))
    return [row for row in rows(file, decoder=decoder) if row["type"] == "record"]


def test_records_of_internal_topics_are_decoded(tmp_path: Path) -> None:
    key = group_records.OffsetCommitKey(group="g", topic="t", partition=3)
    value = group_records.OffsetCommitValue(
        offset=42, leader_epoch=1, metadata="m", commit_timestamp=5, expire_timestamp=-1
    )
    written = Record(encode_key(key), encode_value(value, 3), 5)
    commit, gone, broken, unknown = shown(
        tmp_path,
        "offsets",
        written,
        Record(written.key, None, 5),
        Record(written.key, b"\0\3\1", 5),
        Record(b"\x7f\0abc", b"\xff", 5),
    )
    assert commit["record"] == "OffsetCommit"
    assert commit["key"] == {"group": "g", "topic": "t", "partition": 3}
    assert isinstance(commit["value"], dict)
    assert (commit["version"], commit["value"]["offset"]) == (3, 42)
    assert (gone["record"], gone["value"]) == ("OffsetCommit", None)
    assert "not_decoded" in broken
    assert unknown["value"] == {"hex": "ff"}
    name = transaction_records.TransactionLogKey(transactional_id="id")
    (transaction,) = shown(tmp_path, "transactions", Record(encode_key(name), None, 5))
    assert transaction["key"] == {"transactional_id": "id"}


def test_a_transaction_marker_tells_its_coordinators_epoch(tmp_path: Path) -> None:
    file = tmp_path / f"{0:020d}.log"
    file.write_bytes(marker(0, commit=False, producer_id=5, producer_epoch=0).buffer)
    (_, record) = rows(file)
    assert (record["control"], record["coordinator_epoch"]) == ("ABORT", 7)


def test_the_room_that_kafka_gives_an_index_ahead_is_one_row_and_no_finding(directory: Path) -> None:
    size = 10 << 20
    for suffix in (".index", ".timeindex"):
        path = last(directory, suffix)
        entries = len(rows(path))
        append_to(path, bytes(size))
        *_, room = found = rows(path)
        assert len(found) == entries + 1
        assert (room["type"], room["size"]) == ("room", size)
    assert faults(directory) == []
    append_to(last(directory, ".index"), b"\0\0\0\1\0\0\0\1")
    assert faults(directory)


def test_an_index_of_zeros_is_read_in_linear_time(tmp_path: Path) -> None:
    """A zero among the first entries is no reason to look through the rest more than once."""
    path = tmp_path / f"{0:020d}.timeindex"
    path.write_bytes(bytes(12 * 40_000) + b"\1")
    files = CountingFiles()
    with pytest.raises(Unreadable):
        list(dump.rows(str(path), files))
    assert files.bytes <= 4 * path.stat().st_size
