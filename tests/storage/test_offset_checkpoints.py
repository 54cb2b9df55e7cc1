"""Checkpoint files that have a line for each log: changed by entry, written in steps."""

from pathlib import Path

import pytest
from kwire_storage import checkpoints
from kwire_storage.directories.offset_checkpoints import LINES_A_STEP, OffsetCheckpoint
from kwire_storage.engine import DiskFull
from kwire_storage.files import Files

from tests.storage.disks import FailingDisk

MANY = {("t", index): index for index in range(3 * LINES_A_STEP)}


class CountingFiles(Files):
    """Counts the files that are put in place."""

    written = 0

    def rename(self, old: str, new: str) -> None:
        self.written += 1
        super().rename(old, new)


def read(path: Path) -> dict[tuple[str, int], int]:
    return checkpoints.decode_offsets(path.read_bytes())


def test_many_lines_are_written_in_steps(tmp_path: Path) -> None:
    path = tmp_path / "offsets"
    checkpoint = OffsetCheckpoint(str(path), Files())
    checkpoint.offsets = dict(MANY)
    steps = 0
    for _ in checkpoint.write_steps():
        steps += 1
        assert not path.exists()
    assert steps == 3
    assert read(path) == MANY
    again = OffsetCheckpoint(str(path), Files())
    again.load()
    assert again.offsets == MANY


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_changes_between_two_steps_is_in_the_file(tmp_path: Path, at: int) -> None:
    path = tmp_path / "offsets"
    checkpoint = OffsetCheckpoint(str(path), Files())
    checkpoint.offsets = dict(MANY)
    for step, _ in enumerate(checkpoint.write_steps()):
        if step == at:
            checkpoint.put(("t", 5), 4711)
            checkpoint.drop(("t", 6))
            checkpoint.write(sync=False)
    expected = {**MANY, ("t", 5): 4711}
    del expected["t", 6]
    assert read(path) == expected


def test_a_file_that_says_so_already_is_left_alone(tmp_path: Path) -> None:
    files = CountingFiles()
    checkpoint = OffsetCheckpoint(str(tmp_path / "offsets"), files)
    checkpoint.put(("t", 0), 1)
    for _ in range(3):
        for _ in checkpoint.write_steps():
            pass
    assert files.written == 1
    checkpoint.put(("t", 0), 2)
    for _ in checkpoint.write_steps():
        pass
    assert files.written == 2


def test_what_found_no_room_is_written_the_next_time(tmp_path: Path) -> None:
    disk = FailingDisk()
    path = tmp_path / "offsets"
    checkpoint = OffsetCheckpoint(str(path), disk)
    checkpoint.put(("t", 0), 1)
    checkpoint.write(sync=True)
    disk.bytes_left = 3
    checkpoint.put(("t", 0), 2)
    with pytest.raises(DiskFull):
        checkpoint.write(sync=True)
    assert checkpoint.is_changed
    assert read(path) == {("t", 0): 1}
    disk.bytes_left = 1 << 30
    checkpoint.write(sync=True)
    assert read(path) == {("t", 0): 2}
