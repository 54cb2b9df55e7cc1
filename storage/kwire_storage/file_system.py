"""Syncing all that was written to a file system, by one call, where that call tells of what failed.

`syncfs` reports bytes that could not be written since the descriptor was opened from Linux 5.8 on, and what
the file system itself could not write from 5.17 on. That holds for the file systems of a disk of one's own:
FUSE and overlays may say that all is well and have asked nobody, so others are not in the table. Nor does it
hold for what a link or a mount put elsewhere.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable
from typing import Final

LEAST_KERNEL: Final = (5, 17)
TELLING: Final = {
    0xEF53: "ext2, ext3, ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0xF2F52010: "f2fs",
    0x01021994: "tmpfs",
}
"""By the numbers that `statfs` has for them (linux/magic.h)."""
_STATFS_BYTES: Final = 512  # more than any system's


def sync(descriptor: int, directories: Iterable[str]) -> bool:
    """Sync the file system of an open file; False, and nothing done, where that would not vouch for what lies
    in `directories`. Raises OSError, also for what failed since the file was opened.
    """
    if not _kernel_tells() or not _lie_with(descriptor, directories):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    status = (ctypes.c_long * (_STATFS_BYTES // ctypes.sizeof(ctypes.c_long)))()
    if libc.fstatfs(descriptor, status) != 0 or status[0] not in TELLING:
        return False
    if libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno() or errno.EIO
        raise OSError(number, os.strerror(number))
    return True


def _kernel_tells() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        major, minor = (int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= LEAST_KERNEL


def _lie_with(descriptor: int, directories: Iterable[str]) -> bool:
    device = os.fstat(descriptor).st_dev
    return all(os.stat(directory).st_dev == device for directory in directories)
