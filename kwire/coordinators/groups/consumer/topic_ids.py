"""The topics that a member is subscribed to, by id: looked up only when they are asked for.

A group's subscriptions are names; its assignments are ids. A name that no topic has counts in `len`, and is
passed over otherwise. (Kafka: TopicIds, UnionSet.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, Protocol
from uuid import UUID

from kwire.coordinators.groups.consumer.member import ConsumerGroupMember
from kwire.coordinators.groups.consumer.topics import Topics
from kwire.coordinators.groups.java_hash import java_hash, slots_for_copy, utf16_order, walked


class Matches(Protocol):
    """What an expression was found to match."""

    @property
    def topics(self) -> frozenset[str]: ...


_NONE: Final = frozenset[str]()


class TopicIds(Collection[UUID]):
    """The ids of some names, walked as Kafka walks its HashSet of them."""

    __slots__ = ("_hash_of", "_ids", "_more", "_names", "_topics")

    def __init__(
        self,
        topics: Topics,
        names: frozenset[str],
        more: frozenset[str] = _NONE,
        hash_of: Callable[[str], int] = java_hash,
    ) -> None:
        self._topics = topics
        self._hash_of = hash_of
        # Kafka walks the larger of two sets first, the second if they are equal.
        larger_first = len(names) > len(more) or not more
        self._names, self._more = (names, more) if larger_first else (more, names)
        self._ids: tuple[UUID, ...] | None = None

    def __len__(self) -> int:
        return len(self._names | self._more) if self._more else len(self._names)

    def __contains__(self, topic_id: object) -> bool:
        topic = self._topics.by_id(topic_id) if isinstance(topic_id, UUID) else None
        return topic is not None and (topic.name in self._names or topic.name in self._more)

    def __iter__(self) -> Iterator[UUID]:
        if self._ids is None:
            order = [
                *self._walk(self._names),
                *(name for name in self._walk(self._more) if name not in self._names),
            ]
            found = map(self._topics.by_name, order)
            self._ids = tuple(topic.topic_id for topic in found if topic is not None)
        return iter(self._ids)

    def _walk(self, names: frozenset[str]) -> Sequence[str]:
        """The order of a HashSet that was made from the names' record, which lists them sorted."""
        # Topics' names are ASCII, where Java's order is Python's; but a subscription may be of anything.
        in_record = sorted(names, key=None if all(map(str.isascii, names)) else utf16_order)
        return walked(in_record, self._hash_of, slots_for_copy(len(names)))


class SubscribedTopics:
    """What the members of one group are subscribed to, for one computation: equal subscriptions are looked up
    once.
    """

    __slots__ = ("_hash_of", "_known", "_resolved", "_topics")

    def __init__(self, topics: Topics, resolved: Mapping[str, Matches]) -> None:
        self._topics = topics
        self._resolved = resolved
        self._known: dict[tuple[frozenset[str], frozenset[str]], TopicIds] = {}
        self._hash_of = cache(java_hash)

    def of(self, member: ConsumerGroupMember) -> TopicIds:
        """By names and by an expression; one that is not resolved yet matches nothing."""
        names, regex = member.subscribed_topic_names, member.subscribed_topic_regex
        matched = self._resolved[regex].topics if regex and regex in self._resolved else _NONE
        subscription = (names, matched) if names else (matched, _NONE)
        ids = self._known.get(subscription)
        if ids is None:
            ids = self._known[subscription] = TopicIds(self._topics, *subscription, self._hash_of)
        return ids


def subscribed_topic_ids(
    member: ConsumerGroupMember, topics: Topics, resolved: Mapping[str, Matches]
) -> TopicIds:
    """What one member is subscribed to, as `SubscribedTopics` says."""
    return SubscribedTopics(topics, resolved).of(member)
