"""What is written down of each log for the next start: where it begins, how far it is on the device, how far
it is clean (Kafka: LogManager's checkpoints).

Most of it is written now and then, in steps. At once comes what the next start must not find wrong: a
recovery point that fell; and a log start before a DeleteRecords is answered (`save_log_starts`).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from uuid import UUID

from ..engine import StorageError
from ..segments.log import SegmentedLog
from .directory_set import DirectorySet
from .located import Placed
from .log_directory import LogDirectory, Partition

log = logging.getLogger("kwire.storage")

LOGS_A_STEP = 200
"""Of how many logs something is noted before others get their turn."""


class LogCheckpoints:
    """The checkpoint files of one node's directories, and the logs that they speak of: `opened`, and `copies`
    on their way to another directory.
    """

    def __init__(
        self,
        opened: Mapping[Partition, Placed],
        directories: DirectorySet,
        copies: Callable[[], Iterable[tuple[Partition, LogDirectory, SegmentedLog]]],
    ) -> None:
        self._open = opened
        self._directories = directories
        self._copies = copies

    def log_start_changed(self, key: Partition) -> None:
        opened = self._open[key]
        note_log_start(key, opened.directory, opened.log)

    def save_log_starts(self) -> None:
        for directory in self._directories.online:
            if directory.log_start_offsets.is_changed:
                directory.log_start_offsets.write(sync=False)

    def recovery_point_fell(self, key: Partition) -> None:
        opened = self._open[key]
        opened.directory.recovery_points.put(key, opened.log.recovery_point)
        opened.directory.recovery_points.write(sync=True)

    def cleaned_to_changed(self, key: Partition, offset: int) -> None:
        cleaned = self._open[key].directory.cleaner_offsets
        cleaned.put(key, offset)
        try:
            cleaned.write(sync=False)
        except StorageError as error:
            # Without it, or with an older one, what is clean is looked at once more: nothing is lost.
            log.warning("%s", error)

    def write_steps(self) -> Iterator[None]:
        """Write all of it, a millisecond's work or so at a time. Raises StorageError."""
        for count, key in enumerate(list(self._open)):
            if not count % LOGS_A_STEP:
                yield
            opened = self._open.get(key)
            if opened is not None:
                self.note(key, opened)
        for key, directory, copied in self._copies():
            self.note(key, Placed(directory, UUID(int=0), copied))
        for directory in self._directories.online:
            for checkpoint in directory.checkpoints:
                yield from checkpoint.write_steps()
            if directory.files.has_room_again():
                log.warning("there is room in %s again", directory.path)

    def note(self, key: Partition, opened: Placed) -> None:
        """What is to be written down of a log, in time."""
        directory = opened.directory
        directory.recovery_points.offsets[key] = opened.log.recovery_point
        directory.high_watermarks.offsets[key] = opened.log.log_end_offset
        if key in directory.log_start_offsets.offsets:
            note_log_start(key, directory, opened.log)


def note_log_start(key: Partition, directory: LogDirectory, opened: SegmentedLog) -> None:
    """Where a log starts is to be written down, unless that is where its first segment does."""
    if opened.log_start_offset > opened.first_segment_offset:
        directory.log_start_offsets.put(key, opened.log_start_offset)
    else:
        directory.log_start_offsets.drop(key)
