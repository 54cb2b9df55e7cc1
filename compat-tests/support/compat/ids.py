"""The two checked-in lists beside each suite.

tests.allow  every test id, one a line, made by `run.sh --write-allow`.  With CI=true or --strict-ids a test
             that is missing, new or skipped fails the run, so that a suite can't shrink unseen.
later.txt    `id  reason`: scenarios of work that kwire does not have yet.  They pass on Kafka; on kwire they
             must fail, and one that passes fails the run, so that the line is taken out with the work.
             An id without `[...]` stands for all its parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def read_allowed(folder: Path) -> list[str]:
    path = folder / "tests.allow"
    return [line for line in _lines(path)] if path.exists() else []


def write_allowed(folder: Path, ids: Iterable[str]) -> None:
    text = "# Every test of this suite; made by run.sh --write-allow.\n" + "".join(
        f"{i}\n" for i in sorted(ids)
    )
    (folder / "tests.allow").write_text(text)


def read_later(folder: Path) -> dict[str, str]:
    """{test id: why it has to wait}."""
    path = folder / "later.txt"
    if not path.exists():
        return {}
    later = {}
    for line in _lines(path):
        name, _, reason = line.partition("  ")
        if not reason.strip():
            raise ValueError(f"{path}: {line!r} must be an id, two spaces and the reason")
        later[name] = reason.strip()
    return later


def reason_for(test_id: str, later: dict[str, str]) -> str | None:
    return later.get(test_id) or later.get(test_id.partition("[")[0])


def differences(collected: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """What is wrong between the tests found and the list, one sentence each."""
    found, listed = set(collected), set(allowed)
    return [f"{name} is in tests.allow and was not found" for name in sorted(listed - found)] + [
        f"{name} is not in tests.allow (run.sh --write-allow)" for name in sorted(found - listed)
    ]


def _lines(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]
