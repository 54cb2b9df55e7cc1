"""Asks a real Kafka what it makes of every produced set of records in tests/storage/produce_cases.py.

`python compat-tests/golden-records/validation.py 4.4.0` (or 3.9.2) starts that Kafka, sends each case in a
request of its own and writes tests/vectors/records/validation-<version>.txt: a line a case, with the error,
the log start offset that came with it, the records at fault and a summary of what was stored.
tests/storage/test_validation.py holds kwire to it.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "codecs"), str(ROOT / "storage"), str(ROOT / "compat-tests")]

from connection import Connection  # noqa: E402  # the path is set above
from oracle import Kafka  # noqa: E402  # the path is set above

from tests.storage import produce_cases, stored  # noqa: E402


def main(version: str) -> None:
    """Ask Kafka `version` and write its answers."""
    lines = []
    with Kafka(version) as kafka:
        connection = Connection(kafka.bootstrap)
        for topic, configs in produce_cases.TOPICS.items():
            connection.create(topic, configs)
        time.sleep(1)  # the leaders are known to the broker a little after the topics
        now = time.time_ns() // 1_000_000
        cases = list(produce_cases.modern(now))
        if version.startswith("3."):
            cases += produce_cases.old(now)
        for case in cases:
            error, base, start, indices, has_message = connection.produce(
                case.topic, case.version, case.records
            )
            summary = "-"
            if not error and base >= 0:
                summary = stored.summary(connection.fetch(case.topic, base), now)
            indexed = ",".join(map(str, indices)) or "-"
            known = int(base >= 0) if not error else start
            answer = f"{error} {known} {indexed} {int(has_message)} {summary}"
            lines.append(f"{case.topic} v{case.version} {case.name} {answer}")
    target = ROOT / "tests" / "vectors" / "records" / f"validation-{version}.txt"
    target.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} answers in {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1])
