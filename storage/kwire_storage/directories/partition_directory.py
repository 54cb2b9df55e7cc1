"""A partition's directory: whose it is (`partition.metadata`), how it is made, and set aside."""

import logging
from uuid import UUID

from .. import checkpoints
from ..alike import AlikeFiles
from ..checkpoints import BadCheckpoint
from ..files import storing
from ..segments import file_names
from .log_directory import LogDirectory, Partition

log = logging.getLogger("kwire.storage")


def topic_id_in(directory: LogDirectory, path: str) -> UUID | None:
    """The topic id that a partition's directory has; None where it is missing or not readable."""
    metadata = f"{path}/{file_names.PARTITION_METADATA}"
    with storing("reading", metadata):
        data = directory.files.read_file(metadata)
    if data is None:
        return None
    try:
        return checkpoints.decode_partition_metadata(data)
    except BadCheckpoint as bad:
        log.warning("%s is not readable: %s", metadata, bad)
        return None


def make(directory: LogDirectory, path: str, topic_id: UUID, alike: AlikeFiles) -> None:
    """Make a partition's directory and its `partition.metadata`, as far as they are missing."""
    metadata = f"{path}/{file_names.PARTITION_METADATA}"
    for checkpoint in (directory.recovery_points, directory.log_start_offsets, directory.cleaner_offsets):
        if checkpoint.is_changed:  # it may say something of a log of this name that is gone
            checkpoint.write(sync=False)
    with storing("making", path):
        try:
            directory.files.mkdir(path)
            is_nameless = True
        except FileExistsError:
            is_nameless = topic_id_in(directory, path) is None
        if is_nameless:
            alike.write(metadata, checkpoints.encode_partition_metadata(topic_id))


def set_aside(key: Partition, directory: LogDirectory, path: str, unique: UUID) -> None:
    """Give a partition's directory, which nobody knows whose it is, a name that nothing uses."""
    name = file_names.set_aside_directory(*key, file_names.STRAY_DIRECTORY, unique)
    log.warning("%s is set aside as %s; remove it if nobody misses it", path, name)
    with storing("renaming", path):
        directory.files.rename(path, directory.file(name))
