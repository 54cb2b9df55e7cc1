"""A broker from its settings: ports bound, data opened, cluster loaded, clients served, and all of it closed
again.

Rules: what can be refused is refused before anything is written: settings, ports, then the data directory.
`Settings` says what to run; `run_broker` runs it until it is told to stop. Expected failures are
`CannotStart`, with a message for a person.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from kwire_storage.directories.log_dirs import ForeignDirectory, LockedError
from kwire_storage.engine import StorageError
from kwire_storage.files import Files

from kwire.broker.cluster import Cluster
from kwire.broker.data_directories import open_directories
from kwire.broker.listeners import DEFAULT_PORT, Listener, ListenerError
from kwire.broker.metadata_loading import ClusterError
from kwire.broker.node import Node
from kwire.broker.node_settings import nodes_of
from kwire.config import BrokerConfig
from kwire.coordinators.metadata.replay import ReplayError
from kwire.partitions.clock import Clock
from kwire.server.listening import CannotListen
from kwire.server.request_log import RequestLog
from kwire.server.server import Server
from kwire.server.transport import Network

logger = logging.getLogger("kwire.server")


class DiskFailed(Exception):
    """The broker has stopped because its disk failed; the message says which, and what to do."""


class CannotStart(Exception):
    """The broker cannot run as asked; the message says what was asked, what is there and what to do."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """What to run. `data` None keeps everything in memory. `host` and `port` count where the config names no
    listeners. `cluster_id` None takes the one of the data, or a new one.
    """

    host: str = "localhost"
    port: int | Sequence[int] = DEFAULT_PORT
    data: Sequence[Path] | None = None
    brokers: int = 1
    racks: Sequence[str] = ()
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
        self.is_stopping = False
        """Set by whoever ends it: no node starts any more."""
        self._changing = trio.Lock()

    async def stop_node(self, node_id: int, *, controlled: bool = True) -> None:
        """Stops one broker of the cluster; the others go on.

        Controlled, as a Kafka that is told to stop: others in sync lead first, what is in progress is
        answered, then connections and listeners close. Otherwise as if its machine were gone: connections are
        cut, answers are lost. It is fenced at once either way; no broker session has to time out. Cancelled
        while it drains, it ends as if not controlled.

        :raises ValueError: there is no such node, or it is stopped, or the whole broker is.
        :raises StorageError: that it is fenced could not be written down; it is stopped all the same, and
            calling again fences it.
        """
        async with self._changing:
            node = self._node(node_id)
            if node.up:
                try:
                    if controlled:
                        await self._leave(node_id)
                    await self.server.close_node(node, drain=controlled)
                except trio.Cancelled:
                    # It takes no requests any more: half stopped it would be of no use to anybody.
                    with trio.CancelScope(shield=True):
                        await self.server.close_node(node, drain=False)
                        await self.cluster.node_stopped(node_id)
                    raise
            elif self.cluster.image.brokers[node_id].fenced:
                raise ValueError(f"node {node_id} is stopped already")
            await self.cluster.node_stopped(node_id)

    async def _leave(self, node_id: int) -> None:
        try:
            await self.cluster.begin_controlled_shutdown(node_id)
        except StorageError as error:
            logger.error("node %d stops without moving its leaders first: %s", node_id, error)

    async def start_node(self, node_id: int) -> None:
        """Starts a stopped node again, on the ports that it had: it registers anew and joins the ISRs.

        :raises ValueError: there is no such node, or it runs, or the whole broker is stopped.
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
        if self.is_stopping or self.stopped.is_set():
            raise ValueError("the broker is stopped, and all of its nodes")
        node = self.cluster.nodes.get(node_id)
        if node is None:
            known = ", ".join(map(str, sorted(self.cluster.nodes)))
            raise ValueError(f"there is no node {node_id}; the nodes are {known}")
        return node

    def stop(self) -> None:
        """Answers what is in progress and closes; `run_broker` returns then."""
        self.is_stopping = True
        self.cluster.groups.drain()
        self.cluster.transactions.drain()
        self.cluster.hurry(*self.cluster.nodes)
        self.server.stop()


async def run_broker(
    settings: Settings, *, task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED
) -> None:
    """Runs a broker until `Running.stop()` or cancellation; reports `Running` once clients are served.

    Raises CannotStart, and DiskFailed where it can't go on.
    """
    config = settings.config
    rng = settings.rng if settings.rng is not None else random.SystemRandom()
    clock = settings.clock if settings.clock is not None else Clock()
    with Server(settings.network) as server:
        made = _nodes(settings)
        nodes = [node for node, _ in made]
        addresses = [_bind(server, node, listeners) for node, listeners in made]
        try:
            directories = open_directories(
                settings.data, [node.id for node in nodes], rng, settings.files, settings.cluster_id
            )
        except (ForeignDirectory, LockedError) as refusal:
            raise CannotStart(str(refusal)) from refusal
        except StorageError as failure:
            advice = "name a directory that can be written to: --data DIR, or log.dirs"
            raise CannotStart(f"{failure}; {advice}") from failure
        cluster = Cluster(config, nodes, directories, clock, rng)
        running = Running(cluster, server, addresses)
        clean = False
        try:
            async with trio.open_nursery() as nursery:
                try:
                    await cluster.start(nursery)
                except (ClusterError, ReplayError, StorageError) as failure:
                    raise CannotStart(str(failure)) from failure
                nursery.start_soon(_stop_on_failure, running)
                await server.serve(
                    cluster, ready=partial(task_status.started, running), request_log=settings.request_log
                )
                nursery.cancel_scope.cancel()
            clean = True
        finally:
            with trio.CancelScope(shield=True):
                await cluster.close(clean=clean)
            running.stopped.set()


async def _stop_on_failure(running: Running) -> None:
    failed = running.cluster.failed_directories
    await failed.fatal.wait()
    running.is_stopping = True
    raise DiskFailed(failed.reason)


def _nodes(settings: Settings) -> list[tuple[Node, list[Listener]]]:
    ports = [settings.port] if isinstance(settings.port, int) else settings.port
    try:
        return nodes_of(settings.config, settings.brokers, settings.host, ports, settings.racks)
    except ListenerError as refusal:
        raise CannotStart(str(refusal)) from refusal


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
