"""A partition as everyone above storage sees it: append, read, wait, leadership.

Rules: there is one `Partition` object a partition of the cluster, whatever the number of its replicas; a
replica is a cursor over the one log: at its end while it is in sync, left behind where it went out of the
ISR. `append` completes without suspending for a local log of ordinary batches, unless these would wait for
the disk, but no caller may assume so. Batches get their offsets and leader epoch here, in place, in the
order of the appends. Expected refusals are error codes in the results; `StorageError` from the engine becomes
KAFKA_STORAGE_ERROR and one log line.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import LOG_OVERHEAD, PLACE, TRANSACTIONAL, BatchHeader, new_tuple
from kwire_storage.engine import LogRead, OffsetOutOfRange, PartitionLog, StorageError, total_size
from kwire_storage.producer_state import Duplicate
from kwire_storage.validation import (
    Fields,
    ProduceRules,
    Refusal,
    ValidBatch,
    accept_usual,
    takes_long,
    validate,
)
from kwire_storage.write_pressure import LARGE_BYTES

from kwire.coordinators.metadata.image import NO_LEADER, PartitionImage
from kwire.coordinators.metadata.partition_changes import RECOVERING
from kwire.coordinators.metadata.topic_names import is_internal
from kwire.partitions.threads import decode_in_thread, write_in_thread

if TYPE_CHECKING:
    from kwire.partitions.waiting import Watcher

logger = logging.getLogger("kwire.partitions")

NO_ERROR = ErrorCode.NONE
place_in = PLACE.pack_into


class Origin(enum.Enum):
    """Who appends: a client's batches are validated, a coordinator's are our own."""

    CLIENT = enum.auto()
    COORDINATOR = enum.auto()


class AppendResult(NamedTuple):
    """What an append came to. `base_offset` is -1 on an error; `log_append_time_ms` is -1 under
    CreateTime.
    """

    error_code: ErrorCode
    base_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    error_message: str | None = None
    record_errors: Sequence[tuple[int, str | None]] = ()
    last_offset: int = -1


class Partition:
    """One partition. `leader_id`, `leader_epoch` and `replicas` follow the cluster image; -1 is no leader."""

    __slots__ = (
        "_cursors",
        "_held_at",
        "_waiters",
        "_writing",
        "index",
        "is_internal",
        "leader_epoch",
        "leader_id",
        "log",
        "now_ms",
        "replicas",
        "topic",
        "topic_id",
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
        self._waiters: dict[Watcher, None] = {}  # in the order in which they came
        self._writing: trio.Event | None = None
        """There while a thread writes an append: the next one follows it."""
        self._cursors: dict[int, int] = {}
        """Where the replicas that are not in sync went out of the ISR."""
        self._held_at: int | None = None
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
        return self.log.log_end_offset if self._held_at is None else self._held_at

    def takes(self, node_id: int, acks: int, size: int) -> bool:
        """Whether nothing speaks against a client's append of `size` bytes on this node now, nor makes it a
        long one: a partition's first batch makes its files, a large one may have to wait for the disk.
        """
        return (
            self.leader_id == node_id
            and node_id in self.replicas
            and not self.is_internal
            and (acks != -1 or self._held_at is None)
            and self._writing is None
            and self.log.log_end_offset > 0
            and (size < LARGE_BYTES or not self.log.waits_for_disk)
        )

    @property
    def is_under_min_isr(self) -> bool:
        """Whether fewer replicas are in sync than min.insync.replicas wants."""
        return self._held_at is not None

    @property
    def last_stable_offset(self) -> int:
        """What read_committed consumers may read up to."""
        first_unstable = self.log.producers.first_undecided_offset
        end = self.high_watermark
        return end if first_unstable is None else min(first_unstable, end)

    def left_behind_at(self, node_id: int) -> int | None:
        """Where a node's replica ends that is out of sync; None for one that has the whole log."""
        return self._cursors.get(node_id)

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

    async def append(self, records: memoryview, rules: ProduceRules) -> AppendResult:
        """Appends what a Produce request carries for this partition.

        `records` is writable: offsets, epoch and, under LogAppendTime, timestamps are set in place.
        """
        now_ms = self.now_ms()
        checked: list[ValidBatch] | Refusal | None = accept_usual(records, rules, now_ms)
        if checked is None:
            if takes_long(records, rules, now_ms):
                leader = (self.leader_id, self.leader_epoch)
                checked = await decode_in_thread(validate, records, rules, now_ms)
                if leader != (self.leader_id, self.leader_epoch):
                    # The topic went, or its leader moved, meanwhile.
                    return AppendResult(ErrorCode.NOT_LEADER_OR_FOLLOWER)
            else:
                checked = validate(records, rules, now_ms)
        if isinstance(checked, Refusal):
            return AppendResult(
                checked.error_code,
                error_message=checked.message,
                record_errors=checked.record_errors,
                log_start_offset=self.log.log_start_offset if checked.with_log_start_offset else -1,
            )
        leader = (self.leader_id, self.leader_epoch)
        while self._writing is not None:
            await self._writing.wait()
        if leader != (self.leader_id, self.leader_epoch):
            return AppendResult(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if total_size(checked) >= LARGE_BYTES and self.log.waits_for_disk:
            return await self._append_in_thread(checked, rules, now_ms)
        return self.append_batches(checked, rules, now_ms)

    def append_batches(
        self,
        batches: Sequence[ValidBatch],
        rules: ProduceRules,
        now_ms: int | None = None,
        origin: Origin = Origin.CLIENT,
    ) -> AppendResult:
        """Appends validated batches in one write: sequences checked, offsets and epoch stamped, waiters
        woken.
        """
        log = self.log
        if self._held_at is not None and origin is Origin.COORDINATOR:
            # Coordinators write with acks=-1.
            return AppendResult(ErrorCode.NOT_ENOUGH_REPLICAS)
        if not batches:
            # Only a Produce of version 0 to 2 may carry nothing; Kafka says so with an offset of -1.
            return AppendResult(ErrorCode.NONE, log_start_offset=log.log_start_offset)
        if now_ms is None:
            now_ms = self.now_ms()
        first_offset = log.log_end_offset
        placed = self._stamped(batches, now_ms, origin)
        if isinstance(placed, AppendResult):
            return placed
        stamped, size, end_offset = placed
        append_time_ms = batches[-1].header.max_timestamp if rules.log_append_time else -1
        return self._write(stamped, now_ms, size, first_offset, end_offset - 1, append_time_ms)

    def _stamped(
        self, batches: Sequence[ValidBatch], now_ms: int, origin: Origin
    ) -> tuple[list[ValidBatch], int, int] | AppendResult:
        """The batches with the offsets and the epoch that they get, their size, and where the log ends then;
        or what speaks against them.
        """
        log = self.log
        offset, size = log.log_end_offset, 0
        leader_epoch = self.leader_epoch
        producers = log.producers
        stamped = []
        for data, header in batches:
            if header.attributes & TRANSACTIONAL and origin is Origin.CLIENT:
                # No transaction can be open while there is no transaction coordinator.
                return AppendResult(ErrorCode.INVALID_TXN_STATE, log_start_offset=log.log_start_offset)
            if header.producer_id >= 0:
                verdict = producers.check(header, now_ms)
                if verdict is not None:
                    return self._refused(verdict)
            header = record_batch.place(data, header, offset, leader_epoch)
            stamped.append(new_tuple(ValidBatch, (data, header)))
            offset += header.last_offset_delta + 1
            size += len(data)
        return stamped, size, offset

    async def _append_in_thread(
        self, batches: Sequence[ValidBatch], rules: ProduceRules, now_ms: int
    ) -> AppendResult:
        """As `append_batches`, for a client's batches that would make the loop wait for the disk."""
        log, leader = self.log, (self.leader_id, self.leader_epoch)
        first_offset = log.log_end_offset
        placed = self._stamped(batches, now_ms, Origin.CLIENT)
        if isinstance(placed, AppendResult):
            return placed
        stamped, size, end_offset = placed
        self._writing = trio.Event()
        try:
            job = log.plan_append(stamped, now_ms)
            stays = False
            try:
                with trio.CancelScope(shield=True):
                    await write_in_thread(job.work)
                stays = leader == (self.leader_id, self.leader_epoch)
            finally:
                log.commit_append(job, keep=stays)
        except StorageError as error:
            logger.error("append of %d bytes to %s failed: %s", size, self, error)
            return AppendResult(ErrorCode.KAFKA_STORAGE_ERROR)
        finally:
            self._writing.set()
            self._writing = None
        if not stays:
            return AppendResult(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if self._waiters:
            self._arrived(size)
        return AppendResult(
            NO_ERROR,
            first_offset,
            batches[-1].header.max_timestamp if rules.log_append_time else -1,
            log.log_start_offset,
            last_offset=end_offset - 1,
        )

    def append_usual(self, records: memoryview, fields: Fields, now_ms: int) -> AppendResult:
        """As `append_batches`, for one batch of a client's, in no transaction, that keeps its times: `fields`
        are what `usual_fields` found.
        """
        log = self.log
        offset, leader_epoch = log.log_end_offset, self.leader_epoch
        _, length, _, magic, crc, attributes, delta, base_time, max_time, producer_id, epoch, first, count = (
            fields
        )
        header = new_tuple(
            BatchHeader,
            (
                offset,
                length,
                leader_epoch,
                magic,
                crc,
                attributes,
                delta,
                base_time,
                max_time,
                producer_id,
                epoch,
                first,
                count,
            ),
        )
        if producer_id >= 0:
            verdict = log.producers.check(header, now_ms)
            if verdict is not None:
                return self._refused(verdict)
        place_in(records, 0, offset, length, leader_epoch)
        batch = new_tuple(ValidBatch, (records, header))
        return self._write([batch], now_ms, length + LOG_OVERHEAD, offset, offset + delta, -1)

    def _write(
        self,
        stamped: Sequence[ValidBatch],
        now_ms: int,
        size: int,
        first_offset: int,
        last_offset: int,
        append_time_ms: int,
    ) -> AppendResult:
        """Appends what may be appended, and tells who waits for it."""
        log = self.log
        try:
            log.append(stamped, now_ms)
        except StorageError as error:
            logger.error("append of %d bytes to %s failed: %s", size, self, error)
            return AppendResult(ErrorCode.KAFKA_STORAGE_ERROR)
        if self._waiters:
            self._arrived(size)
        return new_tuple(
            AppendResult,
            (NO_ERROR, first_offset, append_time_ms, log.log_start_offset, None, (), last_offset),
        )

    def _refused(self, verdict: Duplicate | ErrorCode) -> AppendResult:
        """The answer to a batch that the producer's other batches speak against."""
        log_start_offset = self.log.log_start_offset
        if not isinstance(verdict, Duplicate):
            return AppendResult(verdict, log_start_offset=log_start_offset)
        return AppendResult(
            ErrorCode.NONE,
            verdict.base_offset,
            # Kafka tells the batch's time here under CreateTime too.
            verdict.timestamp_ms,
            log_start_offset,
            last_offset=verdict.last_offset,
        )

    def bounds(self) -> tuple[int, int, int, int]:
        """Where the log starts, where its stable part ends, the high watermark, and where the log ends."""
        log = self.log
        end = log.log_end_offset
        high_watermark = end if self._held_at is None else self._held_at
        stable = log.producers.first_undecided_offset
        if stable is None or stable > high_watermark:
            stable = high_watermark
        return log.log_start_offset, stable, high_watermark, end

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
            logger.error("read of %s at offset %d failed: %s", self, offset, error)
            return ErrorCode.KAFKA_STORAGE_ERROR

    def advance_log_start(self, offset: int) -> None:
        """Makes records below `offset` unreadable; readers that wait there are told. StorageError when it
        can't be kept.
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
            cursor = self._cursors.get(state.leader, log.log_end_offset)
            if state.leader_recovery_state == RECOVERING and cursor < log.log_end_offset:
                self._lose(cursor)
            self.leader_id = state.leader
            self.leader_epoch = state.leader_epoch
            if state.leader >= 0:
                log.epochs.assign(state.leader_epoch, log.log_end_offset)
        self._cursors = {
            replica: min(self._cursors.get(replica, log.log_end_offset), log.log_end_offset)
            for replica in state.replicas
            if replica not in state.isr
        }
        # Kafka does not hold a topic to more replicas than it has (Partition.effectiveMinIsr).
        is_under = len(state.isr) < min(min_isr, len(state.replicas))
        was_under = self._held_at is not None
        if state.leader == NO_LEADER:
            is_under = was_under  # the high watermark stays where the last leader left it
        self._held_at = min(self.high_watermark, log.log_end_offset) if is_under else None
        if moved or (was_under and not is_under):
            self.wake_all()
        else:
            for waiter in self._waiters:
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

    def _lose(self, offset: int) -> None:
        logger.warning(
            "%s: an unclean election cuts the log from %d to %d", self, self.log.log_end_offset, offset
        )
        try:
            self.log.truncate_to(offset)
        except StorageError as error:
            logger.error("cutting %s to offset %d failed, its records stay: %s", self, offset, error)

    def watch(self, waiter: Watcher) -> None:
        """Puts a reader, or what a session reads, on the waiting list; it must `unwatch` whatever happens."""
        self._waiters[waiter] = None

    def unwatch(self, waiter: Watcher) -> None:
        self._waiters.pop(waiter, None)

    @property
    def readers_waiting(self) -> int:
        """How many fetches wait for what comes."""
        return sum(waiter.is_waiting for waiter in self._waiters)

    def wake_all(self) -> None:
        """Something other than new records changed: every waiting reader looks again."""
        for waiter in tuple(self._waiters):
            waiter.wake()

    def _arrived(self, size: int) -> None:
        for waiter in tuple(self._waiters):
            waiter.arrived(size)
