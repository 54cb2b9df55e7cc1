"""What the ids and epochs of producers are worth after a loss of power.

Ids come from blocks that the metadata log has synced before one of them is told. The epoch of a transactional
id is a record of `__transaction_state`, as safe as `flush.messages` makes records.
"""

from __future__ import annotations

import pytest
import trio
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.errors import ErrorCode

from tests.handlers.transaction_requests import init_request
from tests.simulation.test_world import client_of
from tests.simulation.world import World, simulate
from tests.tries import seeds

Given = tuple[int, int]
"""A producer's id and epoch."""
ONE_NODE = {"transaction.state.log.replication.factor": "1"}
EACH_MESSAGE = {**ONE_NODE, "log.flush.interval.messages": "1"}


async def init(world: World, transactional_id: str | None, known: Given = (-1, -1)) -> Given | ErrorCode:
    """What InitProducerId gives, once the coordinator has loaded."""
    client = await client_of(world)
    if transactional_id is not None:
        await client.ask(FindCoordinator.Request(key=transactional_id, key_type=1), 3)  # makes the log
    request = init_request(4, transactional_id, producer_id=known[0], producer_epoch=known[1])
    try:
        while True:
            answer = await client.ask(request, 4)
            if answer.error_code == ErrorCode.NONE:
                return answer.producer_id, answer.producer_epoch
            if answer.error_code not in (
                ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
                ErrorCode.COORDINATOR_NOT_AVAILABLE,
                ErrorCode.NOT_COORDINATOR,
            ):
                return ErrorCode(answer.error_code)
            await trio.sleep(0.1)
    finally:
        await client.stream.aclose()


def sync_all(world: World) -> None:
    """As the kernel does by itself, sooner or later."""
    for file in world.disk._files(world.disk.root):
        file.sync()
    world.disk.keep_names()


async def lose_all_that_is_not_synced(world: World) -> None:
    """The worst loss of power, and a start after it."""
    await world.crash()
    for file in world.disk._files(world.disk.root):
        file.unsynced.clear()
        file.data = bytearray(file.durable)
    for undo in reversed(world.disk._undo):
        undo()
    world.disk.keep_names()
    await world.restart()


def test_a_producer_id_is_never_given_again() -> None:
    async def main(world: World) -> None:
        given = []
        await world.start()
        for transactional_id in (None, "tx", None, "other", None, "tx", None):
            given.append(await init(world, transactional_id))
            await lose_all_that_is_not_synced(world)
        assert all(isinstance(each, tuple) and each[1] == 0 for each in given)
        assert len(set(given)) == len(given)

    simulate(1, main, nodes=1, properties=ONE_NODE)


async def epochs_around_a_loss(world: World) -> tuple[list[Given | ErrorCode], list[Given | ErrorCode]]:
    """What a producer and its successor are given before and after a loss of power: the first
    has gone on just before it, the second begins after it; then both say that they go on.
    """
    await world.start()
    first = await init(world, "tx")
    assert isinstance(first, tuple)
    sync_all(world)
    before = await init(world, "tx", first)
    await lose_all_that_is_not_synced(world)
    after = await init(world, "tx")
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    return [before, after], [await init(world, "tx", before), await init(world, "tx", after)]


def test_an_epoch_may_come_again_where_transactions_are_not_synced() -> None:
    """As in Kafka with one replica: each of the two says that it has the epoch before, and so may have missed
    the answer that gave it this one (KIP-360).
    """

    async def main(world: World) -> None:
        (before, after), going_on = await epochs_around_a_loss(world)
        assert before == after
        assert going_on[0] == going_on[1]

    simulate(1, main, nodes=1, properties=ONE_NODE)


@pytest.mark.parametrize("seed", seeds(range(3)))
def test_an_epoch_never_comes_again_where_every_message_is_synced(seed: int) -> None:
    async def main(world: World) -> None:
        (before, after), going_on = await epochs_around_a_loss(world)
        assert before != after
        assert going_on[0] is ErrorCode.PRODUCER_FENCED
        assert isinstance(after, tuple)
        assert going_on[1] == (after[0], after[1] + 1)

    simulate(seed, main, nodes=1, properties=EACH_MESSAGE)
