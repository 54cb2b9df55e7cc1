"""One record for what changes of a partition, and none where nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import NO_LEADER
from kwire.coordinators.metadata.partition_changes import RECOVERED, RECOVERING, partition_change

from .images import cluster, with_topics

IMAGE = with_topics(cluster(1, 2), "t")
TOPIC = IMAGE.topics["t"]
PARTITION = replace(TOPIC.partitions[0], replicas=(1, 2), isr=(1, 2), leader=1, directories=())


@pytest.mark.parametrize("isr", [None, (1, 2)])
def test_what_changes_nothing_is_no_record(isr: Sequence[int] | None) -> None:
    assert partition_change(IMAGE, TOPIC, PARTITION, isr=isr) is None


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({"leader": 3}, {"leader": 1}),
        ({"leader_recovery_state": RECOVERING}, {"leader_recovery_state": RECOVERED}),
        ({"elr": (2,)}, {"clear_elr": True}),
        ({"last_known_elr": (2,)}, {"clear_elr": True}),
    ],
)
def test_one_thing_that_changes_is_a_record_of_that_alone(
    before: dict[str, Any], expected: dict[str, Any]
) -> None:
    change = partition_change(IMAGE, TOPIC, replace(PARTITION, **before))
    assert change == m.partition_change_record(TOPIC.id, PARTITION.index, **expected)


def test_an_isr_is_never_emptied() -> None:
    """Its last members alone may lead when they come back."""
    led_by_nobody = replace(PARTITION, leader=NO_LEADER)
    assert partition_change(IMAGE, TOPIC, led_by_nobody, isr=()) is None
