"""Options and brokers of the differential tests."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from differential import nodes, peers
from differential.case import Outcome, Trial
from differential.cases import CASES
from differential.cases.three_nodes import CASES as CASES_OF_THREE
from differential.cluster_case import Stages
from differential.later import Later
from differential.recording import FOLDER, Recording


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("differential")
    group.addoption("--recorded", action="store_true", help="compare kwire with Kafka's recorded answers")
    group.addoption("--share", default="0/1", metavar="K/N", help="ask Kafka itself one question of N")
    group.addoption("--record", action="store_true", help="ask Kafka alone and write the recording")
    group.addoption("--disk", action="store_true", help="kwire keeps its data in files, not in memory")
    group.addoption("--three", action="store_true", help="also ask three real Kafkas, or record them")
    group.addoption("--shorten-later", action="store_true", help="update later.txt: kwire can do more")
    group.addoption("--seeds", type=int, default=25, help="how many random logs to live through")
    group.addoption("--seed", type=int, default=1, help="the first seed of random lives")
    group.addoption("--lives", type=int, default=15, help="how many random lives of each kind")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--seeds")))


@pytest.fixture(scope="session")
def recording(request: pytest.FixtureRequest) -> Iterator[Recording]:
    recording = Recording()
    yield recording
    if request.config.getoption("--record"):
        recording.save(CASES)


@pytest.fixture(scope="session")
def later(request: pytest.FixtureRequest) -> Iterator[Later]:
    later = Later()
    yield later
    if request.config.getoption("--shorten-later"):
        later.save()


@pytest.fixture(scope="session")
def ask_kafka() -> Iterator[Callable[..., tuple[Outcome, str]]]:
    """Play a trial on the Kafka that knows its answer, once, or again where that is wanted `afresh`; a Kafka
    is started at its first use.
    """
    outcomes: dict[str, tuple[Outcome, str]] = {}
    attempts: Counter[str] = Counter()
    with Started(peers.kafka) as kafka:

        def ask(trial: Trial, *, afresh: bool = False) -> tuple[Outcome, str]:
            if afresh or trial.id not in outcomes:
                attempts[trial.id] += 1
                bootstrap = kafka(trial.case.broker, trial.oracle)
                outcome, verdict = trial.play(bootstrap, attempts[trial.id] - 1)
                outcomes[trial.id] = json.loads(json.dumps(outcome)), verdict
            return outcomes[trial.id]

        yield ask


class Started:
    """Brokers by what they are set up as, each started at its first use: those without a variant run as long
    as this does, and of the others the last that was wanted.
    """

    def __init__(self, start: Callable[..., AbstractContextManager[str]]) -> None:
        self._start = start
        self._running = ExitStack()
        self._variant = ExitStack()
        self._bootstraps: dict[tuple[str, ...], str] = {}
        self._current: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._variant.close()
        self._running.close()

    def __call__(self, variant: str, *more: str) -> str:
        key = (*more, variant)
        if key in self._bootstraps:
            return self._bootstraps[key]
        if not variant:
            bootstrap = self._running.enter_context(self._start(*key))
        else:
            self._variant.close()
            self._bootstraps.pop(self._current, None)
            self._current = key
            bootstrap = self._variant.enter_context(self._start(*key))
        self._bootstraps[key] = bootstrap
        return bootstrap


@pytest.fixture(scope="session")
def start_kwire(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """HOST:PORT of a kwire with a variant's settings."""
    on_disk = request.config.getoption("--disk")
    with Started(partial(peers.kwire, on_disk=on_disk)) as kwire:
        yield kwire


@pytest.fixture(scope="session")
def kwire(start_kwire: Callable[[str], str]) -> str:
    return start_kwire("")


@pytest.fixture(scope="session")
def recording_of_three(request: pytest.FixtureRequest) -> Iterator[Recording]:
    recording = Recording(FOLDER / "three-nodes")
    yield recording
    if request.config.getoption("--record"):
        recording.save(CASES_OF_THREE)


@pytest.fixture(scope="session")
def three_kafkas() -> Iterator[Stages]:
    with nodes.kafka_nodes() as cluster:
        stages = Stages(cluster)
        yield stages
        stages.end()


@pytest.fixture(scope="session")
def three_kwires(request: pytest.FixtureRequest) -> Iterator[Stages]:
    with nodes.kwire_nodes(on_disk=request.config.getoption("--disk")) as cluster:
        stages = Stages(cluster)
        yield stages
        stages.end()
