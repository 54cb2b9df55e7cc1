"""A broker from its settings: ports bound, data opened, cluster loaded, clients served, and all of it closed
again.

Rules: what can be refused is refused before anything is written: settings, ports, then the data directory.
`Settings` says what to run; `run_broker` runs it until it is told to stop. Expected failures are
`CannotStart`, with a message for a person.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import trio
from kwire_storage.engine import LogDirectories, StorageError
from kwire_storage.files import Files
from kwire_storage.log_dirs import ForeignDirectory, LockedError, LogDirs
from kwire_storage.memory_dirs import MemoryDirs

from kwire.broker.cluster import Cluster
from kwire.broker.listeners import DEFAULT_PORT, Listener, ListenerError, parse_listeners
from kwire.broker.node import Node
from kwire.config import BrokerConfig
from kwire.partitions.clock import Clock
from kwire.server.listening import CannotListen
from kwire.server.request_log import RequestLog
from kwire.server.server import Server
from kwire.server.transport import Network

logger = logging.getLogger("kwire.server")

FIRST_NODE_ID = 1


class CannotStart(Exception):
    """The broker cannot run as asked; the message says what was asked, what is there and what to do."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """What to run. `data` None keeps everything in memory. `host` and `port` count where the config names no
    listeners. `cluster_id` None takes the one of the data, or a new one.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    data: Sequence[Path] | None = None
    brokers: int = 1
    cluster_id: str | None = None
    config: BrokerConfig = field(default_factory=BrokerConfig)
    clock: Clock | None = None
    rng: random.Random | None = None
    files: Files | None = None
    network: Network | None = None
    request_log: RequestLog | None = None


class Running:
    """A broker that serves: where, and how to end it."""

    def __init__(self, cluster: Cluster, server: Server, addresses: Sequence[str]) -> None:
        self.cluster = cluster
        self.addresses = addresses
        """One `HOST:PORT` a node, reachable from this machine."""
        self.stopped = trio.Event()
        """Set when everything is closed."""
        self.server = server
        self._changing = trio.Lock()

    async def stop_node(self, node_id: int, *, controlled: bool = True) -> None:
        """Stops one broker of the cluster; the others go on.

        Controlled, as a Kafka that is told to stop: others in sync lead first, what is in progress is
        answered, then connections and listeners close. Otherwise as if its machine were gone: connections are
        cut, answers are lost. It is fenced at once either way; no broker session has to time out.

        :raises ValueError: there is no such node, or it is stopped.
        :raises StorageError: that it is fenced could not be written down; it is stopped all the same, and
            calling again fences it.
        """
        async with self._changing:
            node = self._node(node_id)
            if node.up:
                if controlled:
                    try:
                        await self.cluster.begin_controlled_shutdown(node_id)
                    except StorageError as error:
                        logger.error("node %d stops without moving its leaders first: %s", node_id, error)
                await self.server.close_node(node, drain=controlled)
            elif self.cluster.image.brokers[node_id].fenced:
                raise ValueError(f"node {node_id} is stopped already")
            await self.cluster.node_stopped(node_id)

    async def start_node(self, node_id: int) -> None:
        """Starts a stopped node again, on the ports that it had: it registers anew and joins the ISRs.

        :raises ValueError: there is no such node, or it runs.
        :raises CannotStart: another process has taken one of its ports.
        :raises StorageError: its registration could not be written down; it stays stopped.
        """
        async with self._changing:
            node = self._node(node_id)
            if node.up:
                raise ValueError(f"node {node_id} runs already")
            try:
                self.server.open_node(node)
            except CannotListen as refusal:
                raise CannotStart(refusal.strerror) from refusal
            try:
                await self.cluster.node_started(node_id)
            finally:
                if not node.up:
                    with trio.CancelScope(shield=True):
                        await self.server.close_node(node, drain=False)

    def _node(self, node_id: int) -> Node:
        node = self.cluster.nodes.get(node_id)
        if node is None:
            known = ", ".join(map(str, sorted(self.cluster.nodes)))
            raise ValueError(f"there is no node {node_id}; the nodes are {known}")
        return node

    def stop(self) -> None:
        """Answers what is in progress and closes; `run_broker` returns then."""
        self.cluster.groups.drain()
        self.cluster.hurry(*self.cluster.nodes)
        self.server.stop()


async def run_broker(
    settings: Settings, *, task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED
) -> None:
    """Runs a broker until `Running.stop()` or cancellation; reports `Running` once clients are served.

    Raises CannotStart.
    """
    config = settings.config
    rng = settings.rng if settings.rng is not None else random.SystemRandom()
    clock = settings.clock if settings.clock is not None else Clock()
    with Server(settings.network) as server:
        nodes = [Node(node_id, config.text("broker.rack") or None) for node_id in _node_ids(settings)]
        addresses = [
            _bind(server, node, _listeners(settings, position)) for position, node in enumerate(nodes)
        ]
        directories = _open_directories(settings, nodes, rng)
        cluster = Cluster(config, nodes, directories, clock, rng)
        running = Running(cluster, server, addresses)
        clean = False
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await cluster.start(nursery)
                except StorageError as failure:
                    raise CannotStart(str(failure)) from failure
                await server.serve(
                    cluster, ready=partial(task_status.started, running), request_log=settings.request_log
                )
                nursery.cancel_scope.cancel()
            clean = True
        finally:
            with trio.CancelScope(shield=True):
                await cluster.close(clean=clean)
            running.stopped.set()


def _node_ids(settings: Settings) -> list[int]:
    config = settings.config
    first = FIRST_NODE_ID
    for name in ("node.id", "broker.id"):
        if config.is_set(name) and config.integer(name) >= 0:
            first = config.integer(name)
            break
    return list(range(first, first + settings.brokers))


def _listeners(settings: Settings, position: int) -> list[Listener]:
    """The listeners of the node at `position`: as configured, every port moved up by it (0 stays 0)."""
    config = settings.config
    try:
        if config.is_set("listeners"):
            listeners = parse_listeners(
                ",".join(config.strings("listeners")),
                ",".join(config.strings("advertised.listeners")) or None,
                _protocol_map(config),
                config.strings("controller.listener.names"),
            )
        else:
            listeners = parse_listeners(
                f"PLAINTEXT://{_bracketed(settings.host)}:{settings.port}",
                ",".join(config.strings("advertised.listeners")) or None,
                _protocol_map(config),
            )
    except ListenerError as refusal:
        raise CannotStart(str(refusal)) from refusal
    highest = max(max(each.port, each.advertised[1] if each.advertised else 0) for each in listeners)
    if highest + position > 65535:
        raise CannotStart(
            f"broker {position + 1} would have port {highest + position}, and 65535 is the highest; start "
            f"{settings.brokers} brokers with a --port of at most {65536 - settings.brokers}"
        )
    return [
        replace(
            listener,
            port=listener.port + position if listener.port else 0,
            advertised=(listener.advertised[0], listener.advertised[1] + position)
            if listener.advertised
            else None,
        )
        for listener in listeners
    ]


def _protocol_map(config: BrokerConfig) -> str | None:
    if not config.is_set("listener.security.protocol.map"):
        return None
    value = config.value("listener.security.protocol.map")
    return ",".join(value) if isinstance(value, list) else str(value)


def _bind(server: Server, node: Node, listeners: Sequence[Listener]) -> str:
    try:
        server.bind(node, listeners)
    except CannotListen as refusal:
        raise CannotStart(refusal.strerror) from refusal
    first = node.endpoints[listeners[0].name]
    host = {"localhost": "127.0.0.1", "": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(
        first.host, first.host
    )
    return f"{_bracketed(host)}:{first.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _open_directories(
    settings: Settings, nodes: Sequence[Node], rng: random.Random
) -> dict[int, LogDirectories]:
    """Each node's data directories: the ones given for a single node, `broker-ID` inside them for several."""

    def new_uuid() -> uuid.UUID:
        return uuid.UUID(int=rng.getrandbits(128), version=4)

    opened: dict[int, LogDirectories] = {}
    taken: list[LogDirs] = []
    cluster_id = settings.cluster_id
    try:
        for node in nodes:
            directories: LogDirectories
            if settings.data is None:
                directories = MemoryDirs(node_id=node.id, new_uuid=new_uuid, cluster_id=cluster_id)
            else:
                paths = [
                    str(path / f"broker-{node.id}" if len(nodes) > 1 else path) for path in settings.data
                ]
                directories = LogDirs(
                    paths, node_id=node.id, new_uuid=new_uuid, cluster_id=cluster_id, files=settings.files
                )
                taken.append(directories)
                logger.info("broker %d keeps its data in %s", node.id, ", ".join(paths))
            opened[node.id] = directories
            cluster_id = directories.cluster_id
    except (ForeignDirectory, LockedError, StorageError) as refusal:
        for others in taken:
            others.give_back()
        raise CannotStart(str(refusal)) from refusal
    return opened
