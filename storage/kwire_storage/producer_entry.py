"""One producer as a log knows it (Kafka: ProducerStateEntry, BatchMetadata)."""

from collections.abc import Sequence
from typing import NamedTuple

from kwire_codecs.records.batch import NO_PRODUCER_EPOCH, NO_SEQUENCE

INT32_MAX = 0x7FFFFFFF
NOT_KNOWN = -2
"""No batch has this sequence."""


class WrittenBatch(NamedTuple):
    """What is remembered of one of a producer's batches."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp_ms: int

    @property
    def base_sequence(self) -> int:
        return (self.last_sequence - self.offset_delta) & INT32_MAX

    @property
    def base_offset(self) -> int:
        return self.last_offset - self.offset_delta


class ProducerEntry:
    """One producer. `transaction_first_offset` is -1 when it has no transaction open; `coordinator_epoch` is
    that of its last marker, -1 where there was none.
    """

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "epoch",
        "last_timestamp_ms",
        "next_sequence",
        "producer_id",
        "transaction_first_offset",
    )

    def __init__(
        self,
        producer_id: int,
        epoch: int = NO_PRODUCER_EPOCH,
        coordinator_epoch: int = -1,
        last_timestamp_ms: int = -1,
        transaction_first_offset: int = -1,
        batches: list[WrittenBatch] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.coordinator_epoch = coordinator_epoch
        self.last_timestamp_ms = last_timestamp_ms
        self.transaction_first_offset = transaction_first_offset
        self.batches: list[WrittenBatch] = [] if batches is None else batches
        self.next_sequence = next_sequence(self.batches)
        """As the function says; kept, since nearly every batch has it. NOT_KNOWN also while a verification is
        under way: then there is more to be asked of a batch.
        """

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    @property
    def last_offset(self) -> int:
        """That of its newest record which is remembered, -1 if none is."""
        return self.batches[-1].last_offset if self.batches else -1

    def copy(self) -> "ProducerEntry":
        """Another one, as this is now."""
        return ProducerEntry(
            self.producer_id,
            self.epoch,
            self.coordinator_epoch,
            self.last_timestamp_ms,
            self.transaction_first_offset,
            list(self.batches),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProducerEntry):
            return NotImplemented
        compared = [name for name in self.__slots__ if name != "next_sequence"]
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    def __repr__(self) -> str:
        return f"ProducerEntry({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value in tests


def next_sequence(batches: Sequence[WrittenBatch]) -> int:
    """The sequence after the newest batch's, where none of the batches can be one that begins with it;
    NOT_KNOWN where sequences wrapped or went back.
    """
    if not batches:
        return NOT_KNOWN
    newest = batches[-1].last_sequence
    ascend = all(0 <= written.base_sequence <= written.last_sequence <= newest for written in batches)
    return newest + 1 if ascend else NOT_KNOWN
