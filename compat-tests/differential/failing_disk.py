"""A real file system that fails when it is told to: all that is asked of it afterwards is an I/O error.

It is an ext4 in a file, mounted, and its failure is ext4's own shutdown, which is made for such tests. That
needs the rights to mount.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE_BYTES = 64 << 20
_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING_THE_JOURNAL = 2


class CannotMount(Exception):
    """This machine or user can't have such a disk; the text says why."""


class FailingDisk:
    """`path` is a directory on it."""

    def __init__(self, mounted: Path) -> None:
        self._mounted = mounted
        self.path = mounted / "logs"
        self.path.mkdir()

    def fail(self) -> None:
        """From now on nothing can be read from it or written to it."""
        directory = os.open(self._mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, _EXT4_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_JOURNAL))
        finally:
            os.close(directory)


@contextmanager
def failing_disk(folder: Path) -> Iterator[FailingDisk]:
    """One in `folder`, gone afterwards; whoever uses it has to have ended by then. Raises CannotMount."""
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(_SIZE_BYTES)
    _run("mkfs.ext4", "-q", "-F", str(image))
    _run("mount", "-o", "loop", str(image), str(mounted))
    try:
        yield FailingDisk(mounted)
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)
        image.unlink()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise CannotMount(f"there is no {command[0]} here") from None
    except subprocess.CalledProcessError as failure:
        raise CannotMount(f"{command[0]}: {failure.stderr.strip()}") from None
