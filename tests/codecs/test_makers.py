"""What the codecs make by a shorter way is what the plain way makes."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.record import Record
from kwire_codecs.runtime import MAX_UUIDS, UUIDS
from kwire_codecs.wire import maker

Partition = Produce.Response.Topic.Partition


@given(st.integers(0, 100), st.integers(), st.sampled_from(ErrorCode), st.none() | st.text())
def test_a_maker_makes_what_its_class_does(
    index: int, offset: int, code: ErrorCode, message: str | None
) -> None:
    fields: dict[str, Any] = {
        "index": index,
        "base_offset": offset,
        "error_code": code,
        "error_message": message,
    }
    made, constructed = maker(Partition)(**fields), Partition(**fields)
    assert type(made) is Partition
    assert made == constructed
    assert maker(Partition)(index=index, base_offset=offset) == Partition(index=index, base_offset=offset)


def test_structs_that_a_maker_makes_share_no_list() -> None:
    make = maker(Partition)
    one, other = make(index=0, base_offset=0), make(index=0, base_offset=0)
    assert one.record_errors is not other.record_errors


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_the_uuid_of_its_bytes(sixteen: bytes) -> None:
    assert UUIDS[sixteen] == uuid.UUID(bytes=sixteen)
    assert UUIDS[sixteen] is UUIDS[sixteen]


def test_not_more_ids_are_kept_than_there_is_room_for() -> None:
    for number in range(2 * MAX_UUIDS + 1):
        assert UUIDS[number.to_bytes(16, "big")].int == number
        assert len(UUIDS) <= MAX_UUIDS


@given(st.integers(0, 1 << 62), st.integers(0, (1 << 31) - 1), st.lists(st.binary(), min_size=1, max_size=3))
def test_a_placed_batch_is_a_stamped_one(offset: int, epoch: int, values: list[bytes]) -> None:
    placed = record_batch.build([Record(None, value, 5) for value in values], producer_id=3)
    stamped = bytearray(placed)
    header = record_batch.place(placed, record_batch.read_header(placed), offset, epoch)
    record_batch.stamp(stamped, 0, offset, epoch)
    assert placed == stamped
    assert header == record_batch.read_header(stamped)
    assert type(header) is record_batch.BatchHeader
