"""InitProducerId: new producers, those that go on after an error, and the fencing of those before them."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import HIGHEST_EPOCH, LAST_USABLE_EPOCH, TransactionState
from kwire.coordinators.transactions.values import InitResult, TransactionSettings
from tests.coordinators.transactions.context import FIRST_ID, ID, NEW, NONE, OLD, TP, Shard


def test_a_new_transactional_id_gets_a_new_producer_id_with_epoch_zero() -> None:
    shard = Shard()
    assert shard.init() == InitResult(NONE, FIRST_ID, 0)
    assert shard.state() is TransactionState.EMPTY
    assert shard.init("another") == InitResult(NONE, FIRST_ID + 1, 0)


def test_who_comes_next_has_the_same_id_and_the_next_epoch() -> None:
    shard = Shard()
    first = shard.started()
    assert shard.init() == InitResult(NONE, first.producer_id, 1)
    assert shard.add(first) is ErrorCode.PRODUCER_FENCED


@pytest.mark.parametrize("timeout_ms", [0, -1, 900_001, -(2**31)])
def test_a_time_out_out_of_bounds_is_refused(timeout_ms: int) -> None:
    shard = Shard()
    assert shard.init(timeout_ms=timeout_ms).error_code is ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert not shard.log


def test_the_longest_time_out_is_a_setting() -> None:
    shard = Shard(settings=TransactionSettings(max_timeout_ms=10))
    assert shard.init(timeout_ms=11).error_code is ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert shard.init(timeout_ms=10).error_code is NONE


def test_an_empty_transactional_id_is_no_id() -> None:
    assert Shard().init("").error_code is ErrorCode.INVALID_REQUEST


def test_the_time_out_is_that_of_the_last_request() -> None:
    shard = Shard()
    shard.started(timeout_ms=5)
    shard.started(timeout_ms=7)
    assert shard.metadata().timeout_ms == 7


@pytest.mark.parametrize("cluster", [0, 1, 2])
def test_an_open_transaction_is_aborted_first_in_an_epoch_that_nobody_has(cluster: int) -> None:
    shard = Shard(transaction_version=cluster)
    producer = shard.started()
    shard.add(producer, version=OLD)
    assert shard.init() == InitResult(ErrorCode.CONCURRENT_TRANSACTIONS)
    # From here on the old producer can do nothing, though no other has an answer yet.
    assert shard.add(producer) is ErrorCode.PRODUCER_FENCED
    assert shard.end(producer, version=OLD).error_code is ErrorCode.PRODUCER_FENCED
    assert shard.init() == InitResult(ErrorCode.CONCURRENT_TRANSACTIONS)
    markers = shard.markers()
    assert not markers.is_commit
    assert (markers.producer_id, markers.producer_epoch) == (producer.producer_id, 1)
    assert markers.partitions == (TP,)
    shard.written(markers)
    assert shard.state() is TransactionState.COMPLETE_ABORT
    assert shard.init() == InitResult(NONE, producer.producer_id, 2)


def test_a_producer_that_goes_on_after_an_error_has_its_epoch_bumped() -> None:
    shard = Shard()
    producer = shard.started()
    assert shard.init(expected=producer) == InitResult(NONE, producer.producer_id, 1)


def test_asking_again_to_go_on_gives_the_same_answer() -> None:
    shard = Shard()
    producer = shard.started()
    for _ in range(3):
        assert shard.init(expected=producer) == InitResult(NONE, producer.producer_id, 1)


def test_asking_again_to_go_on_is_fenced_after_a_restart_since_the_log_does_not_know() -> None:
    shard = Shard()
    producer = shard.started()
    shard.init(expected=producer)
    shard.restart()
    assert shard.init(expected=producer).error_code is ErrorCode.PRODUCER_FENCED


def test_a_producer_that_would_go_on_is_fenced_by_one_that_began_since() -> None:
    shard = Shard()
    producer = shard.started()
    shard.started()
    assert shard.init(expected=producer) == InitResult(ErrorCode.PRODUCER_FENCED)
    assert shard.init(expected=(producer.producer_id, 1)).error_code is NONE


def test_a_producer_with_another_id_is_fenced() -> None:
    shard = Shard()
    producer = shard.started()
    assert shard.init(expected=(producer.producer_id + 1, 0)) == InitResult(ErrorCode.PRODUCER_FENCED)


def test_a_producer_whose_transactional_id_was_forgotten_gets_a_new_id() -> None:
    shard = Shard()
    assert shard.init(expected=(77, 5)) == InitResult(NONE, FIRST_ID, 0)


@pytest.mark.parametrize("state", [TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT])
def test_while_a_transaction_ends_nobody_begins(state: TransactionState) -> None:
    shard = Shard()
    producer = shard.started()
    shard.add(producer)
    shard.end(producer, commit=state is TransactionState.PREPARE_COMMIT)
    assert shard.state() is state
    assert shard.init() == InitResult(ErrorCode.CONCURRENT_TRANSACTIONS)
    shard.carry_out()
    assert shard.init().error_code is NONE


def exhausted(shard: Shard, epoch: int = LAST_USABLE_EPOCH) -> tuple[int, int]:
    """A producer whose epochs are used up."""
    producer = shard.started()
    shard.put(shard.metadata()._replace(producer_epoch=epoch))
    return producer.producer_id, epoch


def test_a_used_up_producer_id_is_replaced() -> None:
    shard = Shard()
    used_up, _ = exhausted(shard)
    assert shard.init() == InitResult(NONE, FIRST_ID + 1, 0)
    assert shard.metadata().previous_producer_id == used_up


def test_a_used_up_producer_that_goes_on_gets_another_id_and_once_more_if_it_missed_the_answer() -> None:
    shard = Shard()
    producer = exhausted(shard)
    assert shard.init(expected=producer) == InitResult(NONE, FIRST_ID + 1, 0)
    assert shard.init(expected=producer) == InitResult(NONE, FIRST_ID + 1, 0)
    assert shard.next_id == FIRST_ID + 2


def test_a_used_up_producer_is_fenced_when_another_began_after_the_new_id_was_given() -> None:
    shard = Shard()
    producer = exhausted(shard)
    shard.init(expected=producer)
    shard.init()
    assert shard.init(expected=producer) == InitResult(ErrorCode.PRODUCER_FENCED)


def test_a_used_up_producer_that_names_another_epoch_has_no_good_answer() -> None:
    shard = Shard()
    producer_id, _ = exhausted(shard)
    assert shard.init(expected=(producer_id, 5)).error_code is ErrorCode.UNKNOWN_SERVER_ERROR


def test_fencing_a_used_up_producer_gives_the_next_one_another_id() -> None:
    shard = Shard()
    producer = exhausted(shard)
    shard.add(producer, version=OLD)
    assert shard.init().error_code is ErrorCode.CONCURRENT_TRANSACTIONS
    markers = shard.markers()
    assert (markers.producer_id, markers.producer_epoch) == (producer[0], HIGHEST_EPOCH)
    shard.written(markers)
    found = shard.metadata()
    assert (found.producer_id, found.producer_epoch) == (FIRST_ID + 1, 0)
    assert shard.init() == InitResult(NONE, FIRST_ID + 1, 1)


def test_fencing_a_used_up_producer_before_version_2_leaves_the_new_id_to_the_next_request() -> None:
    shard = Shard(transaction_version=1)
    producer = exhausted(shard)
    shard.add(producer, version=OLD)
    assert shard.init().error_code is ErrorCode.CONCURRENT_TRANSACTIONS
    shard.carry_out()
    assert (shard.metadata().producer_id, shard.metadata().producer_epoch) == (producer[0], HIGHEST_EPOCH)
    assert shard.init() == InitResult(NONE, FIRST_ID + 1, 0)


def test_a_transaction_in_the_highest_epoch_can_still_be_aborted() -> None:
    shard = Shard()
    producer = exhausted(shard, HIGHEST_EPOCH)
    shard.add(producer, version=OLD)
    shard.init()
    assert shard.markers().producer_epoch == HIGHEST_EPOCH
    assert shard.state() is TransactionState.PREPARE_ABORT


@pytest.mark.parametrize("state", [TransactionState.PREPARE_EPOCH_FENCE])
def test_a_state_that_no_log_should_hold_is_answered_with_an_error_and_changes_nothing(
    state: TransactionState,
) -> None:
    shard = Shard()
    producer = shard.started()
    shard.put(shard.metadata()._replace(state=state))
    before = len(shard.log)
    assert shard.init().error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert shard.add(producer) is ErrorCode.UNKNOWN_SERVER_ERROR
    for version in (OLD, NEW):
        assert shard.end(producer, version=version).error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert len(shard.log) == before
    assert shard.machine.describe(ID).response
