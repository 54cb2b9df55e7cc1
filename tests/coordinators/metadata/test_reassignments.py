"""Moving partitions: begun, listed, cancelled, complete; what no sequence of moves and stops may break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import brokers
from kwire.coordinators.metadata.elections import balance, elect_leaders
from kwire.coordinators.metadata.image import ClusterImage, PartitionImage
from kwire.coordinators.metadata.partition_changes import Election
from kwire.coordinators.metadata.reassignments import (
    ReassignmentResult,
    Target,
    alter_reassignments,
    reassignments,
)
from kwire.coordinators.metadata.topics import NewTopic

from .images import after, cluster, with_topics


def four(*assignment: int) -> ClusterImage:
    return with_topics(cluster(1, 2, 3, 4), NewTopic("t", assignments=((0, assignment or (1, 2)),)))


def fenced(image: ClusterImage, broker_id: int, is_fenced: bool = True) -> ClusterImage:
    image = after(image, brokers.fence(image.brokers[broker_id], fenced=is_fenced))
    return after(image, brokers.leadership_changes(image))


def altered(
    image: ClusterImage,
    replicas: Sequence[int] | None,
    *,
    topic: str = "t",
    index: int = 0,
    may_change_factor: bool = True,
    unclean: bool = False,
) -> tuple[ClusterImage, ReassignmentResult]:
    outcome = alter_reassignments(
        image,
        [(topic, [Target(index, replicas)])],
        may_change_factor=may_change_factor,
        is_unclean_allowed=lambda _: unclean,
    )
    assert isinstance(outcome.response, list)
    [(_, [result])] = outcome.response
    return after(image, outcome.records), result


def moved(image: ClusterImage, *replicas: int) -> ClusterImage:
    image, result = altered(image, replicas)
    assert not result.error.failed, result
    return image


def first(image: ClusterImage) -> PartitionImage:
    return image.topics["t"].partitions[0]


def test_a_move_to_live_brokers_is_complete_at_once_and_the_leader_goes_along() -> None:
    part = first(moved(four(1, 2), 3, 4))
    assert (part.replicas, set(part.isr), part.leader) == ((3, 4), {3, 4}, 3)
    assert (part.adding_replicas, part.removing_replicas) == ((), ())
    assert part.leader_epoch == 1
    image = four()
    assert part.directories == (image.brokers[3].log_dirs[0], image.brokers[4].log_dirs[0])


def test_a_leader_that_stays_gets_a_new_epoch_when_another_replica_goes() -> None:
    part = first(moved(four(1, 2), 1, 3))
    assert (part.leader, part.leader_epoch, part.replicas) == (1, 1, (1, 3))


def test_a_new_order_alone_moves_no_leader() -> None:
    part = first(moved(four(1, 2), 2, 1))
    assert (part.leader, part.leader_epoch, part.replicas) == (1, 0, (2, 1))


def test_more_replicas_join_and_fewer_leave() -> None:
    more = moved(four(1, 2), 1, 2, 3)
    assert (first(more).replicas, set(first(more).isr), first(more).leader_epoch) == ((1, 2, 3), {1, 2, 3}, 0)
    fewer = moved(more, 2)
    assert (first(fewer).replicas, first(fewer).isr, first(fewer).leader) == ((2,), (2,), 2)


def test_a_move_waits_for_a_broker_that_is_down_and_completes_when_it_comes() -> None:
    image = moved(fenced(four(1, 2), 4), 3, 4)
    part = first(image)
    assert (part.replicas, set(part.isr), part.leader) == ((3, 4, 1, 2), {1, 2, 3}, 1)
    assert (part.adding_replicas, part.removing_replicas) == ((3, 4), (1, 2))
    assert reassignments(image, None) == [("t", [part])]
    part = first(fenced(image, 4, is_fenced=False))
    assert (part.replicas, set(part.isr), part.leader) == ((3, 4), {3, 4}, 3)
    assert (part.adding_replicas, part.removing_replicas) == ((), ())


def test_a_move_that_is_cancelled_leaves_the_replicas_that_were() -> None:
    image, result = altered(moved(fenced(four(1, 2), 4), 3, 4), None)
    assert not result.error.failed
    part = first(image)
    assert (part.replicas, set(part.isr), part.leader) == ((1, 2), {1, 2}, 1)
    assert (part.adding_replicas, part.removing_replicas) == ((), ())
    assert reassignments(image, None) == []


def test_another_target_replaces_the_first() -> None:
    image = moved(moved(fenced(four(1, 2), 4), 1, 4), 1, 3)
    assert (first(image).replicas, set(first(image).isr)) == ((1, 3), {1, 3})


def test_a_broker_that_is_not_to_come_any_more_is_not_waited_for() -> None:
    image = moved(moved(fenced(four(1, 2), 4), 1, 4), 2)
    assert (first(image).replicas, first(image).isr, first(image).adding_replicas) == ((2,), (2,), ())


def test_a_broker_that_was_to_go_and_is_named_again_stays() -> None:
    image = moved(moved(fenced(four(1, 2), 4), 1, 4), 1, 2, 4)
    image = fenced(image, 4, is_fenced=False)
    assert (first(image).replicas, {*first(image).isr}) == ((1, 2, 4), {1, 2, 4})


def test_fewer_replicas_wait_for_all_that_stay() -> None:
    image = moved(fenced(four(1, 2, 3), 3), 1, 3)
    assert (first(image).replicas, first(image).removing_replicas) == ((1, 3, 2), (2,))
    image = fenced(image, 3, is_fenced=False)
    assert (first(image).replicas, first(image).removing_replicas) == ((1, 3), ())


def test_the_same_target_again_changes_nothing() -> None:
    image = fenced(four(1, 2), 4)
    begun = moved(image, 1, 4)
    assert first(moved(begun, 1, 4)).adding_replicas == first(begun).adding_replicas


def test_cancelling_needs_something_to_cancel() -> None:
    _, result = altered(four(), None)
    assert result.error.error_code is ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


def test_only_new_replicas_in_sync_can_not_be_cancelled_without_an_unclean_leader() -> None:
    image = moved(fenced(four(1, 2), 4), 3, 4)
    image = fenced(fenced(image, 1), 2)
    assert (first(image).leader, first(image).isr) == (3, (3,))
    same, result = altered(image, None)
    assert result.error.error_code is ErrorCode.INVALID_REPLICA_ASSIGNMENT
    assert same == image
    image, result = altered(image, None, unclean=True)
    assert not result.error.failed
    assert (first(image).replicas, first(image).isr, first(image).leader) == ((1, 2), (1,), -1)


@pytest.mark.parametrize(
    ("replicas", "message"),
    [
        ([], "The manual partition assignment includes an empty replica list."),
        ([1, 9], "The manual partition assignment includes broker 9, but no such broker is registered."),
        ([1, -1], "The manual partition assignment includes broker -1, but no such broker is registered."),
        ([2, 2], "The manual partition assignment includes the broker 2 more than once."),
    ],
)
def test_wrong_targets_are_refused(replicas: list[int], message: str) -> None:
    image, result = altered(four(), replicas)
    assert result.error == (ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    assert image == four()


def test_the_number_of_replicas_stays_where_it_must() -> None:
    _, result = altered(four(1, 2), [1, 2, 3], may_change_factor=False)
    assert result.error == (
        ErrorCode.INVALID_REPLICATION_FACTOR,
        "The replication factor is changed from 2 to 3",
    )
    moving = moved(fenced(four(1, 2), 4), 3, 4)
    _, result = altered(moving, [1, 3], may_change_factor=False)
    assert not result.error.failed


def test_what_is_not_there_is_named() -> None:
    for topic, index in (("nope", 0), ("t", 7), ("t", -1)):
        _, result = altered(four(), [1], topic=topic, index=index)
        assert result.error.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_listing_leaves_out_what_does_not_move() -> None:
    image = moved(fenced(four(1, 2), 4), 1, 4)
    assert reassignments(image, [("nope", [0]), ("t", [9])]) == []
    assert reassignments(image, [("t", [0, 1])]) == [("t", [first(image)])]


# -- any sequence

BROKERS = st.integers(1, 4)
STEPS = st.one_of(
    st.tuples(st.just("move"), st.permutations([1, 2, 3, 4]), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("stop"), BROKERS),
    st.tuples(st.just("start"), BROKERS),
    st.tuples(st.just("elect"), st.sampled_from([Election.PREFERRED, Election.UNCLEAN])),
    st.tuples(st.just("balance")),
)


@example(steps=[("stop", 1), ("stop", 2), ("stop", 3), ("start", 1), ("start", 3)])
@given(steps=st.lists(STEPS, max_size=25))
def test_whatever_moves_and_stops_leaders_are_in_sync_and_epochs_never_fall(steps: list[Any]) -> None:
    image = four(1, 2, 3)
    for step in steps:
        before = first(image)
        unclean = False
        match step:
            case ("move", order, count):
                image, _ = altered(image, order[:count])
            case ("cancel", unclean):
                image, _ = altered(image, None, unclean=unclean)
            case ("stop", broker_id):
                image = fenced(image, broker_id)
            case ("start", broker_id):
                image = fenced(image, broker_id, is_fenced=False)
            case ("elect", election):
                unclean = election is Election.UNCLEAN
                image = after(image, elect_leaders(image, None, election).records)
            case ("balance",):
                image = after(image, balance(image).records)
        part = first(image)
        alive = {broker.id for broker in image.active_brokers()}
        assert part.leader == -1 or part.leader in {*part.isr} & alive
        assert part.isr
        assert {*part.isr} <= {*part.replicas}
        assert len({*part.replicas}) == len(part.replicas) == len(part.directories)
        assert {*part.adding_replicas} <= {*part.replicas}
        assert {*part.removing_replicas} <= {*part.replicas}
        assert part.leader_epoch >= before.leader_epoch
        if part.leader != before.leader or not {*before.replicas} <= {*part.replicas}:
            assert part.leader_epoch > before.leader_epoch
        if before.leader == -1 and not unclean:
            assert part.leader in {*before.isr, -1}
        if part.leader != -1:
            assert {*part.replicas} & alive == {*part.isr}
        if part.leader != -1 and (part.adding_replicas or part.removing_replicas):
            staying = {*part.replicas} - {*part.removing_replicas}
            wanted = {*part.adding_replicas}
            if len(part.adding_replicas) < len(part.removing_replicas):
                wanted |= staying
            assert not (wanted <= {*part.isr} and staying & {*part.isr}), "complete, but not ended"
