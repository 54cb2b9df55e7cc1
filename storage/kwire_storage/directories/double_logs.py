"""A log that lies in two directories, because a move was interrupted: which of them counts."""

from collections.abc import Callable
from uuid import UUID

from ..engine import StorageError
from ..segments import file_names
from .log_directory import METADATA_LOG, LogDirectory, Partition
from .partition_directory import set_aside, topic_id_in


def may_be_one(key: Partition, one: LogDirectory, other: LogDirectory) -> bool:
    """Whether an interrupted move may have left a log in two directories. A loss of power may have taken what
    one of them says of itself, which is synced when it is to take another's place, not when it is made.
    """
    return key != METADATA_LOG and len(_topic_ids(key, one, other)) == 1


def _topic_ids(key: Partition, *directories: LogDirectory) -> set[UUID]:
    name = file_names.partition_directory(*key)
    return {topic_id for each in directories if (topic_id := topic_id_in(each, each.file(name))) is not None}


def keep_one(
    key: Partition,
    one: LogDirectory,
    other: LogDirectory,
    assigned: Callable[[UUID, int], UUID | None],
    unique: UUID,
) -> LogDirectory:
    """The directory in which the log counts, as the metadata have it `assigned`; what lies in the other is
    set aside. StorageError where they name neither.
    """
    name = file_names.partition_directory(*key)
    topic_ids = _topic_ids(key, one, other)
    where = assigned(topic_ids.pop(), key[1]) if len(topic_ids) == 1 else None
    if where not in (one.directory_id, other.directory_id):
        raise StorageError(
            f"{one.file(name)} and {other.file(name)} are both there, and the metadata name neither: "
            "move one of them away"
        )
    chosen, left = (one, other) if where == one.directory_id else (other, one)
    set_aside(key, left, left.file(name), unique)
    left.logs -= 1
    for checkpoint in left.checkpoints:
        checkpoint.drop(key)
    return chosen
