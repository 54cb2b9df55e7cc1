"""Where two outcomes differ, field by field, and which differences are allowed.

ALLOWED is the whole list of what kwire may answer otherwise than Kafka, with the reason for each. Paths have
no indices: `topics[].error_message`; `*` stands for one name. Anything that it doesn't name is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .case import Outcome

NOTHING = "<nothing>"


@dataclass(frozen=True)
class Difference:
    """A place where the two answers are not the same."""

    path: str
    kafka: Any
    kwire: Any

    def __str__(self) -> str:
        return f"{self.path}: Kafka {self.kafka!r}, kwire {self.kwire!r}"


@dataclass(frozen=True)
class Allowed:
    """A path that may differ. `how`: "wording" (both say something), or "value" (whatever kwire says)."""

    api: str
    path: str
    how: str
    reason: str

    def covers(self, api: str, difference: Difference) -> bool:
        pattern = re.escape(self.path).replace(r"\*", r"[^.\[]*")
        bare = re.sub(r"\[\d+\]", "[]", difference.path)
        if self.api not in ("*", api) or not re.fullmatch(rf"(.*\.)?{pattern}", bare):
            return False
        said = (difference.kafka, difference.kwire)
        return self.how == "value" or all(
            isinstance(text, str) and text not in ("", NOTHING) for text in said
        )


ALLOWED = [
    Allowed("*", "error_message", "wording", "messages are for people; the code says what programs need"),
    Allowed("*", "batch_index_error_message", "wording", "messages are for people"),
]


def unexpected(api: str, kafka: Outcome, kwire: Outcome) -> list[Difference]:
    """The differences that nothing allows."""
    found = differences("", kafka, kwire)
    return [each for each in found if not any(allowed.covers(api, each) for allowed in ALLOWED)]


def differences(path: str, kafka: Any, kwire: Any) -> Iterator[Difference]:
    """All places where the two differ, the deepest that say so."""
    if isinstance(kafka, dict) and isinstance(kwire, dict):
        for name in [*kafka, *(name for name in kwire if name not in kafka)]:
            inner = f"{path}.{name}" if path else name
            yield from differences(inner, kafka.get(name, NOTHING), kwire.get(name, NOTHING))
    elif isinstance(kafka, list) and isinstance(kwire, list):
        for index in range(max(len(kafka), len(kwire))):
            left, right = (side[index] if index < len(side) else NOTHING for side in (kafka, kwire))
            yield from differences(f"{path}[{index}]", left, right)
    elif kafka != kwire:
        yield Difference(path, kafka, kwire)
