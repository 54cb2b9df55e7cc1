"""A real Apache Kafka for tests: fetched from Maven Central, started on this machine, gone with the test.

    with Kafka(version="3.9.2", properties={"num.partitions": "3"}) as kafka:
        connect_to(kafka.bootstrap)

From a shell: `scripts/kafka serve`, `scripts/kafka tool CLASS ...`, `scripts/kafka fetch`. Needs `java`
(17 or later) and, for the first fetch, `mvn`; nothing else outside the standard library.
"""

from .broker import Kafka, run_tool, tool_command
from .cluster import KafkaCluster
from .jars import OracleError, fetch

__all__ = ["Kafka", "KafkaCluster", "OracleError", "fetch", "run_tool", "tool_command"]
