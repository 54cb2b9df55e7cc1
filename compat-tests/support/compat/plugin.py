"""The pytest plugin of the suites: the `broker` and `own_broker` fixtures, the marks, the checked-in ids.

Marks:
  fast            also run in CI against a real Apache Kafka.
  old_versions    needs versions that Kafka 4 dropped; deselected, with a line in the summary, where the
                  broker advertises Fetch from 4.  kwire serves them all, so there it always runs.
  kafka_4         needs what Kafka 4 brought; deselected on an older Kafka, never on kwire.
  restarts        starts, stops or kills a broker of its own; deselected for a broker given by address.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from compat import ids, results
from compat.broker import Broker, BrokerError, ServedBroker, broker_kind, can_restart, session_broker

_BROKER = pytest.StashKey[Broker]()
_PROBLEMS = pytest.StashKey[list[str]]()
_LEFT_OUT = pytest.StashKey[dict[str, int]]()
_OUTCOMES = pytest.StashKey[dict[str, str]]()
_WHOLE = pytest.StashKey[bool]()
_LOG_STARTS = pytest.StashKey[dict[ServedBroker, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("compat")
    group.addoption("--strict-ids", action="store_true", help="fail where the tests and tests.allow differ")
    group.addoption(
        "--write-allow", action="store_true", help="write tests.allow from the tests found, run none"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fast: also run in CI against a real Apache Kafka")
    config.addinivalue_line("markers", "old_versions: needs API versions that Kafka 4 dropped")
    config.addinivalue_line("markers", "kafka_4: needs what Kafka 4 brought")
    config.addinivalue_line("markers", "restarts: starts and stops a broker of its own")
    config.stash[_PROBLEMS] = []
    config.stash[_LEFT_OUT] = {}
    config.stash[_OUTCOMES] = {}
    config.stash[_WHOLE] = False


def is_strict(config: pytest.Config) -> bool:
    return bool(config.getoption("--strict-ids")) or os.environ.get("CI") == "true"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder = config.rootpath
    found = [item.nodeid for item in items]
    if config.getoption("--write-allow"):
        ids.write_allowed(folder, found)
        items.clear()
        return
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS and not config.getoption("lf", False)
    config.stash[_WHOLE] = whole and not (config.option.keyword or config.option.markexpr)
    if whole:
        config.stash[_PROBLEMS] += ids.differences(found, ids.read_allowed(folder))
    later = ids.read_later(folder)
    unknown = [name for name in later if not any(i == name or i.startswith(name + "[") for i in found)]
    if unknown and whole:
        config.stash[_PROBLEMS] += [f"{name} is in later.txt and is no test" for name in unknown]
    if broker_kind() == "kwire":
        for item in items:
            reason = ids.reason_for(item.nodeid, later)
            if reason is not None:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    _deselect(config, items, "restarts", "the broker is given by address", lambda: not can_restart())


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Start the broker after the tests are chosen, and not at all where none is left."""
    if not session.items or session.config.option.collectonly:
        return (yield)
    with contextlib.ExitStack() as stack:
        try:
            broker = stack.enter_context(session_broker())
        except BrokerError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
        session.config.stash[_BROKER] = broker
        dropped = broker.fetch_min_version() > 0
        older = broker.kind == "kafka" and not dropped
        _deselect(session.config, session.items, "kafka_4", "the broker is older", lambda: older)
        _deselect(
            session.config, session.items, "old_versions", "the broker has dropped them", lambda: dropped
        )
        return (yield)


def _deselect(
    config: pytest.Config, items: list[pytest.Item], mark: str, why: str, applies: Callable[[], bool]
) -> None:
    chosen = [item for item in items if item.get_closest_marker(mark)]
    if not chosen or not applies():
        return
    config.hook.pytest_deselected(items=chosen)
    config.stash[_LEFT_OUT][f"{mark}: {why}"] = len(chosen)
    items[:] = [item for item in items if item not in chosen]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment, misc]
    if report.skipped and not hasattr(report, "wasxfail") and is_strict(item.config):
        item.config.stash[_PROBLEMS].append(f"{item.nodeid} was skipped: {report.longrepr}")
    if report.failed or (report.when == "call" and (report.passed or hasattr(report, "wasxfail"))):
        if report.failed:
            outcome = results.FAILED
        else:
            outcome = results.LATER if hasattr(report, "wasxfail") else results.PASSED
        item.config.stash[_OUTCOMES][item.nodeid] = outcome
    if report.failed:
        for served, start in item.stash.get(_LOG_STARTS, {}).items():
            report.sections.append((f"log of the broker at {served.bootstrap}", served.tail(start)))
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[_WHOLE] and session.config.stash[_OUTCOMES]:
        results.write(session.config.rootpath, session.config.stash[_OUTCOMES])
    if session.config.stash[_PROBLEMS] and is_strict(session.config):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR  # no test's failure, which is worth another try


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for why, count in config.stash[_LEFT_OUT].items():
        terminalreporter.write_line(f"{count} tests left out, {why}", yellow=True)
    problems = config.stash[_PROBLEMS]
    if problems and is_strict(config):
        terminalreporter.section("the list of tests", red=True)
        for problem in problems:
            terminalreporter.write_line(problem)
    elif problems:
        terminalreporter.write_line(f"{len(problems)} differences from tests.allow (--strict-ids shows them)")


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Broker:
    """The broker of the whole run."""
    return request.config.stash[_BROKER]


@pytest.fixture(autouse=True)
def _broker_log(request: pytest.FixtureRequest) -> None:
    served = request.config.stash[_BROKER].process
    request.node.stash[_LOG_STARTS] = {served: served.log_size()} if served else {}


@pytest.fixture
def own_broker(request: pytest.FixtureRequest) -> Iterator[Callable[..., ServedBroker]]:
    """Start a broker for this test alone: `own_broker(*options, persistent=False)`; it ends with the test."""
    started: list[ServedBroker] = []

    def start(*options: str, persistent: bool = False) -> ServedBroker:
        served = ServedBroker(*options, persistent=persistent)
        started.append(served)
        request.node.stash[_LOG_STARTS][served] = 0
        served.start()
        return served

    yield start
    for served in started:
        served.close()
