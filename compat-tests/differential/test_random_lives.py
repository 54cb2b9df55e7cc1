"""Random lives of transactional producers and of consumer groups, the same on Kafka and on kwire.

    pytest compat-tests/differential/test_random_lives.py --seed 7 --lives 200

A life that differs is made shorter and told. `lives.py` has the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from differential import peers
from differential.consumer_life import ConsumerLife
from differential.later import Later
from differential.lives import Failed, Kind, live
from differential.transaction_life import TransactionLife

MOVES = 40
KINDS: dict[str, type[Kind]] = {"consumer group": ConsumerLife, "transactions": TransactionLife}


@pytest.fixture(scope="module")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.config.getoption("--recorded") or request.config.getoption("--record"):
        pytest.skip("needs Kafka and kwire alive")
    with peers.kafka("4.4.0") as bootstrap:
        yield bootstrap


@pytest.fixture(scope="module")
def kwire(request: pytest.FixtureRequest) -> Iterator[str]:
    """One of their own, as Kafka is: lists tell of what others have left behind."""
    with peers.kwire(on_disk=request.config.getoption("--disk")) as bootstrap:
        yield bootstrap


@pytest.mark.parametrize("name", KINDS)
def test_random_lives_are_the_same_on_both(
    kafka: str, kwire: str, name: str, request: pytest.FixtureRequest, later: Later
) -> None:
    first, lives = request.config.getoption("--seed"), request.config.getoption("--lives")
    is_later = later.has_life(name)
    for seed in range(first, first + lives):
        random = Random(f"{name} {seed}")
        kind = KINDS[name](random)
        moves = [kind.draw() for _ in range(MOVES)]
        try:
            live(kind, moves, kafka, kwire, shorten=not is_later)
        except Failed as failure:
            if is_later:
                pytest.xfail(f"later: seed {seed}: {failure}")
            pytest.fail(f"seed {seed}: {failure}")
    assert not is_later, f"kwire lives so now: take the line {later.line_of_life(name)!r} off later.txt"
