"""A thousand topics: created in one request, listed in one answer, deleted in one request."""

from __future__ import annotations

import pytest
from compat.waiting import until
from kafka import KafkaAdminClient
from kafka_python_fixtures import MakeConsumer, unique

COUNT = 1000


@pytest.mark.timeout(180)
def test_a_thousand_topics(admin: KafkaAdminClient, make_consumer: MakeConsumer) -> None:
    prefix = unique("many")
    names = {f"{prefix}-{number:04}" for number in range(COUNT)}
    options = {"num_partitions": 1, "replication_factor": 1}
    admin.create_topics(dict.fromkeys(sorted(names), options), timeout_ms=60_000)

    def listed() -> set[str]:
        return {name for name in make_consumer().topics() if name.startswith(prefix)}

    try:
        until(lambda: listed() == names, "all topics are listed", 60)
    finally:
        admin.delete_topics(sorted(names), timeout_ms=60_000)
    until(lambda: not listed(), "all topics are gone", 60)
