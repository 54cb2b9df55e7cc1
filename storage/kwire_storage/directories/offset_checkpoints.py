"""The checkpoint files of one log directory that have a line for each of its logs, of which there may be many
thousands (Kafka: OffsetCheckpointFile).

Rules
- What a file shall say is kept in memory (`offsets`), and changes entry by entry; the file is written whole.
- `write_steps` does it in small steps, for whoever has others to give a turn. What changes meanwhile is in
  the file all the same, and a file that says already what it shall is left alone.
"""

import logging
from collections.abc import Iterator
from zlib import crc32

from .. import checkpoints
from ..checkpoints import BadCheckpoint
from ..files import Files, storing

Partition = tuple[str, int]

LINES_A_STEP = 1000

log = logging.getLogger("kwire.storage")


class OffsetCheckpoint:
    """One such file, with what it says, or shall say."""

    __slots__ = ("_files", "_path", "_version", "_written", "is_changed", "offsets")

    def __init__(self, path: str, files: Files) -> None:
        self._path = path
        self._files = files
        self._version = 0
        self._written: tuple[int, int] | None = None
        self.offsets: dict[Partition, int] = {}
        self.is_changed = False
        """Whether an entry was changed by `put` or `drop` since the file was last written."""

    def load(self) -> None:
        """Read the file; one that is not there, or not readable, says nothing. Raises StorageError."""
        with storing("reading", self._path):
            data = self._files.read_file(self._path)
        if data is None:
            return
        try:
            self.offsets = checkpoints.decode_offsets(data)
        except BadCheckpoint as bad:
            log.warning("%s is not readable (%s); logs are read from their beginnings", self._path, bad)

    def get(self, key: Partition) -> int:
        """What is written down of a log, 0 if nothing is."""
        return self.offsets.get(key, 0)

    def put(self, key: Partition, offset: int) -> None:
        """Change an entry that has to reach the file soon."""
        if self.offsets.get(key) != offset:
            self.offsets[key] = offset
            self._changed()

    def drop(self, key: Partition) -> None:
        """Take an entry away, likewise."""
        if self.offsets.pop(key, None) is not None:
            self._changed()

    def _changed(self) -> None:
        self.is_changed = True
        self._version += 1

    def write(self, *, sync: bool) -> None:
        """Write the file. Raises StorageError; what was to be written is written the next time, then."""
        self._put(checkpoints.encode_offsets(self.offsets), sync=sync)

    def write_steps(self) -> Iterator[None]:
        """Write the file, unsynced, unless it says so already. Raises StorageError."""
        version = self._version
        pieces = []
        keys = list(self.offsets)  # no pairs yet: to make them all takes a millisecond or more
        for start in range(0, len(keys), LINES_A_STEP):
            some = keys[start : start + LINES_A_STEP]
            pieces.append(checkpoints.offset_lines([(key, self.get(key)) for key in some]))
            yield
        if version != self._version:
            self.write(sync=False)
            return
        data = checkpoints.counted(len(keys), pieces)
        if (len(data), crc32(data)) != self._written and (keys or self.is_changed):
            self._put(data, sync=False)

    def _put(self, data: bytes, *, sync: bool) -> None:
        with storing("writing", self._path):
            self._files.write_file(self._path, data, sync=sync)
        self._written = len(data), crc32(data)
        self.is_changed = False
