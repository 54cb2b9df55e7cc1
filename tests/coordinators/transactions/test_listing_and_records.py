"""What is told of transactional ids, and how they are kept in the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode, Malformed
from kwire_codecs.internal import transaction_records as codec
from kwire_codecs.internal.coordinator import encode_value

from kwire.coordinators.outcome import CoordinatorRecord
from kwire.coordinators.transactions.records import TransactionRecord, TransactionsFormat
from kwire.coordinators.transactions.records import _metadata as metadata_of
from kwire.coordinators.transactions.state import (
    EMPTY,
    ONGOING,
    VALID_PREVIOUS,
    IllegalTransition,
    TopicPartition,
    TransactionMetadata,
    TransactionState,
    check_transition,
)
from kwire.coordinators.transactions.values import DescribedTransaction, ListedTransaction
from tests.coordinators.transactions.context import ID, NONE, OTHER, START_MS, TP, Shard


def test_an_id_is_described() -> None:
    shard = Shard()
    producer = shard.started(timeout_ms=9)
    shard.add(producer, TP, OTHER)
    assert shard.machine.describe(ID).response == DescribedTransaction(
        NONE, ID, "Ongoing", 9, START_MS, *producer, (TP, OTHER)
    )


def test_while_markers_are_written_those_partitions_are_described_that_have_none() -> None:
    shard = Shard()
    producer = shard.started()
    shard.add(producer, TP, OTHER)
    shard.end(producer)
    shard.written(shard.markers(), [TP])
    described = shard.machine.describe(ID).response
    assert isinstance(described, DescribedTransaction)
    assert (described.state, list(described.partitions)) == ("PrepareCommit", [OTHER])


def test_ids_that_are_not_there_are_described_as_such() -> None:
    machine = Shard().machine
    unknown = DescribedTransaction(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, "x")
    assert machine.describe("x").response == unknown
    assert machine.describe("").response == DescribedTransaction(ErrorCode.INVALID_REQUEST, "")


def listing() -> tuple[Shard, dict[str, int]]:
    """An empty id, one that has been open for 10 ms, and one that is committed since."""
    shard = Shard()
    producers = {name: shard.started(name) for name in ("empty", "open", "done")}
    for name in ("open", "done"):
        shard.add(producers[name], transactional_id=name)
    shard.end(producers["done"], transactional_id="done")
    shard.carry_out()
    shard.now_ms += 10
    return shard, {name: producer.producer_id for name, producer in producers.items()}


def test_ids_are_listed() -> None:
    shard, ids = listing()
    listed = shard.machine.list_transactions((), None, -1, shard.now_ms).response
    assert listed == [
        ListedTransaction("empty", ids["empty"], "Empty"),
        ListedTransaction("open", ids["open"], "Ongoing"),
        ListedTransaction("done", ids["done"], "CompleteCommit"),
    ]


FILTERS = [
    ({"states": {"Ongoing"}}, ["open"]),
    ({"states": {"Ongoing", "Empty", "nonsense"}}, ["empty", "open"]),
    ({"states": {"nonsense"}}, []),
    ({"duration_ms": 9}, ["empty", "open", "done"]),
    ({"duration_ms": 10}, ["empty"]),  # it began at -1
    ({"producer_ids": {1}}, []),
    ({"states": {"Ongoing", "CompleteCommit"}, "duration_ms": 9}, ["open", "done"]),
]


@pytest.mark.parametrize(("filters", "names"), FILTERS)
def test_what_is_listed_passes_every_filter(filters: dict[str, object], names: list[str]) -> None:
    shard, _ = listing()
    chosen = {"producer_ids": (), "states": None, "duration_ms": -1, **filters}
    listed = shard.machine.list_transactions(**chosen, now_ms=shard.now_ms).response  # type: ignore[arg-type]
    assert isinstance(listed, list)
    assert [each.transactional_id for each in listed] == names


def test_producers_are_listed_by_their_ids() -> None:
    shard, ids = listing()
    listed = shard.machine.list_transactions({ids["open"], 1}, None, -1, shard.now_ms).response
    assert listed == [ListedTransaction("open", ids["open"], "Ongoing")]


# Records

STATES = [state for state in TransactionState if state.name not in ("DEAD", "PREPARE_EPOCH_FENCE")]


@st.composite
def metadatas(draw: st.DrawFn) -> TransactionMetadata:
    state = draw(st.sampled_from(STATES))
    partitions = st.builds(TopicPartition, st.sampled_from(["t", "u"]), st.integers(0, 9))
    in_order = sorted(draw(st.sets(partitions)), key=lambda each: each.topic)
    ids = st.integers(-1, 2**63 - 1)
    return TransactionMetadata(
        producer_id=draw(st.integers(0, 2**63 - 1)),
        producer_epoch=draw(st.integers(0, 32767)),
        timeout_ms=draw(st.integers(1, 2**31 - 1)),
        state=state,
        partitions={} if state is EMPTY else dict.fromkeys(in_order),
        start_timestamp_ms=draw(ids),
        last_update_timestamp_ms=draw(ids),
        previous_producer_id=draw(ids),
        next_producer_id=draw(ids),
        client_transaction_version=draw(st.integers(0, 2)),
    )


@given(metadatas(), st.sampled_from([0, 1, 2]))
def test_records_come_back_as_they_were_as_far_as_their_version_goes(
    metadata: TransactionMetadata, level: int
) -> None:
    travels = TransactionsFormat(lambda: level)
    key, value = travels.to_bytes(CoordinatorRecord(ID, metadata))
    assert value is not None
    assert value[:2] == (b"\0\1" if level else b"\0\0")
    if not level:
        metadata = metadata._replace(
            previous_producer_id=-1, next_producer_id=-1, client_transaction_version=0
        )
    assert travels.from_bytes(key, value) == CoordinatorRecord(ID, metadata)


TRAVELS = TransactionsFormat(lambda: 2)


def as_the_codec_reads(key: bytes, value: bytes) -> TransactionRecord | None:
    """ValueError for what cannot be read."""
    try:
        found = codec.decode_record(key, value)
    except Malformed as error:
        raise ValueError from error
    if isinstance(found, codec.UnknownRecord):
        return None
    assert isinstance(found.key, codec.TransactionLogKey)
    assert isinstance(found.value, codec.TransactionLogValue)
    return CoordinatorRecord(found.key.transactional_id, metadata_of(found.value))


@given(metadatas())
def test_version_1_is_written_as_the_codec_writes_it(metadata: TransactionMetadata) -> None:
    key, value = TRAVELS.to_bytes(CoordinatorRecord(ID, metadata))
    assert value is not None
    found = codec.decode_record(key, value)
    assert isinstance(found, codec.CoordinatorRecord)
    assert encode_value(found.value, 1) == value
    assert as_the_codec_reads(key, value) == CoordinatorRecord(ID, metadata)


@given(metadatas(), st.data())
def test_damaged_records_are_read_as_the_codec_reads_them(
    metadata: TransactionMetadata, data: st.DataObject
) -> None:
    key, whole = TRAVELS.to_bytes(CoordinatorRecord(ID, metadata))
    assert whole is not None
    value = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for at in data.draw(st.lists(st.integers(0, max(len(value) - 1, 0)), max_size=2)) if value else ():
        value[at] = data.draw(st.integers(0, 255))
    try:
        expected = as_the_codec_reads(key, bytes(value))
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            TRAVELS.from_bytes(key, bytes(value))
    else:
        assert TRAVELS.from_bytes(key, bytes(value)) == expected


def test_a_tombstone_is_a_key_without_a_value() -> None:
    record: TransactionRecord = CoordinatorRecord(ID, None)
    key, value = TRAVELS.to_bytes(record)
    assert (key, value) == (b"\0\0\0\2tx", None)
    assert TRAVELS.from_bytes(key, None) == record


KEY = b"\0\0\0\2tx"
STATE_AT = 2 + 8 + 2 + 4
"""Behind version, producer id, epoch and time-out."""


def written(level: int = 2) -> bytearray:
    metadata = TransactionMetadata(1, 0, 5, ONGOING, {TP: None}, 1, 2)
    _, value = TransactionsFormat(lambda: level).to_bytes(CoordinatorRecord(ID, metadata))
    assert value is not None
    return bytearray(value)


@pytest.mark.parametrize(("key", "value"), [(b"\0\7xx", b"?"), (b"\0\7xx", None), (KEY, b"\0\7?")])
def test_records_of_unknown_types_and_versions_are_passed_over(key: bytes, value: bytes | None) -> None:
    assert TRAVELS.from_bytes(key, value) is None


def test_records_that_cannot_be_read_are_errors() -> None:
    no_such_state = written()
    no_such_state[STATE_AT] = 99
    for key, value in ((None, b""), (b"", b""), (KEY, b"\0"), (KEY, written()[:-3]), (KEY, no_such_state)):
        with pytest.raises(ValueError, match=r"."):
            TRAVELS.from_bytes(key, None if value is None else bytes(value))


def test_what_is_dead_is_not_there() -> None:
    shard = Shard()
    shard.started()
    shard.put(shard.metadata()._replace(state=TransactionState.DEAD))
    assert shard.machine.describe(ID).response == DescribedTransaction(
        ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, ID
    )


# Transitions


@pytest.mark.parametrize("after", list(TransactionState))
@pytest.mark.parametrize("before", list(TransactionState))
def test_a_state_follows_those_that_it_may(before: TransactionState, after: TransactionState) -> None:
    base = TransactionMetadata(1, 3, 5)
    if before in VALID_PREVIOUS[after]:
        check_transition(base._replace(state=before), base._replace(state=after))
    else:
        with pytest.raises(IllegalTransition):
            check_transition(base._replace(state=before), base._replace(state=after))


@pytest.mark.parametrize(
    "after",
    [
        TransactionMetadata(1, 2, 5),
        TransactionMetadata(-1, 3, 5),
        TransactionMetadata(2, -1, 5),
    ],
)
def test_epochs_never_go_back_and_are_never_missing(after: TransactionMetadata) -> None:
    with pytest.raises(IllegalTransition):
        check_transition(TransactionMetadata(1, 3, 5), after)


def test_an_id_begins_empty() -> None:
    check_transition(None, TransactionMetadata(1, 0, 5))
    with pytest.raises(IllegalTransition):
        check_transition(None, TransactionMetadata(1, 0, 5, ONGOING))
