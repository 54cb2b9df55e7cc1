"""EndTxn of classic clients and of those that know transaction.version 2; what completes a transaction."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import HIGHEST_EPOCH, LAST_USABLE_EPOCH, TransactionState
from kwire.coordinators.transactions.values import EndResult, ProducerIdAndEpoch, WriteMarkers
from tests.coordinators.transactions.context import FIRST_ID, ID, NEW, NONE, OLD, OTHER, START_MS, TP, Shard

COMMIT, ABORT = True, False
FENCED, INVALID = ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_TXN_STATE
CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS
EMPTY = TransactionState.EMPTY
ONGOING = TransactionState.ONGOING
PREPARE_COMMIT, PREPARE_ABORT = TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT
COMPLETE_COMMIT, COMPLETE_ABORT = TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT


def in_state(state: TransactionState, version: int = NEW) -> tuple[Shard, ProducerIdAndEpoch]:
    """A shard whose only id is in a state, and what its producer has been told last."""
    shard = Shard()
    producer = shard.started()
    if state is EMPTY:
        return shard, producer
    shard.add(producer, TP, OTHER, version=version)
    if state is ONGOING:
        return shard, producer
    ended = shard.end(producer, commit=state in (PREPARE_COMMIT, COMPLETE_COMMIT), version=version)
    assert ended.error_code is NONE
    if version == NEW:
        producer = ProducerIdAndEpoch(ended.producer_id, ended.producer_epoch)
    if state in (COMPLETE_COMMIT, COMPLETE_ABORT):
        shard.carry_out()
    assert shard.state() is state
    return shard, producer


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("commit", [COMMIT, ABORT])
def test_an_open_transaction_is_decided_then_marked_then_complete(version: int, commit: bool) -> None:
    shard, producer = in_state(ONGOING, version)
    ended = shard.end(producer, commit=commit, version=version)
    assert ended.error_code is NONE
    assert shard.state() is (PREPARE_COMMIT if commit else PREPARE_ABORT)
    markers = shard.markers()
    epoch = producer.producer_epoch + (1 if version == NEW else 0)
    assert markers == WriteMarkers(ID, producer.producer_id, epoch, commit, version, (TP, OTHER))
    assert not shard.written(markers, [TP])
    assert shard.state() is (PREPARE_COMMIT if commit else PREPARE_ABORT)
    assert shard.written(markers, [OTHER])
    assert shard.state() is (COMPLETE_COMMIT if commit else COMPLETE_ABORT)
    assert not shard.metadata().partitions
    if version == NEW:
        assert ended == EndResult(NONE, producer.producer_id, producer.producer_epoch + 1)
    else:
        assert ended == EndResult(NONE)


CLASSIC = [
    # state, commit or abort, answer
    (EMPTY, COMMIT, INVALID),
    (EMPTY, ABORT, INVALID),
    (PREPARE_COMMIT, COMMIT, CONCURRENT),
    (PREPARE_COMMIT, ABORT, INVALID),
    (PREPARE_ABORT, COMMIT, INVALID),
    (PREPARE_ABORT, ABORT, CONCURRENT),
    (COMPLETE_COMMIT, COMMIT, NONE),
    (COMPLETE_COMMIT, ABORT, INVALID),
    (COMPLETE_ABORT, COMMIT, INVALID),
    (COMPLETE_ABORT, ABORT, NONE),
]


@pytest.mark.parametrize(("state", "commit", "answer"), CLASSIC)
def test_a_classic_client_that_ends_what_is_not_open(
    state: TransactionState, commit: bool, answer: ErrorCode
) -> None:
    shard, producer = in_state(state, OLD)
    records = len(shard.log)
    assert shard.end(producer, commit=commit, version=OLD) == EndResult(answer)
    assert len(shard.log) == records


RETRY, CURRENT, OLDER, NEWER = -1, 0, -2, 1
BUMPED = "a new epoch"
WITH_BUMPS = [
    # state, commit or abort, the client's epoch to the newest one, answer
    (EMPTY, ABORT, RETRY, FENCED),
    (EMPTY, ABORT, CURRENT, BUMPED),
    (EMPTY, COMMIT, RETRY, FENCED),
    (EMPTY, COMMIT, CURRENT, INVALID),
    (COMPLETE_ABORT, ABORT, RETRY, NONE),
    (COMPLETE_ABORT, ABORT, CURRENT, BUMPED),
    (COMPLETE_ABORT, COMMIT, RETRY, INVALID),
    (COMPLETE_ABORT, COMMIT, CURRENT, INVALID),
    (COMPLETE_COMMIT, ABORT, RETRY, INVALID),
    (COMPLETE_COMMIT, ABORT, CURRENT, BUMPED),
    (COMPLETE_COMMIT, COMMIT, RETRY, NONE),
    (COMPLETE_COMMIT, COMMIT, CURRENT, INVALID),
    (ONGOING, COMMIT, RETRY, FENCED),
    (ONGOING, COMMIT, CURRENT, BUMPED),
    (ONGOING, ABORT, CURRENT, BUMPED),
    (PREPARE_COMMIT, COMMIT, RETRY, CONCURRENT),
    (PREPARE_COMMIT, COMMIT, CURRENT, FENCED),
    (PREPARE_COMMIT, ABORT, RETRY, INVALID),
    (PREPARE_ABORT, ABORT, RETRY, CONCURRENT),
    (PREPARE_ABORT, ABORT, CURRENT, FENCED),
    (PREPARE_ABORT, COMMIT, RETRY, INVALID),
]


@pytest.mark.parametrize(("state", "commit", "epoch", "answer"), WITH_BUMPS)
def test_a_client_that_has_its_epochs_bumped_ends_a_transaction(
    state: TransactionState, commit: bool, epoch: int, answer: ErrorCode | str
) -> None:
    shard, newest = in_state(state)
    before = shard.metadata()
    asking = newest.producer_id, newest.producer_epoch + epoch
    ended = shard.end(asking, commit=commit)
    if answer == BUMPED:
        assert ended == EndResult(NONE, newest.producer_id, newest.producer_epoch + 1)
        assert shard.metadata().producer_epoch == before.producer_epoch + 1
        shard.carry_out()
        assert shard.state() is (COMPLETE_COMMIT if commit else COMPLETE_ABORT)
    else:
        told = newest if answer is NONE else (-1, -1)
        assert ended == EndResult(answer, *told)  # type: ignore[arg-type]
        assert shard.metadata() == before


@pytest.mark.parametrize("state", [EMPTY, ONGOING, PREPARE_COMMIT, COMPLETE_ABORT, COMPLETE_COMMIT])
@pytest.mark.parametrize("epoch", [OLDER, NEWER])
@pytest.mark.parametrize("version", [OLD, NEW])
def test_other_epochs_are_fenced_older_and_newer(state: TransactionState, epoch: int, version: int) -> None:
    shard, newest = in_state(state)
    before = shard.metadata()
    asking = newest.producer_id, newest.producer_epoch + epoch
    assert shard.end(asking, version=version).error_code is FENCED
    assert shard.metadata() == before


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_unknown_id_and_one_of_another_producer_are_refused(version: int) -> None:
    shard, newest = in_state(ONGOING)
    mapping = ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert shard.end((newest.producer_id + 1, 0), version=version).error_code is mapping
    assert shard.end(newest, version=version, transactional_id="x").error_code is mapping
    assert shard.end(newest, version=version, transactional_id="").error_code is ErrorCode.INVALID_REQUEST


def test_an_abort_without_a_transaction_begins_and_ends_now() -> None:
    shard, producer = in_state(EMPTY)
    shard.now_ms += 5
    shard.end(producer, commit=ABORT)
    assert shard.metadata().start_timestamp_ms == START_MS + 5
    assert shard.markers().partitions == ()


def at_epoch(epoch: int, state: TransactionState = ONGOING) -> tuple[Shard, ProducerIdAndEpoch]:
    shard, producer = in_state(state)
    shard.put(shard.metadata()._replace(producer_epoch=epoch))
    return shard, ProducerIdAndEpoch(producer.producer_id, epoch)


@pytest.mark.parametrize("commit", [COMMIT, ABORT])
def test_a_used_up_producer_goes_on_with_another_id(commit: bool) -> None:
    shard, producer = at_epoch(LAST_USABLE_EPOCH)
    ended = shard.end(producer, commit=commit)
    assert ended == EndResult(NONE, FIRST_ID + 1, 0)
    markers = shard.markers()
    assert (markers.producer_id, markers.producer_epoch) == (producer.producer_id, HIGHEST_EPOCH)
    assert shard.metadata().next_producer_id == FIRST_ID + 1
    # It may ask again before and after.
    assert shard.end(producer, commit=commit).error_code is CONCURRENT
    shard.written(markers)
    assert shard.end(producer, commit=commit) == EndResult(NONE, FIRST_ID + 1, 0)
    assert shard.end(producer, commit=not commit).error_code is INVALID
    found = shard.metadata()
    assert (found.previous_producer_id, found.next_producer_id) == (producer.producer_id, -1)
    assert shard.add((FIRST_ID + 1, 0)) is NONE


def test_the_epoch_before_the_last_needs_no_other_id() -> None:
    shard, producer = at_epoch(LAST_USABLE_EPOCH - 1)
    assert shard.end(producer) == EndResult(NONE, producer.producer_id, LAST_USABLE_EPOCH)
    assert shard.metadata().next_producer_id == -1


def test_a_classic_client_keeps_a_used_up_id_until_it_begins_anew() -> None:
    shard, producer = at_epoch(LAST_USABLE_EPOCH)
    assert shard.end(producer, version=OLD) == EndResult(NONE)
    shard.carry_out()
    assert (shard.metadata().producer_id, shard.metadata().producer_epoch) == producer


def test_a_commit_in_the_highest_epoch_has_no_good_answer() -> None:
    shard, producer = at_epoch(HIGHEST_EPOCH)
    assert shard.end(producer).error_code is ErrorCode.UNKNOWN_SERVER_ERROR


@pytest.mark.parametrize("upto", [None, 3])
@pytest.mark.parametrize("state", [PREPARE_COMMIT, PREPARE_ABORT])
def test_after_a_restart_what_was_decided_is_carried_out(state: TransactionState, upto: int | None) -> None:
    shard, producer = in_state(state)
    commit = state is PREPARE_COMMIT
    first = shard.markers()
    shard.written(first, [TP])
    shard.restart(upto)
    again = shard.markers()
    assert again == first
    assert shard.written(again)
    assert shard.state() is (COMPLETE_COMMIT if commit else COMPLETE_ABORT)
    retry = producer.producer_id, producer.producer_epoch - 1
    assert shard.end(retry, commit=commit) == EndResult(NONE, *producer)


@pytest.mark.parametrize("state", [EMPTY, ONGOING, COMPLETE_ABORT, COMPLETE_COMMIT])
def test_what_was_not_decided_is_not_carried_out(state: TransactionState) -> None:
    shard, _ = in_state(state)
    shard.restart()
    assert not shard.messages


def test_markers_that_come_late_change_nothing() -> None:
    shard, producer = in_state(ONGOING)
    shard.end(producer)
    markers = shard.markers()
    shard.written(markers)
    complete = shard.metadata()
    assert shard.written(markers)
    assert shard.metadata() == complete
    following = producer.producer_id, producer.producer_epoch + 1
    shard.add(following)
    shard.end(following)
    shard.written(markers)
    assert shard.state() is PREPARE_COMMIT


def test_a_transaction_that_is_not_known_any_more_takes_no_markers() -> None:
    shard, _ = in_state(PREPARE_COMMIT)
    assert Shard().written(shard.markers())


@pytest.mark.parametrize("commit", [COMMIT, ABORT])
def test_before_version_1_no_client_ends_with_a_bump_and_older_ones_do_as_ever(commit: bool) -> None:
    shard, producer = in_state(ONGOING, OLD)
    shard.transaction_version = 0
    written = len(shard.log)
    assert shard.end(producer, commit=commit, version=NEW) == EndResult(ErrorCode.UNSUPPORTED_VERSION)
    assert (shard.state(), len(shard.log)) == (ONGOING, written)
    assert shard.end(producer, commit=commit, version=OLD) == EndResult(NONE)
    shard.carry_out()
    assert shard.state() is (COMPLETE_COMMIT if commit else COMPLETE_ABORT)
