"""Three nodes of kwire answer as three Apache Kafka brokers do, with all running and with one stopped."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from differential.cases.three_nodes import TRIALS
from differential.cluster_case import ClusterTrial, Stages
from differential.compare import unexpected
from differential.recording import Recording

each_trial = pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)


@each_trial
def test_three_kafkas_answer_as_the_table_says(
    trial: ClusterTrial, request: pytest.FixtureRequest, recording_of_three: Recording
) -> None:
    if not request.config.getoption("--three"):
        pytest.skip("needs three running Kafkas: --three")
    kafkas: Stages = request.getfixturevalue("three_kafkas")
    outcome, verdict = trial.play_on(kafkas)
    outcome = json.loads(json.dumps(outcome))
    assert verdict == trial.case.expect, outcome
    if request.config.getoption("--record"):
        recording_of_three.keep(trial, outcome)
    else:
        assert recording_of_three.outcome(trial) == outcome, "the recording is stale: --record --three"


@each_trial
def test_three_nodes_of_kwire_answer_as_kafka_does(
    trial: ClusterTrial, request: pytest.FixtureRequest, recording_of_three: Recording
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    kafka = recording_of_three.outcome(trial)
    assert kafka is not None, "Kafka's answer is not recorded: run with --record --three"
    kwires: Stages = request.getfixturevalue("three_kwires")
    kwire, _ = trial.play_on(kwires)
    found = unexpected(trial, kafka, json.loads(json.dumps(kwire)))
    assert not found, "\n".join(map(str, found))


def test_no_trial_is_there_twice() -> None:
    assert [each for each, count in Counter(trial.id for trial in TRIALS).items() if count > 1] == []
