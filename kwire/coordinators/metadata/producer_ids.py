"""Producer ids, given to brokers in blocks (Kafka: ProducerIdControlManager), unique for all time.

A block counts as used as soon as its record is written, so an id is never given out twice, whatever is lost.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kwire.coordinators.outcome import Outcome

from . import records as m
from .image import ClusterImage

BLOCK_SIZE: Final = 1000
MAX_PRODUCER_ID: Final = (1 << 63) - 1


class ProducerIdBlock(NamedTuple):
    """The ids `first` to `first + size - 1`."""

    first: int
    size: int


class ProducerIdsExhausted(Exception):
    """No block of ids is left (after nine quintillion of them)."""


def next_block(image: ClusterImage, broker_id: int) -> Outcome[ProducerIdBlock, m.Record]:
    """Give a broker the next block.

    :raises ProducerIdsExhausted: there is none.
    """
    first = image.next_producer_id
    if first > MAX_PRODUCER_ID - BLOCK_SIZE:
        raise ProducerIdsExhausted(
            f"the next producer id would be {first}; a block of {BLOCK_SIZE} does not fit"
        )
    broker = image.brokers.get(broker_id)
    epoch = -1 if broker is None else broker.epoch
    record = m.producer_ids_record(broker_id, epoch, first + BLOCK_SIZE)
    return Outcome(ProducerIdBlock(first, BLOCK_SIZE), [record])
