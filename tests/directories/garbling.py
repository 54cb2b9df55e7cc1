"""Data directories whose files are garbled, and what may come of opening them: an answer or a clear refusal,
in linear time, whatever the bytes.

A case is a list of `Change`s, so that Hypothesis can make one smaller, and a seed can make one again.
"""

from __future__ import annotations

import random
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from kwire_storage.directories.log_directory import ForeignDirectory, LockedError
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, OffsetOutOfRange, PartitionLog, StorageError
from kwire_storage.files import Files
from kwire_storage.inspection import dump
from kwire_storage.inspection.decoders import DECODERS, decoder_for
from kwire_storage.inspection.directory_check import DirectoryCheck
from kwire_storage.inspection.source import Unreadable

from tests.storage.disks import uuids

SAMPLES = Path(__file__).parents[1] / "vectors" / "directories"
CONFIG = LogConfig(segment_bytes=4096, index_interval_bytes=100)

REFUSALS = (StorageError, ForeignDirectory, LockedError, Unreadable, OffsetOutOfRange)
"""What may come of it, each with a message for a person."""

READ_AGAIN = 40
"""Each byte may be read so often, all in all: opening, checking, looking up, dumping, verifying."""
CALLS_A_BYTE = 0.5
CALLS_A_FILE = 150


class TooMuch(Exception):
    """More was read than the files' size explains."""


class CountedFiles(Files):
    """Counts calls and bytes, and stops where they are more than linear time allows."""

    def __init__(self, size: int, count: int) -> None:
        self.bytes_left = READ_AGAIN * size + (64 << 10) * count
        self.calls_left = int(CALLS_A_BYTE * size) + CALLS_A_FILE * count

    def preadv(
        self, descriptor: int, buffers: Sequence[memoryview], position: int, *, nowait: bool = False
    ) -> int:
        got = super().preadv(descriptor, buffers, position, nowait=nowait)
        self.calls_left -= 1
        self.bytes_left -= got
        if self.calls_left < 0 or self.bytes_left < 0:
            raise TooMuch(f"{self.calls_left} calls and {self.bytes_left} bytes are left of what there was")
        return got

    def fdatasync(self, descriptor: int) -> None:
        pass

    def fsync(self, descriptor: int) -> None:
        pass


class Change(NamedTuple):
    """One thing done to one file. `share` and `file` are taken modulo what there is."""

    kind: str
    file: int
    at: int
    value: int


def _put(data: bytearray, at: int, value: int, size: int) -> None:
    at = min(at, max(len(data) - size, 0))
    data[at : at + size] = (value % (1 << (8 * size))).to_bytes(size)


KINDS: dict[str, Callable[[bytearray, int, int, bytes], None]] = {
    "flip": lambda data, at, value, other: data.__setitem__(
        slice(at, at + 1), bytes(each ^ (1 << value % 8) for each in data[at : at + 1])
    ),
    "cut": lambda data, at, value, other: data.__delitem__(slice(at, None)),
    "drop": lambda data, at, value, other: data.__delitem__(slice(at, at + value % 100)),
    "insert": lambda data, at, value, other: data.__setitem__(
        slice(at, at), random.Random(value).randbytes(value % 100)
    ),
    "splice": lambda data, at, value, other: data.__setitem__(
        slice(at, None), other[value % (len(other) + 1) :]
    ),
    "repeat": lambda data, at, value, other: data.__setitem__(slice(at, at), data[at : at + value % 200]),
    "zeros": lambda data, at, value, other: data.__setitem__(slice(at, at), bytes(value % 5000)),
    "int16": lambda data, at, value, other: _put(data, at, value, 2),
    "int32": lambda data, at, value, other: _put(data, at, value, 4),
    "int64": lambda data, at, value, other: _put(data, at, value, 8),
    "rubbish": lambda data, at, value, other: data.__setitem__(
        slice(None), random.Random(value).randbytes(value % 300)
    ),
    "remove": lambda data, at, value, other: None,
}
INTERESTING = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 61, 2**31 - 13, 12, 49, 255)


def sample(name: str) -> dict[str, bytes]:
    """The files of a sample directory, by name."""
    [archive] = SAMPLES.glob(f"{name}*.tar.xz")
    with tarfile.open(archive) as packed:
        return {
            entry.name: file.read() for entry in packed if (file := packed.extractfile(entry)) is not None
        }


def garbled(files: dict[str, bytes], changes: Iterable[Change]) -> dict[str, bytes]:
    """The files after the changes."""
    found = dict(files)
    for change in changes:
        names = sorted(found)
        name = names[change.file % len(names)]
        if change.kind == "remove":
            if len(found) > 1:
                del found[name]
            continue
        data = bytearray(found[name])
        other = found[names[change.value % len(names)]]
        KINDS[change.kind](data, change.at % (len(data) + 1), change.value, other)
        found[name] = bytes(data)
    return found


def random_changes(chance: random.Random, files: dict[str, bytes]) -> list[Change]:
    """For the long form: a few changes, most of them to one folder."""
    changes = []
    for _ in range(chance.randint(1, 6)):
        value = chance.choice([chance.choice(INTERESTING), chance.getrandbits(64)])
        changes.append(
            Change(chance.choice(sorted(KINDS)), chance.getrandbits(16), chance.getrandbits(24), value)
        )
    return changes


def try_all(files: dict[str, bytes]) -> None:
    """Write the files, look at them, open every log, use it, close it, and open it again.

    :raises Exception: whatever is none of `REFUSALS`; TooMuch.
    """
    with tempfile.TemporaryDirectory(prefix="kwire-garbled-") as folder:
        for name, data in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        counted = CountedFiles(sum(map(len, files.values())), len(files) + 10)
        _look(folder, sorted(files), counted)
        for clean in (True, False):
            _open(folder, counted, clean=clean)


def _look(folder: str, names: Iterable[str], files: Files) -> None:
    for name in names:
        path = f"{folder}/{name}"
        decoder = decoder_for(Path(path).parent.name)
        assert decoder in DECODERS
        try:
            for row in dump.rows(path, files, records=True, decoder=decoder):
                assert row["type"]
        except Unreadable as wrong:
            _says(wrong, path)
    try:
        for finding in DirectoryCheck(files, records=True).run([folder]):
            assert str(finding)
    except Unreadable as wrong:
        _says(wrong, folder)


def _says(refusal: Exception, what: str = "") -> None:
    assert str(refusal)
    assert what in str(refusal)


def _open(folder: str, files: Files, *, clean: bool) -> None:
    try:
        dirs = LogDirs([folder], node_id=1, new_uuid=uuids(), files=files)
    except REFUSALS as refusal:
        _says(refusal)
        return
    try:
        for found in dirs.existing():
            try:
                log = dirs.open(found.topic, found.partition, found.topic_id or UUID(int=1 << 99), CONFIG)
                _use(log)
            except REFUSALS as refusal:
                _says(refusal)
    except REFUSALS as refusal:
        _says(refusal)
    finally:
        dirs.close(clean=clean)


def _use(log: PartitionLog) -> None:
    """What clients ask of a log, each whether or not the others were refused."""
    start, end = log.log_start_offset, log.log_end_offset
    assert 0 <= start <= end
    for ask in (
        lambda: [log.read_bytes(part) for part in log.read(start, 1 << 20).parts],
        lambda: [log.read_bytes(part) for part in log.read((start + end) // 2, 100).parts],
        lambda: log.offset_for_timestamp(1_700_000_000_001),
        lambda: log.offset_for_timestamp(0),
        log.max_timestamp_offset,
        lambda: log.aborted_transactions(start, end),
        lambda: log.bound_behind(start, log.read(start, 1000)),
        lambda: log.epochs.end_offset_for(0, end),
        lambda: log.truncate_to(max(start, end - 2)),
        log.flush,
    ):
        try:
            ask()
        except REFUSALS as refusal:
            _says(refusal)
