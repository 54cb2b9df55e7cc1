"""How a cost grows, and whether it may."""

from collections.abc import Callable

import pytest

from bench.scale.growth import Shape, each_us, excess, grows_too_fast

COUNTS = (10, 50, 200, 1000, 2000)


@pytest.mark.parametrize(
    ("shape", "cost", "too_fast"),
    [
        ("flat", lambda n: 100.0, False),
        ("flat", lambda n: 100.0 + n / 100, False),
        ("flat", lambda n: 100.0 + n, True),
        ("linear", lambda n: 100.0 + 5.0 * n, False),
        ("linear", lambda n: 5000.0, False),
        ("linear", lambda n: 100.0 + n * n / 100, True),
        ("linear", lambda n: 5000.0 + n * n / 100, True),
    ],
)
def test_a_cost_grows_as_its_shape_says(shape: Shape, cost: Callable[[int], float], too_fast: bool) -> None:
    assert grows_too_fast([(count, cost(count)) for count in COUNTS], shape) == too_fast


def test_noise_is_no_growth() -> None:
    assert excess([(10, 1.0), (2000, 30.0)], "flat") == 1.0


def test_two_points_say_nothing_of_a_line() -> None:
    assert excess([(10, 1.0), (2000, 3000.0)], "linear") == 0.0


def test_what_each_costs_leaves_out_what_a_request_costs() -> None:
    assert each_us([(count, 700.0 + 3.0 * count) for count in COUNTS]) == pytest.approx(3.0)
