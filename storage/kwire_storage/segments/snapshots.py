"""A log's producer snapshots (`<offset>.snapshot`): the producers as they were when the log ended at that
offset.

One is taken when a segment is sealed and at a clean close, so that a start reads only the batches behind
the newest. A snapshot beyond the log's end describes records that are gone, and goes too; one that can't be
read is passed over.
"""

import logging
from bisect import bisect_right
from collections.abc import Collection

from ..files import Files, storing
from ..producer_snapshot import CorruptSnapshot
from ..producer_state import ProducerState
from . import file_names

log = logging.getLogger("kwire.storage")


class Snapshots:
    """The snapshot files of one log, by offset."""

    __slots__ = ("_directory", "_files", "_offsets")

    def __init__(self, directory: str, files: Files, offsets: list[int]) -> None:
        self._directory = directory
        self._files = files
        self._offsets = sorted(offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def _path(self, offset: int) -> str:
        return f"{self._directory}/{file_names.segment_file(offset, file_names.SNAPSHOT)}"

    def paths(self) -> list[str]:
        """The files, oldest first."""
        return [self._path(offset) for offset in self._offsets]

    def take(self, producers: ProducerState) -> str | None:
        """Write the producers down, if that has not been done at their offset; gives the file, unsynced."""
        offset = producers.end_offset
        if offset in self._offsets:
            return None
        path = self._path(offset)
        with storing("writing", path):
            self._files.write_file(path, producers.encode_snapshot(), sync=False)
        self._offsets.append(offset)
        return path

    def drop_above(self, offset: int) -> None:
        """The log ends at `offset`, or is about to."""
        while self._offsets and self._offsets[-1] > offset:
            self._drop(self._offsets[-1])

    def drop_up_to(self, offset: int) -> None:
        """The log's files start at `offset`: older snapshots are of no use, but for the newest of them."""
        while len(self._offsets) > 1 and self._offsets[1] <= offset:
            self._drop(self._offsets[0])

    def drop_at(self, offsets: Collection[int]) -> None:
        """No segment begins at these any more; the newest snapshot stays."""
        for offset in [each for each in self._offsets[:-1] if each in offsets]:
            self._drop(offset)

    def _drop(self, offset: int) -> None:
        path = self._path(offset)
        with storing("removing", path):
            self._files.remove(path)
        self._offsets.remove(offset)

    def load_newest(self, producers: ProducerState, now_ms: int, *, at_most: int) -> bool:
        """Put the newest snapshot that can be read, of those not above the offset `at_most`, into
        `producers`; whether there is one.
        """
        while (at := bisect_right(self._offsets, at_most)) > 0:
            offset = self._offsets[at - 1]
            path = self._path(offset)
            with storing("reading", path):
                data = self._files.read_file(path)
            try:
                producers.load_snapshot(data or b"", offset, now_ms)
            except CorruptSnapshot as corrupt:
                log.warning("%s can't be used (%s); removed", path, corrupt)
                self._drop(offset)
            else:
                return True
        return False
