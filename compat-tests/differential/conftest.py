"""Options and brokers of the differential tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from differential import peers
from differential.case import Outcome, Trial
from differential.cases import CASES
from differential.recording import Recording


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("differential")
    group.addoption("--recorded", action="store_true", help="compare kwire with Kafka's recorded answers")
    group.addoption("--record", action="store_true", help="ask Kafka alone and write the recording")
    group.addoption("--disk", action="store_true", help="kwire keeps its data in files, not in memory")
    group.addoption("--seeds", type=int, default=25, help="how many random logs to live through")


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
def ask_kafka() -> Iterator[Callable[[Trial], tuple[Outcome, str]]]:
    """Play a trial on the Kafka that knows its answer, once; a Kafka is started at its first use."""
    bootstraps: dict[str, str] = {}
    outcomes: dict[str, tuple[Outcome, str]] = {}
    with ExitStack() as running:

        def ask(trial: Trial) -> tuple[Outcome, str]:
            if trial.oracle not in bootstraps:
                bootstraps[trial.oracle] = running.enter_context(peers.kafka(trial.oracle))
            if trial.id not in outcomes:
                outcomes[trial.id] = trial.play(bootstraps[trial.oracle])
            return outcomes[trial.id]

        yield ask


@pytest.fixture(scope="session")
def kwire(request: pytest.FixtureRequest) -> Iterator[str]:
    with peers.kwire(on_disk=request.config.getoption("--disk")) as bootstrap:
        yield bootstrap
