"""What full collections found alive is not looked through again, but for once in a long while."""

import gc
from collections.abc import Iterator

import pytest

from kwire.cli.garbage import THOROUGH_SECONDS, Freezer

FULL = {"generation": 2, "collected": 0, "uncollectable": 0}
YOUNG = {"generation": 1, "collected": 0, "uncollectable": 0}


class Seconds:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("nothing_frozen")
def test_what_a_full_collection_left_is_frozen() -> None:
    freezer = Freezer(Seconds())
    freezer("start", FULL)
    assert gc.get_freeze_count() == 0
    freezer("stop", FULL)
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("nothing_frozen")
def test_a_collection_of_the_young_freezes_nothing() -> None:
    freezer = Freezer(Seconds())
    freezer("start", YOUNG)
    freezer("stop", YOUNG)
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("nothing_frozen")
def test_once_in_a_long_while_everything_is_looked_through() -> None:
    seconds = Seconds()
    freezer = Freezer(seconds)
    freezer("stop", FULL)
    seconds.now = THOROUGH_SECONDS
    freezer("start", YOUNG)
    assert gc.get_freeze_count() > 0
    freezer("start", FULL)
    assert gc.get_freeze_count() == 0
    freezer("stop", FULL)
    seconds.now += 1
    freezer("start", FULL)
    assert gc.get_freeze_count() > 0


class Ring:
    """Refers to itself."""

    alive = 0

    def __init__(self) -> None:
        Ring.alive += 1
        self.itself = self

    def __del__(self) -> None:
        Ring.alive -= 1


@pytest.mark.usefixtures("nothing_frozen")
def test_a_ring_that_was_frozen_while_it_lived_goes_when_everything_is_looked_through() -> None:
    seconds = Seconds()
    freezer = Freezer(seconds)
    ring: Ring | None = Ring()
    gc.callbacks.append(freezer)
    try:
        gc.collect()
        del ring
        gc.collect()
        assert Ring.alive == 1
        seconds.now = THOROUGH_SECONDS
        gc.collect()
        assert Ring.alive == 0
    finally:
        gc.callbacks.remove(freezer)
