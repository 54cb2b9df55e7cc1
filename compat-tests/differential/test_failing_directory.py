"""Of a broker with two directories the disk of one fails: kwire answers as Apache Kafka does.

The disk is real, but for a file system that fails when it is told to; where none can be mounted this is
skipped.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from differential import peers
from differential.case import Case, Outcome, Trial
from differential.cases.failing_directory import QUESTIONS
from differential.compare import unexpected
from differential.failing_directory import key, live
from differential.failing_disk import CannotMount, failing_disk
from differential.recording import FOLDER, Recording

Outcomes = dict[str, tuple[Outcome, str]]

each_question = pytest.mark.parametrize(
    "question", QUESTIONS, ids=lambda question: f"{question.api}-{question.name.replace(' ', '-')}"
)


def _lived(start: Callable[..., AbstractContextManager[str]]) -> Outcomes:
    folder = Path(tempfile.mkdtemp(prefix="kwire-failing-"))
    try:
        with failing_disk(folder) as disk, start(directories=[str(disk.path)]) as bootstrap:
            return live(bootstrap, disk, QUESTIONS)
    except CannotMount as reason:
        pytest.skip(f"needs a disk that fails: {reason}")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def of_kafka() -> Outcomes:
    return _lived(partial(peers.kafka, "4.4.0"))


@pytest.fixture(scope="module")
def of_kwire() -> Outcomes:
    return _lived(peers.kwire)


@pytest.fixture(scope="module")
def recording_of_failure(request: pytest.FixtureRequest) -> Iterator[Recording]:
    recording = Recording(FOLDER / "failing-directory")
    yield recording
    if request.config.getoption("--record"):
        recording.save(QUESTIONS)


@each_question
def test_kafka_answers_as_the_table_says(
    question: Case, request: pytest.FixtureRequest, recording_of_failure: Recording
) -> None:
    if request.config.getoption("--recorded"):
        pytest.skip("its recording will do")
    outcome, verdict = request.getfixturevalue("of_kafka")[key(question)]
    if request.config.getoption("--record"):
        recording_of_failure.keep(_trial(question), outcome)
    assert verdict == question.expect, outcome
    assert recording_of_failure.outcome(_trial(question)) == outcome, (
        "the recording is stale: run with --record"
    )


@each_question
def test_kwire_answers_as_kafka_does(
    question: Case, request: pytest.FixtureRequest, recording_of_failure: Recording
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    kafka = recording_of_failure.outcome(_trial(question))
    assert kafka is not None, "Kafka's answer is not recorded: run with --record"
    outcome, _ = request.getfixturevalue("of_kwire")[key(question)]
    found = unexpected(_trial(question), kafka, outcome)
    assert not found, "\n".join(map(str, found))


def test_no_question_is_there_twice() -> None:
    assert len({key(question) for question in QUESTIONS}) == len(QUESTIONS)


def _trial(question: Case) -> Trial:
    (trial,) = question.trials()
    return trial
