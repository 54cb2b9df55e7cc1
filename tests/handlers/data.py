"""Batches and requests that the tests of the data handlers share."""

from __future__ import annotations

from typing import Any

from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record


def records(*values: bytes, timestamp: int = 1, **fields: Any) -> bytearray:
    """One batch of values without keys; timestamps count up from `timestamp`."""
    made = [Record(None, value, timestamp=timestamp + at) for at, value in enumerate(values)]
    return batch.build(made, **fields)


def values_in(data: memoryview | bytes | None) -> list[bytes | None]:
    """The values of all magic 2 batches."""
    buffer = memoryview(data or b"")
    return [
        record.value
        for position, header in batch.walk(buffer)
        for record in batch.records(buffer, position, header, 1 << 20)
    ]


def offsets_request(topic: str, timestamp: int, *, partition: int = 0, **fields: Any) -> ListOffsets.Request:
    """A ListOffsets of one partition."""
    asked = ListOffsets.Request.Topic
    return ListOffsets.Request(
        replica_id=fields.pop("replica_id", -1),
        isolation_level=fields.pop("isolation_level", 0),
        topics=[
            asked(
                name=topic,
                partitions=[asked.Partition(partition_index=partition, timestamp=timestamp, **fields)],
            )
        ],
    )
