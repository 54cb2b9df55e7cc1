"""The one error that leaves the record formats: bytes that are not what they claim to be."""

from enum import Enum


class Reason(Enum):
    """Why bytes were refused; the caller chooses the wire error code by it."""

    LENGTH = "length"  # a size field out of bounds, or fewer bytes than it promises
    MAGIC = "magic"  # a format version other than the one asked for
    CRC = "crc"
    COUNT = "count"  # record count and offset deltas contradict each other
    RECORD = "record"  # a record's own fields do not add up
    COMPRESSION = "compression"  # unknown codec, or a stream that does not decompress
    TOO_LARGE = "too large"  # it would decompress beyond the caller's bound


class CorruptBatch(Exception):
    """Raised for bytes that are no valid batch, message set or record.

    `position` is the byte in the buffer where the faulty batch begins.
    """

    def __init__(self, reason: Reason, detail: str, position: int = 0) -> None:
        super().__init__(f"{detail} (at byte {position})")
        self.reason = reason
        self.detail = detail
        self.position = position
