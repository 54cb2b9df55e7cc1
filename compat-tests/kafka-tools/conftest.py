"""For each release's tools: a Kafka, a kwire and one JVM; and the strict list of what kwire lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from compat.broker import ServedBroker
from compat.ids import read_later
from oracle import Kafka
from tools import Bench, ToolRunner

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip without Java; expect to fail what later.txt has: a case, or a release's (`2.6.2-a_case`)."""
    later = read_later(Path(config.rootpath))
    used = set()
    for item in items:
        if shutil.which("java") is None:
            item.add_marker(pytest.mark.skip(reason="there is no Java on this machine"))
        whole = item.nodeid.partition("[")[2].removesuffix("]")
        for name in (whole, whole.partition("-")[2]):
            if name in later:
                used.add(name)
                mark = pytest.mark.xfail(reason=later[name], strict=True, raises=AssertionError)
                item.add_marker(mark)
    unknown = later.keys() - used
    if unknown and config.args_source is not pytest.Config.ArgsSource.ARGS:
        raise pytest.UsageError(f"later.txt names no case: {sorted(unknown)}")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    release = request.param
    broker = ServedBroker("--host", "127.0.0.1")
    with Kafka(KAFKA, KAFKA_PROPERTIES, features=KAFKA_FEATURES) as kafka, ToolRunner(release) as tools:
        try:
            broker.start()
            yield Bench(release, tools, kafka.bootstrap, broker.bootstrap, broker)
        finally:
            broker.close()
