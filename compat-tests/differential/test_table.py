"""The table itself: complete, without doubles, and every line a real one."""

from __future__ import annotations

from collections import Counter

from kwire_codecs.apis import API_MODULES, api

from differential import codec
from differential.cases import CASES, TRIALS
from differential.compare import ALLOWED

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
        *range(4), *range(8, 17), *range(18, 24), 32, 33, 35, 37, 42, 43, 44, 45, 46, 47, 60, 75
    }  # fmt: skip


def test_there_are_enough_cases_and_none_twice() -> None:
    assert len(CASES) >= 250
    assert [each for each, count in Counter(trial.id for trial in TRIALS).items() if count > 1] == []


def test_every_allowed_difference_says_why() -> None:
    assert all(len(allowed.reason) > 20 for allowed in ALLOWED)
