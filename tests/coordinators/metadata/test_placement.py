from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwire.coordinators.metadata.image import BrokerImage
from kwire.coordinators.metadata.placement import PlacementRefused, place

from .images import broker


def test_leaders_and_replicas_spread_evenly_over_three_brokers() -> None:
    placed = list(place([broker(1), broker(2), broker(3)], 30, 2, Random(7)))
    assert set(Counter(replicas[0] for replicas in placed).values()) == {10}
    assert set(Counter(replica for replicas in placed for replica in replicas).values()) == {20}


def test_the_same_seed_gives_the_same_placement() -> None:
    brokers = [broker(number) for number in range(1, 6)]
    assert list(place(brokers, 20, 3, Random(3))) == list(place(brokers, 20, 3, Random(3)))


def test_replicas_go_to_different_racks_while_there_are_racks() -> None:
    racks = {1: "a", 2: "a", 3: "b", 4: "b", 5: "c", 6: "c"}
    brokers = [broker(number, rack=rack) for number, rack in racks.items()]
    for replicas in place(brokers, 60, 3, Random(5)):
        assert {racks[replica] for replica in replicas} == {"a", "b", "c"}


def test_a_fenced_broker_never_leads_and_is_used_last() -> None:
    brokers = [broker(1), broker(2), broker(3, fenced=True)]
    assert all(3 not in replicas for replicas in place(brokers, 20, 2, Random(1)))
    assert all(replicas[2] == 3 for replicas in place(brokers, 20, 3, Random(1)))


@pytest.mark.parametrize(
    ("brokers", "factor", "message"),
    [
        ([broker(1)], 2, "replication factor of 2 cannot be reached because only 1 broker"),
        ([broker(1, fenced=True)], 1, "All brokers are currently fenced, or have all their log dir"),
        ([], 1, "All brokers are currently fenced, or have all their log dir"),
    ],
)
def test_what_cannot_be_placed_is_refused_at_once(
    brokers: list[BrokerImage], factor: int, message: str
) -> None:
    with pytest.raises(PlacementRefused, match=message):
        place(brokers, 1, factor, Random(1))


@given(st.data())
def test_every_partition_has_distinct_replicas_and_a_live_leader(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    racks = st.sampled_from([None, "a", "b", "c"])
    brokers = [
        broker(number, rack=data.draw(racks), fenced=data.draw(st.booleans())) for number in range(count)
    ]
    live = {known.id for known in brokers if not known.fenced}
    if not live:
        return
    factor = data.draw(st.integers(1, count))
    partitions = data.draw(st.integers(1, 40))
    placed = list(place(brokers, partitions, factor, Random(data.draw(st.integers(0, 99)))))
    assert len(placed) == partitions
    for replicas in placed:
        assert len(set(replicas)) == len(replicas) == factor
        assert replicas[0] in live


def test_a_broker_alone_gets_everything_and_chance_is_not_asked() -> None:
    class Unasked(Random):
        def random(self) -> float:
            raise AssertionError("nothing is left to chance here")

        def getrandbits(self, k: int, /) -> int:
            raise AssertionError(f"nothing is left to chance here, {k} bits neither")

    assert list(place([broker(1)], 3, 1, Unasked())) == [(1,)] * 3
