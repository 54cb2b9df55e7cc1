"""Room to receive into is as large as asked for, begins with what there is, and takes what comes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kwire_codecs import rooms

from tests.references.rooms import room as plain_room


@given(st.integers(1, 300_000), st.binary(max_size=50))
@example(rooms.MAPPED_BYTES - 1, b"begun")
@example(rooms.MAPPED_BYTES, b"begun")
def test_a_room_once_filled_is_what_a_plain_one_is(size: int, start: bytes) -> None:
    start = start[:size]
    found, expected = rooms.room(size, start), plain_room(size, start)
    assert len(found) == len(expected)
    assert found[: len(start)] == start
    rest = b"filled" * ((size - len(start)) // 6 + 1)
    for each in (found, expected):
        with memoryview(each) as view:
            view[len(start) :] = rest[: size - len(start)]
    assert found[:] == expected[:]


def test_there_is_room_where_the_system_lacks_what_makes_it_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_HUGE_PAGES", None)
    monkeypatch.setattr(rooms, "_unset", lambda: bytearray)
    assert rooms.room(rooms.MAPPED_BYTES, b"begun") == plain_room(rooms.MAPPED_BYTES, b"begun")


def test_what_there_is_no_memory_for_is_refused() -> None:
    with pytest.raises((MemoryError, OSError)):
        rooms.room(1 << 60, b"")
