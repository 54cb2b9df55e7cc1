"""Medians, spreads and ratios of rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.statistics import middle, ratio

positive = st.floats(min_value=1e-3, max_value=1e9)


def test_the_middle_of_no_values_is_none() -> None:
    assert middle([]) is None
    assert middle([None, None]) is None


def test_a_round_that_gave_nothing_counts_for_nothing() -> None:
    found = middle([10.0, None, 30.0, 20.0])
    assert found is not None
    assert (found.median, found.least, found.most) == (20.0, 10.0, 30.0)
    assert found.spread == pytest.approx(0.5)


def test_the_spread_around_zero_is_zero() -> None:
    found = middle([0.0, 0.0])
    assert found is not None
    assert found.spread == 0


@given(st.lists(positive, min_size=1))
def test_the_median_lies_between_least_and_most(values: list[float]) -> None:
    found = middle(values)
    assert found is not None
    assert found.least <= found.median <= found.most
    assert found.spread >= 0


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([20.0], [10.0], 2.0),
        ([20.0, 30.0, 80.0], [10.0, 10.0, 10.0], 3.0),
        ([20.0, None, 80.0], [10.0, 10.0, None], 2.0),
        ([None], [10.0], None),
        ([10.0], [0.0], None),
        ([10.0], [], None),
    ],
)
def test_a_ratio_is_the_median_of_the_rounds_that_have_both(
    ours: list[float | None], theirs: list[float | None], expected: float | None
) -> None:
    assert ratio(ours, theirs) == expected


@given(st.lists(positive, min_size=1), positive)
def test_a_machine_that_slows_both_down_leaves_the_ratio(values: list[float], mood: float) -> None:
    slowed = [value * mood for value in values]
    assert ratio(slowed, values) == pytest.approx(mood)
