"""kwire's figures as shares of what the machine can do at best, measured by bench/limits in the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .results import KWIRE, Results


@dataclass(frozen=True)
class Share:
    """A figure of kwire, the limit beside it in the same unit, and the share of the limit that it reaches."""

    figure: str
    reached: float
    limit: str
    bound: float
    unit: str
    share: float


# Row, key of the limit, factor from the limit's unit to the row's, the limit in words.
_RATES: Sequence[tuple[str, str, float, str]] = (
    ("produce/franz/1024/none", "socket_bytes_per_second", 1e-6, "one socket"),
    ("produce/franz/1024/none", "page_cache_write_bytes_per_second", 1e-6, "writes to the page cache"),
    ("produce/franz/1024/none", "crc32c_bytes_per_second", 1e-6, "CRC-32C on one core"),
    ("produce/rdkafka/1024/none", "page_cache_write_bytes_per_second", 1e-6, "writes to the page cache"),
    ("consume/franz/1024/none", "sendfile_bytes_per_second", 1e-6, "sendfile to one socket"),
    ("consume/rdkafka/1024/none", "sendfile_bytes_per_second", 1e-6, "sendfile to one socket"),
    ("fan-out/rate", "sendfile_bytes_per_second", 1e-6, "sendfile to one socket"),
    ("roundtrips/1/rate", "round_trips_per_second", 1.0, "one byte there and back"),
)
_P99 = "roundtrips/1/p99"
_CPU = "cpu/franz/1024/none"


def cpu_floor(limits: Mapping[str, float]) -> float | None:
    """CPU seconds that a GB costs at least: receive it, check it, write it, and send it from the file."""
    parts = (
        "socket_cpu_seconds_per_gb",
        "page_cache_write_cpu_seconds_per_gb",
        "sendfile_cpu_seconds_per_gb",
    )
    if any(name not in limits for name in (*parts, "crc32c_bytes_per_second")):
        return None
    return sum(limits[name] for name in parts) + 1e9 / limits["crc32c_bytes_per_second"]


def shares(results: Results) -> list[Share]:
    """Those that this run can tell; a cost's share is the limit over it."""
    titles = {row.key: row for row in results.rows}
    found = []
    for key, limit, factor, words in _RATES:
        reached = results.middle(key, KWIRE)
        if reached is not None and limit in results.limits:
            bound = results.limits[limit] * factor
            row = titles[key]
            found.append(Share(row.title, reached.median, words, bound, row.unit, reached.median / bound))
    p99, least = results.middle(_P99, KWIRE), results.limits.get("round_trip_p99_seconds")
    if p99 is not None and p99.median and least is not None:
        share = least * 1e3 / p99.median
        found.append(
            Share(titles[_P99].title, p99.median, "one byte there and back, p99", least * 1e3, "ms", share)
        )
    cost, floor = results.middle(_CPU, KWIRE), cpu_floor(results.limits)
    if cost is not None and cost.median and floor is not None:
        words = "receive, CRC, write, sendfile"
        share = floor / cost.median
        found.append(Share(titles[_CPU].title, cost.median, words, floor, "s/GB", share))
    return found
