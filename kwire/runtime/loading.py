"""Replays a shard's log into its machine, a little at a time.

Many shards load when a broker starts, while it serves clients already: after every `RECORDS_A_TURN` records,
about a millisecond's work, the others have their turn, and the shards that share a lock load one after the
other. Records of a producer's batches are replayed as that producer's, and markers end its transaction.
(Kafka: CoordinatorLoaderImpl.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, control
from kwire_codecs.records.batch import CONTROL, HEADER_SIZE, LOG_OVERHEAD
from kwire_codecs.records.record import only_record

from kwire.runtime.journal import RecordFormat, ShardLog
from kwire.runtime.machine import Replayed

READ_BYTES = 1 << 20
"""How much of the log is read at once."""

RECORDS_A_TURN = 200

MAX_DECOMPRESSED_BYTES = 64 << 20
_COMPRESSION = 7
"""The bits of a batch's attributes that name a codec."""


class Loaded(NamedTuple):
    """How far loading has come. Records that are passed over are of kinds that the machine does not know:
    another program's, which stay in the log.
    """

    record_count: int
    end_offset: int
    passed_over: int = 0


async def load(
    log: ShardLog, machine: Replayed[Any], records: RecordFormat[Any], is_wanted: Callable[[], bool]
) -> Loaded:
    """Replay the log to its end, or until it is not wanted any more.

    :raises ValueError: where the log or a record can't be read, CorruptBatch as well; and whatever the
        machine raises.
    """
    offset = log.start_offset
    count = passed_over = 0
    left = RECORDS_A_TURN
    from_bytes = records.from_bytes
    replay_transactional = getattr(machine, "replay_transactional", None)
    end_transaction = getattr(machine, "replay_transaction_end", None)
    replay_usual = machine.replay
    while offset < log.end_offset and is_wanted():
        read = await log.read(offset, READ_BYTES)
        if isinstance(read, ErrorCode):
            raise ValueError(f"its log can't be read at offset {offset}: {read.message}")
        next_offset = offset
        for part in read:
            data = bytes(part)  # of which pieces are cut faster than of a view
            for position, header in batch.walk(data):
                # Many batches have but one record: properties and calls would double the time.
                base_offset, length, _, _, _, attributes, delta, _, _, producer_id, _, _, record_count = (
                    header
                )
                next_offset = base_offset + delta + 1
                if next_offset <= offset:
                    continue
                if attributes & CONTROL:
                    if end_transaction is not None:
                        for is_commit in _ends(data, position, header):
                            end_transaction(producer_id, is_commit)
                    continue
                only = None
                if record_count == 1 and base_offset >= offset and not attributes & _COMPRESSION:
                    only = only_record(data, position + HEADER_SIZE, position + length + LOG_OVERHEAD)
                pairs = _pairs(data, position, header, offset) if only is None else (only,)
                replay = replay_usual
                if producer_id >= 0 and replay_transactional is not None:
                    replay = partial(replay_transactional, producer_id)
                for key, value in pairs:
                    decoded = from_bytes(key, value)
                    if decoded is not None:
                        replay(decoded)
                        count += 1
                    else:
                        passed_over += 1
                    left -= 1
                    if not left:
                        left = RECORDS_A_TURN
                        await trio.lowlevel.checkpoint()
                        if not is_wanted():
                            return Loaded(count, offset, passed_over)
        if next_offset == offset:
            break
        offset = next_offset
        await trio.lowlevel.checkpoint()
    return Loaded(count, offset, passed_over)


def _pairs(
    data: bytes, position: int, header: batch.BatchHeader, offset: int
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Key and value of each record of a batch that is not below `offset`."""
    body = batch.body(data, position, header, MAX_DECOMPRESSED_BYTES)
    for key, value, _, _, record_offset in batch.decode_body(body, header):
        if record_offset >= offset:
            yield key, value


def _ends(part: bytes, position: int, header: batch.BatchHeader) -> list[bool]:
    """The transactions that a control batch ends: whether they were committed. One, unless compaction has
    emptied the batch.
    """
    found = batch.records(part, position, header, MAX_DECOMPRESSED_BYTES)
    markers = [control.decode_marker(record) for record in found]
    return [marker.committed for marker in markers if marker is not None]
