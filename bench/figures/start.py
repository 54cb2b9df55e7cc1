"""Start to first answer: the time from spawning the broker's process to its first answer to ApiVersions.

The data directory is empty. A broker that says where it listens is asked as soon as it has said so; Kafka,
which doesn't, is asked every 2 ms. What must be done once before (Kafka's format) is a row of its own.
Measured as the runner starts the brokers of a round, one at a time.
"""

from bench.brokers import Started

from .figure import Row

ROWS = (
    Row("start", "start to first answer", "ms"),
    Row("format", "format of the data directory, before", "ms"),
)


def values(started: Started) -> dict[str, float]:
    found = {"start": started.start_s * 1e3}
    if started.format_s is not None:
        found["format"] = started.format_s * 1e3
    return found
