"""A broker with three directories finds one of them offline when it starts: kwire answers as Apache Kafka
does.

Kafka finds a file in its place; kwire that, a `meta.properties` that can't be understood, and a disk that
fails, which come to the same in both.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from differential import peers
from differential.case import Case, Trial
from differential.cases.offline_directory import QUESTIONS
from differential.compare import unexpected
from differential.failing_directory import Outcomes, key, live_again
from differential.failing_disk import CannotMount, failing_disk
from differential.recording import FOLDER, Recording

each_question = pytest.mark.parametrize(
    "question", QUESTIONS, ids=lambda question: f"{question.api}-{question.name.replace(' ', '-')}"
)


def a_file_in_its_place(directory: Path) -> None:
    directory.rename(directory.with_name("unmounted"))
    directory.write_bytes(b"no directory")


def unknown_version(directory: Path) -> None:
    (directory / "meta.properties").write_text("version=7\ncluster.id=x\n")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="kwire-offline-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def recording_of_offline(request: pytest.FixtureRequest) -> Iterator[Recording]:
    recording = Recording(FOLDER / "offline-directory")
    yield recording
    if request.config.getoption("--record"):
        recording.save(QUESTIONS)


@pytest.fixture(scope="module")
def of_kafka() -> Outcomes:
    folder = Path(tempfile.mkdtemp(prefix="kwire-offline-"))
    try:
        start = partial(peers.kafka_in, folder, "4.4.0", ["second", "third"])
        return live_again(start, folder / "second", a_file_in_its_place, QUESTIONS)
    finally:
        shutil.rmtree(folder)


@each_question
def test_kafka_answers_as_the_table_says(
    question: Case, request: pytest.FixtureRequest, recording_of_offline: Recording
) -> None:
    if request.config.getoption("--recorded"):
        pytest.skip("its recording will do")
    outcome, verdict = request.getfixturevalue("of_kafka")[key(question)]
    if request.config.getoption("--record"):
        recording_of_offline.keep(_trial(question), outcome)
    assert verdict == question.expect, outcome
    assert recording_of_offline.outcome(_trial(question)) == outcome, (
        "the recording is stale: run with --record"
    )


@pytest.mark.parametrize("lose", [a_file_in_its_place, unknown_version], ids=lambda lose: lose.__name__)
def test_kwire_answers_as_kafka_does(
    home: Path,
    lose: Callable[[Path], None],
    request: pytest.FixtureRequest,
    recording_of_offline: Recording,
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    start = partial(peers.kwire_in, home, ["second", "third"])
    _compare(recording_of_offline, live_again(start, home / "second", lose, QUESTIONS))


def test_kwire_answers_as_kafka_does_where_the_disk_fails(
    home: Path, request: pytest.FixtureRequest, recording_of_offline: Recording
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    try:
        with failing_disk(home) as disk:
            start = partial(peers.kwire_in, home, [str(disk.path), "third"])
            outcomes = live_again(start, disk.path, lambda _: disk.fail(), QUESTIONS)
    except CannotMount as reason:
        pytest.skip(f"needs a disk that fails: {reason}")
    _compare(recording_of_offline, outcomes)


def _compare(recording: Recording, outcomes: Outcomes) -> None:
    """Every answer is the recorded one."""
    found = []
    for question in QUESTIONS:
        kafka = recording.outcome(_trial(question))
        assert kafka is not None, "Kafka's answer is not recorded: run with --record"
        outcome, _ = outcomes[key(question)]
        found += [f"{key(question)}: {each}" for each in unexpected(_trial(question), kafka, outcome)]
    assert not found, "\n".join(found)


def test_no_question_is_there_twice() -> None:
    assert len({key(question) for question in QUESTIONS}) == len(QUESTIONS)


def _trial(question: Case) -> Trial:
    (trial,) = question.trials()
    return trial
