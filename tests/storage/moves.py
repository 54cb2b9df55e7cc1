"""Moving a log from one directory to another, as the broker goes about it, without a loop."""

import itertools
from pathlib import Path
from uuid import UUID

from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.directories.moving import LogMove
from kwire_storage.engine import LogConfig
from kwire_storage.files import Files
from kwire_storage.segments.log import SegmentedLog

from tests.storage.disks import TOPIC_ID

CONFIG = LogConfig(segment_bytes=400, index_interval_bytes=100)


_numbers = itertools.count(1 << 100)


def open_two(path: Path, files: Files | None = None) -> LogDirs:
    """A node with the directories `one` and `two`; no id comes twice, also after a restart."""
    return LogDirs(
        [str(path / "one"), str(path / "two")],
        node_id=1,
        new_uuid=lambda: UUID(int=next(_numbers)),
        files=files,
    )


def open_log(dirs: LogDirs, config: LogConfig = CONFIG) -> SegmentedLog:
    """The log that is moved; it begins in `one`."""
    return dirs.open("topic", 0, TOPIC_ID, config, directory_id=dirs.directory_ids[0])


def begin(dirs: LogDirs, number: int = 1) -> LogMove:
    """It is to go to the directory with that number."""
    dirs.moves.begin("topic", 0, dirs.directory_ids[number])
    move = dirs.moves.get("topic", 0)
    assert move is not None
    return move


def step(move: LogMove) -> bool:
    """A megabyte, or what there is; False when nothing is missing."""
    job = move.plan(0)
    if job is None:
        return False
    job.work()
    written = move.write(job, 0)
    if written is not None:
        written.work()
        move.commit(written)
    return True


def copy(move: LogMove) -> None:
    """All that there is now, and on the device."""
    while step(move):
        pass
    move.future.flush()


def finish(dirs: LogDirs) -> SegmentedLog:
    """The swap, and the end of the old place."""
    log = dirs.moves.finish("topic", 0, 0)
    left = dirs.moves.retiring("topic", 0)
    assert left is not None
    left.work()
    dirs.moves.retire(left)
    return log


def move_log(dirs: LogDirs, number: int = 1) -> SegmentedLog:
    """From beginning to end."""
    copy(begin(dirs, number))
    return finish(dirs)


def resume(dirs: LogDirs) -> LogMove:
    """What a start goes on with."""
    assert dirs.moves.interrupted() == [("topic", 0)]
    loaded = dirs.moves.load("topic", 0, 0)
    assert loaded is not None
    assert dirs.moves.resume("topic", 0, loaded)
    move = dirs.moves.get("topic", 0)
    assert move is not None
    return move
