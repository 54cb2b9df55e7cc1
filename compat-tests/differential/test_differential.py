"""kwire answers as Apache Kafka does."""

from __future__ import annotations

import json
from collections.abc import Callable
from zlib import crc32

import pytest

from differential.case import Outcome, Trial
from differential.cases import TRIALS
from differential.client import Closed, Silent
from differential.compare import Difference, unexpected
from differential.later import Later
from differential.recording import Recording
from differential.scene import StepFailed

AskKafka = Callable[..., tuple[Outcome, str]]
ASKINGS = 3
"""A few of Kafka's answers depend on its threads' order. Where one is not as expected, it is asked again:
what stands is that Kafka can give the answer, and that kwire gives one of Kafka's.
"""

each_trial = pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)


def _is_live(trial: Trial, request: pytest.FixtureRequest) -> bool:
    """Whether Kafka itself is asked."""
    options = request.config
    share, of = map(int, options.getoption("--share").split("/"))
    return not options.getoption("--recorded") and (
        options.getoption("--record") or crc32(trial.id.encode()) % of == share
    )


@each_trial
def test_kafka_answers_as_the_table_says(
    trial: Trial, request: pytest.FixtureRequest, recording: Recording
) -> None:
    if not _is_live(trial, request):
        pytest.skip("its recording will do")
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
    trial: Trial, request: pytest.FixtureRequest, recording: Recording, later: Later
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    kwire: Callable[[str], str] = request.getfixturevalue("start_kwire")
    try:
        played, _ = trial.play(kwire(trial.case.broker))
        found = _differences(trial, json.loads(json.dumps(played)), request, recording)
    except (StepFailed, Closed, Silent) as failure:
        if trial in later:
            pytest.xfail(f"later: {failure!r}")
        raise
    if trial in later:
        if found:
            pytest.xfail("\n".join(["later:", *map(str, found)]))
        if request.config.getoption("--shorten-later"):
            later.done(trial)
            return
        pytest.fail("kwire answers this now: take it off later.txt (--recorded --shorten-later)")
    assert not found, "\n".join(map(str, found))


def _differences(
    trial: Trial, kwire: Outcome, request: pytest.FixtureRequest, recording: Recording
) -> list[Difference]:
    """Those from the recording, or from the nearest of Kafka's answers."""
    if not _is_live(trial, request):
        kafka = recording.outcome(trial)
        assert kafka is not None, "Kafka's answer is not recorded: run with --record"
        return unexpected(trial, kafka, kwire)
    ask_kafka: AskKafka = request.getfixturevalue("ask_kafka")
    found = unexpected(trial, ask_kafka(trial)[0], kwire)
    for _ in range(1, ASKINGS):
        if not found:
            break
        found = unexpected(trial, ask_kafka(trial, afresh=True)[0], kwire)
    return found
