"""Every failpoint that there is has its tests; one without any would never be shown to be reached."""

from __future__ import annotations

from kwire import failpoints
from tests.failpoints.test_rebalances import CLASSIC_STEPS, CONSUMER_STEPS
from tests.failpoints.test_transactions import STEPS


def test_every_failpoint_is_died_at() -> None:
    tried = [point for point, _ in (*STEPS, *CLASSIC_STEPS, *CONSUMER_STEPS)]
    assert sorted(set(tried)) == sorted(failpoints.POINTS)


def test_nothing_is_armed_unless_somebody_does() -> None:
    assert failpoints.armed is None
    failpoints.reach("before a marker")
