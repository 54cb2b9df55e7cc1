"""What the crash runs of the log would find: each promise broken once, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from tests.crashes.checks import Broken
from tests.crashes.log_load.facts import ID, Facts, Sent
from tests.crashes.log_load.topics import BY_NAME, DELETE_RETENTION_MS, RETENTION_BYTES, RETENTION_MS

KEY = b"k"
NOW_MS = 1_000_000
PRODUCER = {"producer_id": 1, "producer_epoch": 0, "base_sequence": 0}


def facts_of(name: str, count: int = 3, *, sent_ms: int = NOW_MS) -> Facts:
    """A partition that has acknowledged `w/0`, `w/1`, ... as one batch at offset 0, in leader epoch 0."""
    facts = Facts(BY_NAME[name], 0)
    sent = sent_records(count, sent_ms=sent_ms)
    facts.sends(sent)
    facts.was_acknowledged(0, header(range(count), sent_ms=sent_ms), sent)
    return facts


def sent_records(count: int, first: int = 0, *, sent_ms: int = NOW_MS, tombstone: bool = False) -> list[Sent]:
    return [Sent(f"w/{number}", KEY, tombstone, sent_ms) for number in range(first, first + count)]


def records(offsets: range, *, first: int = 0, value: bytes = b"v") -> list[Record]:
    return [
        Record(KEY, value, NOW_MS, ((ID, b"w/%d" % number),), offset)
        for number, offset in enumerate(offsets, first)
    ]


def header(offsets: range, *, epoch: int = 0, sent_ms: int = NOW_MS, padding: int = 0) -> batch.BatchHeader:
    made = [each._replace(timestamp=sent_ms, value=bytes(padding)) for each in records(offsets)]
    data = batch.build(made, base_offset=offsets[0], leader_epoch=epoch, **PRODUCER)  # type: ignore[arg-type]
    return batch.read_header(data)


def read(facts: Facts, offsets: range, *, first: int = 0, value: bytes = b"v", epoch: int = 0) -> None:
    facts.was_read(header(offsets, epoch=epoch), records(offsets, first=first, value=value), floor=0)


def test_a_log_that_is_as_it_was_told_is_right() -> None:
    facts = facts_of("kept")
    read(facts, range(3))
    facts.saw_log_start(0, 0, NOW_MS)
    facts.check_kept(facts.acknowledged, {"w/0", "w/1", "w/2"}, 0, 3)
    facts.check_order(records(range(3)))
    facts.check_epoch_end(0, 0, 3, 2)


def test_a_record_whose_batch_says_nothing_of_its_offset_must_be_there_too() -> None:
    facts = Facts(BY_NAME["kept"], 0)
    facts.sends(sent_records(1))
    facts.was_acknowledged(-1, header(range(1)), sent_records(1))
    with pytest.raises(Broken, match="lost"):
        facts.check_kept(facts.acknowledged, set(), 0, 0)


def test_a_tombstone_may_go_after_its_time_and_not_before() -> None:
    facts = facts_of("compacted", 1)
    tombstone = sent_records(1, first=1, tombstone=True)
    facts.sends(tombstone)
    facts.was_acknowledged(1, header(range(1, 2)), tombstone)
    facts.check_newest(dict(facts.newest), [], 2, NOW_MS + DELETE_RETENTION_MS)
    with pytest.raises(Broken, match="tombstone"):
        facts.check_newest(dict(facts.newest), [], 2, NOW_MS + DELETE_RETENTION_MS - 1)


def test_an_older_value_does_not_do_for_a_newer_one() -> None:
    facts = facts_of("compacted", 2)
    with pytest.raises(Broken, match="key"):
        facts.check_newest(dict(facts.newest), records(range(1)), 2, NOW_MS)


def test_a_key_whose_record_is_behind_the_end_or_on_its_way_may_be_gone() -> None:
    facts = facts_of("compacted", 2)
    facts.check_newest(dict(facts.newest), [], 1, NOW_MS)
    facts.sends(sent_records(1, first=2))
    facts.check_newest(dict(facts.newest), [], 2, NOW_MS)


def test_an_aborted_record_is_not_the_newest_of_its_key() -> None:
    facts = Facts(BY_NAME["decided-compacted"], 0)
    data = batch.build(records(range(1)), is_transactional=True, **PRODUCER)  # type: ignore[arg-type]
    facts.sends(sent_records(1))
    facts.was_acknowledged(0, batch.read_header(data), sent_records(1))
    assert not facts.newest
    facts.was_decided(sent_records(1), commit=False)
    assert not facts.newest
    facts.was_decided(sent_records(1), commit=True)
    assert facts.newest[KEY] == (0, sent_records(1)[0])


BREAKS: dict[str, Callable[[], object]] = {
    "offset 1 holds other bytes": lambda: _read_twice_differently(),
    "is at 0 and at 3": lambda: read(facts_of("kept"), range(3, 6)),
    "offset 1 was w/1's and is w/5's": lambda: _another_at_one(),
    "nobody sent w/3": lambda: read(facts_of("kept"), range(3, 4), first=3),
    "does not have all of its records": lambda: facts_of("kept").was_read(
        header(range(3)), records(range(2)), floor=0
    ),
    "came back": lambda: facts_of("cut").was_read(header(range(3)), records(range(3)), floor=3),
    "the batch at 0 was": lambda: facts_of("kept").was_read(
        header(range(3), padding=9), records(range(3)), floor=0
    ),
    "epoch 1 has": lambda: _epochs_back(),
    "fell from 5 to 4": lambda: facts_of("by-size").saw_log_start(4, 5, NOW_MS),
    "nothing may take what was below": lambda: facts_of("kept").saw_log_start(1, 0, NOW_MS),
    "0 was asked for": lambda: facts_of("cut").saw_log_start(1, 0, NOW_MS),
    "what was at 0 is gone, 1 ms too early": lambda: facts_of("by-time").saw_log_start(
        3, 0, NOW_MS + RETENTION_MS - 1
    ),
    "what was at 2 is gone, 1 ms too early": lambda: facts_of("both").saw_log_start(
        3, 0, NOW_MS + RETENTION_MS - 1
    ),
    f"and {RETENTION_BYTES} have to be": lambda: facts_of("by-size").check_size(3),
    "comes after a newer one": lambda: facts_of("kept").check_order(records(range(1, 3))[::-1]),
    "1 records are lost": lambda: facts_of("kept").check_kept(["w/2"], {"w/0", "w/1"}, 0, 3),
    "is said to be 0 and to end at 2": lambda: facts_of("kept").check_epoch_end(0, 0, 2, 2),
    "is said to be -1": lambda: facts_of("kept").check_epoch_end(0, -1, 3, 2),
    "the next one begins at 3": lambda: _epoch_ends_too_late(),
}


def _read_twice_differently() -> None:
    facts = facts_of("kept")
    read(facts, range(3))
    facts.was_read(
        header(range(3)), [*records(range(1)), *records(range(1, 3), first=1, value=b"w")], floor=0
    )


def _another_at_one() -> None:
    facts = facts_of("kept")
    facts.sends(sent_records(1, first=5))
    facts.was_acknowledged(1, header(range(1, 2)), sent_records(1, first=5))


def _epochs_back() -> None:
    facts = facts_of("kept")
    read(facts, range(3), epoch=2)
    facts.sends(sent_records(1, first=3))
    read(facts, range(3, 4), first=3, epoch=1)


def _epoch_ends_too_late() -> None:
    facts = facts_of("kept")
    read(facts, range(3))
    facts.sends(sent_records(1, first=3))
    read(facts, range(3, 4), first=3, epoch=1)
    facts.check_epoch_end(0, 0, 4, 2)


@pytest.mark.parametrize("words", BREAKS)
def test_what_may_never_be_seen_is_told(words: str) -> None:
    with pytest.raises(Broken, match=words):
        BREAKS[words]()


def test_retention_by_time_may_take_what_is_old_enough() -> None:
    facts_of("by-time").saw_log_start(3, 0, NOW_MS + RETENTION_MS)


def test_a_record_that_has_a_newer_one_of_its_key_may_go_however_young_it_is() -> None:
    facts_of("both").saw_log_start(2, 0, NOW_MS)


def test_a_log_may_begin_where_a_client_asked_for_it() -> None:
    facts = facts_of("cut")
    facts.asked_start = 2
    facts.saw_log_start(2, 0, NOW_MS)
    assert facts.log_start == 2
