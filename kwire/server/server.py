"""All listeners and connections of one cluster, from the first accept to the drained close.

Rules: ports are bound before the cluster opens its data (a taken port touches nothing), and accepted on once
it is ready. Stopping accepts no more, lets each request in progress be answered, and gives them
`DRAIN_SECONDS`. A node can be closed and opened again by itself, on the ports that it had. The server owns
its sockets; the caller owns the cluster.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import trio
from kwire_codecs.framing import SCRATCH_BYTES, Frames

from kwire.broker.cluster import Cluster
from kwire.broker.listeners import Listener
from kwire.broker.node import Endpoint, Node
from kwire.server.connection import Connection
from kwire.server.listening import Crowded, SocketNetwork, accept_forever, descriptors_for_connections
from kwire.server.request_log import LoggedRequests, RequestLog
from kwire.server.requests import Requests
from kwire.server.transport import Listening, Network, Transport

logger = logging.getLogger("kwire.server")

DRAIN_SECONDS = 5.0
LEFT_SECONDS = 5.0
"""How long a request may outlive its client, at most twice: nothing is read from a connection meanwhile, so
this is looked for.
"""
LOOKED_AT_A_TURN = 200


class _Listeners:
    """One node's listeners: the sockets that are open, and the task that accepts on them."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.listeners: list[Listener] = []
        """As they are bound: with the ports that they got."""
        self.sockets: list[tuple[Endpoint, Sequence[Listening]]] = []
        self.accepting = trio.CancelScope()
        self.accepts = False
        self.closed = trio.Event()

    def close(self) -> None:
        for _, sockets in self.sockets:
            for sock in sockets:
                sock.close()
        self.sockets.clear()


class Server:
    """Serves clusters' nodes on their listeners. Use as a context manager: it closes its listening
    sockets. `network` is where it listens: on sockets, unless said otherwise.
    """

    def __init__(self, network: Network | None = None) -> None:
        self._network: Network = network if network is not None else SocketNetwork()
        self._listening: dict[int, _Listeners] = {}
        self._connections: dict[Connection, None] = {}  # in the order in which they came
        self._room = trio.Event()
        self._crowded = Crowded()
        self._max_connections = 2**31
        self._why_no_more = ""
        self._accepting = trio.CancelScope()
        self._acceptors: trio.Nursery
        self._serving: trio.Nursery
        self._requests: Requests
        # One for all connections: each is done with it before another gets its turn.
        self._scratch = bytearray(SCRATCH_BYTES)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for listening in self._listening.values():
            listening.close()

    def bind(self, node: Node, listeners: Iterable[Listener]) -> None:
        """Opens a node's listeners and notes the ports on the node. Raises CannotListen."""
        opened = _Listeners(node)
        try:
            for listener in listeners:
                sockets = self._network.listen(listener.host, listener.port)
                port = sockets[0].port
                opened.listeners.append(replace(listener, port=port))
                endpoint = Endpoint(
                    listener.name, listener.host, port, listener.protocol, listener.advertised
                )
                node.endpoints[listener.name] = endpoint
                opened.sockets.append((endpoint, sockets))
        except BaseException:
            opened.close()
            raise
        self._listening[node.id] = opened

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def serve(
        self, cluster: Cluster, *, ready: Callable[[], None], request_log: RequestLog | None = None
    ) -> None:
        """Accepts and serves until `stop()`, then drains; a cancellation from outside ends everything at
        once.

        Calls `ready()` once clients are accepted. `request_log` notes every request, where one is wanted.
        """
        self._requests = (
            LoggedRequests(cluster, request_log) if request_log is not None else Requests(cluster)
        )
        self._limit_connections(cluster.config.integer("max.connections"))
        async with trio.open_nursery() as self._serving:
            self._serving.start_soon(self._network.attend)
            with self._accepting:
                async with trio.open_nursery() as self._acceptors:
                    accepting = self._acceptors
                    for listening in self._listening.values():
                        self._start_accepting(listening)
                    accepting.start_soon(self._close_left)
                    accepting.start_soon(self._close_idle, cluster.config.integer("connections.max.idle.ms"))
                    ready()
            self.__exit__()
            with trio.move_on_after(DRAIN_SECONDS):
                await self._drain(self._connections)
            self._serving.cancel_scope.cancel()

    def stop(self) -> None:
        """Accepts no more; `serve` returns once the requests in progress are answered, or after
        DRAIN_SECONDS.
        """
        self._accepting.cancel()

    async def close_node(self, node: Node, *, drain: bool) -> None:
        """Closes a node's listeners and connections; with `drain`, requests in progress are answered first,
        for as long as DRAIN_SECONDS. Its ports stay its own. Returns once all of it is closed.
        """
        listening = self._listening[node.id]
        listening.accepting.cancel()
        if listening.accepts:
            await listening.closed.wait()
        listening.close()
        if drain:
            with trio.move_on_after(DRAIN_SECONDS):
                await self._drain(self._connections_of(node))
        for connection in self._connections_of(node):
            connection.scope.cancel()
        while self._connections_of(node):
            await self._one_less()

    def open_node(self, node: Node) -> None:
        """Opens a closed node's listeners again, on the ports that it had.

        :raises CannotListen: another process has taken one meanwhile; none is open then.
        """
        self.bind(node, self._listening[node.id].listeners)
        try:
            self._start_accepting(self._listening[node.id])
        except BaseException:  # all of the server is closing
            self._listening[node.id].close()
            raise

    def _connections_of(self, node: Node) -> list[Connection]:
        return [connection for connection in self._connections if connection.node is node]

    def _start_accepting(self, listening: _Listeners) -> None:
        listening.accepts = True
        self._acceptors.start_soon(self._accept, listening)

    async def _accept(self, listening: _Listeners) -> None:
        try:
            with listening.accepting:
                async with trio.open_nursery() as nursery:
                    for endpoint, sockets in listening.sockets:
                        take = self._taker(listening.node, endpoint)
                        for sock in sockets:
                            nursery.start_soon(accept_forever, sock, take, self._wait_for_room, self._crowded)
        finally:
            listening.closed.set()

    def _taker(self, node: Node, endpoint: Endpoint) -> Callable[[Transport], None]:
        requests = self._requests
        serving = self._serving
        max_frame_bytes = requests.cluster.config.integer("socket.request.max.bytes")

        def take(transport: Transport) -> None:
            frames = Frames(max_frame_bytes, self._scratch)
            connection = Connection(transport, requests, node, endpoint, frames, self._network.now)
            self._connections[connection] = None
            serving.start_soon(self._run, connection)

        return take

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        except Exception:
            logger.exception("connection %s failed", connection.describe())
        finally:
            self._connections.pop(connection, None)
            self._room.set()

    async def _wait_for_room(self) -> None:
        while len(self._connections) >= self._max_connections:
            self._crowded.tell("accepting waits: %s", self._why_no_more)
            await self._one_less()

    async def _one_less(self) -> None:
        """Until a connection ends. Several wait on one event: each listener, and whoever drains."""
        if self._room.is_set():
            self._room = trio.Event()
        await self._room.wait()

    def _limit_connections(self, configured: int) -> None:
        affordable, descriptors = descriptors_for_connections()
        self._max_connections = min(configured, affordable)
        if configured <= affordable:
            self._why_no_more = f"max.connections={configured} connections are open"
        else:
            self._why_no_more = (
                f"{affordable} connections are open, and the other {descriptors - affordable} descriptors are"
                " kept for files (ulimit -n)"
            )

    async def _close_left(self) -> None:
        """Ends requests whose clients have gone: a Fetch may wait for days."""
        while True:
            await trio.sleep(LEFT_SECONDS)
            moment = trio.current_time() - LEFT_SECONDS
            for number, connection in enumerate(tuple(self._connections)):
                if connection.has_left(moment):
                    logger.info(
                        "connection %s closed: it was left while a request waited", connection.describe()
                    )
                    connection.scope.cancel()
                if number % LOOKED_AT_A_TURN == LOOKED_AT_A_TURN - 1:
                    await trio.lowlevel.checkpoint()

    async def _close_idle(self, max_idle_ms: int) -> None:
        """Closes connections that have been silent for connections.max.idle.ms; looks ten times in that
        span.
        """
        max_idle = max_idle_ms / 1000
        while max_idle > 0:
            await trio.sleep(max(max_idle / 10, 0.01))
            oldest = trio.current_time() - max_idle
            for connection in [each for each in self._connections if each.idle_since(oldest)]:
                logger.info("connection %s closed: idle for over %d ms", connection.describe(), max_idle_ms)
                connection.scope.cancel()

    async def _drain(self, draining: Iterable[Connection]) -> None:
        """Until these have answered what they were asked, and have ended."""
        left = dict.fromkeys(draining)
        for connection in left:
            connection.drain()
        while not left.keys().isdisjoint(self._connections):
            await self._one_less()
