"""Options and brokers of the differential tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from differential import nodes, peers
from differential.case import Outcome, Trial
from differential.cases import CASES
from differential.cases.three_nodes import CASES as CASES_OF_THREE
from differential.cluster_case import Stages
from differential.recording import FOLDER, Recording


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("differential")
    group.addoption("--recorded", action="store_true", help="compare kwire with Kafka's recorded answers")
    group.addoption("--record", action="store_true", help="ask Kafka alone and write the recording")
    group.addoption("--disk", action="store_true", help="kwire keeps its data in files, not in memory")
    group.addoption("--three", action="store_true", help="also ask three real Kafkas, or record them")
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
def ask_kafka() -> Iterator[Callable[..., tuple[Outcome, str]]]:
    """Play a trial on the Kafka that knows its answer, once, or again where that is wanted `afresh`; a Kafka
    is started at its first use.
    """
    bootstraps: dict[str, str] = {}
    outcomes: dict[str, tuple[Outcome, str]] = {}
    with ExitStack() as running:

        def ask(trial: Trial, *, afresh: bool = False) -> tuple[Outcome, str]:
            if trial.oracle not in bootstraps:
                bootstraps[trial.oracle] = running.enter_context(peers.kafka(trial.oracle))
            if afresh or trial.id not in outcomes:
                outcome, verdict = trial.play(bootstraps[trial.oracle])
                outcomes[trial.id] = json.loads(json.dumps(outcome)), verdict
            return outcomes[trial.id]

        yield ask


@pytest.fixture(scope="session")
def kwire(request: pytest.FixtureRequest) -> Iterator[str]:
    with peers.kwire(on_disk=request.config.getoption("--disk")) as bootstrap:
        yield bootstrap


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
