"""Offsets in transactions: pending, committed and aborted, and who may commit them."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case, Then
from ..requests import commit, describe_groups, list_groups, offset_delete, offset_fetch
from ..transaction_requests import commit_offsets, describe_transactions, end, write_marker
from ..values import Fields

G, M, GEN = "{group}", "{member}", "{generation}"
MEMBER: Fields = {"generation": GEN, "member": M}
OLD: Fields = {"producer": "{old_producer}", "epoch": "{old_epoch}"}
STATE: list[Then] = [("DescribeTransactions", 0, describe_transactions())]
KEPT: list[Then] = [("OffsetFetch", 7, offset_fetch(G, "{topic}")), ("OffsetFetch", 7, offset_fetch(G, "{topic}", require_stable=True))]
COMMIT: list[Then] = [("EndTxn", 4, end()), "completed", *KEPT]
ABORT: list[Then] = [("EndTxn", 4, end(commit=False)), "completed", *KEPT]
READY = "topic ready initialised offsets_added"


def two_topics(first: Fields, second: Fields) -> Fields:
    return {**first, "topics": [first["topics"][0], second["topics"][0]]}


CASES = [
    Case("TxnOffsetCommit", "0-6", "then committed", READY, commit_offsets(), then=[*KEPT, *COMMIT]),
    Case("TxnOffsetCommit", "0-6", "then aborted", READY, commit_offsets(), then=[*KEPT, *ABORT]),
    Case("TxnOffsetCommit", "0-6", "over a committed offset", f"{READY} committed(3)", commit_offsets(), then=[*KEPT, *COMMIT]),
    Case("TxnOffsetCommit", "0-6", "over a committed offset, then aborted", f"{READY} committed(3)", commit_offsets(), then=ABORT),
    Case("TxnOffsetCommit", "0-6", "twice, the last counts", f"{READY} offsets_written(9)", commit_offsets(), then=COMMIT),
    Case("TxnOffsetCommit", "0-3", "without AddOffsetsToTxn", "topic ready initialised", commit_offsets(), "INVALID_TXN_STATE", then=[*STATE, *KEPT]),
    Case("TxnOffsetCommit", "4", "without AddOffsetsToTxn", "topic ready initialised", commit_offsets(), "TRANSACTION_ABORTABLE", then=[*STATE, *KEPT]),
    Case("TxnOffsetCommit", "5-6", "without AddOffsetsToTxn", "topic ready initialised", commit_offsets(), then=[*STATE, *COMMIT]),
    Case("TxnOffsetCommit", "5-6", "then committed with a bump", "topic ready initialised", commit_offsets(), then=["bumped", *STATE, *KEPT]),
    Case("TxnOffsetCommit", "5-6", "then aborted with a bump", "topic ready initialised", commit_offsets(), then=["bumped(abort)", *STATE, *KEPT]),
    Case("TxnOffsetCommit", "5-6", "epoch before an end that bumped it", "topic ready initialised offsets_implicit(3) bumped", commit_offsets(9, **OLD), "INVALID_PRODUCER_EPOCH", then=[*STATE, *KEPT]),
    Case("TxnOffsetCommit", "0-6", "after the coordinator lost patience", "topic ready initialised(300) offsets_added offsets_written timed_out", commit_offsets(9), "INVALID_PRODUCER_EPOCH", then=[*STATE, *KEPT]),
    Case("TxnOffsetCommit", "0-6", "without a note", READY, commit_offsets(metadata=None), then=COMMIT),
    Case("TxnOffsetCommit", "0-6", "with an empty note", READY, commit_offsets(metadata=""), then=COMMIT),
    Case("TxnOffsetCommit", "2-6", "with a leader epoch", READY, commit_offsets(leader_epoch=3), then=[("EndTxn", 4, end()), "completed", ("OffsetFetch", 7, offset_fetch(G, "{topic}"))]),
    Case("TxnOffsetCommit", "0-6", "negative offset", READY, commit_offsets(-5), then=COMMIT),
    Case("TxnOffsetCommit", "0-6", "note just too long", READY, commit_offsets(metadata="x" * 4097), "OFFSET_METADATA_TOO_LARGE", then=COMMIT),
    Case("TxnOffsetCommit", "0-6", "no topic", READY, {**commit_offsets(), "topics": []}),
    Case("TxnOffsetCommit", "0-5", "unknown topic", READY, commit_offsets(topic="{missing}"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("TxnOffsetCommit", "6", "unknown topic id", READY, commit_offsets(topic="{missing}"), "UNKNOWN_TOPIC_ID"),
    Case("TxnOffsetCommit", "0-6", "partition out of range", READY, commit_offsets(partition=8), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("TxnOffsetCommit", "0-5", "one known and one unknown topic", READY, two_topics(commit_offsets(), commit_offsets(topic="{missing}")), "UNKNOWN_TOPIC_OR_PARTITION", then=COMMIT),
    Case("TxnOffsetCommit", "6", "one known and one unknown topic", READY, two_topics(commit_offsets(), commit_offsets(topic="{missing}")), "UNKNOWN_TOPIC_ID", then=COMMIT),
    Case("TxnOffsetCommit", "0-6", "empty group id", "topic ready initialised", commit_offsets(group=""), "INVALID_GROUP_ID"),
    Case("TxnOffsetCommit", "0-6", "unknown transactional id", READY, commit_offsets(transactional_id="{missing_transaction}"), "INVALID_PRODUCER_ID_MAPPING", then=KEPT),
    Case("TxnOffsetCommit", "0-6", "empty transactional id", READY, commit_offsets(transactional_id=""), "INVALID_REQUEST", then=KEPT),
    Case("TxnOffsetCommit", "0-6", "unknown producer id", READY, commit_offsets(producer=987_654), "INVALID_PRODUCER_ID_MAPPING", then=KEPT),
    Case("TxnOffsetCommit", "0-6", "fenced", f"{READY} offsets_written fenced", commit_offsets(9, **OLD), "INVALID_PRODUCER_EPOCH", then=KEPT),
    Case("TxnOffsetCommit", "0-6", "epoch from the future", READY, commit_offsets(epoch=9), "INVALID_PRODUCER_EPOCH", then=KEPT),
    Case("TxnOffsetCommit", "0-3", "group that was not added", "topic ready initialised added", commit_offsets(), "INVALID_TXN_STATE", then=STATE),
    Case("TxnOffsetCommit", "4", "group that was not added", "topic ready initialised added", commit_offsets(), "TRANSACTION_ABORTABLE", then=STATE),
    Case("TxnOffsetCommit", "5-6", "group that was not added", "topic ready initialised added", commit_offsets(), then=STATE),
    # As a member of a classic group.
    Case("TxnOffsetCommit", "3-6", "by a member", "topic member initialised offsets_added", commit_offsets(**MEMBER), then=COMMIT),
    Case("TxnOffsetCommit", "3-6", "by a static member", "topic static initialised offsets_added", commit_offsets(**MEMBER, instance="{instance}"), then=COMMIT),
    Case("TxnOffsetCommit", "0-6", "by nobody in a group with members", "topic member initialised offsets_added", commit_offsets(), then=COMMIT),
    Case("TxnOffsetCommit", "3-6", "while rebalancing", "topic member rebalancing initialised offsets_added", commit_offsets(**MEMBER), then=COMMIT),
    Case("TxnOffsetCommit", "3-6", "by a member that has not synced", "topic joined initialised offsets_added", commit_offsets(**MEMBER), then=COMMIT),
    Case("TxnOffsetCommit", "3-6", "unknown member", "topic member initialised offsets_added", commit_offsets(generation=GEN, member="nobody"), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("TxnOffsetCommit", "3-6", "wrong generation", "topic member initialised offsets_added", commit_offsets(generation=88, member=M), "ILLEGAL_GENERATION", then=KEPT),
    Case("TxnOffsetCommit", "3-6", "member without generation", "topic member initialised offsets_added", commit_offsets(member=M), "ILLEGAL_GENERATION", then=KEPT),
    Case("TxnOffsetCommit", "3-6", "generation without member", "topic member initialised offsets_added", commit_offsets(generation=GEN), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("TxnOffsetCommit", "3-6", "fenced static member", "topic static replaced initialised offsets_added", commit_offsets(generation=GEN, member="{old_member}", instance="{instance}"), "FENCED_INSTANCE_ID", then=KEPT),
    Case("TxnOffsetCommit", "3-6", "unknown instance", "topic member initialised offsets_added", commit_offsets(**MEMBER, instance="nothing"), "UNKNOWN_MEMBER_ID"),
    Case("TxnOffsetCommit", "3-6", "member of an empty group", "topic member left initialised offsets_added", commit_offsets(**MEMBER), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("TxnOffsetCommit", "3-5", "member of a group that nobody knows", READY, commit_offsets(generation=3, member="nobody"), "ILLEGAL_GENERATION", then=KEPT),
    Case("TxnOffsetCommit", "6", "member of a group that nobody knows", READY, commit_offsets(generation=3, member="nobody"), "GROUP_ID_NOT_FOUND", then=KEPT),
    # As a member of a consumer group.
    Case("TxnOffsetCommit", "3-6", "by a consumer", "topic consumer initialised offsets_added", commit_offsets(generation="{first_epoch}", member="{first}"), then=COMMIT),
    Case("TxnOffsetCommit", "3-5", "by a consumer with an old epoch", "topic(2) consumer consumer(second) settles(first,second) initialised offsets_added", commit_offsets(generation=1, member="{first}"), "ILLEGAL_GENERATION", then=KEPT),
    Case("TxnOffsetCommit", "6", "by a consumer with an old epoch", "topic(2) consumer consumer(second) settles(first,second) initialised offsets_added", commit_offsets(generation=1, member="{first}"), "STALE_MEMBER_EPOCH", then=KEPT),
    Case("TxnOffsetCommit", "3-5", "by a consumer with an epoch from the future", "topic consumer initialised offsets_added", commit_offsets(generation=9, member="{first}"), "ILLEGAL_GENERATION", then=KEPT),
    Case("TxnOffsetCommit", "6", "by a consumer with an epoch from the future", "topic consumer initialised offsets_added", commit_offsets(generation=9, member="{first}"), "STALE_MEMBER_EPOCH", then=KEPT),
    Case("TxnOffsetCommit", "3-6", "by a consumer nobody knows", "topic consumer initialised offsets_added", commit_offsets(generation="{first_epoch}", member="nobody"), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("TxnOffsetCommit", "0-6", "by nobody in a consumer group", "topic consumer initialised offsets_added", commit_offsets(), then=KEPT),
    #
    Case("OffsetFetch", "7-10", "stable offsets while one is pending", "topic committed(3) offsets_pending", offset_fetch(G, "{topic}", require_stable=True), "UNSTABLE_OFFSET_COMMIT"),
    Case("OffsetFetch", "1-10", "any offset while one is pending", "topic committed(3) offsets_pending", offset_fetch(G, "{topic}")),
    Case("OffsetFetch", "7-10", "stable offsets of another partition while one is pending", "topic(2) offsets_pending", offset_fetch(G, "{topic}", partitions=[1], require_stable=True)),
    Case("OffsetFetch", "7-10", "all stable offsets while one is pending", "topic committed(3) offsets_pending", offset_fetch(G, require_stable=True), "UNSTABLE_OFFSET_COMMIT"),
    Case("OffsetFetch", "7-10", "all stable offsets while the first is pending", "topic offsets_pending", offset_fetch(G, require_stable=True)),
    Case("OffsetFetch", "7-10", "stable offsets after a commit", "topic offsets_pending commit", offset_fetch(G, "{topic}", require_stable=True)),
    Case("OffsetFetch", "7-10", "stable offsets after an abort", "topic offsets_pending aborted", offset_fetch(G, "{topic}", require_stable=True)),
    Case("OffsetFetch", "7-10", "stable offsets after a time-out", "topic ready initialised(300) offsets_added offsets_written timed_out", offset_fetch(G, "{topic}", require_stable=True)),
    Case("OffsetFetch", "7-10", "stable offsets with two producers", "topic offsets_pending(5) offsets_pending(7,second) commit", offset_fetch(G, "{topic}", require_stable=True), "UNSTABLE_OFFSET_COMMIT"),
    Case("OffsetFetch", "7-10", "two producers, the later commit counts", "topic offsets_pending(5) offsets_pending(7,second) commit(second) commit", offset_fetch(G, "{topic}", require_stable=True)),
    Case("OffsetFetch", "7-10", "stable offsets of a group that only has pending ones", "topic offsets_pending", offset_fetch(G, "{topic}", require_stable=True), "UNSTABLE_OFFSET_COMMIT"),
    Case("OffsetCommit", "2-10", "plain while another is pending, then committed", "topic offsets_pending(5)", commit(G, 9), then=[*KEPT, *COMMIT]),
    Case("OffsetCommit", "2-10", "plain while another is pending, then aborted", "topic offsets_pending(5)", commit(G, 9), then=[*KEPT, *ABORT]),
    Case("OffsetCommit", "2-10", "after a transaction's", "topic offsets_pending(5) commit", commit(G, 9), then=KEPT),
    Case("WriteTxnMarkers", "1-2", "abort of pending offsets", "topic committed(3) offsets_pending offsets_partition", write_marker("{offsets_partition}", topic="__consumer_offsets", commit=False), then=[*KEPT, *COMMIT]),
    Case("WriteTxnMarkers", "1-2", "commit of pending offsets", "topic committed(3) offsets_pending offsets_partition", write_marker("{offsets_partition}", topic="__consumer_offsets"), then=[*KEPT, *ABORT]),
    Case("WriteTxnMarkers", "2", "version 2 with the producer's epoch, of pending offsets", "topic offsets_pending offsets_partition", write_marker("{offsets_partition}", topic="__consumer_offsets", transaction_version=2), "INVALID_PRODUCER_EPOCH", then=KEPT),
    Case("WriteTxnMarkers", "1-2", "partition of offsets out of range", "topic offsets_pending", write_marker(99, topic="__consumer_offsets"), "UNKNOWN_TOPIC_OR_PARTITION"),
    Case("TxnOffsetCommit", "3-6", "by a classic member of a consumer group", "topic(4) consumer classic_joins initialised offsets_added", commit_offsets(**MEMBER), then=COMMIT),
    Case("TxnOffsetCommit", "3-6", "by a classic member of a consumer group with a wrong generation", "topic(4) consumer classic_joins initialised offsets_added", commit_offsets(generation=99, member=M), "ILLEGAL_GENERATION"),
    Case("TxnOffsetCommit", "0-6", "topic deleted before the end", READY, commit_offsets(), then=["deleted", ("EndTxn", 4, end()), "completed forgotten", *STATE]),
    Case("OffsetDelete", "0", "while one is pending", "topic committed(3) offsets_pending", offset_delete(G), then=COMMIT),
    Case("OffsetDelete", "0", "only pending", "topic offsets_pending", offset_delete(G), then=[*KEPT, *COMMIT]),
    Case("DeleteGroups", "0-2", "while an offset is pending", "topic offsets_pending", {"groups_names": [G]}, then=[*KEPT, *COMMIT]),
    Case("DescribeGroups", "5", "group that only has pending offsets", "topic offsets_pending", describe_groups(G)),
    Case("ListGroups", "5", "group that only has pending offsets", "topic offsets_pending listed", list_groups()),
]
