"""What a log knows of its producers: duplicates, gaps, epochs, expiry, transactions, snapshots."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_storage.producer_entry import ProducerEntry, WrittenBatch
from kwire_storage.producer_snapshot import CorruptSnapshot, decode_snapshot
from kwire_storage.producer_state import Duplicate, Origin, ProducerState, Verification

from tests.storage.batches import batch, marker

LAST_SEQUENCE = 0x7FFFFFFF


class Writer:
    """Appends to a state what `check` lets through, as a log would, and says what became of it."""

    def __init__(self) -> None:
        self.state = ProducerState()
        self.end_offset = 0

    def send(
        self,
        sequence: int,
        count: int = 1,
        *,
        epoch: int = 0,
        producer_id: int = 7,
        transactional: bool = False,
        origin: Origin = Origin.CLIENT,
        verified: Verification | bool = True,
    ) -> int | Duplicate | ErrorCode:
        """The base offset that the batch got, or why it got none."""
        sent = batch(
            self.end_offset,
            count,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            is_transactional=transactional,
        )
        verdict = self.state.check(sent.header, 0, origin=origin, verified=verified)
        if verdict is not None:
            return verdict
        self.state.append(sent.header, sent.buffer)
        self.end_offset += count
        return sent.header.base_offset

    def end(
        self,
        *,
        commit: bool,
        producer_id: int = 7,
        epoch: int = 0,
        coordinator_epoch: int = 7,
        transaction_version: int = 0,
    ) -> object:
        refusal = self.state.check_marker(producer_id, epoch, coordinator_epoch, transaction_version)
        if refusal is not None:
            return refusal
        sent = marker(
            self.end_offset,
            commit=commit,
            producer_id=producer_id,
            producer_epoch=epoch,
            coordinator_epoch=coordinator_epoch,
        )
        self.end_offset += 1
        return self.state.append(sent.header, sent.buffer)


@pytest.fixture
def writer() -> Writer:
    return Writer()


def test_batches_in_sequence_are_taken(writer: Writer) -> None:
    assert [writer.send(0, 3), writer.send(3), writer.send(4, 10), writer.send(14)] == [0, 3, 4, 14]


def test_a_new_epoch_begins_at_zero_wherever_the_old_one_ended(writer: Writer) -> None:
    writer.send(0, 3, epoch=1)
    assert writer.send(3, epoch=2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert writer.send(3, epoch=0) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert writer.send(0, 3, epoch=2) == 3
    assert writer.send(3, epoch=2) == 6


def test_a_batch_of_all_sequences_sent_again_is_known() -> None:
    """What follows it is where it began: only a hostile client can say so, and it gets one answer."""
    state = ProducerState()
    first = batch(0, 5, producer_id=7, producer_epoch=0, base_sequence=0).header
    state.append(first, memoryview(b""))
    whole = first._replace(base_offset=5, base_sequence=5, last_offset_delta=LAST_SEQUENCE)
    assert state.check(whole, 0) is None
    state.append(whole, memoryview(b""))
    assert isinstance(state.check(whole, 0), Duplicate)


def test_a_batch_sent_again_is_answered_with_where_it_is(writer: Writer) -> None:
    writer.send(0, 3)
    writer.send(3, 2)
    assert writer.send(0, 3) == Duplicate(0, 2, 1002)
    assert writer.send(3, 2) == Duplicate(3, 4, 1004)
    assert writer.send(5) == 5


def test_five_batches_are_remembered(writer: Writer) -> None:
    for sequence in range(6):
        writer.send(sequence)
    assert writer.send(0) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    for sequence in range(1, 6):
        assert writer.send(sequence) == Duplicate(sequence, sequence, 1000 + sequence)


@pytest.mark.parametrize(("sequence", "count"), [(0, 2), (1, 1), (1, 3), (4, 2), (2, 9)])
def test_a_batch_of_another_extent_is_no_duplicate(writer: Writer, sequence: int, count: int) -> None:
    writer.send(0, 3)
    writer.send(3, 3)
    assert writer.send(sequence, count) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.parametrize("sequence", [2, 0, 1000, LAST_SEQUENCE])
def test_a_gap_is_out_of_order(writer: Writer, sequence: int) -> None:
    writer.send(0, 1)
    assert writer.send(sequence, 5) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert writer.send(1) == 1


def test_a_producer_that_is_not_known_may_begin_anywhere(writer: Writer) -> None:
    assert writer.send(4711) == 0
    assert writer.send(4712) == 1
    assert writer.send(99, producer_id=8, epoch=3) == 2


def test_sequences_wrap_after_the_largest(writer: Writer) -> None:
    assert writer.send(LAST_SEQUENCE - 1, 2) == 0
    assert writer.send(0, 3) == 2
    assert writer.send(LAST_SEQUENCE - 1, 2) == Duplicate(0, 1, 1001)
    assert writer.send(3) == 5


def test_a_batch_that_wraps_within_is_followed_and_recognised(writer: Writer) -> None:
    assert writer.send(LAST_SEQUENCE - 1, 4) == 0
    assert writer.send(LAST_SEQUENCE - 1, 4) == Duplicate(0, 3, 1003)
    assert writer.send(2) == 4


def test_a_new_epoch_begins_at_sequence_0(writer: Writer) -> None:
    writer.send(0, 5)
    assert writer.send(5, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert writer.send(0, epoch=1) == 5
    assert writer.send(1, epoch=1) == 6
    assert writer.send(0, epoch=1) == Duplicate(5, 5, 1005)


def test_an_old_epoch_is_fenced_also_for_what_it_wrote_before(writer: Writer) -> None:
    writer.send(0, epoch=4)
    writer.send(0, epoch=5)
    assert writer.send(0, epoch=4) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert writer.send(1, epoch=4) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_batches_without_producer_id_are_never_checked(writer: Writer) -> None:
    for sequence in (-1, -1, 7):
        assert isinstance(writer.send(sequence, producer_id=-1, epoch=-1), int)
    assert len(writer.state) == 0


def test_a_coordinators_batches_are_checked_for_their_epoch_only(writer: Writer) -> None:
    writer.send(-1, epoch=3, origin=Origin.COORDINATOR, transactional=True)
    assert writer.send(-1, epoch=3, origin=Origin.COORDINATOR, transactional=True) == 1
    fenced = writer.send(-1, epoch=2, origin=Origin.COORDINATOR, transactional=True)
    assert fenced is ErrorCode.INVALID_PRODUCER_EPOCH


def test_producers_do_not_mix(writer: Writer) -> None:
    for sequence in range(8):
        for producer_id in (7, 8, 9):
            assert isinstance(writer.send(sequence, producer_id=producer_id), int)
    assert sorted(entry.producer_id for entry in writer.state) == [7, 8, 9]


def test_checking_changes_nothing(writer: Writer) -> None:
    writer.send(0)
    before = writer.state.encode_snapshot()
    for sequence in (0, 1, 5):
        sent = batch(1, producer_id=7, producer_epoch=0, base_sequence=sequence)
        writer.state.check(sent.header, 1 << 50)
    assert writer.state.encode_snapshot() == before


# Expiry


def test_an_idle_producer_expires_and_may_begin_anywhere_again(writer: Writer) -> None:
    writer.state.expiration_ms = 100
    writer.send(0)  # its record has the time 1000
    assert writer.state.expire(1099) == 0
    assert writer.send(5) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert writer.state.expire(1100) == 1
    assert writer.send(5) == 1


def test_a_producer_with_an_open_transaction_does_not_expire(writer: Writer) -> None:
    writer.send(0, transactional=True)
    assert writer.state.expire(1 << 60) == 0
    writer.end(commit=True)
    assert writer.state.expire(1 << 60) == 1


# Transactions


def test_the_oldest_open_transaction_holds_back_readers(writer: Writer) -> None:
    assert writer.state.first_undecided_offset is None
    writer.send(0, 3, transactional=True)
    writer.send(0, 2, transactional=True, producer_id=8)
    assert writer.state.first_undecided_offset == 0
    done = writer.end(commit=True)
    assert done == (7, 0, 5, False, 3)
    assert writer.state.first_undecided_offset == 3
    assert writer.end(commit=False, producer_id=8) == (8, 3, 6, True, 7)
    assert writer.state.first_undecided_offset is None


def test_a_marker_without_transaction_ends_nothing(writer: Writer) -> None:
    assert writer.end(commit=True) is None
    assert writer.send(0) == 1


def test_after_a_marker_of_a_new_epoch_sequences_begin_at_0(writer: Writer) -> None:
    writer.send(0, 5, transactional=True)
    writer.end(commit=False, epoch=1)
    assert writer.send(5, epoch=1, transactional=True) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert writer.send(0, epoch=1, transactional=True) == 6


@pytest.mark.parametrize("transaction_version", [0, 1, 2])
def test_a_marker_of_an_older_epoch_is_refused(writer: Writer, transaction_version: int) -> None:
    writer.send(0, epoch=3, transactional=True)
    ended = writer.end(commit=True, epoch=2, transaction_version=transaction_version)
    assert ended is ErrorCode.INVALID_PRODUCER_EPOCH
    assert writer.state.first_undecided_offset == 0


def test_under_version_2_a_marker_of_the_transactions_own_epoch_is_late(writer: Writer) -> None:
    writer.send(0, epoch=3, transactional=True)
    assert writer.end(commit=True, epoch=3, transaction_version=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert writer.end(commit=True, epoch=4, transaction_version=2) == (7, 0, 1, False, 2)


def test_under_version_2_a_marker_may_be_written_again_until_something_was_begun(writer: Writer) -> None:
    writer.send(0, epoch=3, transactional=True)
    writer.end(commit=True, epoch=4, transaction_version=2)
    assert writer.end(commit=True, epoch=4, transaction_version=2) is None
    assert writer.send(0, epoch=4, transactional=True) == 3
    assert writer.end(commit=True, epoch=4, transaction_version=2) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_at_the_largest_epoch_a_marker_is_taken_also_under_version_2(writer: Writer) -> None:
    writer.send(0, epoch=0x7FFF, transactional=True)
    assert writer.end(commit=False, epoch=0x7FFF, transaction_version=2) == (7, 0, 1, True, 2)


def test_before_version_2_a_marker_has_the_transactions_epoch(writer: Writer) -> None:
    writer.send(0, epoch=3, transactional=True)
    assert writer.end(commit=True, epoch=3, transaction_version=1) == (7, 0, 1, False, 2)


@pytest.mark.parametrize("transaction_version", [0, 1, 2])
def test_a_coordinator_of_an_older_epoch_is_fenced(writer: Writer, transaction_version: int) -> None:
    writer.end(commit=True, epoch=3, coordinator_epoch=5)
    writer.send(0, epoch=3, transactional=True)
    ended = writer.end(commit=True, epoch=4, coordinator_epoch=4, transaction_version=transaction_version)
    assert ended is ErrorCode.TRANSACTION_COORDINATOR_FENCED
    ended = writer.end(commit=True, epoch=4, coordinator_epoch=5, transaction_version=transaction_version)
    assert ended == (7, 1, 2, False, 3)


@pytest.mark.parametrize("transaction_version", [0, 1, 2])
def test_a_marker_may_come_for_a_producer_that_is_not_known(writer: Writer, transaction_version: int) -> None:
    assert writer.end(commit=False, epoch=0, transaction_version=transaction_version) is None
    entry = writer.state.get(7)
    assert entry is not None
    assert (entry.epoch, entry.coordinator_epoch, entry.last_timestamp_ms) == (0, 7, 5000)


# Verification


def test_a_batch_begins_a_transaction_only_if_the_coordinator_was_asked(writer: Writer) -> None:
    assert writer.send(0, transactional=True, verified=False) is ErrorCode.INVALID_TXN_STATE
    assert writer.send(0, transactional=True, verified=True) == 0
    assert writer.send(1, transactional=True, verified=False) == 1
    writer.end(commit=True)
    assert writer.send(2, transactional=True, verified=False) is ErrorCode.INVALID_TXN_STATE


def test_a_coordinators_own_batch_begins_a_transaction_unasked(writer: Writer) -> None:
    assert writer.send(-1, transactional=True, origin=Origin.COORDINATOR, verified=False) == 0
    assert writer.state.first_undecided_offset == 0


def test_an_answer_is_good_for_the_verification_that_it_belongs_to(writer: Writer) -> None:
    older = started(writer, 0)
    writer.end(commit=False)
    assert writer.send(0, transactional=True, verified=older) is ErrorCode.INVALID_TXN_STATE
    newer = started(writer, 0)
    assert newer is not older
    assert writer.send(0, transactional=True, verified=older) is ErrorCode.INVALID_TXN_STATE
    assert writer.send(0, transactional=True, verified=newer) == 1


def test_batches_that_wait_for_one_answer_share_it_until_the_first_is_there(writer: Writer) -> None:
    first, second = started(writer, 0), started(writer, 1)
    assert first is second
    assert writer.send(0, transactional=True, verified=first) == 0
    assert writer.send(1, transactional=True, verified=second) == 1
    assert writer.state.start_verification(7, 0, 2, supports_epoch_bump=False, now_ms=0) is None


def test_the_marker_of_the_transaction_before_leaves_the_verification_of_the_next_one(writer: Writer) -> None:
    """Under version 2 both have one epoch."""
    writer.send(0, epoch=3, transactional=True)
    verification = started(writer, 0, epoch=4, supports_epoch_bump=True)
    writer.end(commit=True, epoch=4, transaction_version=2)
    assert writer.send(0, epoch=4, transactional=True, verified=verification) == 2


def test_no_batch_overtakes_the_lowest_sequence_that_waits_for_an_answer(writer: Writer) -> None:
    started(writer, 5)
    verification = started(writer, 3)
    sent = writer.send(5, transactional=True, verified=verification)
    assert sent is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert writer.send(3, 2, transactional=True, verified=verification) == 0
    assert writer.send(5, transactional=True, verified=False) == 2


def test_the_lowest_sequence_begins_again_with_an_epoch(writer: Writer) -> None:
    started(writer, 0, epoch=1)
    verification = started(writer, 2, epoch=2)
    assert (verification.epoch, verification.lowest_sequence) == (2, 2)
    started(writer, 0, epoch=1)
    assert verification.lowest_sequence == 2


@pytest.mark.parametrize(("supports_epoch_bump", "expected"), [(True, None), (False, 0)])
def test_under_version_2_a_producer_that_is_not_known_begins_at_0(
    writer: Writer, supports_epoch_bump: bool, expected: int | None
) -> None:
    verification = started(writer, 4, supports_epoch_bump=supports_epoch_bump)
    sent = writer.send(4, transactional=True, verified=verification)
    assert sent == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER if expected is None else expected)


def test_plain_batches_too_wait_for_what_is_being_verified(writer: Writer) -> None:
    """Only a client that mixes them notices."""
    writer.send(0)
    started(writer, 0)
    assert writer.send(1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_verification_of_an_older_epoch_is_not_begun(writer: Writer) -> None:
    writer.send(0, epoch=3)
    found = writer.state.start_verification(7, 2, 0, supports_epoch_bump=False, now_ms=0)
    assert found is ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_verification_that_nobody_ends_expires(writer: Writer) -> None:
    verification = started(writer, 0)
    writer.state.expire(writer.state.expiration_ms - 1)
    assert started(writer, 0) is verification
    writer.state.expire(writer.state.expiration_ms)
    assert started(writer, 0) is not verification


def started(
    writer: Writer, sequence: int, *, epoch: int = 0, supports_epoch_bump: bool = False
) -> Verification:
    """The verification that is under way now."""
    found = writer.state.start_verification(
        7, epoch, sequence, supports_epoch_bump=supports_epoch_bump, now_ms=0
    )
    assert isinstance(found, Verification)
    return found


def test_a_plain_batch_in_a_transaction_is_refused(writer: Writer) -> None:
    writer.send(0, transactional=True)
    assert writer.send(1) is ErrorCode.INVALID_TXN_STATE


def test_a_control_record_that_is_no_marker_is_passed_over() -> None:
    state = ProducerState()
    sent = marker(0, commit=True, producer_id=7, producer_epoch=0)
    garbled = bytearray(sent.buffer)
    garbled[61:] = b"\xff" * (len(garbled) - 61)
    assert state.append(sent.header, memoryview(garbled)) is None
    assert state.end_offset == 1


# Snapshots

ENTRIES = st.builds(
    ProducerEntry,
    st.integers(0, 2**63 - 1),
    st.integers(-1, 2**15 - 1),
    st.integers(-1, 2**31 - 1),
    st.integers(-1, 2**62),
    st.integers(-1, 2**62),
)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(ENTRIES, st.integers(0, LAST_SEQUENCE), st.integers(0, 2**62), st.integers(0, 1000)),
        unique_by=lambda drawn: drawn[0].producer_id,
    )
)
def test_a_snapshot_gives_back_what_was_put_in(drawn: list[tuple[ProducerEntry, int, int, int]]) -> None:
    state = ProducerState(expiration_ms=1 << 62)
    expected = {}
    for entry, sequence, offset, delta in drawn:
        entry.batches = [WrittenBatch(sequence, offset, delta, entry.last_timestamp_ms)]
        state._entries[entry.producer_id] = entry
        expected[entry.producer_id] = entry
    loaded = ProducerState(expiration_ms=1 << 62)
    loaded.load_snapshot(state.encode_snapshot(), 99, 0)
    assert {entry.producer_id: entry for entry in loaded} == expected
    assert loaded.end_offset == 99
    opened = [
        entry.transaction_first_offset for entry in expected.values() if entry.transaction_first_offset >= 0
    ]
    assert loaded.first_undecided_offset == min(opened, default=None)


def test_a_snapshot_has_kafkas_bytes() -> None:
    writer = Writer()
    writer.send(5, 2, epoch=3)
    data = writer.state.encode_snapshot()
    assert data[:2] == b"\0\1"
    assert data[6:10] == struct.pack(">i", 1)
    assert data[10:] == struct.pack(">qhiqiqiq", 7, 3, 6, 1, 1, 1001, -1, -1)


@given(st.data())
def test_a_snapshot_that_was_garbled_is_never_taken(data: st.DataObject) -> None:
    writer = Writer()
    for producer_id in range(3):
        writer.send(0, producer_id=producer_id)
    whole = bytearray(writer.state.encode_snapshot())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptSnapshot):
        list(decode_snapshot(bytes(whole)))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_snapshot_or_refused(data: bytes) -> None:
    with suppress(CorruptSnapshot):
        list(decode_snapshot(data))
