"""Every file name of a log directory, in one place (Kafka: LogFileUtils, LogManager, UnifiedLog).

<log dir>/.lock  meta.properties  .kafka_cleanshutdown  *-checkpoint
<log dir>/<topic>-<partition>/<20-digit base offset>.log .index .timeindex .txnindex .snapshot
                              leader-epoch-checkpoint  partition.metadata
<log dir>/<topic>-<partition>.<32 hex digits>-delete    about to be removed
<log dir>/<topic>-<partition>.<32 hex digits>-stray     set aside: nobody knows whose it is
<log dir>/<topic>-<partition>.<32 hex digits>-future    on its way to this directory
"""

import re
from uuid import UUID

LOG = ".log"
OFFSET_INDEX = ".index"
TIME_INDEX = ".timeindex"
TRANSACTION_INDEX = ".txnindex"
SEGMENT_SUFFIXES = (LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX)
SNAPSHOT = ".snapshot"
DELETED = ".deleted"
CLEANED = ".cleaned"
SWAP = ".swap"
TEMPORARY = ".tmp"
DAMAGED = ".damaged"

LEADER_EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"

LOCK = ".lock"
META_PROPERTIES = "meta.properties"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
RECOVERY_POINTS = "recovery-point-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
LOG_START_OFFSETS = "log-start-offset-checkpoint"
CLEANER_OFFSETS = "cleaner-offset-checkpoint"

DELETE_DIRECTORY = "-delete"
STRAY_DIRECTORY = "-stray"
FUTURE_DIRECTORY = "-future"
LONGEST_NAME = 255

_SEGMENT_FILE = re.compile(r"(\d{20})(\.log|\.index|\.timeindex|\.txnindex|\.snapshot)")
_PARTITION = re.compile(r"([A-Za-z0-9._-]{1,249})-(0|[1-9][0-9]{0,9})")
_FUTURE = re.compile(r"(.+)\.[0-9a-f]{32}-future")


def segment_file(base_offset: int, suffix: str) -> str:
    """`00000000000000000042.log` for 42 and LOG."""
    return f"{base_offset:020d}{suffix}"


def parse_segment_file(name: str) -> tuple[int, str] | None:
    """The base offset and suffix of a file that belongs to a log, None for any other name."""
    match = _SEGMENT_FILE.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def is_leftover(name: str) -> bool:
    """Whether a file is what an interrupted change of a log left behind, by its whole name: what only ends
    like one is somebody else's.
    """
    for ending in (DELETED, TEMPORARY):
        stem = name.removesuffix(ending)
        if stem != name:
            return parse_segment_file(stem) is not None or stem in (LEADER_EPOCHS, PARTITION_METADATA)
    return False


def partition_directory(topic: str, partition: int) -> str:
    """The name of a partition's directory."""
    return f"{topic}-{partition}"


def parse_partition_directory(name: str) -> tuple[str, int] | None:
    """Topic and partition of a directory's name, None for one that is no partition in use."""
    if name.endswith((DELETE_DIRECTORY, STRAY_DIRECTORY, FUTURE_DIRECTORY)):
        return None
    match = _PARTITION.fullmatch(name)
    if match is None or int(match[2]) > 0x7FFFFFFF:
        return None
    return match[1], int(match[2])


def set_aside_directory(topic: str, partition: int, suffix: str, unique: UUID) -> str:
    """The name that a partition's directory gets before it is removed, or because it belongs to nobody."""
    tail = f"-{partition}.{unique.hex}{suffix}"
    return topic[: LONGEST_NAME - len(tail)] + tail


def future_directory(topic: str, partition: int, unique: UUID) -> str:
    """The name of a partition's directory while it is on its way; ValueError where that is too long."""
    name = f"{topic}-{partition}.{unique.hex}{FUTURE_DIRECTORY}"
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{name} is longer than {LONGEST_NAME} characters")
    return name


def parse_future_directory(name: str) -> tuple[str, int] | None:
    """Topic and partition of a log on its way, None for any other name."""
    match = _FUTURE.fullmatch(name)
    return parse_partition_directory(match[1]) if match is not None else None
