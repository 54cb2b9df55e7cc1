"""For each release's tools: a Kafka, a kwire and one JVM with the tools; and the strict list of what kwire lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from compat.broker import ServedBroker
from compat.ids import read_later, reason_for
from oracle import Kafka
from tools import Bench, ToolRunner

# The newest, whose words kwire has; the tools of 2.6.2 can still talk to it.
KAFKA = "4.4.0"
# With it, a new cluster of Kafka's gets min.insync.replicas as a setting of all its brokers; kwire doesn't have it.
KAFKA_FEATURES = {"eligible.leader.replicas.version": 0}
# So that access control lists can be kept.
KAFKA_PROPERTIES = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    later = read_later(Path(config.rootpath))
    unknown = [name for name in later if not any(i.nodeid == name for i in items)]
    if unknown and config.args_source is not pytest.Config.ArgsSource.ARGS:
        raise pytest.UsageError(f"later.txt names no test: {unknown}")
    for item in items:
        if shutil.which("java") is None:
            item.add_marker(pytest.mark.skip(reason="there is no Java on this machine"))
        reason = reason_for(item.nodeid, later)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError))


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
