"""Readers with fetch sessions or without, of everything or of what is committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from kwire_codecs import wire as w
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import control

from tests.simulation.checks import Floor, History, Place
from tests.simulation.clients.calling import Caller, KnownPartition, Lost
from tests.simulation.world import World

EARLIEST: Final = -2
BATCH_MAX_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Session:
    """A fetch session with one node: what the node was last told of each partition."""

    version: int
    id: int = 0
    epoch: int = 0
    told: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)


class Aborted:
    """The aborted transactions of an answer, as consumers go through them."""

    def __init__(self, transactions: list[Any]) -> None:
        self._coming = sorted(transactions, key=lambda each: each.first_offset, reverse=True)
        self._producers: set[int] = set()

    def has(self, header: record_batch.BatchHeader, records: list[record_batch.Record]) -> bool:
        """Whether the next batch is of one of them."""
        while self._coming and self._coming[-1].first_offset <= header.last_offset:
            self._producers.add(self._coming.pop().producer_id)
        if not header.is_control:
            return header.is_transactional and header.producer_id in self._producers
        marker = control.decode_marker(records[0]) if records else None
        if marker is not None and not marker.committed:
            self._producers.discard(header.producer_id)
        return False


class Reader(Caller):
    """Reads partitions from their beginning, with fetch sessions or without; `committed` ones ask for no
    records of open transactions, and leave those of aborted ones out.
    """

    def __init__(
        self, world: World, history: History, name: str, topics: list[str], *, committed: bool = False
    ) -> None:
        super().__init__(world, history, name)
        self.topics = topics
        self.isolation_level = int(committed)
        self.only: set[tuple[str, int]] | None = None
        """Those that it reads; None: all."""
        self.on_record: Callable[[KnownPartition, int, str], None] = lambda known, offset, text: None
        self.positions: dict[Place, int] = {}
        self.sessions: dict[int, Session] = {}
        self.max_wait_ms = self.rng.choice((0, 100, 500))
        self.uses_sessions = self.rng.random() < 0.8
        self.max_bytes = self.rng.choice((1, 2000, 100_000))
        # A name may come to stand for another topic: who reads those asks by id.
        by_id_only = any(topic.startswith("r") for topic in topics)
        self.versions = (13, 15, 16, 17, 18) if by_id_only else (7, 11, 12, 13, 15, 18)

    async def run(self) -> None:
        await self.refresh(self.topics)
        while not self.stopping:
            await self.pause(0.8)
            await self.round()
            if self.rng.random() < 0.05:
                await self.refresh(self.topics)
        await self.close()

    async def round(self) -> None:
        """One Fetch to each leader."""
        by_leader: dict[int, list[KnownPartition]] = {}
        for key, known in self.partitions.items():
            if known.leader >= 0 and (self.only is None or key in self.only):
                by_leader.setdefault(known.leader, []).append(known)
        if not by_leader or any(known.leader < 0 for known in self.partitions.values()):
            await self.back_off()
            await self.refresh(self.topics)
        for node in [node for node in self.sessions if node not in by_leader]:
            del self.sessions[node]
        for node, wanted in by_leader.items():
            try:
                again = await self._fetch(node, wanted)
            except Lost:
                self.sessions.pop(node, None)
                again = True
            if again:
                await self.back_off()
                await self.refresh(self.topics)

    async def _fetch(self, node: int, wanted: list[KnownPartition]) -> bool:
        """True when metadata must be asked for again. Lost."""
        session = self.sessions.get(node)
        if session is None:
            # Who asks by id and who asks by name don't share a session.
            session = self.sessions[node] = Session(self.rng.choice(self.versions))
        by_id = session.version >= 13
        by_key = {(known.topic, known.index): known for known in wanted}
        by_place = {known.place: known for known in wanted}
        positions = {key: self.positions.get(known.place, 0) for key, known in by_key.items()}
        named = {
            key: offset
            for key, offset in positions.items()
            if session.told.get(key) != (offset, by_key[key].leader_epoch)
        }
        forgotten = [key for key in session.told if key not in by_key] if session.id else []
        for key in forgotten:
            del session.told[key]
        if not session.id:
            named = positions
        floors = {place: self.history.floor(place) for place in by_place}
        asked = Fetch.Request.Topic
        request = Fetch.Request(
            max_wait_ms=self.max_wait_ms,
            min_bytes=1,
            max_bytes=1 << 20,
            isolation_level=self.isolation_level,
            session_id=session.id,
            session_epoch=session.epoch if self.uses_sessions else -1,
            topics=[
                asked(
                    **({"topic_id": by_key[key].topic_id} if by_id else {"topic": key[0]}),
                    partitions=[
                        asked.Partition(
                            partition=key[1],
                            current_leader_epoch=by_key[key].leader_epoch if session.version >= 9 else -1,
                            fetch_offset=offset,
                            partition_max_bytes=self.max_bytes,
                        )
                    ],
                )
                for key, offset in named.items()
            ],
            forgotten_topics_data=[
                Fetch.Request.ForgottenTopic(
                    **({"topic_id": self._id_of(key)} if by_id else {"topic": key[0]}), partitions=[key[1]]
                )
                for key in forgotten
            ],
        )
        answer, stamp = await self.ask(node, request, session.version)
        if answer.error_code:
            self.sessions.pop(node, None)
            return bool(answer.error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        for key, offset in named.items():
            session.told[key] = (offset, by_key[key].leader_epoch)
        if answer.session_id:
            session.id = answer.session_id
            session.epoch += 1
        else:
            self.sessions.pop(node, None)
        again = False
        for topic in answer.responses:
            for data in topic.partitions:
                known = (
                    by_place.get((topic.topic_id, data.partition_index))
                    if by_id
                    else by_key.get((topic.topic, data.partition_index))
                )
                if known is None:
                    continue
                again |= await self._take(known, data, floors[known.place], stamp, session.version)
        return again

    def _id_of(self, key: tuple[str, int]) -> UUID:
        found = self.partitions.get(key)
        return found.topic_id if found is not None else w.ZERO_UUID

    async def _take(self, known: KnownPartition, data: Any, floor: Floor, stamp: int, version: int) -> bool:
        place, history = known.place, self.history
        if data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            return await self._begin_again(known)
        if data.error_code:
            return True
        if version >= 9:
            history.saw_fetch(
                place, floor, data.high_watermark, data.log_start_offset, known.leader_epoch, stamp
            )
            history.saw_stable(
                place, floor, data.last_stable_offset, data.high_watermark, known.leader_epoch, stamp
            )
        position = self.positions.get(place, 0)
        buffer = memoryview(bytes(data.records or b""))
        aborted = Aborted(data.aborted_transactions or [])
        for at, header in record_batch.walk(buffer):
            if not record_batch.crc_is_valid(buffer, at, header):
                history.broken("invented", place, f"{place}: the batch at {header.base_offset} is garbled")
                return False
            if self.isolation_level and header.last_offset >= data.last_stable_offset:
                text = f"{self.name} got {header.last_offset}, and {data.last_stable_offset} is stable"
                history.broken("unstable-read", place, text)
            records = record_batch.records(buffer, at, header, BATCH_MAX_BYTES)
            is_left_out = bool(self.isolation_level) and aborted.has(header, records)
            for record in records:
                if record.offset < position:
                    continue
                if record.offset > position:
                    text = f"{self.name} got {record.offset} of {place} after asking for {position}"
                    history.broken("gap", place, text)
                position = record.offset + 1
                if header.is_control:
                    marker = control.decode_marker(record)
                    if marker is not None:
                        history.saw_marker(place, record.offset, header.producer_id, marker.committed, stamp)
                else:
                    self._took(known, header, record, is_left_out, stamp)
        if history.counts(stamp):
            self.positions[place] = position
        return False

    def _took(
        self,
        known: KnownPartition,
        header: record_batch.BatchHeader,
        record: record_batch.Record,
        is_left_out: bool,
        stamp: int,
    ) -> None:
        place, history = known.place, self.history
        text = (record.value or b"").partition(b" ")[0].decode(errors="replace")
        history.read(place, record.offset, text, header.partition_leader_epoch, stamp)
        log = history.logs[place]
        if header.is_transactional:
            log.transactional[record.offset] = header.producer_id
        if self.isolation_level:
            if is_left_out:
                self.world.met["aborted record left out"] += 1
                history.transactions.left_out(place, text)
            else:
                history.transactions.given(place, text)
                log.visible[record.offset] = text
        if not is_left_out:
            self.on_record(known, record.offset, text)

    async def _begin_again(self, known: KnownPartition) -> bool:
        log = self.history.logs[known.place]
        position = self.positions.get(known.place, 0)
        if position >= log.asked_start and not self.world.power_losses:
            self.history.broken("lost", known.place, f"{known.place}: {position} is out of range")
        found = await self.offset_of(known, EARLIEST)
        if found is not None:
            self.positions[known.place] = found
        return True

    async def offset_of(self, known: KnownPartition, timestamp: int) -> int | None:
        """The log's start (-2) or end (-1) as ListOffsets says; None when that failed."""
        asked = ListOffsets.Request.Topic
        lowest = 2 if self.isolation_level else 1
        request = ListOffsets.Request(
            replica_id=-1,
            isolation_level=self.isolation_level,
            topics=[
                asked(
                    name=known.topic,
                    partitions=[asked.Partition(partition_index=known.index, timestamp=timestamp)],
                )
            ],
        )
        try:
            answer, _ = await self.ask(known.leader, request, self.rng.randint(lowest, 11))
        except Lost:
            return None
        [result] = answer.topics[0].partitions
        return None if result.error_code else int(result.offset)

    async def has_read_all(self) -> bool:
        """Whether every partition is read to its end as it is now."""
        for known in list(self.partitions.values()):
            end = await self.offset_of(known, -1)
            if end is None or self.positions.get(known.place, 0) < end:
                return False
        return bool(self.partitions)
