"""One batch in, what compaction leaves of it out; pure (Kafka: MemoryRecords.filterTo, Cleaner.cleanInto).

What stays
- the newest record of each key, as far as the offset map reaches, and everything behind that;
- tombstones until their batch's delete horizon, which is set by the first cleaning that meets them. A horizon
  stands in the place of the base timestamp, so that batch's records are encoded again (KIP-534);
- markers until nothing of their transaction is left, and then until a horizon of their own;
- the newest batch of each producer, without its records if need be: the log's memory of sequences and epochs;
  and the last batch of the stretch, so that it is known where that ended.

Other batches of which all records stay are given as they are, others with the bytes of those that stay.
"""

from collections.abc import Mapping, Sequence
from itertools import compress

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import compression as codecs
from kwire_codecs.records import spans
from kwire_codecs.records.batch import (
    APPEND_TIME,
    DELETE_HORIZON,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    NO_TIMESTAMP,
    BatchHeader,
    TimestampType,
)

from .mapping import LARGEST_BODY_BYTES
from .offset_map import OffsetMap
from .transactions import CleanedTransactions

_CODEC = 7


class Rewriter:
    """Goes through the batches of a log, in order, from its beginning.

    :param producers: of each active producer, the last offset of its newest batch and its epoch; -1 for the
        offset where only its last marker is known.
    :param end_offset: where the stretch that is cleaned ends.
    """

    def __init__(
        self,
        newest: OffsetMap,
        transactions: CleanedTransactions,
        producers: Mapping[int, tuple[int, int]],
        *,
        end_offset: int,
        now_ms: int,
        delete_retention_ms: int,
    ) -> None:
        self._newest = newest
        self._transactions = transactions
        self._producers = producers
        self._end_offset = end_offset
        self._now_ms = now_ms
        self._delete_retention_ms = delete_retention_ms
        self.records_kept = 0

    def rewrite(self, buffer: memoryview, header: BatchHeader) -> memoryview | bytearray | None:
        """What is left of a batch, `buffer` itself if that is all of it. Raises `CorruptBatch`."""
        horizon = header.delete_horizon
        is_past = horizon is not None and horizon <= self._now_ms
        if header.is_control:
            may_go = self._transactions.has_no_data(header, buffer)
            if not header.record_count or (may_go and is_past):
                return self._emptied(buffer, header)
            if may_go and horizon is None:
                return self._with_horizon(buffer, header, range(header.record_count))
            return self._whole(buffer, header)
        if self._transactions.is_aborted(header) or not header.record_count:
            return self._emptied(buffer, header)
        if header.base_offset >= self._newest.end_offset:
            return self._whole(buffer, header)
        count = header.record_count
        keeps: Sequence[int] | None = None
        if count == header.last_offset_delta + 1:
            keeps = self._newest.newest_in(header.base_offset, count)
        if keeps is not None:  # each has a value, and the batch was gone through a moment ago
            if 0 not in keeps:
                return self._whole(buffer, header)
            if 1 not in keeps:
                return self._emptied(buffer, header)
            data = record_batch.body(buffer, 0, header, LARGEST_BODY_BYTES)
            return self._thinned(header, data, spans.starts(data, count), keeps)
        data = record_batch.body(buffer, 0, header, LARGEST_BODY_BYTES)
        keys, starts, deltas, valueless = spans.scan(data, count, header.last_offset_delta)
        base = header.base_offset
        keeps = self._newest.newest(keys, [base + delta for delta in deltas])
        if valueless:
            if is_past:
                for place in valueless:
                    keeps[place] = False
            elif horizon is None and any(keeps[place] for place in valueless):
                return self._with_horizon(buffer, header, [place for place, keep in enumerate(keeps) if keep])
        if False not in keeps:
            return self._whole(buffer, header)
        if True not in keeps:
            return self._emptied(buffer, header)
        return self._thinned(header, data, starts, keeps)

    def _thinned(
        self, header: BatchHeader, data: bytes, starts: Sequence[int], keeps: Sequence[int]
    ) -> bytearray:
        """The batch with some of its records, those whose place in `keeps` is not 0."""
        places = list(compress(range(len(keeps)), keeps))
        self.records_kept += len(places)
        max_timestamp = header.max_timestamp
        if not header.attributes & APPEND_TIME:
            greatest = spans.greatest_timestamp_delta(data, [starts[place] for place in places])
            max_timestamp = header.base_timestamp + greatest
        payload = spans.join(data, starts, places)
        if header.attributes & _CODEC:
            payload = codecs.compress(header.attributes & _CODEC, payload)
        return _batch(header, payload, len(places), max_timestamp=max_timestamp)

    def _whole(self, buffer: memoryview, header: BatchHeader) -> memoryview:
        self.records_kept += header.record_count
        return buffer

    def _emptied(self, buffer: memoryview, header: BatchHeader) -> memoryview | bytearray | None:
        if not self._is_needed(header):
            return None
        if not header.record_count:
            return buffer
        attributes = header.attributes & ~(_CODEC | DELETE_HORIZON)
        return _batch(header, b"", 0, attributes=attributes, base_timestamp=NO_TIMESTAMP)

    def _is_needed(self, header: BatchHeader) -> bool:
        """Whether the batch stays though it has no records."""
        if header.next_offset == self._end_offset:
            return True
        if header.producer_id < 0:
            return False
        known = self._producers.get(header.producer_id)
        if known is None:
            return False
        last_offset, epoch = known
        if last_offset >= 0:
            return header.last_offset == last_offset
        return header.is_control and header.producer_epoch == epoch

    def _with_horizon(
        self, buffer: memoryview, header: BatchHeader, places: Sequence[int]
    ) -> memoryview | bytearray:
        """The records at `places`, in a batch that says when its tombstones or marker may go."""
        self.records_kept += len(places)
        records = record_batch.records(buffer, 0, header, LARGEST_BODY_BYTES)
        return record_batch.build(
            [records[place] for place in places],
            base_offset=header.base_offset,
            compression=header.attributes & _CODEC,
            timestamp_type=TimestampType.LOG_APPEND_TIME
            if header.attributes & APPEND_TIME
            else TimestampType.CREATE_TIME,
            append_time_ms=header.max_timestamp,
            producer_id=header.producer_id,
            producer_epoch=header.producer_epoch,
            base_sequence=header.base_sequence,
            leader_epoch=header.partition_leader_epoch,
            is_transactional=header.is_transactional,
            is_control=header.is_control,
            keep_offsets=True,
            last_offset=header.last_offset,
            delete_horizon=self._now_ms + self._delete_retention_ms,
        )


def _batch(
    header: BatchHeader,
    payload: bytes,
    count: int,
    *,
    attributes: int | None = None,
    base_timestamp: int | None = None,
    max_timestamp: int | None = None,
) -> bytearray:
    """A batch with another body, and what else is given; the rest of the header stays."""
    made = bytearray(HEADER_SIZE)
    made += payload
    length = len(made) - LOG_OVERHEAD
    changed = header._replace(batch_length=length, record_count=count, crc=0)
    if attributes is not None:
        changed = changed._replace(attributes=attributes)
    if base_timestamp is not None:
        changed = changed._replace(base_timestamp=base_timestamp)
    if max_timestamp is not None:
        changed = changed._replace(max_timestamp=max_timestamp)
    HEADER.pack_into(made, 0, *changed)
    record_batch.write_crc(made, 0, length)
    return made
