"""A whole broker in one loop, in which nothing depends on time: clocks stand still, no thread runs, tasks
take turns in a fixed order. Its data is on the real file system, its connections are real sockets.

    serve(main, folder)              # trio.run; `main(broker)` is the program
    await broker.ask(request, 4)     # one request, its response
    await broker.play(frames, seen)  # very many requests, one in flight; `seen(n)` before each is sent
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import trio
import trio.testing
from kwire_codecs.apis import api
from kwire_codecs.compile import decoder
from kwire_codecs.framing import frame_request
from kwire_codecs.headers import read_response_header
from kwire_codecs.wire import Struct
from trio._core import _run as trio_inside

from bench.guard.pairs import HOST, PORT, PairNetwork
from kwire.broker.cluster import Cluster
from kwire.config import BrokerConfig
from kwire.partitions.clock import Clock
from kwire.partitions.threads import instead_of_threads
from kwire.server.launch import Running, Settings, run_broker

NOW_MS = 1_700_000_000_000
CLIENT_ID = "guard"
LARGEST_ANSWER = 2 * 1024 * 1024
PROPERTIES = {
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.check.interval.ms": "3600000",
}


class StoppedTime:
    """Semantic time that passes only where it is told to."""

    def __init__(self) -> None:
        self._now_ms = NOW_MS
        self.clock = Clock(self)

    def now_ms(self) -> int:
        return self._now_ms

    def seconds_until(self, at_ms: int) -> float:
        return (at_ms - self._now_ms) / 1000

    async def let_pass(self, ms: int) -> None:
        """Once every task waits, it is so much later."""
        await trio.testing.wait_all_tasks_blocked()
        self._now_ms += ms
        self.clock.run_due()


class StoppedClock(trio.abc.Clock):
    """Trio's time, which does not pass either: who sleeps sleeps for good."""

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return 1.0

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - 1.0


def framed(request: Struct, version: int, correlation_id: int = 1) -> bytes:
    """A request as it goes over the wire, its size first."""
    return b"".join(frame_request(request, version, correlation_id, CLIENT_ID)[0])


class Broker:
    """A broker that serves, and its clients."""

    def __init__(self, running: Running, network: PairNetwork, time: StoppedTime) -> None:
        self.cluster: Cluster = running.cluster
        self.time = time
        self._network = network

    async def play(
        self, frames: Sequence[bytes], seen: Callable[[int], None] = lambda number: None
    ) -> memoryview:
        """Sends the frames over one connection, each once the one before is answered, and gives the last
        answer. `seen(n)` is called before frame n is sent, and after the last answer.
        """
        answers = memoryview(bytearray(LARGEST_ANSWER))
        number = size = 0
        done = trio.Event()

        def act(client: socket.socket) -> None:
            nonlocal number, size
            if number:
                size = client.recv_into(answers)
            if number <= len(frames):
                seen(number)
            if number < len(frames):
                client.send(frames[number])
            else:
                done.set()
            number += 1

        self._network.connect(act)
        await done.wait()
        return answers[4:size]

    async def ask(self, request: Struct, version: int) -> Any:
        """One request over a connection of its own; gives the response."""
        root = request.__root__
        assert root is not None
        assert root.key is not None
        declared = api(root.key)
        answer = await self.play([framed(request, version)])
        _, _, position = read_response_header(answer, declared.response_header_version(version))
        return decoder(declared.Response, version)(answer[position:])


async def _at_once(job: Callable[[], Any], limiter: trio.CapacityLimiter | None) -> Any:
    await trio.lowlevel.checkpoint()
    return job()


def serve(main: Callable[[Broker], Awaitable[None]], folder: Path) -> None:
    """Runs `main` beside a broker whose data is in `folder`."""
    logging.disable(logging.WARNING)
    inside: Any = trio_inside
    inside._ALLOW_DETERMINISTIC_SCHEDULING = True
    inside._r.seed(1)

    async def run() -> None:
        instead_of_threads.set(_at_once)
        network = PairNetwork()
        time = StoppedTime()
        settings = Settings(
            host=HOST,
            port=PORT,
            data=[folder],
            config=BrokerConfig(PROPERTIES),
            clock=time.clock,
            rng=random.Random(1),
            network=network,
        )
        async with trio.open_nursery() as nursery:
            running: Running = await nursery.start(run_broker, settings)
            await main(Broker(running, network, time))
            nursery.cancel_scope.cancel()

    trio.run(run, clock=StoppedClock())
