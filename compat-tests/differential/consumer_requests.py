"""Short ways to write requests of consumer groups (KIP-848), and what classic consumers put into theirs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .requests import id_of
from .values import Fields, Variables, resolve

GROUP = 32
"""The resource type of a group's configs."""
JOINING, LEAVING, LEAVING_FOR_NOW = 0, -1, -2
"""Member epochs that say what a member is about to do; the last is for static members."""


def beat(
    epoch: int | str,
    member: str = "{first}",
    *,
    group: str = "{group}",
    topics: Sequence[str] | None = None,
    regex: str | None = None,
    owned: Mapping[str, Sequence[int]] | str | None = None,
    rebalance_timeout_ms: int = -1,
    instance: str | None = None,
    rack: str | None = None,
    assignor: str | None = None,
) -> Fields:
    """ConsumerGroupHeartbeat. `owned` are partitions by topic, or a placeholder for the field as it is."""
    return {
        "group_id": group,
        "member_id": member,
        "member_epoch": epoch,
        "instance_id": instance,
        "rack_id": rack,
        "rebalance_timeout_ms": rebalance_timeout_ms,
        "subscribed_topic_names": topics,
        "subscribed_topic_regex": regex,
        "server_assignor": assignor,
        "topic_partitions": partitions(owned) if isinstance(owned, Mapping) else owned,
    }


def joining(member: str = "{first}", *topics: str, **more: Any) -> Fields:
    """The first heartbeat of a member: of {topic}, unless topics or a regex are given."""
    named = list(topics) or (None if "regex" in more else ["{topic}"])
    given = {"topics": named, "owned": {}, "rebalance_timeout_ms": 60_000, **more}
    return beat(given.pop("epoch", JOINING), member, **given)


def partitions(owned: Mapping[str, Sequence[int]]) -> list[Fields]:
    return [{"topic_id": id_of(topic), "partitions": list(indexes)} for topic, indexes in owned.items()]


def describe_consumer_groups(*groups: str, operations: bool = False) -> Fields:
    """Of {group} unless others are named."""
    return {"group_ids": list(groups or ("{group}",)), "include_authorized_operations": operations}


@dataclass(frozen=True)
class Subscription:
    """What a classic consumer joins with: ConsumerProtocolSubscription, version 0, 1 or 3."""

    topics: tuple[str, ...] = ("{topic}",)
    owned: Mapping[str, Sequence[int]] = field(default_factory=dict)
    version: int = 1
    rack: str | None = None

    def build(self, variables: Variables) -> bytes:
        names = [_string(resolve(topic, variables)) for topic in self.topics]
        data = struct.pack(">hi", self.version, len(names)) + b"".join(names) + struct.pack(">i", -1)
        if self.version >= 1:
            data += _assigned(self.owned, variables)
        if self.version >= 2:
            data += struct.pack(">i", -1)
        if self.version >= 3:
            data += struct.pack(">h", -1) if self.rack is None else _string(self.rack)
        return data


@dataclass(frozen=True)
class Assignment:
    """What the leader of classic consumers gives to one: ConsumerProtocolAssignment, version 0 or 1."""

    partitions: Mapping[str, Sequence[int]] = field(default_factory=lambda: {"{topic}": (0,)})
    version: int = 1

    def build(self, variables: Variables) -> bytes:
        return struct.pack(">h", self.version) + _assigned(self.partitions, variables) + struct.pack(">i", -1)


def _assigned(partitions: Mapping[str, Sequence[int]], variables: Variables) -> bytes:
    data = struct.pack(">i", len(partitions))
    for topic, indexes in partitions.items():
        data += _string(resolve(topic, variables)) + struct.pack(f">i{len(indexes)}i", len(indexes), *indexes)
    return data


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">h", len(encoded)) + encoded
