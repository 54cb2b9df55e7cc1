"""The tables of promises and of what must be met say what the clients and the checks do."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.simulation.coverage import MET, missing
from tests.simulation.promises import KEPT_WITHOUT_POWER, PROMISES

SOURCES = "\n".join(path.read_text() for path in sorted(Path(__file__).parent.rglob("*.py")))


def test_every_promise_is_judged_and_every_judgement_is_a_promise() -> None:
    judged = set(re.findall(r'broken\(\s*"([a-z-]+)"', SOURCES))
    assert judged == set(PROMISES)
    assert set(PROMISES) >= KEPT_WITHOUT_POWER


def test_whatever_is_counted_must_be_met() -> None:
    counted = set(re.findall(r'met\["([^"]+)"', SOURCES)) - {""}
    assert counted <= set(MET)


def test_what_was_not_met_is_named() -> None:
    assert missing(Counter(MET)) == []
    assert missing(Counter(MET[1:])) == [MET[0]]
