"""A broker node: an id, a rack, listeners. A process hosts one or more; each request arrives at one of
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwire.broker.fetch_sessions import FetchSessions


@dataclass(slots=True)
class Endpoint:
    """One named listener of one node.

    `advertised` is what clients are told; None means the address that each of them dialled. `port` is the
    port that is bound, known once the listener is open.
    """

    name: str
    host: str
    port: int
    protocol: str = "PLAINTEXT"
    advertised: tuple[str, int] | None = None


@dataclass(slots=True)
class Node:
    """A broker node. `epoch` is its registration's, from the metadata log; `fetch_sessions` are made with the
    cluster.
    """

    id: int
    rack: str | None = None
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    up: bool = True
    stopping: bool = False
    """It answers what it was asked, without waiting for anything any more."""
    epoch: int = -1
    fetch_sessions: FetchSessions = field(init=False)
