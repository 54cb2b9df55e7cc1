"""What is known of a partition, and what may therefore never be seen of it. Pure; times are in ms.

Rules: whatever an acknowledgement or a reader has told once is held against everything that is told later. A
record has the header `id`, which is `WRITER/NUMBER`; a writer's numbers rise, and one writer alone writes a
key. Every method that is told something raises Broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from kwire_codecs.records.batch import BatchHeader
from kwire_codecs.records.record import Record

from tests.crashes.checks import Broken
from tests.crashes.log_load.topics import Keeping, Topic

ID = b"id"


class Sent(NamedTuple):
    """A record that a writer has sent; `is_tombstone` where it has no value."""

    id: str
    key: bytes | None
    is_tombstone: bool
    sent_ms: int


class Batch(NamedTuple):
    """A batch as it was written."""

    last_offset: int
    size: int
    max_timestamp: int


@dataclass
class Epoch:
    """The offsets that are known to be of one leader epoch."""

    first: int
    last: int


@dataclass
class Facts:
    """Of one partition."""

    topic: Topic
    index: int
    fingerprints: dict[int, int] = field(default_factory=dict)
    """By offset; of control records too."""
    offsets: dict[str, int] = field(default_factory=dict)
    """By id."""
    ids: dict[int, str] = field(default_factory=dict)
    """By offset."""
    batches: dict[int, Batch] = field(default_factory=dict)
    """By base offset: those of which nothing has been compacted away."""
    epochs: dict[int, Epoch] = field(default_factory=dict)
    newest: dict[bytes, tuple[int, Sent]] = field(default_factory=dict)
    """By key: offset and record of the newest that is acknowledged, and committed if in a transaction."""
    sending: dict[bytes, str] = field(default_factory=dict)
    """By key: the newest record of which it is not known whether it is there, or counts."""
    undecided: set[str] = field(default_factory=set)
    """Ids whose transaction is not over, or that are not acknowledged."""
    aborted: set[str] = field(default_factory=set)
    committed: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    log_start: int = 0
    asked_start: int = 0
    """The highest log start offset that a client has asked for."""

    def __str__(self) -> str:
        return f"{self.topic.name}-{self.index}"

    def after_power_loss(self) -> Facts:
        """What is left of it where an acknowledgement says that records are on the device."""
        kept = {id_: offset for id_, offset in self.offsets.items() if id_ in self.acknowledged}
        offsets = set(kept.values())
        return Facts(
            self.topic,
            self.index,
            fingerprints={offset: each for offset, each in self.fingerprints.items() if offset in offsets},
            offsets=kept,
            ids={offset: id_ for id_, offset in kept.items()},
            undecided=self.undecided | (self.offsets.keys() - self.acknowledged),
            acknowledged=set(self.acknowledged),
        )

    # What writers know

    def sends(self, records: Iterable[Sent]) -> None:
        """They may be there from now on."""
        for record in records:
            self.undecided.add(record.id)
            if record.key is not None:
                self.sending[record.key] = record.id

    def was_acknowledged(self, base_offset: int, header: BatchHeader, records: list[Sent]) -> None:
        """`base_offset` is -1 where the broker only says that it has them already."""
        self.acknowledged.update(record.id for record in records)
        if base_offset >= 0:
            for offset, record in enumerate(records, base_offset):
                self._has_id(offset, record.id)
            if not header.is_transactional:
                self._newest((base_offset + at, record) for at, record in enumerate(records))
            self._has_batch(base_offset, base_offset + len(records) - 1, header)
        if not header.is_transactional:
            self._are_over(records)

    def was_decided(self, records: list[Sent], *, commit: bool) -> None:
        """The transaction of these records, all acknowledged, is over."""
        (self.committed if commit else self.aborted).update(record.id for record in records)
        if commit:
            self._newest((self.offsets[each.id], each) for each in records if each.id in self.offsets)
        self._are_over(records)

    def _are_over(self, records: list[Sent]) -> None:
        for record in records:
            self.undecided.discard(record.id)
            if record.key is not None and self.sending.get(record.key) == record.id:
                del self.sending[record.key]

    def _newest(self, records: Iterable[tuple[int, Sent]]) -> None:
        for offset, record in records:
            if record.key is not None and self.newest.get(record.key, (-1,))[0] < offset:
                self.newest[record.key] = offset, record

    # What readers see

    def was_read(self, header: BatchHeader, records: list[Record], floor: int) -> None:
        """A batch, whoever reads it; `floor` is the log start that was known when it was asked for."""
        if header.last_offset < floor:
            raise Broken(f"{self}: offset {header.last_offset} came back; the log began at {floor}")
        self._has_epoch(header)
        whole = not self.topic.is_compacted
        if whole and [record.offset for record in records] != [
            *range(header.base_offset, header.next_offset)
        ]:
            raise Broken(f"{self}: the batch at {header.base_offset} does not have all of its records")
        if whole:
            self._has_batch(header.base_offset, header.last_offset, header)
        for record in records:
            print_ = hash((record.key, record.value, record.headers, header.is_control))
            if self.fingerprints.setdefault(record.offset, print_) != print_:
                raise Broken(f"{self}: offset {record.offset} holds other bytes than before")
            if not header.is_control:
                id_ = id_of(record)
                if id_ not in self.acknowledged and id_ not in self.undecided:
                    raise Broken(f"{self}: nobody sent {id_}, which is at {record.offset}")
                self._has_id(record.offset, id_)
            elif record.offset in self.ids:
                raise Broken(f"{self}: offset {record.offset} is a marker, and was acknowledged as a record")

    def _has_id(self, offset: int, id_: str) -> None:
        before = self.offsets.setdefault(id_, offset)
        if before != offset:
            raise Broken(f"{self}: {id_} is at {before} and at {offset}")
        other = self.ids.setdefault(offset, id_)
        if other != id_:
            raise Broken(f"{self}: offset {offset} was {other}'s and is {id_}'s")

    def _has_batch(self, base: int, last: int, header: BatchHeader) -> None:
        found = Batch(last, header.size, header.max_timestamp)
        if self.batches.setdefault(base, found) != found:
            raise Broken(f"{self}: the batch at {base} was {self.batches[base]} and is {found}")

    def _has_epoch(self, header: BatchHeader) -> None:
        epoch, first, last = header.partition_leader_epoch, header.base_offset, header.last_offset
        known = self.epochs.setdefault(epoch, Epoch(first, last))
        known.first, known.last = min(known.first, first), max(known.last, last)
        for other, theirs in self.epochs.items():
            if (other < epoch and theirs.last > known.first) or (other > epoch and theirs.first < known.last):
                raise Broken(f"{self}: epoch {epoch} has {known}, epoch {other} has {theirs}")

    def saw_log_start(self, offset: int, floor: int, now_ms: int) -> None:
        """A log start offset that a broker has told at `now_ms` or before; `floor` is what was known when it
        was asked.
        """
        if offset < floor:
            raise Broken(f"{self}: the log start offset fell from {floor} to {offset}")
        keeping = self.topic.keeping
        if offset > self.log_start and keeping in (Keeping.ALL, Keeping.NEWEST):
            raise Broken(f"{self}: the log starts at {offset}, and nothing may take what was below")
        if keeping is Keeping.ASKED and offset > self.asked_start:
            raise Broken(f"{self}: the log starts at {offset}; {self.asked_start} was asked for")
        if self.topic.retention_ms is not None:
            self._check_age(offset, floor, now_ms - self.topic.retention_ms)
        self.log_start = max(self.log_start, offset)

    def _check_age(self, log_start: int, floor: int, kept_since_ms: int) -> None:
        """Nothing that is gone now is as young as that, or, where older records of a key go anyway, nothing
        that is the newest of its key.
        """
        if self.topic.is_compacted:
            young = {
                offset: sent.sent_ms for key, (offset, sent) in self.newest.items() if key not in self.sending
            }
        else:
            young = {
                base: batch.max_timestamp
                for base, batch in self.batches.items()
                if batch.last_offset >= floor
            }
        for offset, timestamp in young.items():
            if offset < log_start and timestamp > kept_since_ms:
                raise Broken(
                    f"{self}: what was at {offset} is gone, {timestamp - kept_since_ms} ms too early; "
                    f"the log starts at {log_start}"
                )

    def check_size(self, log_start: int) -> None:
        """Everything that is there has been read: as much is left as retention by size leaves."""
        if self.topic.retention_bytes is not None and log_start:
            left = sum(batch.size for base, batch in self.batches.items() if base >= log_start)
            if left < self.topic.retention_bytes:
                raise Broken(f"{self}: {left} bytes are left, and {self.topic.retention_bytes} have to be")

    def check_order(self, records: list[Record]) -> None:
        """Records of one reading, in the order of their offsets: each writer's numbers rise."""
        numbers: dict[str, int] = {}
        for record in records:
            writer, _, number = id_of(record).rpartition("/")
            if int(number) <= numbers.get(writer, -1):
                raise Broken(f"{self}: {id_of(record)} at {record.offset} comes after a newer one")
            numbers[writer] = int(number)

    def check_kept(self, wanted: Iterable[str], found: Collection[str], start: int, end: int) -> None:
        """All of these ids are among those that were found from `start` to `end`; one whose offset nobody
        told is among them where everything was read.
        """
        complete = not start and self.topic.keeping is Keeping.ALL
        lost = [
            id_
            for id_ in wanted
            if id_ not in found and (start <= self.offsets[id_] < end if id_ in self.offsets else complete)
        ]
        if lost:
            raise Broken(f"{self}: {len(lost)} records are lost, read from {start} to {end}: {lost[:5]}")

    def check_newest(
        self, before: dict[bytes, tuple[int, Sent]], records: list[Record], end: int, now_ms: int
    ) -> None:
        """The newest record of each key, as known before the records up to `end` were read, or a newer one is
        among them.
        """
        found = {record.key: record.offset for record in records}
        for key, (offset, sent) in before.items():
            if found.get(key, -1) >= offset or self._may_be_gone(key, end, now_ms):
                continue
            raise Broken(
                f"{self}: key {key!r} has {found.get(key, 'nothing')}; {sent.id} at {offset} "
                f"{'is a tombstone' if sent.is_tombstone else 'is its value'}, {now_ms - sent.sent_ms} ms old"
            )

    def _may_be_gone(self, key: bytes, end: int, now_ms: int) -> bool:
        """Whether the newest record of a key lies behind `end`, is on its way, or has had its time."""
        if key in self.sending:
            return True
        offset, sent = self.newest[key]
        age_ms = now_ms - sent.sent_ms
        retention_ms = self.topic.retention_ms
        return (
            offset >= end
            or (sent.is_tombstone and age_ms >= int(self.topic.settings["delete.retention.ms"]))
            or (retention_ms is not None and age_ms >= retention_ms and offset < self.log_start)
        )

    def check_epoch_end(self, epoch: int, told_epoch: int, end_offset: int, last: int) -> None:
        """An answer of OffsetForLeaderEpoch; the epoch's offset `last` was known when it was asked."""
        following = min((each.first for other, each in self.epochs.items() if other > epoch), default=None)
        too_far = following is not None and end_offset > following
        if told_epoch != epoch or end_offset <= last or too_far:
            raise Broken(
                f"{self}: epoch {epoch} is said to be {told_epoch} and to end at {end_offset}; it has "
                f"{last}, the next one begins at {following}"
            )


def id_of(record: Record) -> str:
    """What a writer called its record."""
    [(name, value)] = record.headers
    assert name == ID
    assert value is not None
    return value.decode()
