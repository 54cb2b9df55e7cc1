"""A log's producers are judged as by the plain rules of tests/references, whatever was sent before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.records.batch import CONTROL, TRANSACTIONAL, BatchHeader
from kwire_storage.producer_entry import ProducerEntry
from kwire_storage.producer_state import BATCHES_REMEMBERED, Origin, ProducerState, Verification

from tests.references.producer_state import check, check_marker

LARGEST = 0x7FFFFFFF
sequences = st.integers(-1, 6) | st.integers(LARGEST - 6, LARGEST)


@st.composite
def headers(draw: st.DrawFn) -> BatchHeader:
    """Headers of few producers, epochs and sequences, so that they meet."""
    delta = draw(st.integers(0, 3) | st.sampled_from([LARGEST - 3, LARGEST]))
    attributes = draw(st.sampled_from([0, 0, 0, 0, TRANSACTIONAL, CONTROL | TRANSACTIONAL]))
    return BatchHeader(
        base_offset=0,
        batch_length=49,
        partition_leader_epoch=0,
        magic=2,
        crc=0,
        attributes=attributes,
        last_offset_delta=delta,
        base_timestamp=5,
        max_timestamp=draw(st.integers(0, 9)),
        producer_id=draw(st.sampled_from([-1, 7, 7, 7, 8])),
        producer_epoch=draw(st.sampled_from([-2, -1, 0, 0, 0, 1])),
        base_sequence=draw(sequences),
        record_count=delta + 1,
    )


verified_by = st.sampled_from(["nobody", "the caller", "the one under way", "an older one"])


@given(
    st.lists(
        st.tuples(
            headers(), st.booleans(), st.sampled_from(Origin), verified_by, st.booleans(), st.booleans()
        ),
        max_size=25,
    )
)
def test_every_batch_is_judged_as_by_the_plain_rules(
    sent: list[tuple[BatchHeader, bool, Origin, str, bool, bool]],
) -> None:
    """Some batches are made to follow the producer's last one: else most would be refused."""
    state = ProducerState()
    under_way: dict[int, Verification] = {}
    older = Verification(0, 0, False, 0)
    for header, follows, origin, by, starts, supports_epoch_bump in sent:
        producer_id = header.producer_id
        entry = state.get(producer_id)
        if follows and entry is not None:
            sequence = entry.last_sequence + 1 if entry.last_sequence < LARGEST else 0
            header = header._replace(base_sequence=sequence, producer_epoch=entry.epoch)
        header = header._replace(base_offset=state.end_offset)
        if starts and producer_id >= 0:
            started = state.start_verification(
                producer_id,
                header.producer_epoch,
                header.base_sequence,
                supports_epoch_bump=supports_epoch_bump,
                now_ms=0,
            )
            if isinstance(started, Verification):
                assert under_way.setdefault(producer_id, started) is started
        verification = under_way.get(producer_id)
        verified: Verification | bool = False
        if by != "nobody":
            verified = True if by == "the caller" else older
            if by == "the one under way" and verification is not None:
                verified = verification
        verdict = state.check(header, 0, origin=origin, verified=verified)
        assert verdict == check(entry, header, origin, verification, verified)
        if verdict is not None:
            continue
        state.append(header, memoryview(bytes(61)))
        if header.is_transactional and not header.is_control:
            under_way.pop(producer_id, None)
        assert state.end_offset == header.base_offset + header.last_offset_delta + 1
        entry = state.get(producer_id)
        if entry is not None and not header.is_control:
            assert len(entry.batches) <= BATCHES_REMEMBERED
            assert entry.batches[-1].last_sequence == header.last_sequence
            assert entry.batches[-1].base_offset == header.base_offset
            assert entry.last_timestamp_ms == header.max_timestamp
            again = state.check(header, 0)
            assert again == check(entry, header, verification=under_way.get(producer_id))


@given(
    epoch=st.sampled_from([-1, 0, 1, 2, 0x7FFF]),
    known_epoch=st.sampled_from([-1, 0, 1, 2, 0x7FFF]),
    coordinator_epochs=st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
    is_open=st.booleans(),
    is_known=st.booleans(),
    transaction_version=st.integers(0, 2),
)
def test_every_marker_is_judged_as_by_the_plain_rules(
    epoch: int,
    known_epoch: int,
    coordinator_epochs: tuple[int, int],
    is_open: bool,
    is_known: bool,
    transaction_version: int,
) -> None:
    state = ProducerState()
    entry = ProducerEntry(7, known_epoch, coordinator_epochs[0], 0, 5 if is_open else -1)
    if is_known:
        state.become(iter([entry]), 9)
    judged = state.check_marker(7, epoch, coordinator_epochs[1], transaction_version)
    expected = check_marker(entry if is_known else None, epoch, coordinator_epochs[1], transaction_version)
    assert judged == expected
