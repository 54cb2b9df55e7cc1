"""Fetch v0 to v3: what is stored as magic 2, answered as the message sets that these versions know (KIP-283).

Rules (Kafka 3.9's KafkaApis.maybeConvertFetchedData): v0 and v1 read magic 0, v2 and v3 magic 1; headers and
control batches are dropped; zstd cannot be expressed (UNSUPPORTED_COMPRESSION_TYPE). Up to v2 the partition's
limit is strict: the last message is cut, by which these clients learn that their buffer is too small.

Where nothing of what was read can be told (control batches, records below the offset), the log is read on
behind it: a client of these versions that gets nothing asks for the same offset for ever. Kafka sends it part
of a message instead, which some of them take for a message that is too large.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.corrupt import CorruptBatch
from kwire_codecs.records.legacy import NotConvertible, convert_down
from kwire_codecs.wire import Buffer, Chunks, Records
from kwire_storage.engine import FileSlice, StorageError

from kwire.partitions.threads import decode_in_thread

if TYPE_CHECKING:
    from kwire.broker.fetch_sessions import FetchedPartition
    from kwire.partitions.partition import Partition

logger = logging.getLogger("kwire.handlers")

MAX_DECOMPRESSED_BYTES = 100 * 1024 * 1024

PartitionData = Fetch.Response.Topic.Partition


async def down_converted(
    version: int,
    answers: list[tuple[FetchedPartition, Any, int]],
    partition_of: Callable[[FetchedPartition], Partition | ErrorCode],
) -> list[tuple[FetchedPartition, Any, int]]:
    """The same answers with records that a Fetch of `version` (0 to 3) may carry."""
    magic = 0 if version <= 1 else 1
    converted = []
    for asked, answer, size in answers:
        if size == 0:
            converted.append((asked, answer, size))
            continue
        refusal = ErrorCode.NONE
        records = bytearray()
        try:
            records = await _told(asked, answer.records, magic, partition_of)
        except NotConvertible:
            refusal = ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        except CorruptBatch:
            refusal = ErrorCode.CORRUPT_MESSAGE
        except StorageError as error:
            logger.error("read of %s-%d failed: %s", asked.topic, asked.index, error)
            refusal = ErrorCode.KAFKA_STORAGE_ERROR
        if refusal:
            refused = PartitionData(
                partition_index=asked.index,
                error_code=refusal,
                high_watermark=-1,
                records=None if refusal is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE else b"",
            )
            converted.append((asked, refused, 0))
            continue
        cut = memoryview(records)[: max(0, asked.max_bytes)] if version <= 2 else memoryview(records)
        answer = PartitionData(
            partition_index=asked.index,
            error_code=ErrorCode.NONE,
            high_watermark=answer.high_watermark,
            records=cut,
        )
        converted.append((asked, answer, len(cut)))
    return converted


async def _told(
    asked: FetchedPartition,
    records: Records,
    magic: int,
    partition_of: Callable[[FetchedPartition], Partition | ErrorCode],
) -> bytearray:
    """What was read as a message set; where that is nothing, what follows it; nothing at the log's end."""
    while True:
        # However small: a few KB may decompress to a million records, each of which is built anew.
        told, behind = await decode_in_thread(_convert, records, magic, asked.fetch_offset)
        if told:
            return told
        partition = partition_of(asked)
        if isinstance(partition, ErrorCode):
            return told
        read = partition.read(behind, asked.max_bytes)
        if isinstance(read, ErrorCode) or not read.size:
            return told
        records = Chunks(read.size, read.parts)


def _convert(records: Records, magic: int, first_offset: int) -> tuple[bytearray, int]:
    """The message set, and the offset behind the batches that it was made from."""
    whole = _in_memory(records)
    behind = first_offset
    for _, header in record_batch.walk(whole, allow_partial_end=True):
        behind = header.base_offset + header.last_offset_delta + 1
    return convert_down(whole, magic, first_offset, MAX_DECOMPRESSED_BYTES), behind


def _in_memory(records: Records) -> Buffer:
    if not isinstance(records, Chunks):
        return records
    whole = bytearray()
    for part in records.parts:
        assert isinstance(part, FileSlice | memoryview)
        whole += part.read() if isinstance(part, FileSlice) else part
    return whole
