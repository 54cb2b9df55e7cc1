"""Who tells connections that they may read keeps nobody else waiting, and goes through the scheduler only
where it must.
"""

import socket
import sys
from collections.abc import Iterator

import pytest
import trio
import trio.testing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no epoll")

if sys.platform == "linux":
    from kwire.server import readiness
    from kwire.server.readiness import Readiness

    EARLY = Readiness()
    """Made before tests open files, as a broker's is before clients come: select(2) takes its number."""

MOST = 100_000
"""So often is told before a test gives up."""


class Client:
    """One end of a pair whose other end is watched; `times` counts how often that was told."""

    def __init__(self) -> None:
        self.broker_end, self.client_end = socket.socketpair()
        self.broker_end.setblocking(False)
        self.times = 0

    def asks(self) -> None:
        self.client_end.send(b"?")

    def taken(self) -> None:
        self.times += 1
        assert self.broker_end.recv(10) == b"?"
        assert self.times < MOST, "nobody else had a turn"

    def close(self) -> None:
        self.broker_end.close()
        self.client_end.close()


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


class Waits(trio.abc.Instrument):
    """How often the scheduler has looked for what came in."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_a_task_that_waits_for_something_else_gets_its_turn_however_fast_a_client_asks(
    client: Client,
) -> None:
    watching = Readiness()
    here, there = socket.socketpair()
    with here, there:

        def on_ready(ended: bool) -> None:
            client.taken()
            if client.times == 10:
                there.send(b"!")
            client.asks()

        watching.watch(client.broker_end.fileno(), on_ready)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watching.run)
            client.asks()
            await trio.lowlevel.wait_readable(here)
            assert client.times >= 10
            nursery.cancel_scope.cancel()


async def test_a_task_that_a_request_lets_go_on_does_not_wait_for_further_requests(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "TURN_SECONDS", 1000)
    watching = Readiness()
    answered = trio.Event()

    def on_ready(ended: bool) -> None:
        client.taken()
        answered.set()
        client.asks()

    watching.watch(client.broker_end.fileno(), on_ready)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.run)
        client.asks()
        await answered.wait()
        assert client.times <= 2  # the scheduler may look for what came in before it runs a task
        nursery.cancel_scope.cancel()


async def test_a_client_that_asks_again_at_once_is_served_without_the_scheduler(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "TURN_SECONDS", 1000)
    watching, waits, served = EARLY, Waits(), trio.Event()

    def on_ready(ended: bool) -> None:
        client.taken()
        if client.times < 50:
            client.asks()
        else:
            served.set()

    watching.watch(client.broker_end.fileno(), on_ready)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.run)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(waits)
        client.asks()
        await served.wait()
        assert waits.count <= 3
        nursery.cancel_scope.cancel()
    assert client.times == 50


async def test_who_is_no_longer_watched_is_not_told(client: Client) -> None:
    watching = Readiness()
    watching.watch(client.broker_end.fileno(), lambda ended: client.taken())
    watching.forget(client.broker_end.fileno())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.run)
        client.asks()
        await trio.testing.wait_all_tasks_blocked()
        assert client.times == 0
        nursery.cancel_scope.cancel()


async def test_a_connection_that_ends_after_the_watching_is_forgotten_in_silence(client: Client) -> None:
    watching = Readiness()
    watching.watch(client.broker_end.fileno(), lambda ended: client.taken())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    watching.forget(client.broker_end.fileno())
