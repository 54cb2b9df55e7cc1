"""kwire answers as Apache Kafka does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from differential.case import Outcome, Trial
from differential.cases import TRIALS
from differential.compare import unexpected
from differential.recording import Recording

AskKafka = Callable[..., tuple[Outcome, str]]
ASKINGS = 3
"""A few of Kafka's answers depend on its threads' order. Where one is not as expected, it is asked again:
what stands is that Kafka can give the answer, and that kwire gives one of Kafka's.
"""

each_trial = pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)


@each_trial
def test_kafka_answers_as_the_table_says(
    trial: Trial, request: pytest.FixtureRequest, recording: Recording
) -> None:
    if request.config.getoption("--recorded"):
        pytest.skip("needs a running Kafka")
    ask_kafka: AskKafka = request.getfixturevalue("ask_kafka")
    outcome, verdict = ask_kafka(trial)
    if request.config.getoption("--record"):
        assert verdict == trial.case.expect, outcome
        recording.keep(trial, outcome)
        return
    wanted = recording.outcome(trial), trial.case.expect
    for _ in range(1, ASKINGS):
        if (outcome, verdict) == wanted:
            return
        outcome, verdict = ask_kafka(trial, afresh=True)
    assert verdict == trial.case.expect, outcome
    assert recording.outcome(trial) == outcome, "the recording is stale: run with --record"


@each_trial
def test_kwire_answers_as_kafka_does(
    trial: Trial, request: pytest.FixtureRequest, recording: Recording
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    played, _ = trial.play(request.getfixturevalue("kwire"))
    kwire = json.loads(json.dumps(played))
    if request.config.getoption("--recorded"):
        kafka = recording.outcome(trial)
        assert kafka is not None, "Kafka's answer is not recorded: run with --record"
        found = unexpected(trial, kafka, kwire)
    else:
        ask_kafka: AskKafka = request.getfixturevalue("ask_kafka")
        found = unexpected(trial, ask_kafka(trial)[0], kwire)
        for _ in range(1, ASKINGS):
            if not found:
                return
            found = unexpected(trial, ask_kafka(trial, afresh=True)[0], kwire)
    assert not found, "\n".join(map(str, found))
