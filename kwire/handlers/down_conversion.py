"""Fetch v0 to v3: what is stored as magic 2, answered as the message sets that these versions know (KIP-283).

Rules (Kafka 3.9's KafkaApis.maybeConvertFetchedData): v0 and v1 read magic 0, v2 and v3 magic 1; headers and
control batches are dropped; zstd cannot be expressed (UNSUPPORTED_COMPRESSION_TYPE). Up to v2 the partition's
limit is strict: the last message is cut, by which these clients learn that their buffer is too small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records.corrupt import CorruptBatch
from kwire_codecs.records.legacy import NotConvertible, convert_down
from kwire_codecs.wire import Chunks
from kwire_storage.engine import FileSlice

if TYPE_CHECKING:
    from kwire.broker.fetch_sessions import FetchedPartition

THREAD_ABOVE_BYTES = 256 * 1024
MAX_DECOMPRESSED_BYTES = 100 * 1024 * 1024

PartitionData = Fetch.Response.Topic.Partition


async def down_converted(
    version: int, answers: list[tuple[FetchedPartition, Any, int]]
) -> list[tuple[FetchedPartition, Any, int]]:
    """The same answers with records that a Fetch of `version` (0 to 3) may carry."""
    magic = 0 if version <= 1 else 1
    limited = version <= 2
    converted = []
    for asked, answer, size in answers:
        if size == 0:
            converted.append((asked, answer, size))
            continue
        arguments = (answer.records, magic, asked.fetch_offset)
        try:
            if size > THREAD_ABOVE_BYTES:
                records = await trio.to_thread.run_sync(_convert, *arguments)
            else:
                records = _convert(*arguments)
        except NotConvertible:
            refused = PartitionData(
                partition_index=asked.index,
                error_code=ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
                high_watermark=-1,
                records=None,
            )
            converted.append((asked, refused, 0))
            continue
        except CorruptBatch:
            refused = PartitionData(
                partition_index=asked.index,
                error_code=ErrorCode.CORRUPT_MESSAGE,
                high_watermark=-1,
                records=b"",
            )
            converted.append((asked, refused, 0))
            continue
        cut = memoryview(records)[: max(0, asked.max_bytes)] if limited else memoryview(records)
        answer = PartitionData(
            partition_index=asked.index,
            error_code=ErrorCode.NONE,
            high_watermark=answer.high_watermark,
            records=cut,
        )
        converted.append((asked, answer, len(cut)))
    return converted


def _convert(records: memoryview | Chunks, magic: int, first_offset: int) -> bytearray:
    if isinstance(records, Chunks):
        whole = bytearray()
        for part in records.parts:
            if isinstance(part, FileSlice):
                whole += part.read()
            else:
                assert isinstance(part, memoryview)
                whole += part
        records = memoryview(whole)
    return convert_down(records, magic, first_offset, MAX_DECOMPRESSED_BYTES)
