"""What a run found: kept as JSON, from which tables, plots and docs/performance.md are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.figures import Row

from .statistics import Middle, Rounds, middle, ratio

KAFKA = "kafka"
KWIRE = "kwire"


@dataclass
class Results:
    """`values`: row key to broker to one value a round; `absent`: row key to broker to the reason;
    `done`: turns that have been taken, by `turn_name`, and the seconds that each took."""

    when: str
    machine: str
    is_quick: bool
    rounds: int
    brokers: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    values: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Make these rows known, in this order."""
        known = {row.key for row in self.rows}
        self.rows += [row for row in rows if row.key not in known]

    def add(self, round_number: int, broker: str, key: str, value: float) -> None:
        """Keep a value of a round, counted from 0. Raises KeyError for a row that was never made known."""
        if all(row.key != key for row in self.rows):
            raise KeyError(key)
        rounds = self.values.setdefault(key, {}).setdefault(broker, [])
        rounds += [None] * (max(self.rounds, round_number + 1) - len(rounds))
        rounds[round_number] = value

    def lack(self, broker: str, key: str, reason: str) -> None:
        """Keep why a broker has no value; the first reason stays."""
        self.absent.setdefault(key, {}).setdefault(broker, reason)

    def of(self, key: str, broker: str) -> Rounds:
        return self.values.get(key, {}).get(broker, [])

    def middle(self, key: str, broker: str) -> Middle | None:
        return middle(self.of(key, broker))

    def ratio(self, key: str, broker: str = KWIRE, base: str = KAFKA) -> float | None:
        """How many times `base` the broker shows, whichever is better."""
        return ratio(self.of(key, broker), self.of(key, base))

    def save(self, path: Path) -> None:
        """Put them into a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.part")
        half.write_text(json.dumps(asdict(self), indent=1) + "\n")
        half.replace(path)


def turn_name(round_number: int, broker: str, title: str) -> str:
    """A broker's turn at a step in a round, which is counted from 0."""
    return f"{round_number + 1}/{broker}/{title}"


def load(path: Path) -> Results:
    """The results kept in a file. Raises OSError, ValueError or TypeError where it holds none."""
    kept = json.loads(path.read_text())
    kept["rows"] = [Row(**row) for row in kept["rows"]]
    return Results(**kept)
