"""Transactions in one partition, as the transaction coordinator has them written, without one."""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode
from kwire_storage.produce_rules import ProduceRules

from kwire.partitions.partition import Partition
from kwire.server.launch import Running
from tests.handlers.data import records

RULES = ProduceRules(timestamp_after_max_ms=1 << 60)


def partition_of(running: Running, topic: str = "t", index: int = 0) -> Partition:
    """The open partition."""
    found = running.cluster.partition(topic, index)
    assert found is not None
    return found


async def begin(
    partition: Partition, producer_id: int, *values: bytes, sequence: int = 0, timestamp: int = 1
) -> int:
    """A batch of a transaction, or with another sequence more of it; gives its offset."""
    data = records(
        *(values or (b"v",)),
        timestamp=timestamp,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=sequence,
        is_transactional=True,
    )
    appended = await partition.append(memoryview(data), RULES, verified=True)
    assert not appended.error_code, appended
    return appended.base_offset


def end(partition: Partition, producer_id: int, *, commit: bool) -> int:
    """The marker; gives its offset."""
    offset = partition.log_end_offset
    error_code = partition.end_transaction(producer_id, 0, 0, is_commit=commit, transaction_version=0)
    assert error_code == ErrorCode.NONE
    return offset
