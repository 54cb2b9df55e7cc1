"""Partitions of a transaction; transactions that take too long, ids that nobody uses."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.ageing import MOST_REMOVED_AT_ONCE
from kwire.coordinators.transactions.coordinator import REMOVE_EXPIRED
from kwire.coordinators.transactions.state import LAST_USABLE_EPOCH, TransactionState
from kwire.coordinators.transactions.values import AbortTimedOut, TransactionSettings, WriteMarkers
from tests.coordinators.transactions.context import FIRST_ID, ID, NEW, NONE, OLD, OTHER, START_MS, TP, Shard

DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_first_partition_begins_a_transaction(version: int) -> None:
    shard = Shard()
    producer = shard.started()
    shard.now_ms += 7
    assert shard.add(producer, version=version) is NONE
    found = shard.metadata()
    assert found.state is TransactionState.ONGOING
    assert (found.start_timestamp_ms, found.client_transaction_version) == (START_MS + 7, version)


def test_partitions_are_added_once_and_the_start_stays() -> None:
    shard = Shard()
    producer = shard.started()
    shard.add(producer, TP)
    records = len(shard.log)
    assert shard.add(producer, TP) is NONE
    assert len(shard.log) == records
    shard.now_ms += 7
    assert shard.add(producer, OTHER, TP) is NONE
    found = shard.metadata()
    assert list(found.partitions) == [TP, OTHER]
    assert (found.start_timestamp_ms, found.last_update_timestamp_ms) == (START_MS, START_MS + 7)


def test_the_next_transaction_begins_with_none_of_the_partitions_of_the_last() -> None:
    shard = Shard()
    producer = shard.started()
    shard.add(producer, TP)
    shard.end(producer, version=OLD)
    shard.carry_out()
    shard.add(producer, OTHER)
    assert list(shard.metadata().partitions) == [OTHER]


def test_a_transaction_may_begin_with_no_partition() -> None:
    shard = Shard()
    producer = shard.started()
    shard.do(shard.machine.add_partitions(ID, producer, (), OLD, shard.now_ms))
    assert shard.state() is TransactionState.ONGOING


@pytest.mark.parametrize("only_verify", [False, True])
def test_who_may_not_add_may_not_verify_either(only_verify: bool) -> None:
    shard = Shard()
    producer = shard.started()

    def asked(producer_id: int, epoch: int) -> ErrorCode:
        if only_verify:
            [answer] = shard.verify((producer_id, epoch), TP).values()
            return answer
        return shard.add((producer_id, epoch))

    assert asked(producer.producer_id + 1, 0) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert asked(producer.producer_id, 1) is ErrorCode.PRODUCER_FENCED
    assert asked(producer.producer_id, -1) is ErrorCode.PRODUCER_FENCED
    shard.add(producer)
    shard.end(producer, version=OLD)
    assert asked(*producer) is ErrorCode.CONCURRENT_TRANSACTIONS


def test_ids_that_are_not_known_are_refused() -> None:
    shard = Shard()
    mapping = ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert shard.add((1, 0)) is mapping
    assert shard.add((1, 0), transactional_id="") is ErrorCode.INVALID_REQUEST
    assert shard.verify((1, 0), TP) == {TP: mapping}
    nameless = shard.machine.verify_partitions("", shard.started(), [TP]).response
    assert nameless == {TP: ErrorCode.INVALID_REQUEST}


def test_verifying_tells_partition_by_partition() -> None:
    shard = Shard()
    producer = shard.started()
    assert shard.verify(producer, TP) == {TP: ErrorCode.TRANSACTION_ABORTABLE}
    shard.add(producer, TP)
    assert shard.verify(producer, TP, OTHER) == {TP: NONE, OTHER: ErrorCode.TRANSACTION_ABORTABLE}


# Time


@pytest.mark.parametrize("cluster", [1, 2])
def test_a_transaction_that_takes_too_long_is_aborted_in_an_epoch_that_nobody_has(cluster: int) -> None:
    shard = Shard(transaction_version=cluster)
    producer = shard.started(timeout_ms=12_000)
    shard.add(producer, version=OLD)
    shard.pass_time(12_000)
    assert shard.state() is TransactionState.ONGOING
    shard.pass_time(8_000)
    assert shard.state() is TransactionState.PREPARE_ABORT
    assert shard.metadata().producer_epoch == producer.producer_epoch + 1
    shard.carry_out()
    assert shard.state() is TransactionState.COMPLETE_ABORT
    assert shard.end(producer, version=OLD).error_code is ErrorCode.PRODUCER_FENCED
    assert shard.add(producer) is ErrorCode.PRODUCER_FENCED


def test_a_client_that_has_its_epochs_bumped_may_say_abort_after_its_time_out() -> None:
    shard = Shard()
    producer = shard.started(timeout_ms=1)
    shard.add(producer)
    shard.pass_time(10_000)
    shard.carry_out()
    ended = shard.end(producer, commit=False)
    assert (ended.error_code, ended.producer_epoch) == (NONE, producer.producer_epoch + 1)
    assert shard.end(producer, commit=True).error_code is ErrorCode.INVALID_TXN_STATE


def test_a_transaction_in_time_is_left_alone_and_so_is_one_that_another_system_decides() -> None:
    shard = Shard(settings=TransactionSettings(max_timeout_ms=2**31 - 1))
    slow, endless = shard.started("slow", timeout_ms=30_000), shard.started("endless", timeout_ms=2**31 - 1)
    shard.add(slow, transactional_id="slow")
    shard.add(endless, transactional_id="endless")
    shard.pass_time(30_000)
    assert not shard.messages
    shard.pass_time(DAY_MS)
    [message] = shard.messages
    assert isinstance(message, WriteMarkers)
    assert message.transactional_id == "slow"


def test_a_used_up_producer_that_takes_too_long_gets_another_id_if_it_is_still_so() -> None:
    shard = Shard()
    producer = shard.started(timeout_ms=1)
    shard.put(shard.metadata()._replace(producer_epoch=LAST_USABLE_EPOCH))
    shard.add((producer.producer_id, LAST_USABLE_EPOCH))
    shard.pass_time(10_000)
    [overdue] = shard.take_messages()
    assert overdue == AbortTimedOut(ID, producer.producer_id, LAST_USABLE_EPOCH)
    assert shard.state() is TransactionState.ONGOING
    shard.do(shard.machine.abort_timed_out(overdue, shard.now_ms, 99))
    shard.carry_out()
    found = shard.metadata()
    assert (found.state, found.producer_id, found.producer_epoch) == (TransactionState.COMPLETE_ABORT, 99, 0)
    # Too late for another one.
    shard.add((99, 0))
    shard.do(shard.machine.abort_timed_out(overdue, shard.now_ms, 100))
    assert shard.state() is TransactionState.ONGOING


def test_time_goes_on_after_a_restart() -> None:
    shard = Shard()
    producer = shard.started(timeout_ms=5_000)
    shard.add(producer)
    shard.pass_time(4_000)
    shard.restart()
    shard.pass_time(10_000)
    assert shard.state() is TransactionState.PREPARE_ABORT


def test_timers_do_not_come_with_every_transaction() -> None:
    shard = Shard()
    for number in range(50):
        shard.add(shard.started(str(number)), transactional_id=str(number))
    assert len(shard.timers) == 2


def test_nothing_looks_for_overdue_transactions_while_none_is_open() -> None:
    shard = Shard()
    producer = shard.started()
    shard.add(producer)
    shard.end(producer)
    shard.carry_out()
    shard.pass_time(20_000)
    assert list(shard.timers) == [REMOVE_EXPIRED]


@pytest.mark.parametrize("state", ["empty", "committed", "aborted"])
def test_an_id_that_nobody_uses_is_forgotten(state: str) -> None:
    shard = Shard()
    producer = shard.started()
    if state != "empty":
        shard.add(producer)
        shard.end(producer, commit=state == "committed")
        shard.carry_out()
    shard.pass_time(7 * DAY_MS - 1)
    assert shard.log[-1][1] is not None
    shard.pass_time(3_600_000)
    assert shard.log[-1][1] is None
    assert not shard.loaded().list_transactions((), None, -1, shard.now_ms).response
    assert shard.init().producer_id == FIRST_ID + 1


@pytest.mark.parametrize("ends", [False, True])
def test_an_id_in_a_transaction_is_not_forgotten(ends: bool) -> None:
    shard = Shard(settings=TransactionSettings(max_timeout_ms=2**31 - 1))
    producer = shard.started(timeout_ms=2**31 - 1)
    shard.add(producer)
    if ends:
        shard.end(producer)
    shard.pass_time(30 * DAY_MS)
    assert shard.log[-1][1] is not None


def test_an_id_that_is_used_again_stays() -> None:
    shard = Shard()
    for _ in range(3):
        shard.started()
        shard.pass_time(5 * DAY_MS)
    assert shard.log[-1][1] is not None


def test_many_old_ids_are_forgotten_a_thousand_at_a_time() -> None:
    shard = Shard(settings=TransactionSettings(id_expiration_ms=1, remove_expired_interval_ms=10))
    for number in range(MOST_REMOVED_AT_ONCE + 5):
        shard.started(str(number))
    before = len(shard.log)
    del shard.timers[REMOVE_EXPIRED]
    shard.now_ms += 10
    shard.do(shard.machine.expire(REMOVE_EXPIRED, shard.now_ms))
    assert len(shard.log) == before + MOST_REMOVED_AT_ONCE
    assert shard.timers[REMOVE_EXPIRED] == shard.now_ms
    shard.pass_time(0)
    assert len(shard.log) == before + MOST_REMOVED_AT_ONCE + 5
    assert shard.timers[REMOVE_EXPIRED] > shard.now_ms


def test_a_timer_that_nobody_set_does_nothing() -> None:
    assert not Shard().machine.expire("whatever", START_MS).records


def test_before_version_1_a_write_adds_nothing_that_its_record_could_not_hold() -> None:
    shard = Shard(transaction_version=0)
    producer = shard.started()
    written = len(shard.log)
    assert shard.add(producer, TP, version=NEW) is ErrorCode.UNSUPPORTED_VERSION
    assert len(shard.log) == written
    assert shard.add(producer, TP, version=OLD) is NONE
    assert shard.add(producer, TP, version=NEW) is NONE, "it is there already"
    shard.transaction_version = 1
    assert shard.add(producer, OTHER, version=NEW) is NONE
