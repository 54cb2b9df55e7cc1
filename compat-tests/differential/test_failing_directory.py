"""A broker loses one of its directories, while it runs or by its next start: kwire answers as Apache Kafka
does.

While it runs the disk fails. At a start Kafka finds a file in the directory's place; kwire that, a
`meta.properties` that can't be understood, and a disk that fails, which come to the same in both. The disk is
real, but for a file system that fails when it is told to; what needs it is skipped where none can be mounted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from differential import peers
from differential.case import Case
from differential.cases.failing_directory import FAILING, OFFLINE
from differential.compare import unexpected
from differential.failing_directory import Outcomes, key, live, live_again, trial
from differential.failing_disk import CannotMount, failing_disk
from differential.recording import FOLDER, Recording

Start = Callable[[Path, Sequence[str]], AbstractContextManager[str]]
"""A broker whose data are in that folder, in these directories too."""
Life = Callable[[Start, Path], Outcomes]


def the_disk_fails(start: Start, home: Path) -> Outcomes:
    with failing_disk(home) as disk, start(home, [str(disk.path)]) as bootstrap:
        return live(bootstrap, disk, FAILING)


def a_file_in_its_place(start: Start, home: Path) -> Outcomes:
    def lose(directory: Path) -> None:
        directory.rename(directory.with_name("unmounted"))
        directory.write_bytes(b"no directory")

    return live_again(partial(start, home, ["second", "third"]), home / "second", lose, OFFLINE)


def unknown_version(start: Start, home: Path) -> Outcomes:
    def lose(directory: Path) -> None:
        (directory / "meta.properties").write_text("version=7\ncluster.id=x\n")

    return live_again(partial(start, home, ["second", "third"]), home / "second", lose, OFFLINE)


def the_disk_has_failed(start: Start, home: Path) -> Outcomes:
    with failing_disk(home) as disk:
        again = partial(start, home, [str(disk.path), "third"])
        return live_again(again, disk.path, lambda _: disk.fail(), OFFLINE)


LIVES: dict[Life, tuple[str, Sequence[Case]]] = {
    the_disk_fails: ("failing-directory", FAILING),
    a_file_in_its_place: ("offline-directory", OFFLINE),
    unknown_version: ("offline-directory", OFFLINE),
    the_disk_has_failed: ("offline-directory", OFFLINE),
}
"""The name of the recording, and what was asked."""
RECORDED = [the_disk_fails, a_file_in_its_place]
"""Those that Kafka lives through."""


def each_life(lives: Sequence[Life]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("life", lives, ids=[life.__name__ for life in lives])


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="kwire-directories-"))
    yield folder
    shutil.rmtree(folder)


def kafka(home: Path, directories: Sequence[str]) -> AbstractContextManager[str]:
    return peers.kafka_in(home, "4.4.0", directories)


@each_life(RECORDED)
def test_kafka_answers_as_the_table_says(life: Life, home: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--recorded"):
        pytest.skip("its recording will do")
    folder, questions = LIVES[life]
    recording = Recording(FOLDER / folder)
    outcomes = _lived(life, kafka, home)
    found = []
    for question in questions:
        outcome, verdict = outcomes[key(question)]
        if request.config.getoption("--record"):
            recording.keep(trial(question), outcome)
        if verdict != question.expect:
            found.append(f"{key(question)}: {verdict}, not {question.expect}: {outcome}")
        if recording.outcome(trial(question)) != outcome:
            found.append(f"{key(question)}: the recording is stale, run with --record: {outcome}")
    recording.save(questions)
    assert not found, "\n".join(found)


@each_life(list(LIVES))
def test_kwire_answers_as_kafka_does(life: Life, home: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    folder, questions = LIVES[life]
    recording = Recording(FOLDER / folder)
    outcomes = _lived(life, peers.kwire_in, home)
    found = []
    for question in questions:
        recorded = recording.outcome(trial(question))
        assert recorded is not None, f"{key(question)}: Kafka's answer is not recorded, run with --record"
        outcome, _ = outcomes[key(question)]
        found += [f"{key(question)}: {each}" for each in unexpected(trial(question), recorded, outcome)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("questions", [FAILING, OFFLINE], ids=["failing", "offline"])
def test_no_question_is_there_twice(questions: Sequence[Case]) -> None:
    assert len({key(question) for question in questions}) == len(questions)


def _lived(life: Life, start: Start, home: Path) -> Outcomes:
    try:
        return life(start, home)
    except CannotMount as reason:
        pytest.skip(f"needs a disk that fails: {reason}")
