"""The pytest plugin: a broker for the test run, topics and groups for each test.

Rules: pytest loads this in every run of an environment that has kwire, so it costs nothing until a test asks
for a fixture: only pytest is imported here. Under pytest-xdist each worker is a process with a broker of its
own: nothing is shared, nothing needs a lock, and what a failed test shows is what that worker's tests did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import IO

    from kwire.testing.broker_process import BrokerProcess

REQUESTS_SHOWN = 50
LOG_CHARACTERS_SHOWN = 20_000
_FIXTURES = ("kafka", "kafka_broker")


class _Session:
    """The broker of this run, and what has been seen of it before the test in progress."""

    def __init__(self, broker: BrokerProcess, log: IO[bytes]) -> None:
        self.broker = broker
        self.log = log
        self.log_position = 0
        self.test_began = 0.0

    def begin_test(self) -> None:
        import time

        self.test_began = time.time()
        self.log_position = self.log.seek(0, 2)

    def sections(self) -> Iterator[tuple[str, str]]:
        """What a failed test's report shows."""
        self.log.seek(max(self.log_position, self.log.seek(0, 2) - LOG_CHARACTERS_SHOWN))
        text = self.log.read().decode("utf-8", "replace")
        yield "kwire: the broker's log in this test", text or "(nothing)"
        yield f"kwire: the last {REQUESTS_SHOWN} requests of this test", self._requests() or "(none)"

    def _requests(self) -> str:
        from time import localtime, strftime

        from kwire.testing.broker_process import BrokerFailed

        try:
            entries = self.broker.ask("requests")
        except BrokerFailed as failure:
            return f"{failure}; exit code {failure.exit_code}"
        return "\n".join(
            f"{strftime('%H:%M:%S', localtime(at))}.{int(at * 1000) % 1000:03d} {text}"
            for at, text in entries
            if at >= self.test_began
        )


_SESSION = pytest.StashKey[_Session]()


class Kafka:
    """What belongs to one test: topics and groups that nobody else has, deleted when it ends."""

    def __init__(self, bootstrap_servers: str, test_name: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        """`HOST:PORT`, for any client."""
        self.topics: list[str] = []
        self.groups: list[str] = []
        self._test_name = test_name

    def topic(self, name: str = "", partitions: int = 1) -> str:
        """Creates a topic and gives its name: `name` (or the test's) and something that makes it unique."""
        from kwire.testing.topics import create_topic

        unique = self._unique(name)
        create_topic(self.bootstrap_servers, unique, partitions)
        self.topics.append(unique)
        return unique

    def group(self, name: str = "") -> str:
        """A group id that no other test has."""
        unique = self._unique(name)
        self.groups.append(unique)
        return unique

    def close(self) -> None:
        """Deletes the topics and the groups."""
        topics, self.topics = self.topics, []
        groups, self.groups = self.groups, []
        if topics:
            from kwire.testing.topics import delete_topics

            delete_topics(self.bootstrap_servers, topics)
        if groups:
            from kwire.testing.groups import delete_groups

            delete_groups(self.bootstrap_servers, groups)

    def _unique(self, name: str) -> str:
        import re
        import uuid

        # A topic's name has 249 of these at most.
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name or self._test_name)[:200]
        return f"{readable}-{uuid.uuid4().hex[:12]}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options and ini settings."""
    parser.getgroup("kwire").addoption(
        "--kafka-bootstrap",
        metavar="HOST:PORT",
        help="run the tests that use `kafka` on this broker, instead of one that kwire starts",
    )
    parser.addini("kafka_bootstrap", "the same as --kafka-bootstrap", default="")
    parser.addini(
        "kafka_options", "options of `kwire serve` for the broker of the tests", type="args", default=[]
    )


@pytest.fixture(scope="session")
def kafka_broker(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address (`HOST:PORT`) of a broker in memory that lives as long as the test run; --kafka-bootstrap
    names another.
    """
    given: str = pytestconfig.getoption("kafka_bootstrap") or pytestconfig.getini("kafka_bootstrap")
    if given:
        yield given
        return
    import tempfile

    from kwire.testing.broker_process import BrokerFailed, BrokerProcess

    options = ["--port", "0", "--memory", "--verbose", "--request-log", str(REQUESTS_SHOWN)]
    with tempfile.TemporaryFile() as log:
        try:
            broker = BrokerProcess([*options, *pytestconfig.getini("kafka_options")], log=log)
        except BrokerFailed as failure:
            log.seek(0)
            said = log.read().decode("utf-8", "replace").strip()
            pytest.fail(f"{failure}; it said:\n{said}", pytrace=False)
        with broker:
            pytestconfig.stash[_SESSION] = _Session(broker, log)
            try:
                yield broker.bootstrap_servers
            finally:
                del pytestconfig.stash[_SESSION]


@pytest.fixture
def kafka(kafka_broker: str, request: pytest.FixtureRequest) -> Iterator[Kafka]:
    """A broker (`kafka.bootstrap_servers`) with topics (`kafka.topic()`) and group ids (`kafka.group()`) for
    this test alone.
    """
    ours = Kafka(kafka_broker, request.node.name)
    yield ours
    ours.close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remembers where the test begins in the broker's log."""
    session = item.config.stash.get(_SESSION, None)
    if session is not None:
        session.begin_test()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows a failed test's broker log and requests."""
    report = yield
    if report.failed:
        session = item.config.stash.get(_SESSION, None)
        if session is not None and not set(_FIXTURES).isdisjoint(getattr(item, "fixturenames", ())):
            report.sections.extend(session.sections())
    return report
