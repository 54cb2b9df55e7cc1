"""For each release's tools: a Kafka, a kwire and one JVM; and the strict list of what kwire lacks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from compat import results
from compat.broker import ServedBroker
from compat.ids import differences, read_allowed, read_later, write_allowed
from oracle import Kafka
from oracle.cluster import KafkaCluster
from tools import RELEASES, Bench, ToolRunner

# The newest, whose words kwire has; the tools of 2.6.2 can still talk to it.
KAFKA = "4.4.0"
# With it, a new cluster has min.insync.replicas as a setting of all its brokers; kwire lacks the feature.
KAFKA_FEATURES = {"eligible.leader.replicas.version": 0}
# So that access control lists can be kept.
KAFKA_PROPERTIES = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
}


_OUTCOMES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-allow", action="store_true", help="write tests.allow from the tests, run none")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip without Java; expect to fail what later.txt has: a case, or a release's (`2.6.2-a_case`).

    With CI=true the cases must be those of tests.allow.
    """
    folder = Path(config.rootpath)
    found = [item.nodeid for item in items]
    if config.getoption("--write-allow"):
        write_allowed(folder, found)
        items.clear()
        return
    wrong = differences(found, read_allowed(folder))
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    if wrong and whole and os.environ.get("CI") == "true":
        raise pytest.UsageError("\n".join(wrong))
    later = read_later(folder)
    used = set()
    for item in items:
        if shutil.which("java") is None:
            item.add_marker(pytest.mark.skip(reason="there is no Java on this machine"))
        case = item.nodeid.partition("[")[2].removesuffix("]")
        for name in (case, case.partition("-")[2]):
            if name in later:
                used.add(name)
                mark = pytest.mark.xfail(reason=later[name], strict=True, raises=AssertionError)
                item.add_marker(mark)
    unknown = later.keys() - used
    if unknown and whole:
        raise pytest.UsageError(f"later.txt names no case: {sorted(unknown)}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed or (report.when == "call" and (report.passed or hasattr(report, "wasxfail"))):
        passed = results.LATER if hasattr(report, "wasxfail") else results.PASSED
        item.config.stash[_OUTCOMES][item.nodeid] = results.FAILED if report.failed else passed
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results of all cases, or of the short form."""
    config = session.config
    outcomes = config.stash[_OUTCOMES]
    asked = config.option.markexpr
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    if outcomes and whole and not config.option.keyword and asked in ("", "fast"):
        releases = [release for release in RELEASES if any(f"[{release}-" in name for name in outcomes)]
        results.write(Path(config.rootpath), outcomes, ", ".join(releases), asked or "whole")


@pytest.fixture(scope="session")
def three() -> Iterator[tuple[str, ServedBroker]]:
    """Three brokers of Kafka, by address, and three of kwire: one cluster each, for all releases."""
    broker = ServedBroker("--host", "127.0.0.1", "--brokers", "3", "--rack", "a,b,c")
    with KafkaCluster(KAFKA, KAFKA_PROPERTIES, features=KAFKA_FEATURES) as kafka:
        try:
            broker.start()
            yield kafka.bootstrap, broker
        finally:
            broker.close()


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    release, brokers = request.param
    if brokers == 3:
        kafka_address, served = request.getfixturevalue("three")
        with ToolRunner(release) as tools:
            yield Bench(release, tools, kafka_address, served.bootstrap, served)
        return
    broker = ServedBroker("--host", "127.0.0.1")
    with Kafka(KAFKA, KAFKA_PROPERTIES, features=KAFKA_FEATURES) as kafka, ToolRunner(release) as tools:
        try:
            broker.start()
            yield Bench(release, tools, kafka.bootstrap, broker.bootstrap, broker)
        finally:
            broker.close()
