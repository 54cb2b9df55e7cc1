"""kwire answers as Apache Kafka does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from differential.case import Outcome, Trial
from differential.cases import TRIALS
from differential.compare import unexpected
from differential.recording import Recording

AskKafka = Callable[[Trial], tuple[Outcome, str]]
each_trial = pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)


@each_trial
def test_kafka_answers_as_the_table_says(
    trial: Trial, request: pytest.FixtureRequest, recording: Recording
) -> None:
    if request.config.getoption("--recorded"):
        pytest.skip("needs a running Kafka")
    ask_kafka: AskKafka = request.getfixturevalue("ask_kafka")
    outcome, verdict = ask_kafka(trial)
    outcome = json.loads(json.dumps(outcome))
    assert verdict == trial.case.expect, outcome
    if request.config.getoption("--record"):
        recording.keep(trial, outcome)
    else:
        assert recording.outcome(trial) == outcome, "the recording is stale: run with --record"


@each_trial
def test_kwire_answers_as_kafka_does(
    trial: Trial, request: pytest.FixtureRequest, recording: Recording
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    kafka = recording.outcome(trial)
    if not request.config.getoption("--recorded"):
        ask_kafka: AskKafka = request.getfixturevalue("ask_kafka")
        kafka, _ = ask_kafka(trial)
    assert kafka is not None, "Kafka's answer is not recorded: run with --record"
    kwire, _ = trial.play(request.getfixturevalue("kwire"))
    found = unexpected(trial, json.loads(json.dumps(kafka)), json.loads(json.dumps(kwire)))
    assert not found, "\n".join(map(str, found))
