"""Connections to a broker that comes and goes, and what is on the way on all of them.

Rules: one request at a time a link; who is told `Gone` does not know whether its request was carried out, and
asks again on a new connection, which is made by itself once there is a broker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import trio
from kwire_codecs.apis import api
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Struct

from tests.broker_client import Client
from tests.crashes.checks import Broken
from tests.crashes.proxy import WRITES, Moment, OnTheWay

ANSWER_SECONDS = 90.0
BACKOFF_SECONDS = 0.02
COME_BACK = frozenset(
    (
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
)
"""The broker is about to be able to; ask again."""


Errors = Callable[[Any], list[ErrorCode]]
"""Where an answer has its error codes."""


def only_error(answer: Any) -> list[ErrorCode]:
    """Of an answer that has one, for all of it."""
    return [answer.error_code]


class Asker(Protocol):
    """Who asks until there is an answer."""

    async def ask_until_answered(self, request: Struct, version: int, errors: Errors = only_error) -> Any:
        """The answer to a request that may be carried out twice, once it is another than "come back"."""

    async def close(self) -> None: ...


class Gone(Exception):
    """The broker has gone, with or without having carried out what was asked."""


class Traffic:
    """Where the broker is, and which requests have no answer yet."""

    def __init__(self) -> None:
        self.port: int | None = None
        self.on_the_way: dict[int, OnTheWay] = {}
        self.seen: Counter[str] = Counter()
        self.unanswered = 0
        """How many links wait for a broker with a request that a kill has cut."""
        self.links: list[Link] = []
        self._served = trio.Event()
        self._waiting: dict[trio.Event, Moment] = {}
        self._numbers = 0

    def is_at(self, port: int | None) -> None:
        """The broker serves there; None: nowhere."""
        self.port = port
        if port is None:
            self._served = trio.Event()
        else:
            self._served.set()

    async def served(self) -> int:
        """The port, once there is one."""
        while self.port is None:
            await self._served.wait()
        return self.port

    def begins(self, request: OnTheWay) -> int:
        self._numbers += 1
        self.on_the_way[self._numbers] = request
        self.seen[f"{request.api} v{request.version}"] += 1
        for event, fits in self._waiting.items():
            if fits(request):
                event.set()
        return self._numbers

    def ends(self, number: int) -> None:
        del self.on_the_way[number]

    async def next_request(self, fits: Moment, timeout_seconds: float) -> bool:
        """Waits until such a request is sent; False if none is."""
        event = trio.Event()
        self._waiting[event] = fits
        with trio.move_on_after(timeout_seconds):
            await event.wait()
        del self._waiting[event]
        return event.is_set()

    def writes(self) -> dict[int, OnTheWay]:
        """Those on the way that change something."""
        return {
            number: each
            for number, each in self.on_the_way.items()
            if each.api in WRITES or each.api == "DeleteRecords"
        }


class Link:
    """One client's connection."""

    def __init__(self, traffic: Traffic, name: str) -> None:
        self._traffic = traffic
        self._name = name
        self._client: Client | None = None
        traffic.links.append(self)

    async def ask(self, request: Struct, version: int) -> Any:
        """The answer. Raises Gone, and Broken if there is none for a long time."""
        root = request.__root__
        assert root is not None
        assert root.key is not None
        declared = api(root.key)
        port = await self._traffic.served()
        try:
            if self._client is None:
                self._client = Client(await trio.open_tcp_stream("127.0.0.1", port), self._name)
            number = self._traffic.begins(OnTheWay(self._name, declared.name, version))
            try:
                with trio.fail_after(ANSWER_SECONDS):
                    await self._client.send(request, version)
                    frame = await self._client.receive_frame()
            finally:
                self._traffic.ends(number)
        except trio.TooSlowError:
            raise Broken(f"no answer to {declared.name} in {ANSWER_SECONDS:.0f} s") from None
        except (OSError, trio.BrokenResourceError) as error:
            await self.close()
            await trio.sleep(BACKOFF_SECONDS)
            raise Gone from error
        if frame is None:
            await self.close()
            raise Gone
        correlation_id, answer = self._client.read(frame, declared, version)
        assert correlation_id == self._client.correlation_id
        return answer

    async def ask_until_answered(
        self,
        request: Struct,
        version: int,
        errors: Errors = only_error,
    ) -> Any:
        """As `Asker` says."""
        until = trio.current_time() + ANSWER_SECONDS
        self._traffic.unanswered += 1
        try:
            while True:
                try:
                    answer = await self.ask(request, version)
                except Gone:
                    continue
                codes = errors(answer)
                if not any(code in COME_BACK for code in codes):
                    return answer
                if trio.current_time() > until:
                    raise Broken(f"{self._name}: {codes} for {ANSWER_SECONDS:.0f} s")
                await trio.sleep(BACKOFF_SECONDS)
        finally:
            self._traffic.unanswered -= 1

    def drop(self) -> None:
        """For who cannot wait."""
        if self._client is not None:
            self._client.stream.socket.close()
            self._client = None

    async def close(self) -> None:
        if self._client is not None:
            await trio.aclose_forcefully(self._client.stream)
            self._client = None
