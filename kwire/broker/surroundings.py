"""What a controller needs of its cluster: settings, nodes, directories, time and chance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Protocol
from uuid import UUID

from kwire.broker.metadata_log import Opener
from kwire.config import BrokerConfig


class NodeEndpoint(Protocol):
    """A listener of a node, as far as its registration tells."""

    @property
    def name(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def protocol(self) -> str: ...
    @property
    def advertised(self) -> tuple[str, int] | None: ...


class ClusterNode(Protocol):
    """A node of this process; its epoch is written here when it registers."""

    epoch: int

    @property
    def id(self) -> int: ...
    @property
    def rack(self) -> str | None: ...
    @property
    def endpoints(self) -> Mapping[str, NodeEndpoint]: ...


class NodeDirectories(Opener, Protocol):
    """A node's log directories."""

    @property
    def cluster_id(self) -> str: ...
    @property
    def directory_ids(self) -> Sequence[UUID]: ...
    @property
    def offline(self) -> Sequence[str]: ...
    def directory_of(self, topic: str, partition: int) -> UUID | None: ...
    def cordon(self, paths: Collection[str]) -> None: ...
    @property
    def cordoned(self) -> Sequence[UUID]: ...
    def refuse_new(self, why: str) -> None: ...
    def settle(self, assigned: Callable[[UUID, int], UUID | None]) -> Sequence[tuple[str, int]]: ...
    @property
    def was_clean(self) -> bool: ...


class Clock(Protocol):
    """Semantic time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        ...


class Surroundings(Protocol):
    """What a controller needs of the cluster that it is part of."""

    @property
    def config(self) -> BrokerConfig: ...
    @property
    def nodes(self) -> Mapping[int, ClusterNode]: ...
    @property
    def directories(self) -> Mapping[int, NodeDirectories]: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def random(self) -> Random: ...
