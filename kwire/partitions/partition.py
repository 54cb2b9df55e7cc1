"""A partition as everyone above storage sees it: append, read, wait, leadership, the ends of transactions.

Rules: there is one `Partition` object a partition of the cluster, whatever the number of its replicas; a
replica is a cursor over the one log (`replicas.py`). `append` completes without suspending for a local log
of ordinary batches, unless these would wait for the disk, but no caller may assume so. Expected refusals are
error codes in the results; `StorageError` from the engine becomes KAFKA_STORAGE_ERROR and one log line.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import (
    LogRead,
    OffsetOutOfRange,
    PartitionLog,
    StorageError,
)
from kwire_storage.producer_state import Origin, Verification
from kwire_storage.transaction_index import AbortedTransaction
from kwire_storage.write_pressure import LARGE_BYTES

from kwire.coordinators.metadata.image import NO_LEADER, PartitionImage
from kwire.coordinators.metadata.partition_changes import RECOVERING
from kwire.coordinators.metadata.topic_names import is_internal
from kwire.partitions import appending, markers, waiting
from kwire.partitions.append_result import AppendResult
from kwire.partitions.flushing import Flushing
from kwire.partitions.replicas import ReplicaCursors, too_few_in_sync

if TYPE_CHECKING:
    from kwire.partitions.waiting import Watcher

__all__ = ["AppendResult", "Origin", "Partition"]

logger = logging.getLogger("kwire.partitions")

NO_ERROR = ErrorCode.NONE
NEVER = (1 << 63) - 1


class Partition:
    """One partition. `leader_id`, `leader_epoch` and `replicas` follow the cluster image; -1 is no leader."""

    __slots__ = (
        "_cursors",
        "flush_messages",
        "flush_ms",
        "flushing",
        "held_at",
        "index",
        "is_internal",
        "leader_epoch",
        "leader_id",
        "log",
        "now_ms",
        "replicas",
        "topic",
        "topic_id",
        "waiters",
        "writing",
    )

    def __init__(
        self,
        topic: str,
        topic_id: UUID,
        index: int,
        log: PartitionLog,
        now_ms: Callable[[], int],
        *,
        state: PartitionImage,
        min_isr: int = 1,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.index = index
        self.is_internal = is_internal(topic)
        """Whether the topic is one of the broker's own, which clients do not write to."""
        self.log = log
        self.now_ms = now_ms
        self.leader_id = state.leader
        self.leader_epoch = state.leader_epoch
        self.replicas: Sequence[int] = state.replicas
        self.waiters: dict[Watcher, None] = {}  # in the order in which they came
        self.writing: trio.Event | None = None
        """There while a thread writes an append: the next one follows it."""
        self.flush_messages = NEVER
        """So many records that are not on the device make an append wait for it."""
        self.flush_ms = NEVER
        """Records are on the device after so long, if `Housekeeping` has its way."""
        self.flushing = Flushing(log, now_ms())
        self._cursors = ReplicaCursors()
        self.held_at: int | None = None
        """Where the high watermark stands while fewer replicas than min.insync.replicas are in sync."""
        if state.leader >= 0:
            log.epochs.assign(state.leader_epoch, log.log_end_offset)
        self.follow(state, min_isr=min_isr)

    def __repr__(self) -> str:
        return f"{self.topic}-{self.index}"

    @property
    def log_start_offset(self) -> int:
        return self.log.log_start_offset

    @property
    def log_end_offset(self) -> int:
        return self.log.log_end_offset

    @property
    def high_watermark(self) -> int:
        """What consumers may read up to: the log's end, since replicas in sync have all of it; where it stood
        when the partition came to have fewer in sync than it must (Kafka: Partition.isUnderMinIsr).
        """
        return self.log.log_end_offset if self.held_at is None else self.held_at

    def takes(self, node_id: int, acks: int, size: int) -> bool:
        """Whether nothing speaks against a client's append of `size` bytes on this node now, nor makes it a
        long one: a partition's first batch makes its files, a large one may have to wait for the disk, and
        any where the topic is flushed often.
        """
        return (
            self.leader_id == node_id
            and node_id in self.replicas
            and not self.is_internal
            and (acks != -1 or self.held_at is None)
            and self.writing is None
            and self.log.log_end_offset > 0
            and self.flush_messages == NEVER
            and (size < LARGE_BYTES or not self.log.waits_for_disk)
        )

    @property
    def is_under_min_isr(self) -> bool:
        """Whether fewer replicas are in sync than min.insync.replicas wants."""
        return self.held_at is not None

    @property
    def last_stable_offset(self) -> int:
        """What read_committed consumers may read up to."""
        return self.bounds()[1]

    def left_behind_at(self, node_id: int) -> int | None:
        """Where a node's replica ends that is out of sync; None for one that has the whole log."""
        return self._cursors.left_behind_at(node_id)

    def refusal_for(self, node_id: int, current_leader_epoch: int, *, leader_only: bool = True) -> ErrorCode:
        """NONE, or why this node does not serve a client that believes in `current_leader_epoch` (-1: no
        belief).

        As Kafka: whether the node has a replica at all, Partition.checkCurrentLeaderEpoch, then leadership.
        """
        if node_id not in self.replicas:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        if current_leader_epoch >= 0 and current_leader_epoch != self.leader_epoch:
            if current_leader_epoch < self.leader_epoch:
                return ErrorCode.FENCED_LEADER_EPOCH
            return ErrorCode.UNKNOWN_LEADER_EPOCH
        if leader_only and node_id != self.leader_id:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return NO_ERROR

    @property
    def must_flush(self) -> bool:
        """Whether `flush.messages` wants what was appended on the device before anyone is told: then
        `flushing.flush_to`, or `flush_all`.
        """
        log = self.log
        return self.flush_messages != NEVER and log.log_end_offset - log.recovery_point >= self.flush_messages

    # Appending

    append = appending.append
    append_batches = appending.append_batches
    append_usual = appending.append_usual

    # Transactions

    def has_open_transaction(self, producer_id: int, producer_epoch: int) -> bool:
        """Whether the producer has begun a transaction here, in this epoch, that has not ended."""
        return self.log.producers.has_open_transaction(producer_id, producer_epoch)

    def start_verification(
        self, producer_id: int, producer_epoch: int, base_sequence: int, *, supports_epoch_bump: bool
    ) -> Verification | ErrorCode | None:
        """To be called before the transaction coordinator is asked about a batch; what it gives is handed to
        `append` as `verified`. None: the transaction is open, nobody needs to be asked.

        :param supports_epoch_bump: the client knows transaction version 2 (Produce 12 and later).
        """
        return self.log.producers.start_verification(
            producer_id,
            producer_epoch,
            base_sequence,
            supports_epoch_bump=supports_epoch_bump,
            now_ms=self.now_ms(),
        )

    def end_transaction(
        self,
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        *,
        is_commit: bool,
        transaction_version: int,
    ) -> ErrorCode:
        """Writes a marker, and tells readers who waited for it. NONE, or why none was written:
        NOT_LEADER_OR_FOLLOWER where nobody leads, NOT_ENOUGH_REPLICAS, KAFKA_STORAGE_ERROR (all of which
        pass); INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED (for good).
        """
        return markers.write(
            self, producer_id, producer_epoch, coordinator_epoch, is_commit, transaction_version
        )

    def aborted_transactions(self, offset: int, found: LogRead) -> list[AbortedTransaction] | ErrorCode:
        """What a reader of committed data must be told with what has just been read for him at `offset`: the
        aborted transactions that have a part in it, and some that come later.
        """
        log = self.log
        if not log.has_aborted:
            return []
        try:
            return log.aborted_transactions(offset, log.bound_behind(offset, found))
        except StorageError as error:
            if not error.is_told:
                logger.error("reading the aborted transactions of %s failed: %s", self, error)
            return ErrorCode.KAFKA_STORAGE_ERROR

    # Reading

    def bounds(self) -> tuple[int, int, int, int]:
        """Where the log starts, where its stable part ends, the high watermark, and where the log ends."""
        log = self.log
        end = log.log_end_offset
        high_watermark = end if self.held_at is None else self.held_at
        start, stable = log.log_start_offset, log.producers.first_undecided_offset
        if stable is None or stable > high_watermark:
            stable = high_watermark
        elif stable < start:  # what the transaction began with was deleted
            stable = start
        return start, stable, high_watermark, end

    def read(
        self,
        offset: int,
        max_bytes: int,
        *,
        read_committed: bool = False,
        at_least_one: bool = True,
        end: int | None = None,
    ) -> LogRead | ErrorCode:
        """Whole batches from the one that holds `offset`, up to the high watermark or last stable offset.

        `end` is where the replica that is read from ends, if it was left behind (`left_behind_at`).
        """
        readable = self.last_stable_offset if read_committed else self.high_watermark
        if end is not None:
            if offset > end:
                return ErrorCode.OFFSET_OUT_OF_RANGE
            readable = min(end, readable)
        return self.read_up_to(readable, offset, max_bytes, at_least_one)

    def read_up_to(
        self, end: int, offset: int, max_bytes: int, at_least_one: bool = True
    ) -> LogRead | ErrorCode:
        """Whole batches from the one that holds `offset`, up to `end`: one of the `bounds`, or below."""
        try:
            return self.log.read(offset, max_bytes, max_offset=end, at_least_one=at_least_one)
        except OffsetOutOfRange:
            return ErrorCode.OFFSET_OUT_OF_RANGE
        except StorageError as error:
            if not error.is_told:
                logger.error("read of %s at offset %d failed: %s", self, offset, error)
            return ErrorCode.KAFKA_STORAGE_ERROR

    def advance_log_start(self, offset: int) -> None:
        """Makes records below `offset` unreadable; readers that wait there are told. It outlives a crash once
        `LogDirectories.save_log_starts` has been called.
        """
        if offset > self.log.log_start_offset:
            self.log.advance_log_start(offset)
            self.wake_all()

    def epoch_end_offset(self, epoch: int) -> tuple[int, int] | None:
        """The largest epoch not above `epoch` and where it ended; None when the log knows nothing of it."""
        found = self.log.epochs.end_offset_for(epoch, self.log.log_end_offset)
        return None if found[0] < 0 or found[1] < 0 else found

    def follow(self, state: PartitionImage, *, min_isr: int) -> None:
        """Takes over what the cluster image says of this partition; waiting readers look again after a
        change.

        A leader from outside the ISR has the log up to its cursor only: what lies above is cut off.

        :param min_isr: the topic's min.insync.replicas.
        """
        log = self.log
        self.replicas = state.replicas
        moved = state.leader != self.leader_id or state.leader_epoch != self.leader_epoch
        if moved:
            cursor = self._cursors.left_behind_at(state.leader)
            if state.leader_recovery_state == RECOVERING and cursor is not None:
                self._lose(cursor)
            self.leader_id = state.leader
            self.leader_epoch = state.leader_epoch
            if state.leader >= 0:
                log.epochs.assign(state.leader_epoch, log.log_end_offset)
        self._cursors.follow(state, log.log_end_offset)
        is_under = too_few_in_sync(state, min_isr)
        was_under = self.held_at is not None
        if state.leader == NO_LEADER:
            is_under = was_under  # the high watermark stays where the last leader left it
        self.held_at = min(self.high_watermark, log.log_end_offset) if is_under else None
        if moved or (was_under and not is_under):
            self.wake_all()
        else:
            for waiter in self.waiters:
                waiter.stir()

    @property
    def is_gone(self) -> bool:
        """Whether its topic was deleted."""
        return not self.replicas

    def gone(self) -> None:
        """The topic is deleted: nobody leads, and waiting readers are told."""
        self.replicas = ()
        self.leader_id = NO_LEADER
        self.wake_all()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Within, clients' appends wait; what coordinators append does not."""
        while self.writing is not None:
            await self.writing.wait()
        self.writing = event = trio.Event()
        try:
            yield
        finally:
            event.set()
            self.writing = None

    def moved(self, log: PartitionLog) -> None:
        """Its log is this one from now on, which holds the same; within `paused`, while no sync is made."""
        self.log = log
        self.flushing.follow(log)

    def offline(self) -> None:
        """Its log directory has failed: nobody leads until the next start, and waiting readers look again."""
        self.leader_id = NO_LEADER
        self.wake_all()

    def _lose(self, offset: int) -> None:
        if offset >= self.log.log_end_offset:
            return
        logger.warning(
            "%s: an unclean election cuts the log from %d to %d", self, self.log.log_end_offset, offset
        )
        try:
            self.log.truncate_to(offset)
        except StorageError as error:
            logger.error("cutting %s to offset %d failed, its records stay: %s", self, offset, error)

    def watch(self, waiter: Watcher) -> None:
        """Puts a reader, or what a session reads, on the waiting list; it must `unwatch` whatever happens."""
        self.waiters[waiter] = None

    def unwatch(self, waiter: Watcher) -> None:
        self.waiters.pop(waiter, None)

    @property
    def readers_waiting(self) -> int:
        """How many fetches wait for what comes."""
        return sum(waiter.is_waiting for waiter in self.waiters)

    def wake_all(self) -> None:
        """Something other than new records changed: every waiting reader looks again."""
        waiting.wake_all(self.waiters)
