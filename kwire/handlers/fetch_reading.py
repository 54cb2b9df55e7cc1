"""What a Fetch reads: looks at partitions, and waits until there is enough.

Rules: a look at few partitions suspends nothing; at many it gives turns. A fetch without a session looks at
all that it names, each time, and waits on the lists of all of them. A session knows which of its partitions
may have a part in the answer, and is told of those that come to have one: nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import trio
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Chunks, Records
from kwire_storage.engine import LogRead

from kwire.broker.fetch_sessions import INITIAL_EPOCH, FetchedPartition, FetchSession
from kwire.handlers.context import Context
from kwire.handlers.near_replicas import FROM_FOLLOWERS_SINCE, NO_PREFERENCE, near_replicas
from kwire.handlers.turns import PARTITIONS_A_TURN, Turns
from kwire.partitions.partition import Partition
from kwire.partitions.waiting import CommittedWaiter, Waiter

READ_COMMITTED = 1
UNLIMITED = 2**31 - 1
ZSTD_SINCE = 10
"""The first version whose clients are taken to know zstd (KIP-110)."""

PartitionData = Fetch.Response.Topic.Partition
EpochEndOffset = PartitionData.DivergingEpoch
AbortedTransaction = PartitionData.AbortedTransaction
NOT_NAMED = PartitionData.CurrentLeader()
NOWHERE = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
_EMPTY = b""


class Round:
    """One look at partitions: an answer each, the bytes in them, and whether a reason not to wait was found.

    Partitions at rest have no answer.
    """

    __slots__ = ("answers", "changes", "left", "size", "urgent", "watched")

    def __init__(self, most_bytes: int, changes: int) -> None:
        self.answers: list[tuple[FetchedPartition, Any, int]] = []
        self.size = 0
        self.urgent = False
        self.watched: list[tuple[FetchedPartition, Partition]] = []
        """What was read, or could have been."""
        self.changes = changes
        """How far its session's count of changes was before."""
        self.left = most_bytes


class Reading:
    """What one request reads, and by which terms: all that it names, or what its session has not seen."""

    __slots__ = (
        "_epoch",
        "_leader_only",
        "_most_bytes",
        "_named",
        "_preferred_replica",
        "_read_committed",
        "_terms",
        "ctx",
        "request",
        "session",
    )

    def __init__(
        self,
        ctx: Context,
        request: Fetch.Request,
        session: FetchSession | None,
        named: list[FetchedPartition] | None,
    ) -> None:
        """`named` is None where the session knows."""
        self.ctx = ctx
        self.request = request
        self.session = session
        self._epoch = INITIAL_EPOCH if session is None else session.epoch
        self._named = named
        self._read_committed = request.isolation_level == READ_COMMITTED
        self._leader_only = ctx.version < FROM_FOLLOWERS_SINCE or request.replica_id >= 0
        self._preferred_replica = near_replicas(ctx, request)
        # The broker's own limit holds for every version (Kafka: KafkaApis.handleFetchRequest).
        self._most_bytes = ctx.cluster.fetch_max_bytes
        if ctx.version > 2 and request.max_bytes < self._most_bytes:
            self._most_bytes = request.max_bytes
        # None: what decides on an answer is more than partitions tell of, so all are looked at each time.
        self._terms = (
            (self._read_committed, self._leader_only)
            if ctx.version >= ZSTD_SINCE and self._preferred_replica is None
            else None
        )

    def partitions(self) -> list[FetchedPartition]:
        """Those that may have a part in the answer, in order."""
        if self._named is not None:
            return self._named
        assert self.session is not None
        return self.session.to_look_at(self._terms)

    @property
    def _min_bytes(self) -> int:
        """What is waited for: more than the limits let through is not."""
        return min(self.request.min_bytes, self._most_bytes)

    def must_wait(self, looked: Round) -> bool:
        """Whether the answer has to wait for more than was found."""
        return (
            self.request.max_wait_ms > 0
            and not looked.urgent
            and looked.size < self._min_bytes
            and (self._named is None or bool(self._named))
            and not self.ctx.node.stopping
        )

    async def wait(self, looked: Round) -> Round:
        """The look that has enough, or the last one within the time."""
        min_bytes = self._min_bytes
        deadline = trio.current_time() + self.request.max_wait_ms / 1000
        others_ran = True
        while True:
            missing = min_bytes - (self._available(looked) if min_bytes > 1 else looked.size)
            if missing <= 0:
                return looked
            waiter = CommittedWaiter(missing) if self._read_committed else Waiter(missing)
            if self._named is None:
                await self._wait_in_session(waiter, looked, deadline)
            else:
                for _, partition in looked.watched:
                    partition.watch(waiter)
                watched = looked.watched
                try:
                    if others_ran or len(self._named) >= PARTITIONS_A_TURN:
                        # Others had their turn after it looked (`at_once` is not of this task), or while it
                        # did: what came in between woke nobody.
                        others_ran = False
                        looked = await self.look_in_turns(self._named)
                        if looked.urgent or looked.size >= min_bytes:
                            return looked
                    await waiter.wait(self.ctx.cluster.fetch_deadlines, deadline)
                finally:
                    for _, partition in watched:
                        partition.unwatch(waiter)
            looked = await self.look_in_turns(self.partitions())
            if looked.urgent or looked.size >= min_bytes or not waiter.is_woken or self.ctx.node.stopping:
                return looked

    async def _wait_in_session(self, waiter: Waiter, looked: Round, deadline: float) -> None:
        session = self.session
        assert session is not None
        if session.epoch != self._epoch:
            # Another request goes on with it, or it has ended.
            waiter.left_with = session.in_order()
            waiter.wake()
        elif session.changes != looked.changes:
            waiter.wake()
        else:
            session.waiter = waiter
        try:
            await waiter.wait(self.ctx.cluster.fetch_deadlines, deadline)
        finally:
            if session.waiter is waiter:
                session.waiter = None
            if waiter.left_with is not None:
                self._named = waiter.left_with

    def _available(self, looked: Round) -> int:
        """How much there is to read, whatever the limit of the whole answer left out: what counts towards
        `min_bytes`, else a fetch would wait for what does not fit (Kafka's DelayedFetch.tryComplete).
        """
        available = 0
        for asked, partition in looked.watched:
            read = partition.read(asked.fetch_offset, UNLIMITED, read_committed=self._read_committed)
            if not isinstance(read, ErrorCode):
                available += min(read.size, max(0, asked.max_bytes))
        return available

    def look(self, partitions: Sequence[FetchedPartition]) -> Round:
        """Reads every partition once, within the limits (Kafka: ReplicaManager.readFromLog)."""
        looked = self._new_round()
        self._look_at(partitions, looked)
        return looked

    async def look_in_turns(self, partitions: Sequence[FetchedPartition]) -> Round:
        """`look`, with turns for the others where there are many."""
        looked = self._new_round()
        turns = Turns(self.ctx)
        for first in range(0, len(partitions), PARTITIONS_A_TURN):
            some = partitions[first : first + PARTITIONS_A_TURN]
            await turns.one_more(len(some))
            self._look_at(some, looked)
        return looked

    def _new_round(self) -> Round:
        return Round(self._most_bytes, 0 if self.session is None else self.session.changes)

    def _look_at(self, partitions: Sequence[FetchedPartition], looked: Round) -> None:
        ctx = self.ctx
        version, node_id, leader_only = ctx.version, ctx.node.id, self._leader_only
        read_committed, preferred_replica = self._read_committed, self._preferred_replica
        resting = self.session if self._named is None and self._terms is not None else None
        answers, watched = looked.answers, looked.watched
        topic: str | UUID | None = None
        name: str | None = None
        for asked in partitions:
            partition = asked.partition
            if partition is None or partition.is_gone:
                if asked.topic is not topic:
                    topic = asked.topic
                    name = ctx.cluster.topic_name(topic) if isinstance(topic, UUID) else topic
                found = self._reach(asked, name)
                if isinstance(found, ErrorCode):
                    answers.append((asked, _refused(asked, found), 0))
                    looked.urgent = True
                    continue
                partition = found
            refusal = partition.refusal_for(node_id, asked.current_leader_epoch, leader_only=leader_only)
            if refusal:
                answers.append((asked, _refused(asked, refusal, partition if version >= 16 else None), 0))
                looked.urgent = True
                continue
            if preferred_replica is not None:
                replica = preferred_replica(partition, asked.fetch_offset)
                if replica != NO_PREFERENCE:
                    answers.append((asked, _elsewhere(asked, partition, replica), 0))
                    looked.urgent = True
                    continue
            if version < ZSTD_SINCE and ctx.cluster.topic_config(partition.topic).compression_type == "zstd":
                # By the topic's setting, not by what its batches hold (Kafka:
                # KafkaApis.maybeConvertFetchedData).
                answers.append((asked, _refused(asked, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE), 0))
                looked.urgent = True
                continue
            if asked.last_fetched_epoch >= 0:
                diverging = _divergence(partition, asked)
                if diverging is not None:
                    answers.append((asked, diverging, 0))
                    looked.urgent = True
                    continue
            start, stable, high_watermark, end = partition.bounds()
            offset = asked.fetch_offset
            if partition.leader_id != node_id:
                own_end = partition.left_behind_at(node_id)
                if own_end is not None:
                    # A replica that was left behind: what lies above its end it does not have.
                    end = own_end
                    stable, high_watermark = min(stable, end), min(high_watermark, end)
            size = 0
            records: Records = _EMPTY
            aborted: list[PartitionData.AbortedTransaction] | None = [] if read_committed else None
            if start <= offset == end:
                if resting is not None and resting.comes_to_rest(asked, high_watermark, start):
                    continue
            else:
                read = (
                    ErrorCode.OFFSET_OUT_OF_RANGE
                    if offset > end
                    else partition.read_up_to(
                        stable if read_committed else high_watermark,
                        offset,
                        min(asked.max_bytes, looked.left),
                        not looked.size or (version <= 2 and looked.left > 0),
                    )
                )
                if isinstance(read, ErrorCode):
                    answers.append((asked, _refused(asked, read), 0))
                    looked.urgent = True
                    continue
                size = read.size
                if size:
                    looked.left = max(0, looked.left - size)
                    looked.size += size
                    parts = read.parts
                    records = (
                        parts[0]
                        if len(parts) == 1 and isinstance(parts[0], memoryview)
                        else Chunks(size, parts)
                    )
                if read_committed and offset < stable:
                    told = _aborted(partition, offset, read)
                    if isinstance(told, ErrorCode):
                        answers.append((asked, _refused(asked, told), 0))
                        looked.urgent = True
                        continue
                    aborted = told
            watched.append((asked, partition))
            answer = PartitionData(
                partition_index=asked.index,
                high_watermark=high_watermark,
                last_stable_offset=stable,
                log_start_offset=start,
                aborted_transactions=aborted,
                records=records,
            )
            answers.append((asked, answer, size))

    def _reach(self, asked: FetchedPartition, name: str | None) -> Partition | ErrorCode:
        """The partition of the topic that has this name, None where no topic has the id asked for."""
        if name is None:
            asked.follow(None)
            # Kafka keeps the name that an id once stood for, and then misses the topic, not the id.
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if asked.was_found else ErrorCode.UNKNOWN_TOPIC_ID
        asked.was_found = True
        found = self.ctx.cluster.reach(name, asked.index)
        if asked.session is not None:
            asked.follow(None if isinstance(found, ErrorCode) else found)
        return found


def _aborted(
    partition: Partition, offset: int, read: LogRead
) -> list[PartitionData.AbortedTransaction] | ErrorCode:
    """What a reader of committed data has to leave out of what was read for him."""
    found = partition.aborted_transactions(offset, read)
    if isinstance(found, ErrorCode):
        return found
    return [
        AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
        for aborted in found
    ]


def _refused(asked: FetchedPartition, error_code: ErrorCode, partition: Partition | None = None) -> Any:
    leader = NOT_NAMED
    if partition is not None and error_code in (
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.FENCED_LEADER_EPOCH,
    ):
        leader = PartitionData.CurrentLeader(
            leader_id=partition.leader_id, leader_epoch=partition.leader_epoch
        )
    return PartitionData(
        partition_index=asked.index,
        error_code=error_code,
        high_watermark=-1,
        last_stable_offset=-1,
        log_start_offset=-1,
        # Kafka writes an empty list where it never came to reading, null where reading failed.
        aborted_transactions=[] if error_code in NOWHERE else None,
        records=_EMPTY,
        current_leader=leader,
    )


def _elsewhere(asked: FetchedPartition, partition: Partition, replica: int) -> Any:
    """The answer of a leader whose reader is nearer to another replica: it shall read from that one."""
    return _without_records(asked, partition, preferred_read_replica=replica)


def _divergence(partition: Partition, asked: FetchedPartition) -> Any | None:
    """The answer to a reader whose log has left ours (KIP-595): where its last fetched epoch ends here."""
    found = partition.epoch_end_offset(asked.last_fetched_epoch)
    if found is None:
        return _refused(asked, ErrorCode.OFFSET_OUT_OF_RANGE)
    epoch, end_offset = found
    if epoch >= asked.last_fetched_epoch and end_offset >= asked.fetch_offset:
        return None
    diverging = EpochEndOffset(epoch=epoch, end_offset=end_offset)
    return _without_records(asked, partition, diverging_epoch=diverging)


def _without_records(asked: FetchedPartition, partition: Partition, **what_else: Any) -> Any:
    """An answer that sends the reader on, with the partition's offsets as they are."""
    return PartitionData(
        partition_index=asked.index,
        error_code=ErrorCode.NONE,
        high_watermark=partition.high_watermark,
        last_stable_offset=partition.last_stable_offset,
        log_start_offset=partition.log_start_offset,
        aborted_transactions=None,
        records=_EMPTY,
        **what_else,
    )
