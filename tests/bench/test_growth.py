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


def test_what_no_longer_fits_into_a_cache_is_no_growth() -> None:
    assert excess([(1, 400.0), (4, 440.0), (16, 8000.0), (64, 42000.0), (256, 180000.0)], "linear") < 1.1


def test_a_cost_that_rises_out_of_the_noise_is_compared_with_the_noise() -> None:
    assert excess([(10, 300.0), (1000, 300.0), (2000, 341.0)], "linear") == pytest.approx(41 / 40 * 99 / 100)


def test_two_points_say_nothing_of_a_line() -> None:
    assert excess([(10, 1.0), (2000, 3000.0)], "linear") == 0.0


def test_what_each_costs_leaves_out_what_a_request_costs() -> None:
    assert each_us([(count, 700.0 + 3.0 * count) for count in COUNTS]) == pytest.approx(3.0)
