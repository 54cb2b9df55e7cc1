"""Files that many logs have word for word alike share their bytes, and never more than that."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.alike import MOST_REMEMBERED, AlikeFiles
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig
from kwire_storage.files import Files

from tests.storage.batches import batch
from tests.storage.disks import TOPIC_ID, uuids

NAMES = ("a", "b", "c", "d")
CONTENTS = (b"one", b"two", b"three")


class NoMoreNames(Files):
    """A file system that allows a file `names` names, or has no hard links at all (1)."""

    def __init__(self, names: int) -> None:
        self.names = names

    def link(self, path: str, new: str) -> None:
        if os.stat(path).st_nlink >= self.names:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), path)
        super().link(path, new)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(("write", "remove", "move")), st.sampled_from(NAMES), st.sampled_from(CONTENTS)
        )
    ),
    names=st.sampled_from((1, 2, 1000)),
)
def test_every_file_holds_what_was_written_to_it_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bytes]], names: int
) -> None:
    directory = tmp_path_factory.mktemp("alike")
    alike = AlikeFiles(NoMoreNames(names))
    expected: dict[str, bytes] = {}
    for step, name, content in steps:
        if step == "write":
            alike.write(f"{directory}/{name}", content)
            expected[name] = content
        elif name in expected:
            del expected[name]
            if step == "remove":
                (directory / name).unlink()
            else:
                (directory / "aside").unlink(missing_ok=True)  # a rename onto the same file does nothing
                (directory / name).rename(directory / "aside")
        found = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "aside"}
        assert found == expected


def test_a_second_file_of_the_same_bytes_is_another_name_of_the_first(tmp_path: Path) -> None:
    alike = AlikeFiles(Files())
    for name in ("a", "b", "c"):
        alike.write(f"{tmp_path}/{name}", b"the same")
    assert {path.stat().st_ino for path in tmp_path.iterdir()} == {(tmp_path / "a").stat().st_ino}


def test_a_file_that_was_written_anew_is_alike_to_what_it_holds_now(tmp_path: Path) -> None:
    alike = AlikeFiles(Files())
    first, second = tmp_path / "first", tmp_path / "second"
    alike.write(str(first), b"old")
    alike.write(str(first), b"new")
    alike.write(str(second), b"old")
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"old")


def test_where_there_are_no_hard_links_files_are_written(tmp_path: Path) -> None:
    alike = AlikeFiles(NoMoreNames(1))
    for name in ("a", "b"):
        alike.write(f"{tmp_path}/{name}", b"the same")
    assert [(tmp_path / name).read_bytes() for name in ("a", "b")] == [b"the same"] * 2


def test_only_so_many_contents_are_remembered(tmp_path: Path) -> None:
    alike = AlikeFiles(Files())
    for number in range(MOST_REMEMBERED + 1):
        alike.write(f"{tmp_path}/{number}", str(number).encode())
    alike.write(f"{tmp_path}/last", str(MOST_REMEMBERED).encode())
    alike.write(f"{tmp_path}/first", b"0")
    assert (tmp_path / "last").stat().st_nlink == 2
    assert (tmp_path / "first").stat().st_nlink == 1


def test_a_new_epoch_in_one_partition_leaves_the_others_files_alone(tmp_path: Path) -> None:
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    logs = [dirs.open("t", index, TOPIC_ID, LogConfig()) for index in range(3)]
    for log in logs:
        log.append([batch(0)], 0)
    logs[0].append([batch(1, leader_epoch=5)], 0)
    logs[2].append([batch(1, leader_epoch=5)], 0)
    texts = [(tmp_path / f"t-{index}" / "leader-epoch-checkpoint").read_text() for index in range(3)]
    assert texts == ["0\n2\n0 0\n5 1\n", "0\n1\n0 0\n", "0\n2\n0 0\n5 1\n"]
    dirs.close(clean=True)
