"""A usual batch, appended the short way, comes to what it comes to the general way."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record
from kwire_storage.engine import LogConfig
from kwire_storage.memory import MemoryLog
from kwire_storage.produce_rules import ProduceRules
from kwire_storage.validation import accept_usual, usual_fields

from kwire.coordinators.metadata.image import PartitionImage
from kwire.partitions.partition import Partition

RULES = ProduceRules()
NOW_MS = 1_700_000_000_000
LEADER_EPOCH = 3


class Arrivals:
    """Waits at a partition, and keeps count of what comes."""

    is_waiting = True

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def arrived(self, size: int) -> None:
        self.sizes.append(size)

    def arrived_undecided(self, size: int) -> None:
        self.sizes.append(-3)

    def wake(self) -> None:
        self.sizes.append(-1)

    def stir(self) -> None:
        self.sizes.append(-2)


def partition() -> tuple[Partition, Arrivals]:
    """An empty one, and who waits there."""
    state = PartitionImage(0, (1,), (1,), 1, LEADER_EPOCH)
    made = Partition("t", UUID(int=5), 0, MemoryLog(LogConfig()), lambda: NOW_MS, state=state)
    arrivals = Arrivals()
    made.watch(arrivals)
    return made, arrivals


def stored(found: Partition) -> bytes:
    """All bytes of the log."""
    read = found.read(0, 1 << 30)
    assert not isinstance(read, ErrorCode)
    return b"".join(bytes(found.log.read_bytes(part)) for part in read.parts)


@st.composite
def batches(draw: st.DrawFn) -> bytearray:
    """Of few producers, epochs and sequences: many are duplicates or out of order."""
    values = draw(st.lists(st.binary(max_size=9), min_size=1, max_size=3))
    producer_id = draw(st.sampled_from([-1, 7, 7, 7, 8]))
    return record_batch.build(
        [Record(None, value, draw(st.integers(1, 9))) for value in values],
        producer_id=producer_id,
        producer_epoch=-1 if producer_id < 0 else draw(st.sampled_from([0, 0, 0, 1])),
        base_sequence=-1 if producer_id < 0 else draw(st.integers(0, 4)),
        leader_epoch=draw(st.integers(-1, 9)),
    )


@given(st.lists(batches(), max_size=12))
def test_the_short_way_comes_to_what_the_general_one_does(sent: list[bytearray]) -> None:
    short, short_arrivals = partition()
    general, general_arrivals = partition()
    for data in sent:
        records, others = memoryview(bytearray(data)), memoryview(bytearray(data))
        fields, checked = usual_fields(records, RULES, NOW_MS), accept_usual(others, RULES, NOW_MS)
        assert fields is not None
        assert checked is not None
        result = short.append_usual(records, fields, NOW_MS)
        assert result == general.append_batches(checked, RULES, NOW_MS)
        assert records == others
    assert stored(short) == stored(general)
    assert short_arrivals.sizes == general_arrivals.sizes


def test_a_duplicate_and_a_gap_append_nothing_either_way() -> None:
    data = record_batch.build([Record(None, b"x", 1)], producer_id=7, producer_epoch=0, base_sequence=0)
    gap = record_batch.build([Record(None, b"x", 1)], producer_id=7, producer_epoch=0, base_sequence=5)
    found, arrivals = partition()
    verdicts = []
    for at, each in enumerate((data, data, data, gap, gap)):
        records = memoryview(bytearray(each))
        if at % 2:
            checked = accept_usual(records, RULES, NOW_MS)
            assert checked is not None
            result = found.append_batches(checked, RULES, NOW_MS)
        else:
            fields = usual_fields(records, RULES, NOW_MS)
            assert fields is not None
            result = found.append_usual(records, fields, NOW_MS)
        verdicts.append((result.error_code, result.base_offset))
    out_of_order = (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    assert verdicts == [(ErrorCode.NONE, 0)] * 3 + [out_of_order] * 2
    assert found.log_end_offset == 1
    assert len(arrivals.sizes) == 1
