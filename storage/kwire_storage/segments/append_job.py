"""An append whose writing is done in a thread, while the loop goes on: planned there, and noted there again.

The bytes go behind the segment's end, where nobody looks until the log takes them in. Whoever wants to change
that end first makes the job void: `stop` waits until no thread writes any more, and none will.
"""

import threading
from collections.abc import Sequence

from ..engine import FileSlice
from ..files import Files
from .segment import Segment
from .writing import Placed


class SegmentAppend:
    """What `SegmentedLog.plan_append` decided."""

    __slots__ = ("_files", "_lock", "_place", "_stopped", "end_offset", "error", "is_done", "placed",
                 "seconds", "segment", "size")  # fmt: skip

    def __init__(
        self, files: Files, segment: Segment, placed: Sequence[Placed], size: int, end_offset: int
    ) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._place: FileSlice | None = segment.writable()
        self._stopped = False
        self.segment = segment
        self.placed = placed
        self.size = size
        self.end_offset = end_offset
        self.is_done = False
        self.error: OSError | None = None
        self.seconds = 0.0
        """How long the write took."""

    def work(self) -> None:
        """Write, unless that is not wanted any more; in a thread. What goes wrong is in `error`."""
        with self._lock:
            place = self._place
            if self._stopped or place is None:
                return
            began = self._files.now()
            try:
                self._files.write_all(place.descriptor, [placed[0] for placed in self.placed], place.position)
            except OSError as error:
                self.error = error
            self.seconds = self._files.now() - began
            self.is_done = True

    def stop(self) -> None:
        """Nothing is written any more when this returns. Lets go of the file."""
        with self._lock:
            self._stopped = True
            self._place = None
