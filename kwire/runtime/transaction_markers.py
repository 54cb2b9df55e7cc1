"""Carries out what a transaction coordinator has decided: a marker to every partition of the transaction.

Rules
- Markers are written under the leadership that the decision was loaded or made under, and not after it: the
  new coordinator loads the decision from the log and writes them all again, which is harmless. For one
  transactional id only the newest message is carried out: a shard that was loaded again gives another, and a
  marker of an older one might meet the producer's next transaction.
- A partition that cannot take its marker now is tried again: when the cluster's metadata change if it has no
  leader or too few replicas, else after a while. One that is deleted, or knows of a newer producer or
  coordinator, is left out.
- The machine is told of every partition that has its marker; with the last one it completes the transaction.
- While the coordinator's own log takes no records nothing is written anywhere: the decision would be loaded
  and carried out over and over.

Kafka: TransactionMarkerChannelManager, TransactionMarkerRequestCompletionHandler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import trio
from kwire_codecs.errors import ErrorCode

from kwire import failpoints
from kwire.coordinators.metadata.image import NO_LEADER
from kwire.coordinators.metadata.topic_names import CONSUMER_OFFSETS
from kwire.coordinators.outcome import Outcome, TransactionEnd
from kwire.coordinators.transactions.coordinator import TransactionCoordinator
from kwire.coordinators.transactions.records import TransactionRecord
from kwire.coordinators.transactions.state import TopicPartition
from kwire.coordinators.transactions.values import ProducerIdAndEpoch, WriteMarkers
from kwire.partitions.flushing import flush_to
from kwire.runtime.shard import Refused, Shard
from kwire.runtime.shards import Led
from kwire.runtime.soon import Soon, awaited
from kwire.runtime.transaction_host import TransactionHost

logger = logging.getLogger("kwire.runtime")

RETRY_MS = 100
"""A partition that could not take its marker is left alone for so long."""
RETRY_COMPLETION_MS = 1_000
"""A coordinator's log that could not take a record is left alone for so long."""
MARKERS_A_TURN = 50
TRANSACTIONS_A_TURN = 20
"""So many are carried out before others have their turn: a coordinator that loads may have very many."""

_LEFT_OUT = frozenset(
    (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.TRANSACTION_COORDINATOR_FENCED,
        ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    )
)
"""Kafka gives up the whole transaction when a partition knows a newer epoch, until its coordinator moves;
here the others complete it. Only forged markers bring a broker to that.
"""
_UNTIL_THE_CLUSTER_CHANGES = frozenset((ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.NOT_ENOUGH_REPLICAS))


class MarkerWriter:
    """Writes the markers of one cluster's transactions. `shard_of` gives the shard of a leadership, while it
    holds; `on_complete(transactional_id)` is called when a transaction is complete.
    """

    def __init__(
        self,
        host: TransactionHost,
        shard_of: Callable[[Led], Shard[TransactionCoordinator] | None],
        on_complete: Callable[[str], None],
    ) -> None:
        self._host = host
        self._shard_of = shard_of
        self._on_complete = on_complete
        self._newest: dict[str, WriteMarkers] = {}
        """Transactional id -> what is being carried out for it."""
        self._turns = trio.Semaphore(TRANSACTIONS_A_TURN)
        self._resting: dict[trio.Event, None] = {}
        self._not_before_ms: dict[int, int] = {}
        """Coordinator partitions whose log did not take a completion, and when to try again."""

    def image_changed(self) -> None:
        """The cluster's metadata are others: what could not be written is tried again."""
        resting, self._resting = self._resting, {}
        for event in resting:
            event.set()

    async def write(self, led: Led, message: WriteMarkers) -> None:
        """Until every partition has its marker and the transaction is complete, or the coordinator moves."""
        transactional_id = message.transactional_id
        self._newest[transactional_id] = message
        try:
            await self._write(led, message)
        except Exception:
            logger.exception("the transaction of %r could not be completed", transactional_id)
        finally:
            if self._newest.get(transactional_id) is message:
                del self._newest[transactional_id]

    def _wanted_by(self, led: Led, message: WriteMarkers) -> Shard[TransactionCoordinator] | None:
        """The shard that is to be told of the markers, as long as they are to be written."""
        return self._shard_of(led) if self._newest.get(message.transactional_id) is message else None

    async def _write(self, led: Led, message: WriteMarkers) -> None:
        producer = ProducerIdAndEpoch(message.producer_id, message.producer_epoch)
        left: Sequence[TopicPartition] = message.partitions
        while await self._may_complete(led, message):
            async with self._turns:
                written, left, waits_for_change = await self._to_partitions(led, message, left)
            shard = self._wanted_by(led, message)
            if shard is None:
                return
            if written or not left:
                complete = await shard.run(_told(message.transactional_id, producer, written))
                if isinstance(complete, Refused):
                    # Its shard loads again, and gives the message again.
                    now_ms = self._host.clock.now_ms()
                    self._not_before_ms[led.index] = now_ms + RETRY_COMPLETION_MS
                    return
                if complete:
                    self._on_complete(message.transactional_id)
                    return
            await self._rest(None if waits_for_change else RETRY_MS)

    async def _may_complete(self, led: Led, message: WriteMarkers) -> bool:
        """Waits until the coordinator's log takes records; False when another has taken over."""
        while self._wanted_by(led, message) is not None:
            wait_ms = self._not_before_ms.get(led.index, 0) - self._host.clock.now_ms()
            if wait_ms > 0:
                await self._rest(wait_ms)
            elif led.partition.is_under_min_isr:
                await self._rest(None)
            else:
                self._not_before_ms.pop(led.index, None)
                return True
        return False

    async def _to_partitions(
        self, led: Led, message: WriteMarkers, partitions: Iterable[TopicPartition]
    ) -> tuple[list[TopicPartition], list[TopicPartition], bool]:
        """Those that are done, those that are not, and whether only a change of the cluster helps them."""
        done: list[TopicPartition] = []
        left: list[TopicPartition] = []
        waits_for_change = True
        for number, partition in enumerate(partitions, 1):
            if not number % MARKERS_A_TURN:
                await trio.lowlevel.checkpoint()
            if self._wanted_by(led, message) is None:
                break
            error_code = await awaited(self._to_partition(led, message, partition))
            if not error_code or error_code in _LEFT_OUT:
                done.append(partition)
                if error_code and error_code is not ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                    logger.warning(
                        "%s-%d takes no marker of producer %d in epoch %d: %s",
                        *partition,
                        message.producer_id,
                        message.producer_epoch,
                        error_code.message,
                    )
            else:
                left.append(partition)
                waits_for_change = waits_for_change and error_code in _UNTIL_THE_CLUSTER_CHANGES
        return done, left, waits_for_change

    def _to_partition(self, led: Led, message: WriteMarkers, partition: TopicPartition) -> Soon[ErrorCode]:
        found = self._host.reach(*partition)
        if isinstance(found, ErrorCode):
            return found
        if found.leader_id == NO_LEADER:
            return ErrorCode.LEADER_NOT_AVAILABLE
        producer_id, producer_epoch, is_commit = message[1:4]
        if partition.topic == CONSUMER_OFFSETS:
            marker = TransactionEnd(producer_id, producer_epoch, led.leader_epoch, is_commit)
            return self._host.groups.end_transaction(partition.partition, marker, message.transaction_version)
        failpoints.reach("before a marker")
        error_code = found.end_transaction(
            producer_id,
            producer_epoch,
            led.leader_epoch,
            is_commit=is_commit,
            transaction_version=message.transaction_version,
        )
        failpoints.reach("after a marker")
        if not error_code and found.must_flush:
            return flush_to(found, found.log_end_offset)
        return error_code

    async def _rest(self, duration_ms: int | None) -> None:
        """Until the cluster's metadata change, or that time has passed."""
        event = trio.Event()
        self._resting[event] = None
        clock = self._host.clock
        timer = None if duration_ms is None else clock.schedule(clock.now_ms() + duration_ms, event.set)
        try:
            await event.wait()
        finally:
            self._resting.pop(event, None)
            if timer is not None:
                timer.cancel()


def _told(
    transactional_id: str, producer: ProducerIdAndEpoch, written: Sequence[TopicPartition]
) -> Callable[[TransactionCoordinator, int], Outcome[bool, TransactionRecord]]:
    return lambda machine, now_ms: machine.markers_written(transactional_id, producer, written, now_ms)
