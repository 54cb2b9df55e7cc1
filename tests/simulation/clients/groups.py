"""What all members of groups, and those who look at groups, have in common: who coordinates a group, and what
it has committed.
"""

from __future__ import annotations

from typing import Any

from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode

from tests.simulation.clients.calling import Caller, Retry


async def find_coordinator(caller: Caller, key: str, key_type: int = 0) -> int:
    """The node that coordinates the group, or what else the type says. Lost, Retry."""
    version = caller.rng.randint(1 if key_type else 0, 6)
    request = (
        FindCoordinator.Request(key_type=key_type, coordinator_keys=[key])
        if version >= 4
        else FindCoordinator.Request(key=key, key_type=key_type)
    )
    answer, _ = await caller.ask(caller.some_node(), request, version)
    found = answer.coordinators[0] if version >= 4 else answer
    if found.error_code:
        raise Retry
    return int(found.node_id)


async def fetch_commits(
    caller: Caller, node: int, group: str, wanted: list[tuple[str, int]], *, stable: bool = False
) -> dict[tuple[str, int], int] | ErrorCode:
    """The committed offsets of a group, or why they could not be had; with `stable` none that an open
    transaction may change. Lost.
    """
    version = caller.rng.randint(7 if stable else 1, 9)
    began = caller.history.tick()
    by_topic: dict[str, list[int]] = {}
    for topic, index in wanted:
        by_topic.setdefault(topic, []).append(index)
    asked = OffsetFetch.Request
    if version >= 8:
        topics = [
            asked.Group.Topic(name=name, partition_indexes=indexes) for name, indexes in by_topic.items()
        ]
        request = asked(groups=[asked.Group(group_id=group, topics=topics)], require_stable=stable)
    else:
        request = asked(
            group_id=group,
            require_stable=stable,
            topics=[asked.Topic(name=name, partition_indexes=indexes) for name, indexes in by_topic.items()],
        )
    answer, stamp = await caller.ask(node, request, version)
    said: Any = answer.groups[0] if version >= 8 else answer
    if version >= 2 and said.error_code:
        return ErrorCode(said.error_code)
    found = {}
    for topic in said.topics:
        for partition in topic.partitions:
            if partition.error_code:
                if partition.error_code == ErrorCode.UNSTABLE_OFFSET_COMMIT:
                    caller.world.met["unstable offset commit"] += 1
                return ErrorCode(partition.error_code)
            found[topic.name, partition.partition_index] = int(partition.committed_offset)
    for (topic_name, index), offset in found.items():
        caller.history.fetched_commit((group, topic_name, index), offset, began, stamp)
    return found
