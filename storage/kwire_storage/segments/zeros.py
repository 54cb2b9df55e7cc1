"""Zeros at the end of a segment's file: room that was reserved when it was made (preallocate), and is given
back when the segment is sealed or the log is closed. A kill leaves them; no batch begins with them.
"""

from ..open_files import OpenFile
from .places import read

CHUNK_BYTES = 1 << 20
_ZEROS = bytes(CHUNK_BYTES)


def are_zeros(file: OpenFile, position: int, end: int) -> bool:
    """Whether the file has nothing but zeros from `position` to `end`. Raises StorageError."""
    # Asked for before anything is read: what was read lies in the page cache, and counts as written then.
    for begin, behind in file.written_ranges(position, end):
        for at in range(begin, behind, CHUNK_BYTES):
            size = min(CHUNK_BYTES, behind - at)
            if read(file, at, size) != _ZEROS[:size]:
                return False
    return True
