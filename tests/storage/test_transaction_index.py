"""The transaction index: Kafka's bytes, what of it a reader is told, and what is taken for one."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.transaction_index import ENTRY_BYTES, AbortedTransaction, TransactionIndex

BASE = 100
SOME = [
    AbortedTransaction(7, 90, 110, 95),
    AbortedTransaction(8, 95, 120, 121),
    AbortedTransaction(7, 130, 140, 141),
]


def index_of(*entries: AbortedTransaction) -> TransactionIndex:
    index = TransactionIndex()
    for entry in entries:
        index.append(entry)
    return index


step = st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from([False, False, True]))


@st.composite
def indexes(draw: st.DrawFn) -> list[AbortedTransaction]:
    """The aborts of some producers that take turns, as a log comes to know them."""
    opened: dict[int, int] = {}
    aborted = []
    for offset, (producer_id, ends, commits) in enumerate(
        draw(st.lists(step, max_size=60) | st.lists(step, min_size=30, max_size=60)), start=BASE
    ):
        if not ends or producer_id not in opened:
            opened.setdefault(producer_id, offset)
            continue
        first = opened.pop(producer_id)
        if not commits:
            stable = min(opened.values(), default=offset + 1)
            aborted.append(AbortedTransaction(producer_id, first, offset, stable))
    return aborted


def test_an_index_has_kafkas_bytes() -> None:
    assert index_of(SOME[0]).encode() == struct.pack(">hqqqq", 0, 7, 90, 110, 95)


@given(indexes())
def test_an_index_is_read_back_as_it_was_written(entries: list[AbortedTransaction]) -> None:
    data = index_of(*entries).encode()
    found = TransactionIndex.decode(data, BASE, BASE + 60)
    assert found is not None
    assert list(found) == entries
    assert len(data) == ENTRY_BYTES * len(found)


@given(indexes(), st.integers(BASE - 1, BASE + 61), st.integers(BASE - 1, BASE + 61))
def test_a_reader_is_told_of_what_has_a_part_in_his_range(
    entries: list[AbortedTransaction], start: int, end: int
) -> None:
    told: list[AbortedTransaction] = []
    index_of(*entries).collect(start, end, told)
    assert told == [each for each in entries if each.last_offset >= start and each.first_offset < end]


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (0, 91, [(7, 90)]),
        (0, 95, [(7, 90)]),
        (0, 96, [(7, 90), (8, 95)]),
        (110, 131, [(7, 90), (8, 95), (7, 130)]),
        (111, 131, [(8, 95), (7, 130)]),
        (121, 131, [(7, 130)]),
        (121, 130, []),
        (140, 141, [(7, 130)]),
        (141, 999, []),
    ],
)
def test_both_ends_of_a_range_and_of_a_transaction_count(
    start: int, end: int, told: list[tuple[int, int]]
) -> None:
    found: list[AbortedTransaction] = []
    index_of(*SOME).collect(start, end, found)
    assert [each[:2] for each in found] == told


@given(indexes(), st.integers(BASE - 1, BASE + 61), st.integers(0, 60))
def test_where_the_search_may_stop_nothing_that_follows_has_a_part(
    entries: list[AbortedTransaction], end: int, split: int
) -> None:
    is_complete = index_of(*entries[:split]).collect(0, end, [])
    if is_complete:
        assert all(each.first_offset >= end for each in entries[split:])


@pytest.mark.parametrize(
    ("offset", "left", "kept"),
    [(0, [], SOME), (110, [], SOME), (111, SOME[:1], SOME[1:]), (140, SOME[:2], SOME[2:]), (141, SOME, [])],
)
def test_it_is_cut_by_the_offsets_of_the_markers(
    offset: int, left: list[AbortedTransaction], kept: list[AbortedTransaction]
) -> None:
    index = index_of(*SOME)
    assert index.truncate(offset) == (left != SOME)
    assert list(index) == left
    index = index_of(*SOME)
    assert index.drop_before(offset) == (kept != SOME)
    assert list(index) == kept


def test_a_marker_that_does_not_follow_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        index_of(*SOME, AbortedTransaction(9, 100, 140, 141))


@pytest.mark.parametrize("kept", [at for at in range(3 * ENTRY_BYTES) if at % ENTRY_BYTES])
def test_an_index_that_is_cut_within_an_entry_is_not_taken(kept: int) -> None:
    assert TransactionIndex.decode(index_of(*SOME).encode()[:kept], BASE, 200) is None


@pytest.mark.parametrize(
    "wrong",
    [
        AbortedTransaction(-1, 130, 140, 141),
        AbortedTransaction(7, -1, 140, 141),
        AbortedTransaction(7, 140, 140, 141),
        AbortedTransaction(7, 90, 99, 100),
        AbortedTransaction(7, 130, 200, 201),
        AbortedTransaction(7, 130, 140, 142),
        AbortedTransaction(7, 130, 140, 120),
    ],
    ids=["no producer", "no beginning", "empty", "before the segment", "behind it", "too stable", "falling"],
)
def test_an_index_that_cannot_be_right_is_not_taken(wrong: AbortedTransaction) -> None:
    data = index_of(*SOME[:2]).encode() + struct.pack(">hqqqq", 0, *wrong)
    assert TransactionIndex.decode(data, BASE, 200) is None


def test_an_index_of_another_version_or_out_of_order_is_not_taken() -> None:
    data = index_of(*SOME).encode()
    assert TransactionIndex.decode(b"\0\1" + data[2:], BASE, 200) is None
    assert TransactionIndex.decode(data[ENTRY_BYTES:] + data[:ENTRY_BYTES], BASE, 200) is None
    assert TransactionIndex.decode(data + data[-ENTRY_BYTES:], BASE, 200) is None


@given(st.binary(max_size=4 * ENTRY_BYTES), st.integers(0, 1 << 62), st.integers(0, 1 << 62))
def test_any_bytes_are_an_index_or_are_not(data: bytes, base: int, length: int) -> None:
    found = TransactionIndex.decode(data, base, base + length)
    assert found is None or found.encode() == data
