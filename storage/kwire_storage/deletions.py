"""Files that nobody needs any more, until they are unlinked: some time later, in a thread (Kafka:
LocalLog.deleteSegmentFiles, LogManager.deleteLogs).

Rules
- What is deleted has got its last name already (`.deleted`, `-delete`), so that a start after a crash knows
  what it is: only a name is changed on the loop, and the space comes back after `file.delete.delay.ms`.
- Time is handed in: the delay counts from the first `plan` that sees a file. None goes sooner than it says.
- What can't be removed is said in the log and left to the next start.
"""

import heapq
import logging
from collections.abc import Sequence

from .files import Files

log = logging.getLogger("kwire.storage")


class SweepJob:
    """Files and directories whose time has come. `work`, in a thread, touches nothing else."""

    __slots__ = ("_files", "_paths", "removed")

    def __init__(self, files: Files, paths: Sequence[str]) -> None:
        self._files = files
        self._paths = paths
        self.removed = 0
        """How many there were to remove."""

    def work(self) -> None:
        for path in self._paths:
            try:
                self.removed += self._remove(path)
            except OSError as error:
                log.warning("removing %s failed, the next start tries again: %s", path, error)

    def _remove(self, path: str) -> bool:
        files = self._files
        if not files.is_directory(path):
            return files.remove(path)
        for name in files.listdir(path):
            files.remove(f"{path}/{name}")
        files.rmdir(path)
        return True


class Deletions:
    """What is to be unlinked in the directories of one node."""

    __slots__ = ("_due", "_files", "_undated")

    def __init__(self, files: Files) -> None:
        self._files = files
        self._undated: list[tuple[str, int]] = []
        self._due: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._undated) + len(self._due)

    def add(self, path: str, delay_ms: int) -> None:
        """Unlink a file, or a directory with the files in it, `delay_ms` from now."""
        self._undated.append((path, delay_ms))

    def plan(self, now_ms: int) -> SweepJob | None:
        """What is due, None when nothing is."""
        for path, delay_ms in self._undated:
            heapq.heappush(self._due, (now_ms + delay_ms, path))
        self._undated.clear()
        paths = []
        while self._due and self._due[0][0] <= now_ms:
            paths.append(heapq.heappop(self._due)[1])
        return SweepJob(self._files, paths) if paths else None

    def all(self) -> SweepJob:
        """Everything, due or not: nobody reads any more."""
        paths = [path for path, _ in self._undated] + [path for _, path in self._due]
        self._undated.clear()
        self._due.clear()
        return SweepJob(self._files, paths)
