"""Elections that are asked for, and those that bring preferred leaders back."""

from __future__ import annotations

import pytest
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import brokers, elections
from kwire.coordinators.metadata.api_error import ApiError
from kwire.coordinators.metadata.elections import balance, elect_leaders, is_imbalanced, unclean_elections
from kwire.coordinators.metadata.image import ClusterImage, PartitionImage
from kwire.coordinators.metadata.partition_changes import Election, partition_change
from kwire.coordinators.metadata.topics import NewTopic

from .images import after, applied, cluster, with_topics

PREFERRED, UNCLEAN = Election.PREFERRED, Election.UNCLEAN


def three(*assignment: int) -> ClusterImage:
    return with_topics(cluster(1, 2, 3), NewTopic("t", assignments=((0, assignment or (1, 2, 3)),)))


def fenced(image: ClusterImage, *broker_ids: int, is_fenced: bool = True) -> ClusterImage:
    for broker_id in broker_ids:
        image = after(image, brokers.fence(image.brokers[broker_id], fenced=is_fenced))
        image = after(image, brokers.leadership_changes(image))
    return image


def first(image: ClusterImage) -> PartitionImage:
    return image.topics["t"].partitions[0]


def codes(image: ClusterImage, election: Election, *asked: tuple[str, list[int]]) -> list[ErrorCode]:
    results = elect_leaders(image, asked or None, election).response
    assert isinstance(results, list)
    return [result.error.error_code for _, answers in results for result in answers]


def moved() -> ClusterImage:
    """Broker 1 was away and is back: 2 leads, 1 is preferred and in sync."""
    return fenced(fenced(three(), 1), 1, is_fenced=False)


def test_the_preferred_replica_leads_again_in_a_new_epoch() -> None:
    image = moved()
    assert first(image).leader == 2
    outcome = elect_leaders(image, [("t", [0])], PREFERRED)
    elected = first(applied(image, outcome))
    assert (elected.leader, elected.leader_epoch) == (1, first(image).leader_epoch + 1)
    assert set(elected.isr) == {1, 2, 3}


@pytest.mark.parametrize("election", [PREFERRED, UNCLEAN])
def test_no_election_is_needed_where_the_wanted_leader_is_there(election: Election) -> None:
    image = three()
    assert codes(image, election, ("t", [0])) == [ErrorCode.ELECTION_NOT_NEEDED]
    assert not elect_leaders(image, [("t", [0])], election).records


def test_any_leader_is_enough_for_an_unclean_election() -> None:
    assert codes(moved(), UNCLEAN, ("t", [0])) == [ErrorCode.ELECTION_NOT_NEEDED]


def test_a_preferred_replica_that_is_down_or_out_of_sync_can_not_lead() -> None:
    image = fenced(three(), 1)
    assert codes(image, PREFERRED, ("t", [0])) == [ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE]


def test_an_unclean_election_takes_the_first_that_is_alive_and_it_alone_is_in_sync() -> None:
    image = fenced(three(3, 2, 1), 1, 2, 3)
    assert (first(image).leader, first(image).isr) == (-1, (3,))
    image = after(image, brokers.fence(image.brokers[1], fenced=False))
    assert first(image).leader == -1
    outcome = elect_leaders(image, [("t", [0])], UNCLEAN)
    elected = first(applied(image, outcome))
    assert (elected.leader, elected.isr, elected.leader_recovery_state) == (1, (1,), 1)
    assert elected.leader_epoch == first(image).leader_epoch + 1


def test_others_that_live_join_an_unclean_leader_at_once_and_it_is_seen_to_recover() -> None:
    image = fenced(three(3, 2, 1), 1, 2, 3)
    for broker_id in (1, 2):
        image = after(image, brokers.fence(image.brokers[broker_id], fenced=False))
    elected = first(applied(image, elect_leaders(image, [("t", [0])], UNCLEAN)))
    assert (elected.leader, elected.isr, elected.leader_recovery_state) == (2, (2, 1), 1)


def test_an_unclean_election_with_nobody_alive_elects_nobody() -> None:
    image = fenced(three(), 1, 2, 3)
    assert codes(image, UNCLEAN, ("t", [0])) == [ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE]


def test_a_preferred_election_of_a_partition_without_leader_takes_whom_the_isr_allows() -> None:
    image = fenced(three(), 1, 2, 3)
    image = after(image, brokers.fence(image.brokers[3], fenced=False))
    outcome = elect_leaders(image, [("t", [0])], PREFERRED)
    assert first(applied(image, outcome)).leader == 3


def test_what_is_not_there_is_named() -> None:
    results = elect_leaders(three(), [("nope", [0]), ("t", [5])], PREFERRED).response
    assert isinstance(results, list)
    assert [(name, answers[0].error) for name, answers in results] == [
        ("nope", ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "No such topic as nope")),
        ("t", ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "No such partition as t-5")),
    ]


def test_of_all_partitions_only_those_are_told_where_something_came_of_it() -> None:
    image = with_topics(moved(), NewTopic("u", assignments=((0, (2,)),)))
    results = elect_leaders(image, None, PREFERRED).response
    assert isinstance(results, list)
    assert [(name, [one.partition for one in answers]) for name, answers in results] == [
        ("t", [0]),
        ("u", []),
    ]


def test_more_elections_than_one_request_may_make_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elections, "MAX_RECORDS", 0)
    outcome = elect_leaders(moved(), None, PREFERRED)
    assert isinstance(outcome.response, ApiError)
    assert outcome.response.error_code is ErrorCode.POLICY_VIOLATION
    assert not outcome.records


def test_balancing_brings_every_preferred_leader_back_that_can_lead() -> None:
    image = moved()
    assert is_imbalanced(image)
    outcome = balance(image)
    assert outcome.response is False
    image = applied(image, outcome)
    assert first(image).leader == 1
    assert not is_imbalanced(image)


def test_balancing_leaves_what_can_not_be_helped() -> None:
    image = fenced(three(), 1)
    assert is_imbalanced(image)
    assert not balance(image).records


def test_a_round_of_balancing_has_a_bound_and_says_that_more_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elections, "ELECTIONS_A_ROUND", 1)
    outcome = balance(moved())
    assert (outcome.response, len(outcome.records)) == (True, 1)


def test_topics_that_allow_it_get_a_leader_from_outside_the_isr() -> None:
    image = fenced(three(), 1, 2, 3)
    image = after(image, brokers.fence(image.brokers[1], fenced=False))
    image = after(image, unclean_elections(image, [image.topics["t"]]))
    assert (first(image).leader, first(image).isr) == (1, (1,))


def test_a_leader_that_was_elected_uncleanly_has_recovered_with_its_first_follower() -> None:
    image = fenced(three(), 1, 2, 3)
    image = after(image, brokers.fence(image.brokers[1], fenced=False))
    image = applied(image, elect_leaders(image, None, UNCLEAN))
    record = partition_change(image, image.topics["t"], first(image), isr=[1, 2])
    assert record is not None
    assert first(after(image, [record])).leader_recovery_state == 0
