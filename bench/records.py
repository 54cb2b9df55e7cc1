"""CPU microseconds of the record formats' hot functions, the best of several rounds: python bench/records.py

What a produced batch costs in `validate` and `stamp` is what every request pays; `records` and `build` are
what the coordinators, old clients and recompression pay.
"""

import itertools
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "codecs"), str(ROOT / "storage")]

from kwire_codecs.records import batch, legacy  # noqa: E402  # the path is set above
from kwire_codecs.records.batch import Record  # noqa: E402
from kwire_storage.produce_rules import ProduceRules  # noqa: E402
from kwire_storage.validation import validate  # noqa: E402

NOW = 1_700_000_000_000


def best_us(function: Callable[[], object], rounds: int = 7, seconds: float = 0.05) -> float:
    """Microseconds of CPU that a call takes, in the best of `rounds`."""
    timer = timeit.Timer(function, timer=time.process_time)
    number = 1
    while timer.timeit(number) < seconds:
        number *= 2
    return min(timer.repeat(rounds, number)) / number * 1e6


def main() -> None:
    """Print a table."""
    print(f"{'':44}{'us a batch':>12}{'MB/s':>10}")

    def line(name: str, function: Callable[[], object], size: int) -> None:
        us = best_us(function)
        print(f"{name:44}{us:12.2f}{size / us:10.0f}")

    sets = {
        "1 record of 1 KB": [Record(b"key", bytes(930), NOW)],
        "10 records of 100 B": [Record(b"key", bytes(100), NOW + i) for i in range(10)],
        "10,000 records of 100 B": [Record(b"key", bytes(100), NOW + i) for i in range(10_000)],
        "1 record of 1 MB": [Record(b"key", bytes(1_000_000), NOW)],
    }
    for name, records in sets.items():
        data = batch.build(records)
        size = len(data)
        view = memoryview(data)
        header = batch.read_header(view)
        rules = ProduceRules(max_message_bytes=1 << 24)
        strict = replace(rules, strict=True)
        line(f"{name}: header", lambda view=view: batch.read_header(view), size)  # type: ignore[misc]

        def crc(view: memoryview = view, header: batch.BatchHeader = header) -> bool:
            return batch.crc_is_valid(view, 0, header)

        def stamp(view: memoryview = view) -> None:
            batch.stamp(view, 0, 0, 3)

        def checked(view: memoryview = view, rules: ProduceRules = rules) -> object:
            return validate(view, rules, NOW)

        def decoded(view: memoryview = view, header: batch.BatchHeader = header) -> object:
            return batch.records(view, 0, header, 1 << 30)

        def built(records: list[Record] = records) -> object:
            return batch.build(records)

        def down(view: memoryview = view) -> object:
            return legacy.convert_down(view, 1, 0, 1 << 30)

        times = itertools.count(NOW)
        stamped = bytearray(data)

        def append_time(
            stamped: bytearray = stamped, header: batch.BatchHeader = header, times: Iterator[int] = times
        ) -> object:
            return batch.stamp_append_time(stamped, 0, header, next(times))

        line(f"{name}: crc", crc, size)
        line(f"{name}: append time and its crc", append_time, size)
        line(f"{name}: stamp", stamp, size)
        line(f"{name}: validate", checked, size)
        line(f"{name}: validate, strict", lambda c=checked, s=strict: c(rules=s), size)  # type: ignore[misc]
        line(f"{name}: records", decoded, size)
        line(f"{name}: build", built, size)
        line(f"{name}: convert_down to magic 1", down, size)


if __name__ == "__main__":
    main()
