"""OffsetCommit, OffsetFetch and OffsetDelete: what groups have read."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import commit, offset_delete, offset_fetch
from ..values import Fields

G, M, GEN = "{group}", "{member}", "{generation}"
KEPT = [("OffsetFetch", 7, offset_fetch(G, "{topic}"))]


def several(*groups: Fields) -> Fields:
    return {**groups[0], "groups": [group["groups"][0] for group in groups]}


def two_topics(first: str, second: str) -> Fields:
    return {**commit(G, 5), "topics": [commit(G, 5, topic=name)["topics"][0] for name in (first, second)]}


CASES = [
    Case("OffsetCommit", "1-10", "from outside any generation", "topic ready", commit(G, 5), then=KEPT),
    Case("OffsetCommit", "0", "to where nothing is kept any more", "topic ready", commit(G, 5), "UNSUPPORTED_VERSION"),
    Case("OffsetCommit", "1-10", "by a member", "topic member", commit(G, 5, generation=GEN, member=M), then=KEPT),
    Case("OffsetCommit", "1-10", "over an older one", "topic ready committed(3)", commit(G, 9), then=KEPT),
    Case("OffsetCommit", "1-10", "back to zero", "topic ready committed(3)", commit(G, 0), then=KEPT),
    Case("OffsetCommit", "2-4", "for longer than any clock runs", "topic ready", commit(G, 5, retention_time_ms=2**63 - 1), then=KEPT),
    Case("OffsetCommit", "1-10", "without a note", "topic ready", commit(G, 5, metadata=None), then=KEPT),
    Case("OffsetCommit", "1-10", "with an empty note", "topic ready", commit(G, 5, metadata=""), then=KEPT),
    Case("OffsetCommit", "6-10", "with a leader epoch", "topic ready", commit(G, 5, epoch=3), then=KEPT),
    Case("OffsetCommit", "7-10", "by a static member", "topic static", commit(G, 5, generation=GEN, member=M, instance="{instance}"), then=KEPT),
    Case("OffsetCommit", "1-10", "of no topic", "ready", {**commit(G, 5), "topics": []}),
    Case("OffsetCommit", "1-10", "negative offset", "topic ready", commit(G, -5), then=KEPT),
    Case("OffsetCommit", "1-10", "group that is empty", "topic member left", commit(G, 5), then=KEPT),
    Case("OffsetCommit", "1-10", "while rebalancing", "topic member rebalancing", commit(G, 5, generation=GEN, member=M), then=KEPT),
    Case("OffsetCommit", "1-10", "by a member that has not synced", "topic joined", commit(G, 5, generation=GEN, member=M), "REBALANCE_IN_PROGRESS"),
    Case("OffsetCommit", "1-9", "one known and one unknown topic", "topic ready", two_topics("{topic}", "{missing}"), "UNKNOWN_TOPIC_OR_PARTITION", then=KEPT),
    Case("OffsetCommit", "10", "one known and one unknown topic", "topic ready", two_topics("{topic}", "{missing}"), "UNKNOWN_TOPIC_ID", then=KEPT),
    Case("OffsetCommit", "1-10", "longest note", "topic ready", commit(G, 5, metadata="x" * 4096), then=KEPT),
    Case("OffsetCommit", "1-10", "note just too long", "topic ready", commit(G, 5, metadata="x" * 4097), "OFFSET_METADATA_TOO_LARGE"),
    Case("OffsetCommit", "1-10", "largest offset", "topic ready", commit(G, 2**63 - 1), then=KEPT),
    Case("OffsetCommit", "1-10", "negative partition", "topic ready", commit(G, 5, partition=-1), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("OffsetCommit", "1-10", "member without generation", "topic member", commit(G, 5, member=M), "ILLEGAL_GENERATION"),
    Case("OffsetCommit", "1-10", "generation without member", "topic member", commit(G, 5, generation=GEN), "UNKNOWN_MEMBER_ID"),
    Case("OffsetCommit", "7-10", "static member without its instance", "topic static", commit(G, 5, generation=GEN, member=M), then=KEPT),
    Case("OffsetCommit", "7-10", "unknown instance", "topic member", commit(G, 5, generation=GEN, member=M, instance="nothing"), "UNKNOWN_MEMBER_ID"),
    Case("OffsetCommit", "1-9", "internal topic", "ready", commit(G, 5, topic="__consumer_offsets")),
    Case("OffsetCommit", "0-9", "unknown topic", "ready", commit(G, 5, topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("OffsetCommit", "10", "unknown topic id", "ready", commit(G, 5, topic="{missing}"), "UNKNOWN_TOPIC_ID"),
    Case("OffsetCommit", "0-10", "partition out of range", "topic ready", commit(G, 5, partition=6), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("OffsetCommit", "1-10", "note too long", "topic ready", commit(G, 5, metadata="x" * 5000), "OFFSET_METADATA_TOO_LARGE", then=KEPT),
    Case("OffsetCommit", "1-10", "from outside an active group", "topic member", commit(G, 5), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("OffsetCommit", "1-10", "unknown member", "topic member", commit(G, 5, generation=GEN, member="nobody"), "UNKNOWN_MEMBER_ID"),
    Case("OffsetCommit", "1-10", "wrong generation", "topic member", commit(G, 5, generation=88, member=M), "ILLEGAL_GENERATION"),
    Case("OffsetCommit", "1-8", "generation of an unknown group", "topic ready", commit("{missing_group}", 5, generation=3, member="m"), "ILLEGAL_GENERATION"),
    Case("OffsetCommit", "9-10", "generation of an unknown group", "topic ready", commit("{missing_group}", 5, generation=3, member="m"), "GROUP_ID_NOT_FOUND"),
    Case("OffsetCommit", "1-10", "generation of an empty group", "topic member left", commit(G, 5, generation=GEN, member=M), "UNKNOWN_MEMBER_ID"),
    Case("OffsetCommit", "7-10", "fenced static member", "topic static replaced", commit(G, 5, generation=GEN, member="{old_member}", instance="{instance}"), "FENCED_INSTANCE_ID"),
    Case("OffsetCommit", "1-10", "empty group id", "topic", commit("", 5)),
    #
    Case("OffsetFetch", "1-10", "what was committed", "topic committed(5)", offset_fetch(G, "{topic}")),
    Case("OffsetFetch", "0", "from where nothing is kept any more", "topic committed(5)", offset_fetch(G, "{topic}"), "UNSUPPORTED_VERSION"),
    Case("OffsetFetch", "1-10", "nothing committed", "topic ready", offset_fetch(G, "{topic}")),
    Case("OffsetFetch", "1-10", "one partition committed and one not", "topic(2) committed(5)", offset_fetch(G, "{topic}", partitions=[0, 1])),
    Case("OffsetFetch", "1-10", "unknown group", "topic ready", offset_fetch("{missing_group}", "{topic}")),
    Case("OffsetFetch", "1-9", "unknown topic", "ready", offset_fetch(G, "{missing}")),
    Case("OffsetFetch", "10", "unknown topic id", "ready", offset_fetch(G, "{missing}"), "UNKNOWN_TOPIC_ID"),
    Case("OffsetFetch", "1-9", "partition out of range", "topic ready", offset_fetch(G, "{topic}", partitions=[8])),
    Case("OffsetFetch", "2-10", "all topics", "topic other committed(5) committed(6,other)", offset_fetch(G)),
    Case("OffsetFetch", "2-10", "all topics of an unknown group", "ready", offset_fetch("{missing_group}")),
    Case("OffsetFetch", "1-10", "group with members", "topic member own_commit(7)", offset_fetch(G, "{topic}")),
    Case("OffsetFetch", "7-10", "stable offsets only", "topic committed(5)", offset_fetch(G, "{topic}", require_stable=True)),
    Case("OffsetFetch", "10", "after the topic was deleted", "topic committed(5) deleted", offset_fetch(G, "{topic}"), "UNKNOWN_TOPIC_ID"),
    Case("OffsetFetch", "1-10", "partitions in no order", "topic(3) committed(5)", offset_fetch(G, "{topic}", partitions=[2, 0, 1])),
    Case("OffsetFetch", "1-10", "no partition", "topic committed(5)", offset_fetch(G, "{topic}", partitions=[])),
    Case("OffsetFetch", "1-10", "two topics", "topic other committed(5) committed(6,other)", offset_fetch(G, "{topic}", "{other}")),
    Case("OffsetFetch", "8-10", "same group twice", "topic committed(5)", several(offset_fetch(G, "{topic}"), offset_fetch(G, "{topic}"))),
    Case("OffsetFetch", "8-10", "two groups", "topic committed(5)", several(offset_fetch(G, "{topic}"), offset_fetch("{missing_group}", "{topic}"))),
    Case("OffsetFetch", "8-10", "no group", "topic", {"groups": []}),
    Case("OffsetFetch", "9-10", "member epoch of a classic group", "topic committed(5)", offset_fetch(G, "{topic}", member="m", epoch=3)),
    Case("OffsetFetch", "1-10", "empty group id", "topic", offset_fetch("", "{topic}")),
    #
    Case("OffsetDelete", "0", "committed offset", "topic committed(5)", offset_delete(G), then=KEPT),
    Case("OffsetDelete", "0", "of a group without members", "topic member own_commit(5) left", offset_delete(G), then=KEPT),
    Case("OffsetDelete", "0", "offset that is not there", "topic(2) committed(5)", offset_delete(G, partition=1), then=KEPT),
    Case("OffsetDelete", "0", "unknown topic", "topic committed(5)", offset_delete(G, "{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("OffsetDelete", "0", "partition out of range", "topic committed(5)", offset_delete(G, partition=9), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("OffsetDelete", "0", "unknown group", "topic ready", offset_delete("{missing_group}"), "GROUP_ID_NOT_FOUND"),
    Case("OffsetDelete", "0", "subscribed topic", "topic subscribed own_commit(5)", offset_delete(G), "GROUP_SUBSCRIBED_TO_TOPIC", then=KEPT),
    Case("OffsetDelete", "0", "topic that is not subscribed", "topic other subscribed own_commit(5)", offset_delete(G, "{other}")),
    Case("OffsetDelete", "0", "group of another protocol type", "topic member own_commit(5)", offset_delete(G), "NON_EMPTY_GROUP", then=KEPT),
    Case("OffsetDelete", "0", "empty group id", "topic", offset_delete(""), "INVALID_GROUP_ID"),
]
