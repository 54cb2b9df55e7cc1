"""Incremental fetch sessions (KIP-227): a client names its partitions once, then only what changes.

Rules, as Kafka's FetchSession.scala: a request with epoch 0 asks for a session, -1 for none (and ends the one
it names); any other epoch must be the session's next. The session remembers what its client was last told of
each partition, and an answer holds only partitions with records, errors or news. Partitions that had records
go to the end of the order, so that one busy partition does not starve the rest. A full cache of sessions in
use declines new ones: session id 0, and the client goes on without. So it does when the sessions of a node
hold `MAX_PARTITIONS` between them, of which Kafka has no bound: a session that would grow beyond that ends,
and its client begins anew.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kwire_codecs.errors import ErrorCode

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
MAX_EPOCH = 2**31 - 1
MAX_PARTITIONS = 500_000
"""A partition takes about 300 bytes."""

PartitionKey = tuple[str | UUID, int]
"""A topic's name (versions before 13) or id, and the partition's index."""


@dataclass(slots=True)
class FetchedPartition:
    """What a client asked of a partition, and what it was last told of it."""

    topic: str | UUID
    index: int
    fetch_offset: int
    max_bytes: int
    current_leader_epoch: int = -1
    last_fetched_epoch: int = -1
    told_high_watermark: int = -1
    told_log_start_offset: int = -1
    was_found: bool = False
    """Whether its topic id has stood for a topic since the session or the request began."""

    @property
    def key(self) -> PartitionKey:
        return (self.topic, self.index)


class FetchSession:
    """One client's session: its partitions in order, and the epoch that its next request must carry."""

    __slots__ = ("epoch", "id", "partitions", "used_at_ms", "uses_topic_ids")

    def __init__(self, session_id: int, uses_topic_ids: bool, now_ms: int) -> None:
        self.id = session_id
        self.epoch = next_epoch(INITIAL_EPOCH)
        self.uses_topic_ids = uses_topic_ids
        self.used_at_ms = now_ms
        self.partitions: dict[PartitionKey, FetchedPartition] = {}

    def update(self, named: Iterable[FetchedPartition], forgotten: Iterable[PartitionKey]) -> None:
        """Adds or changes the named partitions and drops the forgotten ones."""
        partitions = self.partitions
        for partition in named:
            known = partitions.get(partition.key)
            if known is None:
                partitions[partition.key] = partition
            else:
                known.fetch_offset = partition.fetch_offset
                known.max_bytes = partition.max_bytes
                known.current_leader_epoch = partition.current_leader_epoch
                known.last_fetched_epoch = partition.last_fetched_epoch
        for key in forgotten:
            partitions.pop(key, None)

    def news(self, partition: FetchedPartition, answer: Any, size: int) -> bool:
        """Whether an incremental answer must hold this partition; notes what the client is told by it."""
        told = size > 0
        # Another request of the session, on another connection, may have dropped it while this one waited.
        if told and self.partitions.pop(partition.key, None) is not None:
            self.partitions[partition.key] = partition
        if partition.told_high_watermark != answer.high_watermark:
            partition.told_high_watermark = answer.high_watermark
            told = True
        if partition.told_log_start_offset != answer.log_start_offset:
            partition.told_log_start_offset = answer.log_start_offset
            told = True
        if answer.preferred_read_replica != -1:
            told = True
        if answer.error_code:
            # An error is told each time, and its end too.
            partition.told_high_watermark = -1
            told = True
        if answer.diverging_epoch.epoch >= 0:
            partition.told_high_watermark = -1
            told = True
        return told


class FetchSessions:
    """A node's sessions, at most `slots`; the longest unused gives way once it is `eviction_ms` old."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        rng: random.Random,
        slots: int,
        eviction_ms: int,
        max_partitions: int = MAX_PARTITIONS,
    ) -> None:
        self._now_ms = now_ms
        self._random = rng
        self._slots = slots
        self._eviction_ms = eviction_ms
        self._max_partitions = max_partitions
        self._held = 0
        self._sessions: OrderedDict[int, FetchSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def held_partitions(self) -> int:
        """How many partitions all sessions hold between them."""
        return self._held

    def update(
        self, session: FetchSession, named: Iterable[FetchedPartition], forgotten: Iterable[PartitionKey]
    ) -> bool:
        """Changes the partitions of a session just resumed; False when they have become too many, and it has
        ended.
        """
        before = len(session.partitions)
        session.update(named, forgotten)
        self._held += len(session.partitions) - before
        if self._held <= self._max_partitions:
            return True
        self.end(session.id)
        return False

    def resume(self, session_id: int, epoch: int, uses_topic_ids: bool) -> FetchSession | ErrorCode:
        """The session that an incremental request continues; its epoch moves on."""
        session = self._sessions.get(session_id)
        if session is None:
            return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        if session.epoch != epoch:
            return ErrorCode.INVALID_FETCH_SESSION_EPOCH
        if session.uses_topic_ids is not uses_topic_ids:
            return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
        session.epoch = next_epoch(epoch)
        session.used_at_ms = self._now_ms()
        self._sessions.move_to_end(session_id)
        return session

    def create(self, partitions: Iterable[FetchedPartition], uses_topic_ids: bool) -> FetchSession | None:
        """A new session, or None when all slots are held by sessions in use."""
        now_ms = self._now_ms()
        if len(self._sessions) >= self._slots:
            if not self._sessions:
                return None
            oldest = next(iter(self._sessions.values()))
            if now_ms - oldest.used_at_ms < self._eviction_ms:
                return None
            self.end(oldest.id)
        session_id = self._random.randint(1, MAX_EPOCH)
        while session_id in self._sessions:
            session_id = self._random.randint(1, MAX_EPOCH)
        session = FetchSession(session_id, uses_topic_ids, now_ms)
        session.update(partitions, ())
        if not session.partitions or self._held + len(session.partitions) > self._max_partitions:
            return None
        self._held += len(session.partitions)
        self._sessions[session_id] = session
        return session

    def end(self, session_id: int) -> None:
        """Forgets a session; one that is not there is no error."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._held -= len(session.partitions)


def next_epoch(epoch: int) -> int:
    """The epoch after `epoch`: it wraps to 1, never to 0."""
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == MAX_EPOCH else epoch + 1
