"""What time brings: transactions that are open for too long, and transactional ids that nobody uses.

Nothing is timed one by one: all open transactions are looked at every
`transaction.abort.timed.out.transaction.cleanup.interval.ms`, all ids much more rarely.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from kwire.coordinators.outcome import CoordinatorRecord
from kwire.coordinators.transactions.ending import markers_of
from kwire.coordinators.transactions.records import TransactionRecord
from kwire.coordinators.transactions.state import (
    BUMPS_EPOCHS,
    IN_NO_TRANSACTION,
    NO_PRODUCER_ID,
    TransactionMetadata,
    check_transition,
    fenced,
)
from kwire.coordinators.transactions.values import AbortTimedOut

MOST_REMOVED_AT_ONCE: Final = 1_000


def abort_overdue(
    opened: Mapping[str, TransactionMetadata], transaction_version: int, now_ms: int
) -> tuple[list[TransactionRecord], list[object]]:
    """The records that abort what is overdue, and the messages: markers to be written, or that an abort takes
    a new producer id.

    :param transaction_version: the cluster's.
    """
    records: list[TransactionRecord] = []
    messages: list[object] = []
    for transactional_id, metadata in opened.items():
        if not metadata.is_overdue(now_ms):
            continue
        if transaction_version >= BUMPS_EPOCHS and metadata.is_exhausted:
            messages.append(AbortTimedOut(transactional_id, metadata.producer_id, metadata.producer_epoch))
            continue
        after = fenced(metadata, transaction_version, NO_PRODUCER_ID, now_ms)
        check_transition(metadata, after)
        records.append(CoordinatorRecord(transactional_id, after))
        messages.append(markers_of(transactional_id, after))
    return records, messages


def remove_unused(transactions: Mapping[str, TransactionMetadata], oldest_ms: int) -> list[TransactionRecord]:
    """Tombstones of ids in no transaction that were last used at `oldest_ms` or before, some at a time."""
    unused = (
        transactional_id
        for transactional_id, metadata in transactions.items()
        if metadata.state in IN_NO_TRANSACTION and metadata.last_update_timestamp_ms <= oldest_ms
    )
    return [
        CoordinatorRecord(transactional_id, None) for transactional_id in islice(unused, MOST_REMOVED_AT_ONCE)
    ]
