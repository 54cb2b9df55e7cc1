"""Who reads: a tail reader of everything, and audits, which read a partition from its start and judge it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import trio
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.offset_for_leader_epoch import OffsetForLeaderEpoch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from tests.broker_client import fetch_request, one_partition
from tests.crashes.checks import Broken
from tests.crashes.log_load.facts import Facts, id_of
from tests.crashes.log_load.link import COME_BACK, Asker, Gone, Link, Traffic
from tests.crashes.log_load.topics import GROUPS_TOPIC, Keeping
from tests.crashes.log_load.writers import GROUPS, Known, Stop

EARLIEST, LATEST = -2, -1
MOST_BYTES = 1 << 22
PART_BYTES = 1 << 18
AUDIT_BYTES = 1_500_000
"""So much of a log that keeps everything is read by an audit in the midst of a run."""
EPOCHS_ASKED = 6


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class TailReader:
    """Reads all partitions from where it is, uncommitted records too, until it is cancelled."""

    def __init__(self, traffic: Traffic, facts: Iterable[Facts]) -> None:
        self._link = Link(traffic, "tail reader")
        self._facts = {(each.topic.name, each.index): each for each in facts}
        self._positions = dict.fromkeys(self._facts, 0)

    async def run(self) -> None:
        while True:
            try:
                await self._round()
            except Gone:
                continue

    async def _round(self) -> None:
        asked = Fetch.Request.Topic
        floors = {key: each.log_start for key, each in self._facts.items()}
        request = Fetch.Request(
            max_wait_ms=200,
            min_bytes=1,
            max_bytes=1 << 21,
            topics=[
                asked(
                    topic=name,
                    partitions=[
                        asked.Partition(partition=index, fetch_offset=offset, partition_max_bytes=PART_BYTES)
                    ],
                )
                for (name, index), offset in self._positions.items()
            ],
        )
        answer = await self._link.ask(request, 12)
        for topic in answer.responses:
            for told in topic.partitions:
                key = topic.topic, told.partition_index
                facts = self._facts[key]
                if told.error_code is ErrorCode.OFFSET_OUT_OF_RANGE:
                    start = await offset_at(self._link, facts, EARLIEST, now_ms=now_ms)
                    if start <= self._positions[key]:
                        raise Broken(
                            f"{facts}: {self._positions[key]} is out of range, and the log starts at {start}"
                        )
                    self._positions[key] = start
                elif told.error_code in COME_BACK:
                    continue
                elif told.error_code:
                    raise Broken(f"{facts}: a Fetch is refused: {told.error_code.name}")
                else:
                    facts.saw_log_start(told.log_start_offset, floors[key], now_ms())
                    for header, records in batches(told.records):
                        facts.was_read(header, records, floors[key])
                        self._positions[key] = max(self._positions[key], header.next_offset)
        await trio.sleep(0.02)


def batches(data: Any) -> Iterable[tuple[batch.BatchHeader, list[Record]]]:
    """The whole batches of an answer, each with its records; their checksums are right."""
    buffer = memoryview(bytes(data or b""))
    for at, header in batch.walk(buffer):
        if not batch.crc_is_valid(buffer, at, header):
            raise Broken(f"the batch at offset {header.base_offset} has a wrong checksum")
        yield header, batch.records(buffer, at, header, MOST_BYTES)


async def offset_at(
    link: Asker, facts: Facts, timestamp: int, isolation_level: int = 0, *, now_ms: Callable[[], int]
) -> int:
    """The log start, the high watermark or (isolation_level 1) the last stable offset."""
    floor = facts.log_start
    asked = ListOffsets.Request.Topic
    request = ListOffsets.Request(
        replica_id=-1,
        isolation_level=isolation_level,
        topics=[
            asked(
                name=facts.topic.name,
                partitions=[asked.Partition(partition_index=facts.index, timestamp=timestamp)],
            )
        ],
    )
    answer = await link.ask_until_answered(
        request, 7, lambda answer: [answer.topics[0].partitions[0].error_code]
    )
    [told] = answer.topics[0].partitions
    if told.error_code:
        raise Broken(f"{facts}: ListOffsets: {told.error_code.name}")
    if timestamp == EARLIEST:
        facts.saw_log_start(told.offset, floor, now_ms())
    return int(told.offset)


@dataclass
class Reading:
    """What one reading found; `records` without markers, and without what was aborted if committed."""

    start: int
    end: int
    is_whole: bool
    """Whether it began where the log does."""
    records: list[Record] = field(default_factory=list)
    has_markers: bool = False


class Auditor:
    """Reads and judges partitions, one after the other."""

    def __init__(
        self, link: Asker, known: Known, chance: random.Random, now_ms: Callable[[], int] = now_ms
    ) -> None:
        self._link = link
        self._now_ms = now_ms
        self._known = known
        self._chance = chance
        self._leader_epochs: dict[str, int] = {}

    async def run(self, facts: list[Facts], stop: Stop) -> None:
        """Audits at random until `stop`."""
        while not stop.stopping:
            await self.audit(self._chance.choice(facts), whole=False)
            await self.leader_epochs(facts)
            await self.commits()
            await trio.sleep(0.2)
        await self._link.close()

    async def audit(self, facts: Facts, *, whole: bool) -> int:
        """Judges one partition, `whole` or a part of a long one; gives how many records were read."""
        newest, acknowledged = dict(facts.newest), set(facts.acknowledged - facts.undecided)
        committed = set(facts.committed)
        everything = await self._read(facts, whole=whole, committed=False)
        facts.check_order(everything.records)
        found = {id_of(each) for each in everything.records}
        if not facts.topic.is_compacted:
            facts.check_kept(acknowledged, found, everything.start, everything.end)
        if everything.is_whole:
            facts.check_size(everything.start)
            if facts.topic.is_compacted and not facts.topic.transactional:
                facts.check_newest(newest, everything.records, everything.end, self._now_ms())
        count = len(everything.records)
        if facts.topic.transactional:
            decided = await self._read(facts, whole=whole, committed=True)
            found = {id_of(each) for each in decided.records}
            if wrong := found & facts.aborted:
                raise Broken(
                    f"{facts}: records of aborted transactions are read as committed: {sorted(wrong)[:5]}"
                )
            if facts.topic.is_compacted:
                facts.check_newest(newest, decided.records, decided.end, self._now_ms())
            else:
                facts.check_kept(committed, found, decided.start, decided.end)
            count += len(decided.records)
        await self._epoch_ends(facts)
        return count

    async def _read(self, facts: Facts, *, whole: bool, committed: bool) -> Reading:
        level = int(committed)
        while True:
            start = first = await offset_at(self._link, facts, EARLIEST, now_ms=self._now_ms)
            end = await offset_at(self._link, facts, LATEST, level, now_ms=self._now_ms)
            if not whole and facts.topic.keeping is Keeping.ALL and self._chance.random() < 0.9:
                first = self._chance.randint(start, end)
            reading = await self._read_from(facts, first, end, level, whole=whole)
            if reading is not None:
                reading.is_whole = reading.is_whole and first == start
                return reading

    async def _read_from(
        self, facts: Facts, start: int, end: int, level: int, *, whole: bool
    ) -> Reading | None:
        """None where the log start has passed."""
        reading = Reading(start, start, is_whole=True)
        hidden: set[int] = set()
        size = 0
        while reading.end < end:
            floor = facts.log_start
            request = fetch_request(
                facts.topic.name,
                reading.end,
                partition=facts.index,
                isolation_level=level,
                max_bytes=PART_BYTES,
            )
            told = one_partition(
                await self._link.ask_until_answered(
                    request, 12, lambda answer: [one_partition(answer).error_code]
                )
            )
            if told.error_code is ErrorCode.OFFSET_OUT_OF_RANGE and facts.topic.keeping not in (
                Keeping.ALL,
                Keeping.NEWEST,
            ):
                await offset_at(self._link, facts, EARLIEST, now_ms=self._now_ms)
                if facts.log_start > reading.end:
                    return None
            if told.error_code:
                raise Broken(f"{facts} cannot be read at {reading.end}: {told.error_code.name}")
            facts.saw_log_start(told.log_start_offset, floor, self._now_ms())
            before = reading.end
            self._take(facts, reading, told, floor, hidden)
            size += len(told.records or b"")
            if reading.end == before:
                if facts.topic.is_compacted:  # nothing is left up to the end that was told
                    break
                raise Broken(f"{facts}: a Fetch at {before}, below {end}, gives nothing")
            if size > AUDIT_BYTES and not whole:
                reading.is_whole = False
                break
        return reading

    def _take(self, facts: Facts, reading: Reading, told: Any, floor: int, hidden: set[int]) -> None:
        aborted = sorted(
            ((each.first_offset, each.producer_id) for each in told.aborted_transactions or []), reverse=True
        )
        for header, records in batches(told.records):
            facts.was_read(header, records, floor)
            if header.base_offset > reading.end and not facts.topic.is_compacted:
                raise Broken(f"{facts}: after offset {reading.end - 1} comes {header.base_offset}")
            while aborted and aborted[-1][0] <= header.last_offset:
                hidden.add(aborted.pop()[1])
            if header.is_control:
                hidden.discard(header.producer_id)
                reading.has_markers = True
            elif not (header.is_transactional and header.producer_id in hidden):
                reading.records += [each for each in records if each.offset >= reading.start]
            reading.end = max(reading.end, header.next_offset)

    # Epochs and offsets

    async def _epoch_ends(self, facts: Facts) -> None:
        """Some epochs of which a batch is there end where they must."""
        there = [epoch for epoch, each in facts.epochs.items() if each.last >= facts.log_start]
        chosen = self._chance.sample(sorted(there), min(EPOCHS_ASKED, len(there)))
        asked = OffsetForLeaderEpoch.Request.Topic
        request = OffsetForLeaderEpoch.Request(
            replica_id=-1,
            topics=[
                asked(
                    topic=facts.topic.name,
                    partitions=[asked.Partition(partition=facts.index, leader_epoch=epoch)],
                )
                for epoch in chosen
            ],
        )
        if not chosen:
            return
        lasts = {epoch: facts.epochs[epoch].last for epoch in chosen}
        answer = await self._link.ask_until_answered(
            request, 3, lambda answer: [each.partitions[0].error_code for each in answer.topics]
        )
        # Of an epoch that went meanwhile another end is told.
        await offset_at(self._link, facts, EARLIEST, now_ms=self._now_ms)
        for epoch, topic in zip(chosen, answer.topics, strict=True):
            [told] = topic.partitions
            if told.error_code:
                raise Broken(f"{facts}: OffsetForLeaderEpoch: {told.error_code.name}")
            if lasts[epoch] >= facts.log_start:
                facts.check_epoch_end(epoch, told.leader_epoch, told.end_offset, lasts[epoch])

    async def leader_epochs(self, facts: list[Facts]) -> None:
        """None is lower than it was, and none lower than that of any batch."""
        batches_have = {str(each): max(each.epochs, default=-1) for each in facts}
        answer = await self._link.ask_until_answered(
            Metadata.Request(topics=None),
            9,
            lambda answer: [each.error_code for topic in answer.topics for each in topic.partitions],
        )
        for topic in answer.topics:
            for partition in topic.partitions:
                name = f"{topic.name}-{partition.partition_index}"
                floor = max(self._leader_epochs.get(name, -1), batches_have.get(name, -1))
                if partition.leader_epoch < floor:
                    raise Broken(f"{name}: the leader epoch fell from {floor} to {partition.leader_epoch}")
                self._leader_epochs[name] = partition.leader_epoch

    async def commits(self) -> None:
        """Each group has what was acknowledged last, or what is on its way."""
        before = dict(self._known.commits)
        asked = OffsetFetch.Request.Group
        request = OffsetFetch.Request(
            groups=[
                asked(
                    group_id=f"group-{number}",
                    topics=[asked.Topic(name=GROUPS_TOPIC, partition_indexes=[0])],
                )
                for number in range(GROUPS)
            ],
            require_stable=True,
        )
        answer = await self._link.ask_until_answered(
            request,
            8,
            lambda answer: [
                *(group.error_code for group in answer.groups),
                *(
                    each.error_code
                    for group in answer.groups
                    for topic in group.topics
                    for each in topic.partitions
                ),
            ],
        )
        for group in answer.groups:
            if group.error_code:
                raise Broken(f"OffsetFetch of {group.group_id}: {group.error_code.name}")
            [told] = group.topics[0].partitions
            least = before.get(group.group_id, -1)
            most = self._known.committing.get(group.group_id, -1)
            if told.error_code or not least <= told.committed_offset <= most:
                raise Broken(
                    f"{group.group_id} has committed {told.committed_offset}; {least} was acknowledged, "
                    f"{most} was sent"
                )
