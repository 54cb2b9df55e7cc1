"""What the offset map remembers of batches says the same of their records as looking their keys up does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kwire_storage.cleaner.offset_map import OffsetMap

batches = st.lists(
    st.tuples(
        st.integers(0, 5),  # offsets left out before it
        st.lists(st.none() | st.binary(min_size=1, max_size=1), min_size=1, max_size=8),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


@given(batches)
def test_a_batch_that_was_remembered_is_judged_as_by_its_keys(
    log: list[tuple[int, list[bytes], bool]],
) -> None:
    newest = OffsetMap(1 << 20)
    offset = 1000
    placed = []
    for gap, keys, is_remembered in log:
        offset += gap
        newest.put(keys, range(offset, offset + len(keys)))
        if is_remembered:
            newest.remember(offset, len(keys))
        placed.append((offset, keys, is_remembered))
        offset += len(keys)
    for base, keys, is_remembered in placed:
        told = newest.newest_in(base, len(keys))
        if is_remembered:
            assert told is not None
            assert list(told) == newest.newest(keys, range(base, base + len(keys)))
        else:
            assert told is None
    assert newest.newest_in(990, 5) is None
    assert newest.newest_in(offset, 1) is None


def test_offsets_far_from_each_other_are_not_remembered() -> None:
    newest = OffsetMap(1 << 20)
    for base in (5, 1 << 50):
        newest.put([b"a", b"b"], range(base, base + 2))
        newest.remember(base, 2)
    assert list(newest.newest_in(5, 2) or []) == [0, 0]
    assert newest.newest_in(1 << 50, 2) is None
