"""A client program of a simulated run: a connection a node, a time-out for every question.

Rules: whatever goes wrong on the way is `Unreachable`, and its connection is closed; a question that nobody
cut off and that stays without an answer breaks a promise. Versions are whatever the caller names.
"""

from __future__ import annotations

from typing import Any, Final

import trio
from kwire_codecs.apis import api
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.compile import decoder
from kwire_codecs.errors import ErrorCode
from kwire_codecs.headers import read_response_header
from kwire_codecs.wire import Struct

from tests.broker_client import Client
from tests.simulation.network import Link
from tests.simulation.world import World

PATIENCE_SECONDS: Final = 30.0
"""Longer than any answer may take: rebalances and delays are shorter."""


REDIAL_SECONDS: Final = 0.2


class Unreachable(Exception):
    """No answer came, for whatever reason: what was asked for may have happened or not."""


class Asker:
    """One client program, with its connections. Use as a context manager."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.rng = world.rng_for(name)
        self.asked = 0
        self._clients: dict[int, tuple[Client, Link]] = {}

    async def __aenter__(self) -> Asker:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with trio.CancelScope(shield=True):
            for node_id in list(self._clients):
                await self.hang_up(node_id)

    async def hang_up(self, node_id: int) -> None:
        """Closes the connection to a node, if there is one."""
        found = self._clients.pop(node_id, None)
        if found is not None:
            await found[0].stream.aclose()

    async def ask(self, node_id: int, request: Struct, version: int) -> Any:
        """A node's answer. Raises Unreachable."""
        world = self.world
        root = type(request).__root__
        assert root is not None
        assert root.key is not None
        declared = api(root.key)
        what = declared.__name__
        died = world.died
        try:
            client, link = await self._client(node_id)
        except OSError as refused:
            await trio.sleep(REDIAL_SECONDS)
            raise Unreachable(str(refused)) from None
        self.asked += 1
        world.operations[what] += 1
        began = world.now()
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                await client.send(request, version)
                frame = await client.receive_frame()
        except (trio.BrokenResourceError, trio.TooSlowError) as lost:
            if isinstance(lost, trio.TooSlowError) and not died.is_set() and not link.hurt:
                world.violation(
                    f"{self.name} had no answer from node {node_id} within {PATIENCE_SECONDS:.0f} s of "
                    f"{began:.3f}: {what} v{version}, {link.name}"
                )
            await self.hang_up(node_id)
            raise Unreachable(type(lost).__name__) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.hang_up(node_id)
            raise
        if frame is None:
            await self.hang_up(node_id)
            raise Unreachable("closed by the broker")
        correlation_id, _, position = read_response_header(frame, declared.response_header_version(version))
        if correlation_id != client.correlation_id:
            world.violation(f"{self.name} asked {client.correlation_id}, and {correlation_id} was answered")
            await self.hang_up(node_id)
            raise Unreachable("another's answer")
        answer = decoder(declared.Response, version)(frame[position:])
        error_code = getattr(answer, "error_code", ErrorCode.NONE)
        if error_code is ErrorCode.UNKNOWN_SERVER_ERROR:
            world.violation(f"{self.name}: {what} v{version} was answered UNKNOWN_SERVER_ERROR")
        return answer

    async def ask_any(self, request: Struct, version: int) -> Any:
        """Some node's answer, the first that can be reached of all. Raises Unreachable."""
        nodes = self.world.node_ids
        self.rng.shuffle(nodes)
        for node_id in nodes:
            try:
                return await self.ask(node_id, request, version)
            except Unreachable:
                continue
        raise Unreachable("no node answers")

    async def coordinator(self, group_id: str) -> int:
        """The node that coordinates a group. Raises Unreachable."""
        answer = await self.ask_any(FindCoordinator.Request(key=group_id, key_type=0), 2)
        if answer.error_code:
            raise Unreachable(answer.error_code.name)
        return int(answer.node_id)

    async def _client(self, node_id: int) -> tuple[Client, Link]:
        found = self._clients.get(node_id)
        if found is None:
            stream = await self.world.connect(*self.world.addresses[node_id - 1])
            found = self._clients[node_id] = Client(stream, self.name), stream.link  # type: ignore[arg-type]
        return found
