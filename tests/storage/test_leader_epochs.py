"""Where each leader epoch began: the answers of OffsetForLeaderEpoch, and what cutting a log does to them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.checkpoints import decode_epochs, encode_epochs
from kwire_storage.leader_epochs import EpochEntry, LeaderEpochs

KNOWN = [(2, 10), (3, 20), (6, 30)]


@pytest.mark.parametrize(
    ("epoch", "answer"),
    [
        (-1, (-1, -1)),
        (0, (0, 10)),
        (1, (1, 10)),
        (2, (2, 20)),
        (3, (3, 30)),
        (4, (3, 30)),
        (5, (3, 30)),
        (6, (6, 99)),
        (7, (-1, -1)),
    ],
)
def test_where_an_epoch_ended(epoch: int, answer: tuple[int, int]) -> None:
    assert LeaderEpochs(EpochEntry(*known) for known in KNOWN).end_offset_for(epoch, 99) == answer


def test_nothing_is_known_without_entries() -> None:
    assert LeaderEpochs().end_offset_for(0, 0) == (-1, -1)
    assert LeaderEpochs().latest == -1


@pytest.mark.parametrize(
    ("epoch", "start", "left"),
    [
        (6, 30, KNOWN),
        (6, 35, KNOWN),
        (6, 25, [(2, 10), (3, 20), (6, 25)]),
        (7, 40, [*KNOWN, (7, 40)]),
        (7, 30, [(2, 10), (3, 20), (7, 30)]),
        (4, 25, [(2, 10), (3, 20), (4, 25)]),
        (9, 5, [(9, 5)]),
    ],
)
def test_entries_that_contradict_a_new_one_give_way(
    epoch: int, start: int, left: list[tuple[int, int]]
) -> None:
    epochs = LeaderEpochs(EpochEntry(*known) for known in KNOWN)
    epochs.assign(epoch, start)
    assert epochs.entries() == left
    assert epochs.latest == left[-1][0]


@pytest.mark.parametrize(
    ("end", "left"), [(0, []), (10, []), (11, KNOWN[:1]), (20, KNOWN[:1]), (30, KNOWN[:2]), (31, KNOWN)]
)
def test_the_end_is_cut_off(end: int, left: list[tuple[int, int]]) -> None:
    epochs = LeaderEpochs(EpochEntry(*known) for known in KNOWN)
    epochs.truncate_from_end(end)
    assert epochs.entries() == left
    assert epochs.latest == (left[-1][0] if left else -1)


@pytest.mark.parametrize(
    ("start", "left"),
    [
        (5, KNOWN),
        (10, KNOWN),
        (15, [(2, 15), (3, 20), (6, 30)]),
        (20, KNOWN[1:]),
        (29, [(3, 29), (6, 30)]),
        (99, [(6, 99)]),
    ],
)
def test_the_beginning_is_cut_off(start: int, left: list[tuple[int, int]]) -> None:
    epochs = LeaderEpochs(EpochEntry(*known) for known in KNOWN)
    epochs.truncate_from_start(start)
    assert epochs.entries() == left


@pytest.mark.parametrize("offset", [0, 9, 10, 19, 20, 30, 1000])
def test_the_epoch_of_an_offset(offset: int) -> None:
    expected = max((epoch for epoch, start in KNOWN if start <= offset), default=-1)
    assert LeaderEpochs(EpochEntry(*known) for known in KNOWN).epoch_for(offset) == expected


def test_only_changes_are_told() -> None:
    told: list[int] = []
    epochs = LeaderEpochs([EpochEntry(1, 5)], on_change=lambda: told.append(epochs.latest))
    epochs.assign(1, 7)
    epochs.truncate_from_end(6)
    epochs.truncate_from_start(5)
    assert told == []
    epochs.assign(2, 9)
    epochs.clear()
    epochs.clear()
    assert told == [2, -1]


@pytest.mark.parametrize(("epoch", "start"), [(-1, 0), (0, -1)])
def test_negative_entries_are_a_bug(epoch: int, start: int) -> None:
    with pytest.raises(ValueError, match="can begin"):
        LeaderEpochs().assign(epoch, start)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 100)), max_size=30))
def test_entries_always_rise_and_survive_their_file(assigned: list[tuple[int, int]]) -> None:
    epochs = LeaderEpochs()
    for epoch, start in assigned:
        epochs.assign(epoch, start)
        entries = epochs.entries()
        assert all(a.epoch < b.epoch and a.start_offset < b.start_offset for a, b in pairwise(entries))
        assert epoch <= epochs.latest
        assert decode_epochs(encode_epochs(entries)) == entries
