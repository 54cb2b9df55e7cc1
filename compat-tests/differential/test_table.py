"""The table itself: complete, without doubles, and every line a real one."""

from __future__ import annotations

from collections import Counter

from kwire_codecs.apis import API_MODULES, api

from differential import codec, consumer_steps, directory_steps, transaction_steps
from differential.cases import CASES, TRIALS
from differential.cluster_scene import CLUSTER_STEPS
from differential.compare import ALLOWED
from differential.later import LIFE, Later
from differential.scene import STEPS
from differential.test_random_lives import KINDS

# Where Kafka has no such answer, and why.
NO_SUCCESS = {
    (
        "OffsetCommit",
        0,
    ): "3.9.2 with KRaft has nowhere to put the offsets of version 0: they went to ZooKeeper",
    ("OffsetFetch", 0): "as OffsetCommit 0",
}
NO_ERROR = {
    **{
        ("ApiVersions", version): "has no fields; unknown versions are in test_raw.py" for version in range(3)
    },
    **{("ListGroups", version): "has no fields and no refusal without an authoriser" for version in range(3)},
    ("ListConfigResources", 0): "has no fields; no refusal without an authoriser",
    ("ListPartitionReassignments", 0): "leaves out what is not there; no refusal without an authoriser",
}


def test_every_version_of_every_api_has_a_success_and_an_error() -> None:
    successes = {(trial.case.api, trial.version) for trial in TRIALS if trial.case.succeeds}
    errors = {(trial.case.api, trial.version) for trial in TRIALS if not trial.case.succeeds}
    named = {case.api for case in CASES}
    served = {
        (each.name, version)
        for each in map(api, API_MODULES)
        if each.name in named
        for version in range(each.min_version, each.max_version + 1)
        if version not in each.unstable
    }
    assert served - successes == set(NO_SUCCESS)
    assert served - errors == set(NO_ERROR)
    assert successes | errors == served


def test_the_table_covers_all_that_kwire_serves() -> None:
    assert {codec.key(case.api) for case in CASES} == {
        *range(4), *range(8, 17), *range(18, 29), 32, 33, 34, 35, 37, 42, 43, 44, 45, 46, 47, 57, 60, 61, 65,
        66, 68, 69, 74, 75,
    }  # fmt: skip


def test_there_are_enough_cases_and_none_twice() -> None:
    assert len(CASES) >= 1000
    assert [each for each, count in Counter(trial.id for trial in TRIALS).items() if count > 1] == []


def test_what_is_for_later_is_in_the_table() -> None:
    known = {(trial.case.api, trial.version, trial.case.name) for trial in TRIALS}
    known |= {(LIFE, 0, name) for name in KINDS}
    assert set(Later().keys) - known == set()


def test_no_step_takes_the_name_of_another() -> None:
    rooms = [transaction_steps.STEPS, consumer_steps.STEPS, directory_steps.STEPS, CLUSTER_STEPS]
    names = Counter(name for room in rooms for name in room)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(STEPS[name] is step for room in rooms for name, step in room.items())


def test_every_allowed_difference_says_why() -> None:
    assert all(len(allowed.reason) > 20 for allowed in ALLOWED)
