"""Groups of one type met by requests of the other, and groups that change from one into the other."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case, Then
from ..consumer_requests import LEAVING, Subscription, beat, describe_consumer_groups, joining
from ..requests import (
    commit,
    describe_groups,
    heartbeat,
    join,
    leave,
    offset_delete,
    offset_fetch,
    sync,
)
from ..values import Fields

G, F, E = "{group}", "{first}", "{first_epoch}"
M, GEN = "{member}", "{generation}"
NEW = "{transaction}"
MINE: Fields = {"owned": "{first_owned}"}
STATE: list[Then] = [("ConsumerGroupDescribe", 1, describe_consumer_groups()), ("DescribeGroups", 5, describe_groups(G))]
KEPT: list[Then] = [("OffsetFetch", 7, offset_fetch(G, "{topic}"))]
MIXED = "topic(4) classic(member,0+1+2+3) consumer"
JOINED = "topic(4) consumer classic_joins"


def classic(member: str, instance: str | None = None, protocols: tuple[str, ...] = ("range",), **more: Fields) -> Fields:
    """JoinGroup of a consumer."""
    how = {"protocol_type": "consumer", "protocols": protocols, "metadata": Subscription(), **more}
    return join(G, member, instance, **how)  # type: ignore[arg-type]


def synced(member: str, generation: str | int = GEN, protocol: str | None = "range", kind: str | None = "consumer") -> Fields:
    return sync(G, generation, member, kind=kind, protocol=protocol)


CASES = [
    # Classic requests to a consumer group.
    Case("JoinGroup", "4-9", "consumer group, first without an id", "topic(2) consumer", classic(""), "MEMBER_ID_REQUIRED", then=STATE),
    Case("JoinGroup", "0-3", "consumer group", "topic(2) consumer", classic(""), then=STATE),
    Case("JoinGroup", "5-9", "consumer group, static", "topic(2) consumer", classic("", "an-instance"), then=STATE),
    Case("JoinGroup", "2-9", "consumer group by a classic member again", JOINED, classic(M), then=STATE),
    Case("JoinGroup", "2-9", "consumer group by one of its own members", "topic(2) consumer", classic(F), then=STATE),
    Case("JoinGroup", "2-9", "consumer group by a member nobody knows", "topic(2) consumer", classic("nobody"), then=STATE),
    Case("JoinGroup", "0-9", "consumer group with another protocol type", "topic(2) consumer", join(G, "", protocol_type="connect"), "INCONSISTENT_GROUP_PROTOCOL", then=STATE),
    Case("JoinGroup", "0-9", "consumer group with no protocol", "topic(2) consumer", classic("", protocols=()), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("JoinGroup", "0-3", "consumer group with metadata that is none", "topic(2) consumer", join(G, "", protocol_type="consumer", metadata=b"x"), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("JoinGroup", "4-9", "consumer group with metadata that is none", "topic(2) consumer", join(G, "somebody", protocol_type="consumer", metadata=b"x"), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("JoinGroup", "4-9", "empty consumer group", "topic consumer leaves", classic(""), "MEMBER_ID_REQUIRED", then=STATE),
    Case("JoinGroup", "0-3", "empty consumer group", "topic consumer leaves", classic(""), then=STATE),
    Case("JoinGroup", "0-3", "empty consumer group with another protocol type", "topic consumer leaves", join(G, "", protocol_type="connect"), then=STATE),
    Case("JoinGroup", "0-3", "consumer group is full", "topic consumer", classic(""), "GROUP_MAX_SIZE_REACHED", broker="small groups"),
    Case("SyncGroup", "0-5", "classic member of a consumer group", JOINED, synced(M), then=STATE),
    Case("SyncGroup", "0-5", "consumer group by one of its own members", "topic(2) consumer", synced(F, E), "UNKNOWN_MEMBER_ID"),
    Case("SyncGroup", "0-5", "consumer group by a member nobody knows", "topic(2) consumer", synced("nobody", 1), "UNKNOWN_MEMBER_ID"),
    Case("SyncGroup", "0-5", "consumer group with a wrong generation", JOINED, synced(M, 99), "ILLEGAL_GENERATION"),
    Case("SyncGroup", "5", "consumer group with another protocol", JOINED, synced(M, protocol="roundrobin"), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("SyncGroup", "5", "consumer group with another protocol type", JOINED, synced(M, kind="connect"), "INCONSISTENT_GROUP_PROTOCOL"),
    Case("Heartbeat", "0-4", "classic member of a consumer group", JOINED, heartbeat(G, GEN, M), then=STATE),
    Case("Heartbeat", "0-4", "classic member is to revoke", MIXED, heartbeat(G, GEN, M), "REBALANCE_IN_PROGRESS", then=STATE),
    Case("Heartbeat", "0-4", "consumer group by one of its own members", "topic(2) consumer", heartbeat(G, E, F), "UNKNOWN_MEMBER_ID"),
    Case("Heartbeat", "0-4", "consumer group by a member nobody knows", "topic(2) consumer", heartbeat(G, 1, "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("Heartbeat", "0-4", "consumer group with a wrong generation", JOINED, heartbeat(G, 99, M), "ILLEGAL_GENERATION"),
    Case("LeaveGroup", "0-5", "classic member of a consumer group", JOINED, leave(G, M), then=["settles", *STATE]),
    Case("LeaveGroup", "0-5", "consumer group by one of its own members", "topic(2) consumer", leave(G, F), then=STATE),
    Case("LeaveGroup", "0-5", "consumer group by a member nobody knows", "topic(2) consumer", leave(G, "nobody"), "UNKNOWN_MEMBER_ID"),
    Case("LeaveGroup", "3-5", "static member of a consumer group by its instance", "topic(2) instance", leave(G, "", instances=["{first_instance}"]), then=STATE),
    Case("DescribeGroups", "0-5", "consumer group", "topic consumer", describe_groups(G)),
    Case("DescribeGroups", "6", "consumer group", "topic consumer", describe_groups(G), "GROUP_ID_NOT_FOUND"),
    Case("DeleteGroups", "0-2", "consumer group with members", "topic consumer", {"groups_names": [G]}, "NON_EMPTY_GROUP", then=STATE),
    Case("DeleteGroups", "0-2", "empty consumer group", "topic consumer commits leaves", {"groups_names": [G]}, then=[*STATE, *KEPT]),
    Case("DeleteGroups", "0-2", "consumer group whose static member left for now", "topic instance pauses", {"groups_names": [G]}, "NON_EMPTY_GROUP", then=STATE),
    Case("OffsetDelete", "0", "topic that a consumer group is subscribed to", "topic consumer commits", offset_delete(G), "GROUP_SUBSCRIBED_TO_TOPIC", then=KEPT),
    Case("OffsetDelete", "0", "topic that a consumer group is subscribed to by a regular expression", "topic matching settles commits", offset_delete(G), "GROUP_SUBSCRIBED_TO_TOPIC", then=KEPT),
    Case("OffsetDelete", "0", "topic that a consumer group is not subscribed to", "topic other committed(5,other) consumer", offset_delete(G, "{other}"), then=[("OffsetFetch", 7, offset_fetch(G, "{other}"))]),
    Case("OffsetDelete", "0", "empty consumer group", "topic consumer commits leaves", offset_delete(G), then=KEPT),
    # Offsets by member epoch.
    Case("OffsetCommit", "2-8", "by a consumer", "topic consumer", commit(G, 5, generation=E, member=F), "UNSUPPORTED_VERSION", then=KEPT),
    Case("OffsetCommit", "9-10", "by a consumer", "topic consumer", commit(G, 5, generation=E, member=F), then=KEPT),
    Case("OffsetCommit", "2-8", "by a consumer with an old epoch", "topic(2) consumer consumer(second) settles(first,second)", commit(G, 5, generation=1, member=F), "UNSUPPORTED_VERSION", then=KEPT),
    Case("OffsetCommit", "9-10", "by a consumer with an old epoch", "topic(2) consumer consumer(second) settles(first,second)", commit(G, 5, generation=1, member=F), "STALE_MEMBER_EPOCH", then=KEPT),
    Case("OffsetCommit", "9-10", "by a consumer with an epoch from the future", "topic consumer", commit(G, 5, generation=7, member=F), "STALE_MEMBER_EPOCH", then=KEPT),
    Case("OffsetCommit", "2-10", "by a consumer nobody knows", "topic consumer", commit(G, 5, generation=E, member="nobody"), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("OffsetCommit", "2-10", "by nobody in a consumer group", "topic consumer", commit(G, 5), "UNKNOWN_MEMBER_ID", then=KEPT),
    Case("OffsetCommit", "2-10", "by nobody in an empty consumer group", "topic consumer leaves", commit(G, 5), then=KEPT),
    Case("OffsetCommit", "9-10", "by a consumer that left", "topic consumer leaves", commit(G, 5, generation=E, member=F), "UNKNOWN_MEMBER_ID"),
    Case("OffsetCommit", "9-10", "by a consumer of what it does not own", "topic(4) consumer consumer(second) settles(first,second)", commit(G, 5, partition=3, generation=E, member=F), then=[("OffsetFetch", 7, offset_fetch(G, "{topic}", partitions=[0, 3]))]),
    Case("OffsetCommit", "9-10", "by a static consumer", "topic instance", commit(G, 5, generation=E, member=F, instance="{first_instance}"), then=KEPT),
    Case("OffsetCommit", "2-10", "by a classic member of a consumer group", JOINED, commit(G, 5, generation=GEN, member=M), then=KEPT),
    Case("OffsetCommit", "2-10", "by a classic member of a consumer group with a wrong generation", JOINED, commit(G, 5, generation=99, member=M), "ILLEGAL_GENERATION"),
    Case("OffsetFetch", "9-10", "by a consumer", "topic consumer commits", offset_fetch(G, "{topic}", member=F, epoch=E)),
    Case("OffsetFetch", "9-10", "by a consumer with a stale epoch", "topic(2) consumer consumer(second) settles(first,second)", offset_fetch(G, "{topic}", member=F, epoch=1), "STALE_MEMBER_EPOCH"),
    Case("OffsetFetch", "9-10", "by a consumer with an epoch from the future", "topic consumer", offset_fetch(G, "{topic}", member=F, epoch=9), "STALE_MEMBER_EPOCH"),
    Case("OffsetFetch", "9-10", "by a consumer nobody knows", "topic consumer commits", offset_fetch(G, "{topic}", member="nobody", epoch=1), "UNKNOWN_MEMBER_ID"),
    Case("OffsetFetch", "1-10", "by nobody in a consumer group", "topic consumer commits", offset_fetch(G, "{topic}")),
    Case("OffsetFetch", "9-10", "by a member without epoch", "topic consumer commits", offset_fetch(G, "{topic}", member=F), "STALE_MEMBER_EPOCH"),
    Case("OffsetFetch", "9-10", "all of a consumer group by a stale epoch", "topic consumer commits", offset_fetch(G, member=F, epoch=8), "STALE_MEMBER_EPOCH"),
    # A classic group becomes a consumer group.
    # Two members, one of whose ids the broker has made, where nobody owns all partitions yet: the uniform assignor goes by
    # the order of a hash map then, the range assignor by the ids' names, and they begin with the client's and the case's.
    Case("ConsumerGroupHeartbeat", "0-1", "classic group of consumers", "topic(2) classic(member,0+1)", joining(NEW), then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic group whose assignment names what is not there", "topic(2) classic(member,0+7)", joining(NEW, assignor="range"), then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic group with a static member", "topic(2) static", joining(NEW), "GROUP_ID_NOT_FOUND", then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "empty classic group", "topic member left", joining(NEW), then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic group that is no group of consumers", "topic member", joining(NEW), "GROUP_ID_NOT_FOUND", then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic group whose consumer has not synced", "topic(2) ready classic_joined", joining(NEW, assignor="range"), then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic group by a member with an epoch", "topic classic", beat(3, NEW), "GROUP_ID_NOT_FOUND", then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic group by a member that leaves", "topic classic", beat(LEAVING, NEW), "GROUP_ID_NOT_FOUND", then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "group with a classic member", MIXED, beat(E, **MINE), then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "last new member of a mixed group leaves", MIXED, beat(LEAVING), then=STATE),
    Case("ConsumerGroupHeartbeat", "0-1", "classic member becomes a new one", MIXED, joining(M), then=STATE),
    Case("ConsumerGroupDescribe", "0-1", "group with a classic member", MIXED, describe_consumer_groups()),
    Case("ConsumerGroupDescribe", "0-1", "consumer group that a classic member joined", JOINED, describe_consumer_groups()),
    # What the policy allows.
    Case("ConsumerGroupHeartbeat", "1", "no migration: classic group of consumers", "topic(2) classic(member,0+1)", joining(NEW), "GROUP_ID_NOT_FOUND", then=STATE, broker="no migration"),
    Case("ConsumerGroupHeartbeat", "1", "no migration: empty classic group", "topic member left", joining(NEW), then=STATE, broker="no migration"),
    Case("JoinGroup", "3", "no migration: consumer group", "topic(2) consumer", classic(""), "INCONSISTENT_GROUP_PROTOCOL", then=STATE, broker="no migration"),
    Case("JoinGroup", "3", "no migration: empty consumer group", "topic(2) consumer leaves", classic(""), then=STATE, broker="no migration"),
    Case("ConsumerGroupHeartbeat", "1", "upgrade: classic group of consumers", "topic(2) classic(member,0+1)", joining(NEW), then=STATE, broker="upgrade only"),
    Case("ConsumerGroupHeartbeat", "1", "upgrade: last new member of a mixed group leaves", "topic(2) classic(member,0+1) consumer", beat(LEAVING), then=STATE, broker="upgrade only"),
    Case("JoinGroup", "3", "upgrade: consumer group", "topic(2) consumer", classic(""), then=STATE, broker="upgrade only"),
    Case("ConsumerGroupHeartbeat", "1", "downgrade: classic group of consumers", "topic(2) classic(member,0+1)", joining(NEW), "GROUP_ID_NOT_FOUND", then=STATE, broker="downgrade only"),
    Case("ConsumerGroupHeartbeat", "1", "downgrade: last new member of a mixed group leaves", "topic(2) consumer classic_joins", beat(LEAVING), then=STATE, broker="downgrade only"),
    Case("JoinGroup", "3", "downgrade: consumer group", "topic(2) consumer", classic(""), then=STATE, broker="downgrade only"),
    Case("JoinGroup", "0-3", "classic group is full", "member", join(G, ""), "GROUP_MAX_SIZE_REACHED", broker="small groups"),
]
