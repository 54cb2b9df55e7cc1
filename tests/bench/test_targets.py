"""Targets are judged from one run: held, not held, or unknown where something wasn't measured."""

import pytest

from bench.figures import FIGURES, FULL, Row, start
from bench.report.results import Results
from bench.report.targets import (
    TARGETS,
    AtLeast,
    AtMost,
    Condition,
    NoWorseThan,
    OfRow,
    Several,
    Times,
    TimesBest,
    all_of,
    either,
)


def run(**values: dict[str, float]) -> Results:
    """A run of one round: row to broker to value."""
    results = Results("now", "a machine", False, 1, {"kwire": "", "kafka": "", "kfake-disk": "", "kfake": ""})
    for key, by_broker in values.items():
        results.add_rows([Row(key, key, "ms")])
        for broker, value in by_broker.items():
            results.add(0, broker, key, value)
    return results


FOUND = run(
    a={"kwire": 12.0, "kafka": 10.0, "kfake-disk": 15.0, "kfake": 99.0},
    b={"kwire": 10.0},
)
YES, NO, UNKNOWN = AtMost("a", 12, ""), AtMost("a", 11, ""), AtMost("nothing", 1, "")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (AtMost("a", 12, "ms"), True),
        (AtMost("a", 11.9, "ms"), False),
        (AtMost("nothing", 1, "ms"), None),
        (AtLeast("a", 12, "ms"), True),
        (AtLeast("a", 13, "ms"), False),
        (Times("a", 1.2), True),
        (Times("a", 1.3), False),
        (Times("b", 1.0), None),
        (NoWorseThan("a", 0.8, "kfake-disk"), True),
        (NoWorseThan("a", 1.0, "kafka"), False),
        (TimesBest("a", 0.8), True),  # of those on disk: what lives in memory isn't asked
        (TimesBest("a", 0.9), False),
        (TimesBest("b", 0.1), None),
        (OfRow("b", "a", 0.8), True),
        (OfRow("b", "a", 0.9), False),
        (OfRow("b", "nothing", 0.9), None),
        (all_of(YES, YES), True),
        (all_of(YES, UNKNOWN), None),
        (all_of(NO, UNKNOWN), False),
        (either(NO, YES), True),
        (either(NO, UNKNOWN), None),
        (either(NO, NO), False),
        (either(YES, UNKNOWN), True),
    ],
)
def test_conditions_are_judged_from_the_rows_of_one_run(condition: Condition, expected: bool | None) -> None:
    assert condition.holds(FOUND) is expected
    assert condition.says()


def rows_in(condition: Condition) -> set[str]:
    if isinstance(condition, Several):
        return set().union(*(rows_in(one) for one in condition.conditions))
    return {getattr(condition, name) for name in ("row", "other") if hasattr(condition, name)}


def test_every_target_speaks_of_rows_that_are_measured() -> None:
    measured = {row.key for figure in FIGURES.values() for step in figure.steps(FULL) for row in step.rows}
    measured |= {row.key for row in start.ROWS}
    for target in TARGETS:
        assert rows_in(target.must) | rows_in(target.aim) <= measured, target.title


def test_keys_of_rows_are_unique() -> None:
    keys = [row.key for figure in FIGURES.values() for step in figure.steps(FULL) for row in step.rows]
    assert len(keys) == len(set(keys))
