"""Incremental fetch sessions (KIP-227): a client names its partitions once, then only what changes.

Rules, as Kafka's FetchSession.scala: a request with epoch 0 asks for a session, -1 for none (and ends the one
it names); any other epoch must be the session's next. The session remembers what its client was last told of
each partition, and an answer holds only partitions with records, errors or news. Partitions that had records
go to the end of the order, so that one busy partition does not starve the rest. A full cache of sessions in
use declines new ones: session id 0, and the client goes on without. So it does when the sessions of a node
hold `MAX_PARTITIONS` between them, of which Kafka has no bound: a session that would grow beyond that ends,
and its client begins anew.

Other than Kafka's, a session does not look at all its partitions each time. One of which its client knows
everything, and has read everything, comes to rest: its `Partition` tells when that is no longer so, and until
then it has no part in any answer. So a fetch costs what has changed since the last one.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kwire_codecs.errors import ErrorCode

if TYPE_CHECKING:
    from kwire_codecs.apis.fetch import Fetch

    from kwire.partitions.partition import Partition
    from kwire.partitions.waiting import Waiter

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
MAX_EPOCH = 2**31 - 1
MAX_PARTITIONS = 500_000
"""A partition takes about 500 bytes."""

PartitionKey = tuple[str | int, int]
"""A topic's name (versions before 13) or the number that its id is, and the partition's index."""


class FetchedPartition:
    """What a client asked of a partition, and what it was last told of it.

    In a session it is on the waiting list of its `Partition`: what happens there stirs it.
    """

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "index",
        "last_fetched_epoch",
        "max_bytes",
        "partition",
        "place",
        "session",
        "told_high_watermark",
        "told_log_start_offset",
        "topic",
        "was_found",
    )

    def __init__(
        self,
        topic: str | UUID,
        index: int,
        fetch_offset: int,
        max_bytes: int,
        current_leader_epoch: int = -1,
        last_fetched_epoch: int = -1,
    ) -> None:
        self.topic = topic
        self.index = index
        self.fetch_offset = fetch_offset
        self.max_bytes = max_bytes
        self.current_leader_epoch = current_leader_epoch
        self.last_fetched_epoch = last_fetched_epoch
        self.told_high_watermark = -1
        self.told_log_start_offset = -1
        self.was_found = False
        """Whether its topic id has stood for a topic since the session or the request began."""
        self.session: FetchSession | None = None
        self.place = 0
        """Its place in the session's order."""
        self.partition: Partition | None = None
        """The one on whose waiting list it is."""

    @property
    def key(self) -> PartitionKey:
        topic = self.topic
        return (topic if isinstance(topic, str) else topic.int, self.index)

    @property
    def is_waiting(self) -> bool:
        """Whether a fetch of its session waits."""
        return self.session is not None and self.session.waiter is not None

    def asks_as(self, other: FetchedPartition) -> None:
        """Takes over what another asks of the partition."""
        self.fetch_offset = other.fetch_offset
        self.max_bytes = other.max_bytes
        self.current_leader_epoch = other.current_leader_epoch
        self.last_fetched_epoch = other.last_fetched_epoch

    def follow(self, partition: Partition | None) -> None:
        """From now on that partition tells it of changes; None: nothing does."""
        if self.partition is not partition:
            if self.partition is not None:
                self.partition.unwatch(self)
            if partition is not None:
                partition.watch(self)
            self.partition = partition

    def arrived(self, size: int) -> None:
        """`size` bytes became readable."""
        session = self.session
        if session is not None:
            session.stirred.add(self)
            session.changes += 1
            if session.waiter is not None:
                session.waiter.arrived(size)

    def arrived_undecided(self, size: int) -> None:
        """`size` bytes became readable, but not for readers of committed data."""
        session = self.session
        if session is not None:
            session.stirred.add(self)
            session.changes += 1
            if session.waiter is not None:
                session.waiter.arrived_undecided(size)

    def wake(self) -> None:
        """Something else changed that its reader must hear of."""
        session = self.session
        if session is not None:
            session.stirred.add(self)
            session.changes += 1
            if session.waiter is not None:
                session.waiter.wake()

    def stir(self) -> None:
        """Something else changed that a waiting reader need not hear of at once."""
        session = self.session
        if session is not None:
            session.stirred.add(self)


_by_place = attrgetter("place")


class FetchSession:
    """One client's session: its partitions, and the epoch that its next request must carry."""

    __slots__ = (
        "_last_place",
        "_terms",
        "changes",
        "epoch",
        "id",
        "partitions",
        "stirred",
        "used_at_ms",
        "uses_topic_ids",
        "waiter",
    )

    def __init__(self, session_id: int, uses_topic_ids: bool, now_ms: int) -> None:
        self.id = session_id
        self.epoch = next_epoch(INITIAL_EPOCH)
        self.uses_topic_ids = uses_topic_ids
        self.used_at_ms = now_ms
        self.partitions: dict[PartitionKey, FetchedPartition] = {}
        self.stirred: set[FetchedPartition] = set()
        """The partitions that are not at rest."""
        self.changes = 0
        """Counts what partitions have told."""
        self.waiter: Waiter | None = None
        """The fetch that waits for something to be told."""
        self._last_place = 0
        self._terms: object = None

    def update(self, topics: Iterable[Fetch.Request.Topic], forgotten: Iterable[PartitionKey]) -> None:
        """Adds or changes the named partitions and drops the forgotten ones."""
        partitions, stirred, by_id = self.partitions, self.stirred, self.uses_topic_ids
        for topic in topics:
            name = topic.topic_id.int if by_id else topic.topic
            for asked in topic.partitions:
                key = (name, asked.partition)
                known = partitions.get(key)
                if known is None:
                    self.add(key, asked_for(topic, asked, by_id))
                else:
                    known.fetch_offset = asked.fetch_offset
                    known.max_bytes = asked.partition_max_bytes
                    known.current_leader_epoch = asked.current_leader_epoch
                    known.last_fetched_epoch = asked.last_fetched_epoch
                    stirred.add(known)
        for key in forgotten:
            dropped = partitions.pop(key, None)
            if dropped is not None:
                self._let_go(dropped)

    def add(self, key: PartitionKey, partition: FetchedPartition) -> None:
        """Adds one at the end of the order."""
        self._last_place += 1
        partition.place = self._last_place
        partition.session = self
        self.partitions[key] = partition
        self.stirred.add(partition)

    def to_look_at(self, terms: object) -> list[FetchedPartition]:
        """The partitions that may have a part in an answer, in the session's order: those not at rest.

        Others than the last time's `terms`, by which requests read, stir all partitions; so does None.
        """
        stirred = self.stirred
        if terms is None or terms != self._terms:
            self._terms = terms
            stirred.update(self.partitions.values())
        if len(stirred) <= 1:
            return list(stirred)
        return sorted(stirred, key=_by_place)

    def comes_to_rest(self, partition: FetchedPartition, high_watermark: int, log_start_offset: int) -> bool:
        """There is nothing to read of this partition: whether its client knows all else, too. Then the
        session need not look at it until it is stirred.
        """
        if (
            partition.told_high_watermark == high_watermark
            and partition.told_log_start_offset == log_start_offset
        ):
            self.stirred.discard(partition)
            return True
        return False

    def in_order(self) -> list[FetchedPartition]:
        """All its partitions."""
        return sorted(self.partitions.values(), key=_by_place)

    def hand_over(self) -> None:
        """Another request goes on with the session, or ends it: a fetch that waits keeps its partitions."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            waiter.left_with = self.in_order()
            waiter.wake()

    def close(self) -> None:
        """It has ended: nothing tells it anything any more."""
        self.epoch = FINAL_EPOCH
        self.hand_over()
        for partition in self.partitions.values():
            self._let_go(partition)

    def _let_go(self, partition: FetchedPartition) -> None:
        partition.session = None
        partition.follow(None)
        self.stirred.discard(partition)

    def news(self, partition: FetchedPartition, answer: Any, size: int) -> bool:
        """Whether an incremental answer must hold this partition; notes what the client is told by it."""
        told = size > 0
        if told:
            self._last_place += 1
            partition.place = self._last_place
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


def asked_for(
    topic: Fetch.Request.Topic, asked: Fetch.Request.Topic.Partition, by_id: bool
) -> FetchedPartition:
    """What a request asks of one partition; `by_id` where its version names topics so."""
    return FetchedPartition(
        topic.topic_id if by_id else topic.topic,
        asked.partition,
        asked.fetch_offset,
        asked.partition_max_bytes,
        asked.current_leader_epoch,
        asked.last_fetched_epoch,
    )


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
        self,
        session: FetchSession,
        topics: Iterable[Fetch.Request.Topic],
        forgotten: Iterable[PartitionKey],
    ) -> bool:
        """Changes the partitions of a session just resumed; False when they have become too many, and it has
        ended.
        """
        before = len(session.partitions)
        session.update(topics, forgotten)
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
        if session.waiter is not None:
            session.hand_over()
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
        for partition in partitions:
            key = partition.key
            known = session.partitions.get(key)
            if known is None:
                session.add(key, partition)
            else:  # named twice: the last time counts
                known.asks_as(partition)
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
            session.close()

    def close(self) -> None:
        """Ends all of them."""
        for session_id in list(self._sessions):
            self.end(session_id)


def next_epoch(epoch: int) -> int:
    """The epoch after `epoch`: it wraps to 1, never to 0."""
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == MAX_EPOCH else epoch + 1
