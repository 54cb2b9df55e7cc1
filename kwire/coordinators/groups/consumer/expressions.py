"""Subscriptions by regular expression: which topics an expression matches is looked up by the shard's owner.

A member that brings a new expression joins without its topics; the machine sends `ResolveExpressions`, its
owner looks (which may take a while where there are many topics) and hands the result back, and the group's
epoch rises if it has changed anything. All expressions of a group are looked up together, at most every ten
seconds: when one is new, when topics were created since, or when the last time is long ago.
(Kafka: GroupMetadataManager.maybeUpdateRegularExpressions, handleRegularExpressionsResult.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.group import ConsumerGroup, count_matches
from kwire.coordinators.groups.consumer.member import ConsumerGroupMember
from kwire.coordinators.groups.consumer.records import (
    ExpressionKey,
    ResolvedExpression,
    epoch_record,
    expression_record,
    tombstone,
)
from kwire.coordinators.groups.consumer.surroundings import Surroundings
from kwire.coordinators.groups.consumer.values import Refusal, ResolveExpressions
from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.regular_expressions import RegularExpressionsUnavailable, problem_with

SHORTEST_PAUSE_MS: Final = 10_000
REFRESH_INTERVAL_MS: Final = 2**31 - 1
"""After so long a group looks at its topics again even if nobody told it to."""
_NO_TOPICS: Final = ResolvedExpression(frozenset())


class Change(Enum):
    """What a heartbeat changes about a member's expression."""

    NONE = 0
    NEW = 1
    """Its topics are not known yet: the epoch need not rise before they are."""
    RESOLVED = 2
    """Its topics are known, or there is none any more."""


def update(
    around: Surroundings,
    group: ConsumerGroup,
    old: ConsumerGroupMember,
    new: ConsumerGroupMember,
    effects: Effects,
) -> Change | Refusal:
    """Take in a member's expression, and have the group's looked up if that is due."""
    before, after = old.subscribed_topic_regex or "", new.subscribed_topic_regex or ""
    change = Change.NONE
    due = False
    if before != after:
        change = Change.NEW
        if before and group.expressions.get(before, 0) == 1:
            effects.records.append(tombstone(ExpressionKey(group.group_id, before)))
        if not after:
            change = Change.RESOLVED
        elif not group.expressions.get(after, 0):
            refusal = _refuse(after)
            if refusal is not None:
                return refusal
            due = True
        elif after in group.resolved_expressions:
            change = Change.RESOLVED
    if due or group.expressions:
        _look_up_if_due(around, group, old, new, due, effects)
    return change


def _refuse(expression: str) -> Refusal | None:
    try:
        problem = problem_with(expression)
    except RegularExpressionsUnavailable as unavailable:
        return Refusal(ErrorCode.INVALID_REGULAR_EXPRESSION, str(unavailable))
    if problem is None:
        return None
    return Refusal(
        ErrorCode.INVALID_REGULAR_EXPRESSION,
        f"SubscribedTopicRegex `{expression}` is not a valid regular expression: {problem}.",
    )


def _look_up_if_due(
    around: Surroundings,
    group: ConsumerGroup,
    old: ConsumerGroupMember,
    new: ConsumerGroupMember,
    due: bool,
    effects: Effects,
) -> None:
    if group.resolving:
        return
    last = next(iter(group.resolved_expressions.values()), None)
    if last is not None and effects.now_ms <= last.timestamp_ms + SHORTEST_PAUSE_MS:
        return
    expressions = group.expressions_with(old, new)
    if not expressions:
        return
    if (
        due
        or len(expressions) != len(group.resolved_expressions)
        or (0 if last is None else last.version) < around.view.new_topics_version
        or last is None
        or effects.now_ms > last.timestamp_ms + around.settings.consumer_regex_refresh_interval_ms
    ):
        effects.messages.append(ResolveExpressions(group.group_id, tuple(expressions)))


def resolved(
    around: Surroundings,
    group: ConsumerGroup,
    results: Mapping[str, Collection[str]],
    version: int,
    started_ms: int,
    effects: Effects,
) -> None:
    """The result of a look-up that began at `started_ms`, in the topics of `version`."""
    group.resolving = False
    subscriptions = dict(group.subscriptions)
    changed = False
    for expression, topics in results.items():
        if not group.expressions.get(expression, 0):
            continue
        found = ResolvedExpression(frozenset(topics), version, started_ms)
        before = group.resolved_expressions.get(expression, _NO_TOPICS)
        if before.topics != found.topics:
            changed = True
            count_matches(subscriptions, before.topics, -1)
            count_matches(subscriptions, found.topics, 1)
        effects.records.append(expression_record(group.group_id, expression, found))
    metadata_hash = around.metadata_hash(subscriptions)
    if changed or metadata_hash != group.metadata_hash:
        epoch = group.group_epoch + 1
        effects.records.append(epoch_record(group.group_id, epoch, metadata_hash))
        group.refresh_deadline_ms = effects.now_ms + REFRESH_INTERVAL_MS
        group.refresh_epoch = epoch


def only_of(group: ConsumerGroup, members: Collection[ConsumerGroupMember]) -> list[str]:
    """The expressions that nobody but these members subscribes by."""
    counts: dict[str, int] = {}
    for member in members:
        if member.subscribed_topic_regex:
            counts[member.subscribed_topic_regex] = counts.get(member.subscribed_topic_regex, 0) + 1
    return [expression for expression, count in counts.items() if group.expressions.get(expression) == count]
