"""When the last segment of a log is full or old, so that an append begins a new one (Kafka:
LogSegment.shouldRoll).
"""

from dataclasses import dataclass
from zlib import crc32

from kwire_codecs.records.batch import HEADER_SIZE

from ..engine import LogConfig
from . import offset_index, time_index
from .offset_index import MAX_RELATIVE_OFFSET
from .segment import Segment

LARGEST_SEGMENT_BYTES = 0x7FFFFFFF  # positions in an index are 32 bits


@dataclass(frozen=True, slots=True)
class Room:
    """An append is within it if it leaves `segment` no larger than `size`, up to `last_offset`, with no
    timestamp above `timestamp`: nothing more need be asked.
    """

    segment: Segment
    size: int
    last_offset: int
    timestamp: int


def is_due(
    segment: Segment, config: LogConfig, size: int, last_offset: int, newest_timestamp: int, now_ms: int
) -> bool:
    """Whether an append of `size` bytes up to `last_offset` must go into a new segment."""
    if not _has_room(segment, config, size, last_offset):
        return True
    waited_ms = _waited_ms(segment, now_ms, newest_timestamp) if segment.size else 0
    return waited_ms > _most_ms(segment, config)


def room(segment: Segment, config: LogConfig) -> Room | None:
    """Of the appends for which no new segment is due, those that can be told at once; None where that depends
    on the clock.
    """
    first_timestamp = segment.first_timestamp()
    if first_timestamp < 0:
        return None
    indexes = segment.indexes
    entries = config.segment_index_bytes // time_index.ENTRY_BYTES - 2
    entries -= max(len(indexes.offsets), len(indexes.times))
    size = min(config.segment_bytes, LARGEST_SEGMENT_BYTES, segment.size + entries * HEADER_SIZE)
    last_offset = segment.base_offset + MAX_RELATIVE_OFFSET
    return Room(segment, size, last_offset, first_timestamp + _most_ms(segment, config))


def _has_room(segment: Segment, config: LogConfig, size: int, last_offset: int) -> bool:
    if last_offset - segment.base_offset > MAX_RELATIVE_OFFSET or segment.size + size > LARGEST_SEGMENT_BYTES:
        return False
    if not segment.size:
        return True
    if segment.size > config.segment_bytes - size:
        return False
    # The time index keeps room for the entry that it gets when the segment is sealed.
    indexes, most_bytes = segment.indexes, config.segment_index_bytes
    offsets_full = len(indexes.offsets) >= most_bytes // offset_index.ENTRY_BYTES
    times_full = len(indexes.times) >= most_bytes // time_index.ENTRY_BYTES - 1
    return not (offsets_full or times_full)


def _waited_ms(segment: Segment, now_ms: int, newest_timestamp: int) -> int:
    """How long a segment has been in use, by the records' time: from its first batch to `newest_timestamp`.

    By the broker's time when its records have none. Kafka: LogSegment.timeWaitedForRoll.
    """
    first_timestamp = segment.first_timestamp()
    if first_timestamp >= 0:
        return newest_timestamp - first_timestamp
    return now_ms - segment.created_ms


def _most_ms(segment: Segment, config: LogConfig) -> int:
    """The longest that a segment is in use.

    Kafka draws a random number for the jitter. One made from the name spreads the rolls of many partitions as
    well, and is the same again after a restart.
    """
    limit = min(config.segment_jitter_ms, config.roll_ms)
    jitter_ms = crc32(segment.log_path.encode()) % limit if limit > 0 else 0
    return config.roll_ms - jitter_ms
