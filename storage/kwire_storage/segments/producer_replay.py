"""A log's producers, and the transaction indexes that have to be built, from snapshots and batches (Kafka:
UnifiedLog.rebuildProducerState, LogSegment.recover).

Only what lies behind a snapshot is read: the newest one, or where an index has to be built, the newest from
before its segment, because a transaction may have begun long before it was aborted. Batches below the log's
start that are still there count: who wrote them goes on from there, and would be out of order otherwise.
"""

from collections.abc import Sequence

from ..producer_state import ProducerState
from ..transaction_index import TransactionIndex
from .segment import Segment
from .snapshots import Snapshots


def rebuild(
    producers: ProducerState,
    segments: Sequence[Segment],
    snapshots: Snapshots,
    end_offset: int,
    now_ms: int,
    *,
    trust_absence: bool,
) -> None:
    """Make `producers` what they are at the log's end, and build those indexes of `segments` that are not
    known.

    :param trust_absence: no snapshot at all means that a clean stop found no producers to write down.
    """
    first_offset = segments[0].base_offset if segments else 0
    producers.clear(first_offset)
    trust_absence = trust_absence and not len(snapshots)
    snapshots.drop_above(end_offset)
    unknown = next((segment.base_offset for segment in segments if segment.transactions.is_unknown), None)
    at_most = end_offset if unknown is None else unknown
    if not snapshots.load_newest(producers, now_ms, at_most=at_most) and trust_absence and unknown is None:
        producers.end_offset = end_offset
    _replay(producers, segments, end_offset)
    producers.end_offset = end_offset


def build(segment: Segment, segments: Sequence[Segment], snapshots: Snapshots) -> TransactionIndex:
    """The transaction index of one of a log's `segments`, from the log."""
    producers = ProducerState()
    producers.clear(segments[0].base_offset)
    snapshots.load_newest(producers, 0, at_most=segment.base_offset)
    segment.transactions.must_be_built()
    _replay(producers, segments[: segments.index(segment) + 1], segment.end_offset)
    index = segment.transactions.entries(segment.end_offset)
    return index if index is not None else segment.transactions.start_over()


def _replay(producers: ProducerState, segments: Sequence[Segment], end_offset: int) -> None:
    """Take in what lies behind `producers.end_offset`."""
    start = producers.end_offset
    for segment in segments:
        if not start < segment.end_offset or start >= end_offset:
            continue
        _replay_segment(producers, segment, start)
        start = max(start, segment.end_offset)


def _replay_segment(producers: ProducerState, segment: Segment, start: int) -> None:
    index = None
    if segment.transactions.is_unknown and start <= segment.base_offset:
        index = segment.transactions.start_over()
    first = segment.find(start)
    if first is None:
        return
    for place, header in segment.headers(first.position):
        if header.producer_id < 0:
            continue
        buffer = segment.batch_bytes(place) if header.is_control else memoryview(b"")
        done = producers.append(header, buffer)
        if done is not None and index is not None and (aborted := done.aborted) is not None:
            index.append(aborted)
