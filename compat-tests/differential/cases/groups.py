"""JoinGroup, SyncGroup, Heartbeat and LeaveGroup: the classic protocol's members."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import describe_groups, heartbeat, join, leave, sync

G, M, GEN = "{group}", "{member}", "{generation}"
STATE = [("DescribeGroups", 5, describe_groups(G))]
MINE = [(M, b"assigned")]
BOTH = [(M, b"for the first"), ("{second}", b"for the second")]

CASES = [
    Case("JoinGroup", "0-3", "first member", "ready", join(G, ""), then=STATE),
    Case("JoinGroup", "4-9", "first member must come back", "ready", join(G, ""), "MEMBER_ID_REQUIRED", then=STATE),
    Case("JoinGroup", "4-9", "first member comes back", "ready pending", join(G, "{pending}"), then=STATE),
    Case("JoinGroup", "0-9", "leader joins again", "member", join(G, M), then=STATE),
    Case("JoinGroup", "0-9", "leader joins again before it synced", "joined", join(G, M)),
    Case("JoinGroup", "0-3", "second member", "member | rejoined", join(G, ""), then=STATE),
    Case("JoinGroup", "0-3", "protocol in common", "member | rejoined", join(G, "", protocols=["third", "second"]), then=STATE),
    Case("JoinGroup", "4-9", "second member comes back", "member pending | rejoined", join(G, "{pending}"), then=STATE),
    Case("JoinGroup", "0-9", "consumer protocol", "subscribed", join(G, M, protocol_type="consumer", metadata=b"\0\0\0\0\0\0\xff\xff\xff\xff")),
    Case("JoinGroup", "0-3", "metadata that is no subscription", "ready", join(G, "", protocol_type="consumer")),
    Case("JoinGroup", "5-9", "static member", "ready", join(G, "", "an-instance"), then=STATE),
    Case("JoinGroup", "5-9", "static member comes again", "static", join(G, "", "{instance}"), then=STATE),
    Case("JoinGroup", "5-9", "static member with its id", "static", join(G, M, "{instance}"), then=STATE),
    Case("JoinGroup", "5-9", "static member with new metadata", "static", join(G, "", "{instance}", metadata=b"new"), then=STATE),
    Case("JoinGroup", "5-9", "static member with an old id", "static replaced", join(G, "{old_member}", "{instance}"), "FENCED_INSTANCE_ID"),
    Case("JoinGroup", "5-9", "static member nobody knows", "static", join(G, M, "other-instance"), "UNKNOWN_MEMBER_ID"),
    Case("JoinGroup", "0-9", "unknown member", "member", join(G, "nobody"), "UNKNOWN_MEMBER_ID", then=STATE),
    Case("JoinGroup", "0-9", "unknown member of an unknown group", "ready", join("{missing_group}", "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("JoinGroup", "0-9", "empty group id", "", join("", ""), "INVALID_GROUP_ID"),
    Case("JoinGroup", "0-9", "session too short", "ready", join(G, "", session_timeout_ms=10), "INVALID_SESSION_TIMEOUT"),
    Case("JoinGroup", "0-9", "session too long", "ready", join(G, "", session_timeout_ms=3_600_000), "INVALID_SESSION_TIMEOUT"),
    Case("JoinGroup", "0-9", "no protocol", "ready", join(G, "", protocols=[]), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("JoinGroup", "0-9", "no protocol type", "ready", join(G, "", protocol_type=""), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("JoinGroup", "0-3", "nothing in common", "member", join(G, "", protocols=["other"]), "INCONSISTENT_GROUP_PROTOCOL", then=STATE),
    Case("JoinGroup", "4-9", "nothing in common", "member", join(G, "", protocols=["other"]), "INCONSISTENT_GROUP_PROTOCOL", then=STATE),
    Case("JoinGroup", "0-9", "another protocol type", "member", join(G, "", protocol_type="else"), "INCONSISTENT_GROUP_PROTOCOL"),
    #
    Case("SyncGroup", "0-5", "leader", "joined", sync(G, GEN, M, MINE), then=STATE),
    Case("SyncGroup", "0-5", "leader once more", "member", sync(G, GEN, M), then=STATE),
    Case("SyncGroup", "0-5", "leader without assignments", "joined", sync(G, GEN, M), then=STATE),
    Case("SyncGroup", "0-5", "leader of two", "two", sync(G, GEN, M, BOTH), then=STATE),
    Case("SyncGroup", "0-5", "follower after the leader", "two synced", sync(G, GEN, "{second}")),
    Case("SyncGroup", "0-5", "follower waits for the leader", "two | synced", sync(G, GEN, "{second}")),
    Case("SyncGroup", "3-5", "static member", "static", sync(G, GEN, M, instance="{instance}")),
    Case("SyncGroup", "5", "without protocol", "joined", sync(G, GEN, M, MINE, kind=None, protocol=None), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("SyncGroup", "5", "wrong protocol type", "joined", sync(G, GEN, M, MINE, kind="else"), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("SyncGroup", "5", "wrong protocol", "joined", sync(G, GEN, M, MINE, protocol="second"), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("SyncGroup", "0-5", "unknown member", "joined", sync(G, GEN, "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("SyncGroup", "0-5", "unknown group", "ready", sync("{missing_group}", 1, "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("SyncGroup", "0-5", "wrong generation", "joined", sync(G, 77, M), "ILLEGAL_GENERATION"),
    Case("SyncGroup", "0-5", "rebalancing", "member rebalancing", sync(G, GEN, M), "REBALANCE_IN_PROGRESS"),
    Case("SyncGroup", "0-5", "empty group", "member left", sync(G, GEN, M), "UNKNOWN_MEMBER_ID"),
    Case("SyncGroup", "0-5", "empty group id", "", sync("", 1, "m"), "INVALID_GROUP_ID"),
    Case("SyncGroup", "3-5", "fenced static member", "static replaced", sync(G, GEN, "{old_member}", instance="{instance}"), "FENCED_INSTANCE_ID"),
    #
    Case("Heartbeat", "0-4", "stable member", "member", heartbeat(G, GEN, M)),
    Case("Heartbeat", "0-4", "member that has not synced", "joined", heartbeat(G, GEN, M)),
    Case("Heartbeat", "3-4", "static member", "static", heartbeat(G, GEN, M, "{instance}")),
    Case("Heartbeat", "0-4", "rebalancing", "member rebalancing", heartbeat(G, GEN, M), "REBALANCE_IN_PROGRESS"),
    Case("Heartbeat", "0-4", "unknown member", "member", heartbeat(G, GEN, "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("Heartbeat", "0-4", "unknown group", "ready", heartbeat("{missing_group}", 1, "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("Heartbeat", "0-4", "wrong generation", "member", heartbeat(G, 99, M), "ILLEGAL_GENERATION"),
    Case("Heartbeat", "0-4", "wrong generation while rebalancing", "member rebalancing", heartbeat(G, 99, M), "ILLEGAL_GENERATION"),
    Case("Heartbeat", "0-4", "empty group", "member left", heartbeat(G, GEN, M), "UNKNOWN_MEMBER_ID"),
    Case("Heartbeat", "0-4", "empty group id", "", heartbeat("", 1, "m"), "INVALID_GROUP_ID"),
    Case("Heartbeat", "0-4", "pending member", "member pending", heartbeat(G, GEN, "{pending}"), "UNKNOWN_MEMBER_ID"),
    Case("Heartbeat", "3-4", "fenced static member", "static replaced", heartbeat(G, GEN, "{old_member}", "{instance}"), "FENCED_INSTANCE_ID"),
    Case("Heartbeat", "3-4", "unknown static member", "member", heartbeat(G, GEN, M, "no-instance"), "UNKNOWN_MEMBER_ID"),
    #
    Case("LeaveGroup", "0-5", "only member", "member", leave(G, M), then=STATE),
    Case("LeaveGroup", "0-5", "one of two", "two", leave(G, "{second}"), then=STATE),
    Case("LeaveGroup", "3-5", "both", "two", leave(G, M, "{second}"), then=STATE),
    Case("LeaveGroup", "3-5", "nobody named", "member", leave(G), then=STATE),
    Case("LeaveGroup", "3-5", "static member by its instance", "static", leave(G, "", instances=["{instance}"]), then=STATE),
    Case("LeaveGroup", "3-5", "static member by both", "static", leave(G, M, instances=["{instance}"]), then=STATE),
    Case("LeaveGroup", "0-5", "pending member", "member pending", leave(G, "{pending}")),
    Case("LeaveGroup", "0-5", "unknown member", "member", leave(G, "nobody"), "UNKNOWN_MEMBER_ID", then=STATE),
    Case("LeaveGroup", "0-5", "unknown group", "ready", leave("{missing_group}", "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("LeaveGroup", "0-5", "left already", "member left", leave(G, M), "UNKNOWN_MEMBER_ID"),
    Case("LeaveGroup", "3-5", "one known and one not", "member", leave(G, M, "nobody"), "UNKNOWN_MEMBER_ID", then=STATE),
    Case("LeaveGroup", "3-5", "same member twice", "member", leave(G, M, M), "UNKNOWN_MEMBER_ID", then=STATE),
    Case("LeaveGroup", "3-5", "unknown instance", "static", leave(G, "", instances=["no-instance"]), "UNKNOWN_MEMBER_ID"),
    Case("LeaveGroup", "3-5", "fenced static member", "static replaced", leave(G, "{old_member}", instances=["{instance}"]), "FENCED_INSTANCE_ID"),
    Case("LeaveGroup", "0-5", "empty group id", "", leave("", "m"), "INVALID_GROUP_ID"),
]
