"""The one list of what kwire serves: API key -> handler module and version range.

What is not listed here is not advertised and closes the connection. A handler module, and the declaration
that it brings along, is imported when the first request for it comes: start-up pays for none of them. A test
holds each module's own `VERSIONS` equal to this table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from kwire.handlers.context import Context


class Served(NamedTuple):
    """A handler's module name under `kwire.handlers` and the versions that it serves in full."""

    module: str
    low: int
    high: int


SERVED: dict[int, Served] = {
    0: Served("produce", 0, 13),
    1: Served("fetch", 0, 18),
    2: Served("list_offsets", 0, 11),
    3: Served("metadata", 0, 13),
    8: Served("offset_commit", 0, 10),
    9: Served("offset_fetch", 0, 10),
    10: Served("find_coordinator", 0, 6),
    11: Served("join_group", 0, 9),
    12: Served("heartbeat", 0, 4),
    13: Served("leave_group", 0, 5),
    14: Served("sync_group", 0, 5),
    15: Served("describe_groups", 0, 6),
    16: Served("list_groups", 0, 5),
    18: Served("api_versions", 0, 5),
    19: Served("create_topics", 0, 7),
    20: Served("delete_topics", 0, 6),
    21: Served("delete_records", 0, 2),
    22: Served("init_producer_id", 0, 5),
    23: Served("offset_for_leader_epoch", 0, 4),
    24: Served("add_partitions_to_txn", 0, 5),
    25: Served("add_offsets_to_txn", 0, 4),
    26: Served("end_txn", 0, 5),
    27: Served("write_txn_markers", 0, 2),
    28: Served("txn_offset_commit", 0, 6),
    32: Served("describe_configs", 0, 4),
    33: Served("alter_configs", 0, 2),
    34: Served("alter_replica_log_dirs", 0, 2),
    35: Served("describe_log_dirs", 0, 5),
    37: Served("create_partitions", 0, 3),
    42: Served("delete_groups", 0, 3),
    43: Served("elect_leaders", 0, 2),
    44: Served("incremental_alter_configs", 0, 1),
    45: Served("alter_partition_reassignments", 0, 1),
    46: Served("list_partition_reassignments", 0, 0),
    47: Served("offset_delete", 0, 0),
    57: Served("update_features", 0, 2),
    60: Served("describe_cluster", 0, 2),
    61: Served("describe_producers", 0, 0),
    65: Served("describe_transactions", 0, 0),
    66: Served("list_transactions", 0, 2),
    68: Served("consumer_group_heartbeat", 0, 1),
    69: Served("consumer_group_describe", 0, 1),
    74: Served("list_config_resources", 0, 1),
    75: Served("describe_topic_partitions", 0, 0),
}


class Repeated(Protocol):
    """What is remembered of a connection's last request, so that the next one like it costs less."""

    number: int
    """How many have been remembered on the connection, this one included."""

    def answer(self, frame: memoryview) -> list[Any] | None:
        """The whole answer to a frame; None where nothing was done, and it has to be read as any other."""
        ...


class Handler:
    """One API's code, imported: its declaration and its `handle` coroutine.

    A module that can often answer without waiting has an `at_once` as well: it takes the same, and gives the
    response, or a coroutine that has yet to be awaited for it. `REPEATED` names the module, if there is one,
    whose `remember` makes more of a request that comes again and again.
    """

    __slots__ = ("api", "at_once", "handle", "remember")

    def __init__(self, key: int) -> None:
        module = importlib.import_module(f"kwire.handlers.{SERVED[key].module}")
        self.api: Any = module.API
        self.handle: Callable[[Context, Any], Coroutine[Any, Any, Any]] = module.handle
        self.at_once: Callable[[Context, Any], Any] | None = getattr(module, "at_once", None)
        repeated: str | None = getattr(module, "REPEATED", None)
        self.remember: Callable[[Context, Any, memoryview, int], Repeated | None] | None = (
            importlib.import_module(repeated).remember if repeated is not None else None
        )


_handlers: dict[int, Handler] = {}


def handler(key: int) -> Handler:
    """The handler of an API key that `SERVED` lists."""
    found = _handlers.get(key)
    if found is None:
        found = _handlers[key] = Handler(key)
    return found
