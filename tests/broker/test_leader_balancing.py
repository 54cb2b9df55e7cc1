"""Preferred leaders return by themselves, after the interval; unclean ones come where that is allowed."""

from __future__ import annotations

from kwire.coordinators.metadata import records as m
from kwire.coordinators.outcome import Outcome
from kwire.server.launch import Running
from tests.broker_client import serving
from tests.handlers.three_nodes import place
from tests.runtime.stepped_time import SteppedTime, settle

INTERVAL = {"leader.imbalance.check.interval.seconds": "10"}


def leaders(running: Running) -> list[int]:
    return [partition.leader for partition in running.cluster.controller.image.topics["t"].partitions]


async def later(time: SteppedTime, seconds: int) -> None:
    """So much later, everything that follows from it being done."""
    await settle()
    await time.step(seconds * 1000)


async def test_a_leader_that_is_back_leads_again_after_the_interval() -> None:
    time = SteppedTime()
    async with serving(INTERVAL, brokers=3, clock=time.clock) as broker:
        await place(broker, "t", (1, 2), (2, 1), (3, 1))
        controller = broker.cluster.controller
        await controller.set_fenced(2, True)
        await controller.set_fenced(2, False)
        assert leaders(broker) == [1, 1, 3]
        await later(time, 9)
        assert leaders(broker) == [1, 1, 3]
        await later(time, 1)
        assert leaders(broker) == [1, 2, 3]


async def test_it_is_tried_again_for_as_long_as_a_preferred_leader_is_missing() -> None:
    time = SteppedTime()
    async with serving(INTERVAL, brokers=3, clock=time.clock) as broker:
        await place(broker, "t", (1, 2), (2, 1))
        controller = broker.cluster.controller
        await controller.set_fenced(2, True)
        await later(time, 10)
        await later(time, 5)
        await controller.set_fenced(2, False)
        assert leaders(broker) == [1, 1]
        await later(time, 5)
        assert leaders(broker) == [1, 2]


async def test_a_second_imbalance_waits_for_an_interval_of_its_own() -> None:
    time = SteppedTime()
    async with serving(INTERVAL, brokers=3, clock=time.clock) as broker:
        await place(broker, "t", (1, 2), (2, 1))
        controller = broker.cluster.controller
        for _ in range(2):
            await controller.set_fenced(2, True)
            await controller.set_fenced(2, False)
            await later(time, 9)
            assert leaders(broker) == [1, 1]
            await later(time, 1)
            assert leaders(broker) == [1, 2]
            await later(time, 100)


async def test_it_can_be_turned_off() -> None:
    time = SteppedTime()
    properties = {**INTERVAL, "auto.leader.rebalance.enable": "false"}
    async with serving(properties, brokers=3, clock=time.clock) as broker:
        await place(broker, "t", (2, 1))
        await broker.cluster.controller.set_fenced(2, True)
        await broker.cluster.controller.set_fenced(2, False)
        await later(time, 100)
        assert leaders(broker) == [1]


async def test_a_topic_that_may_lose_records_since_gets_a_leader_at_the_next_look() -> None:
    time = SteppedTime()
    async with serving(
        {"unclean.leader.election.interval.ms": "5000"}, brokers=3, clock=time.clock
    ) as broker:
        await place(broker, "t", (1, 2))
        await place(broker, "u", (1, 2))
        controller = broker.cluster.controller
        for node, fenced in ((2, True), (1, True), (2, False)):
            await controller.set_fenced(node, fenced)
        await later(time, 5)
        assert leaders(broker) == [-1]
        record = m.topic_config_record("t", "unclean.leader.election.enable", "true")
        await controller.submit(lambda image: Outcome(None, [record]))
        await later(time, 4)
        assert leaders(broker) == [-1]
        await later(time, 1)
        assert leaders(broker) == [2]
        assert controller.image.topics["u"].partitions[0].leader == -1
