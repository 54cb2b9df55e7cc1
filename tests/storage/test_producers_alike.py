"""A log's producers are judged as by the plain rules of tests/references, whatever was sent before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.records.batch import CONTROL, TRANSACTIONAL, BatchHeader
from kwire_storage.producer_state import BATCHES_REMEMBERED, Origin, ProducerState

from tests.references.producer_state import check

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


@given(st.lists(st.tuples(headers(), st.booleans(), st.sampled_from(Origin)), max_size=25))
def test_every_batch_is_judged_as_by_the_plain_rules(sent: list[tuple[BatchHeader, bool, Origin]]) -> None:
    """Some batches are made to follow the producer's last one: else most would be refused."""
    state = ProducerState()
    for header, follows, origin in sent:
        entry = state.get(header.producer_id)
        if follows and entry is not None:
            sequence = entry.last_sequence + 1 if entry.last_sequence < LARGEST else 0
            header = header._replace(base_sequence=sequence, producer_epoch=entry.epoch)
        header = header._replace(base_offset=state.end_offset)
        verdict = state.check(header, 0, origin=origin)
        assert verdict == check(entry, header, origin)
        if verdict is not None:
            continue
        state.append(header, memoryview(bytes(61)))
        assert state.end_offset == header.base_offset + header.last_offset_delta + 1
        entry = state.get(header.producer_id)
        if entry is not None and not header.is_control:
            assert len(entry.batches) <= BATCHES_REMEMBERED
            assert entry.batches[-1].last_sequence == header.last_sequence
            assert entry.batches[-1].base_offset == header.base_offset
            assert entry.last_timestamp_ms == header.max_timestamp
            again = state.check(header, 0)
            assert again == check(entry, header)
