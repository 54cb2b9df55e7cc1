"""The disk in memory: as the real one where nothing fails, and what each failure leaves."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.files import Files

from tests.simulation.disk import Disk, ProcessFiles


class NoTrace:
    """Takes notes and forgets them."""

    def note(self, text: str) -> None:
        pass


def new_disk(seed: int = 1) -> Disk:
    disk = Disk(random.Random(seed), NoTrace(), lambda: 5)  # type: ignore[arg-type]
    disk.short_writes = disk.cold_reads = 0
    disk.process().makedirs("/d")
    disk.keep_names()
    return disk


def write(files: Files, path: str, data: bytes, position: int = 0, *, sync: bool = False) -> None:
    descriptor = files.open(path, os.O_RDWR | os.O_CREAT)
    files.write_all(descriptor, [data], position)
    if sync:
        files.fsync(descriptor)
    files.close(descriptor)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("ab"), st.integers(0, 9), st.binary(max_size=9)),
        st.tuples(st.just("truncate"), st.sampled_from("ab"), st.integers(0, 9), st.just(b"")),
        st.tuples(st.just("rename"), st.sampled_from(("a b", "b a")), st.just(0), st.just(b"")),
        st.tuples(st.just("unlink"), st.sampled_from("ab"), st.just(0), st.just(b"")),
        st.tuples(st.just("put"), st.sampled_from("ab"), st.just(0), st.binary(max_size=9)),
    ),
    max_size=12,
)


def outcome(files: Files, root: str, steps: list[tuple[str, str, int, bytes]]) -> Iterator[object]:
    """What each step comes to, and what is there in the end."""
    for step, name, number, data in steps:
        try:
            if step == "write":
                write(files, f"{root}/{name}", data, number)
            elif step == "truncate":
                descriptor = files.open(f"{root}/{name}", os.O_RDWR)
                files.truncate(descriptor, number)
                files.close(descriptor)
            elif step == "rename":
                files.rename(f"{root}/{name[0]}", f"{root}/{name[2]}")
            elif step == "put":
                files.write_file(f"{root}/{name}", data, sync=True)
            else:
                files.unlink(f"{root}/{name}")
        except OSError as error:
            yield error.errno
    names = sorted(files.listdir(root))
    yield [(name, files.read_file(f"{root}/{name}"), files.path_size(f"{root}/{name}")) for name in names]


@given(STEPS)
def test_it_does_what_the_real_file_system_does(steps: list[tuple[str, str, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        real = list(outcome(Files(), root, steps))
    assert list(outcome(new_disk().process(), "/d", steps)) == real


def test_a_killed_process_leaves_what_it_wrote_and_lets_go_of_its_locks() -> None:
    disk = new_disk()
    first = disk.process()
    write(first, "/d/a", b"written")
    descriptor = first.open("/d/lock", os.O_RDWR | os.O_CREAT)
    assert first.lock(descriptor)
    second = disk.process()
    assert not second.lock(second.open("/d/lock", os.O_RDWR))
    first.die()
    assert second.lock(second.open("/d/lock", os.O_RDWR))
    assert second.read_file("/d/a") == b"written"
    with pytest.raises(OSError, match="Input/output"):
        first.open("/d/a", os.O_RDWR)


@pytest.mark.parametrize("seed", range(30))
def test_a_power_cut_keeps_what_was_synced(seed: int) -> None:
    disk = new_disk(seed)
    files = disk.process()
    write(files, "/d/a", b"x" * 9000, sync=True)
    files.sync_directory("/d")
    write(files, "/d/a", b"y" * 9000, 9000)
    files.die()
    disk.lose_power()
    left = disk.process().read_file("/d/a")
    assert left is not None
    assert left[:9000] == b"x" * 9000
    assert set(left[9000:]) <= {0, ord("y")}
    assert len(left) <= 18000


def test_power_cuts_leave_all_kinds_of_things() -> None:
    left = set()
    for seed in range(100):
        disk = new_disk(seed)
        files = disk.process()
        write(files, "/d/a", b"y" * 9000)
        files.die()
        disk.lose_power()
        found = disk.process().read_file("/d/a")
        left.add(None if found is None else "all" if found == b"y" * 9000 else "some" if found else "empty")
    assert left == {None, "all", "some", "empty"}


def test_a_rename_that_was_not_synced_may_be_taken_back() -> None:
    left = set()
    for seed in range(40):
        disk = new_disk(seed)
        files = disk.process()
        write(files, "/d/old", b"1", sync=True)
        files.rename("/d/old", "/d/new")
        files.die()
        disk.lose_power()
        left.add(tuple(disk.process().listdir("/d")))
    assert left == {("old",), ("new",)}


@pytest.mark.parametrize("operation", ["pwritev", "preadv", "fsync", "open", "rename"])
def test_a_call_fails_as_often_as_it_was_asked_to(operation: str) -> None:
    disk = new_disk()
    files = disk.process()
    write(files, "/d/a", b"1")
    disk.fail((operation,), "/d/", errno.EIO, 1)
    with pytest.raises(OSError, match="Input/output"):  # noqa: PT012
        files.write_file("/d/b", b"2", sync=True)
        files.read_file("/d/b")
    files.write_file("/d/b", b"2", sync=True)
    assert files.read_file("/d/b") == b"2"
    assert disk.counted == {f"{operation} fails with EIO": 1}


def test_a_crash_in_a_write_leaves_a_part_of_it() -> None:
    sizes = set()
    for seed in range(30):
        disk = new_disk(seed)
        files = disk.process()
        disk.on_crash = files.die
        disk.crash_in_writes = 1
        write(files, "/d/a", b"12345")
        with pytest.raises(OSError, match="Input/output"):
            write(files, "/d/a", b"67890", 5)
        sizes.add(len(disk.process().read_file("/d/a") or b""))
    assert sizes == set(range(5, 11))


def test_the_disk_knows_every_call_that_storage_makes() -> None:
    made_of_others = {"read_file", "read_up_to", "write_all", "write_file", "write_in_place", "remove"}
    made_of_others |= {"sync_directory", "read_tail"}
    calls = {name for name in vars(Files) if not name.startswith("_")}
    assert calls - made_of_others <= set(vars(ProcessFiles))


def test_a_path_is_no_real_one() -> None:
    files = new_disk().process()
    write(files, "/d/nowhere", b"1")
    assert not Path("/d/nowhere").exists()
