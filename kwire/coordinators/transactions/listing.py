"""What is told of transactional ids: DescribeTransactions and ListTransactions (KIP-664)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import STATE_NAMES, Partitions, TransactionMetadata
from kwire.coordinators.transactions.values import DescribedTransaction, ListedTransaction


def describe(
    transactional_id: str, metadata: TransactionMetadata, partitions: Partitions
) -> DescribedTransaction:
    """One id, with these partitions."""
    return DescribedTransaction(
        ErrorCode.NONE,
        transactional_id,
        STATE_NAMES[metadata.state],
        metadata.timeout_ms,
        metadata.start_timestamp_ms,
        metadata.producer_id,
        metadata.producer_epoch,
        tuple(partitions),
    )


def matching(
    transactions: Mapping[str, TransactionMetadata],
    producer_ids: Collection[int],
    states: Collection[str] | None,
    duration_ms: int,
    now_ms: int,
) -> list[ListedTransaction]:
    """The ids that pass every filter; one that is empty, None or negative lets all through.

    :param states: names of states; None for no such filter, since names that mean nothing let none through.
    :param duration_ms: for how long a transaction must have been open. (Kafka counts from -1 where there is
        none.)
    """
    return [
        ListedTransaction(transactional_id, metadata.producer_id, STATE_NAMES[metadata.state])
        for transactional_id, metadata in transactions.items()
        if (not producer_ids or metadata.producer_id in producer_ids)
        and (states is None or STATE_NAMES[metadata.state] in states)
        and (duration_ms < 0 or now_ms - metadata.start_timestamp_ms > duration_ms)
    ]
