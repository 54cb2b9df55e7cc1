"""What Kafka 4.4's own classes answered: assignors, targets, reconciliation and regular expressions.

tests/vectors/assignors/KIND.jsonl holds a case and its answer a line; compat-tests/assignors makes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.coordinators.groups.kafka_answers import answer, is_same

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "assignors"
AT_LEAST = {"assign": 100, "target": 150, "reconcile": 150, "regex": 10}


def vectors(kind: str) -> Iterator[tuple[Any, Any]]:
    for line in (FOLDER / f"{kind}.jsonl").read_text().splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("kind", AT_LEAST)
def test_kwire_answers_as_kafka_did(kind: str) -> None:
    count = 0
    for case, kafkas in vectors(kind):
        count += 1
        ours = json.loads(json.dumps(answer(case)))
        assert is_same(ours, kafkas), f"line {count}: {json.dumps(case)}\nkwire: {ours}\nKafka: {kafkas}"
    assert count >= AT_LEAST[kind]
