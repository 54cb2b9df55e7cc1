"""What a decision on a consumer group needs beside the group: settings, the cluster, the other groups.

`View` is what the machine is handed of the cluster; every value in it is immutable, and looked at once a
decision. Nothing else of the cluster is known to groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from kwire.coordinators.groups.classic_group import ClassicGroup
from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.topics import FixedTopics, Topics, group_hash, topic_hash
from kwire.coordinators.groups.settings import ConsumerGroupSettings, GroupSettings

Group: TypeAlias = ClassicGroup | ConsumerGroup


class View(Protocol):
    """The cluster as group coordinators see it."""

    @property
    def topics(self) -> Topics:
        """The topics, now."""
        ...

    @property
    def new_topics_version(self) -> int:
        """The version of the topics at which one was last created."""
        ...

    def settings_of(self, group_id: str) -> ConsumerGroupSettings:
        """What a consumer group is configured with, now."""
        ...


class FixedView:
    """A view that is written down; tests and single groups without a cluster."""

    __slots__ = ("new_topics_version", "settings", "topics")

    def __init__(self, topics: Topics | None = None) -> None:
        self.topics: Topics = FixedTopics() if topics is None else topics
        self.new_topics_version = 0
        self.settings: dict[str, ConsumerGroupSettings] = {}

    def settings_of(self, group_id: str) -> ConsumerGroupSettings:
        return self.settings.get(group_id, ConsumerGroupSettings())


class Surroundings:
    """One shard's; mutable, owned by its machine."""

    __slots__ = ("downgraded", "groups", "hashes", "settings", "view")

    def __init__(self, settings: GroupSettings, view: View) -> None:
        self.settings = settings
        self.view = view
        self.groups: dict[str, Group] = {}
        self.downgraded: set[str] = set()
        """Groups that became classic in memory, by a decision whose records are yet to be replayed."""
        self.hashes: dict[str, int] = {}
        """Topic -> its hash; whoever learns that a topic has changed removes it."""

    def metadata_hash(self, topic_names: Iterable[str]) -> int:
        """The hash of the topics among these that exist."""
        topics, hashes = self.view.topics, self.hashes
        found: dict[str, int] = {}
        for name in topic_names:
            topic = topics.by_name(name)
            if topic is None:
                continue
            known = hashes.get(name)
            if known is None:
                known = hashes[name] = topic_hash(topic)
            found[name] = known
        return group_hash(found)
