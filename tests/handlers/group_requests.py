"""Requests of group members, in any version: what a version has no room for is left out, as a client of it
would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kwire_codecs.apis.describe_groups import DescribeGroups
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.leave_group import LeaveGroup
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client

METADATA = b"\0\0\0\0\0\1\0\1t\xff\xff\xff\xff"
"""A consumer's subscription to the topic "t"."""


def join_request(group_id: str, version: int, member_id: str = "", **fields: Any) -> JoinGroup.Request:
    """JoinGroup with one protocol, "range"."""
    asked: dict[str, Any] = {
        "group_id": group_id,
        "session_timeout_ms": 10_000,
        "member_id": member_id,
        "protocol_type": "consumer",
        "protocols": [JoinGroup.Request.Protocol(name="range", metadata=METADATA)],
    }
    if version >= 1:
        asked["rebalance_timeout_ms"] = 20_000
    asked.update(fields)
    return JoinGroup.Request(**asked)


def sync_request(
    group_id: str,
    version: int,
    generation_id: int,
    member_id: str,
    assignments: dict[str, bytes],
    **fields: Any,
) -> SyncGroup.Request:
    """SyncGroup."""
    if version >= 5:
        fields = {"protocol_type": "consumer", "protocol_name": "range", **fields}
    return SyncGroup.Request(
        group_id=group_id,
        generation_id=generation_id,
        member_id=member_id,
        assignments=[
            SyncGroup.Request.Assignment(member_id=given, assignment=data)
            for given, data in assignments.items()
        ],
        **fields,
    )


def heartbeat_request(group_id: str, generation_id: int, member_id: str, **fields: Any) -> Heartbeat.Request:
    """Heartbeat."""
    return Heartbeat.Request(group_id=group_id, generation_id=generation_id, member_id=member_id, **fields)


def leave_request(group_id: str, version: int, *member_ids: str) -> LeaveGroup.Request:
    """LeaveGroup: of one member before v3."""
    if version < 3:
        [member_id] = member_ids
        return LeaveGroup.Request(group_id=group_id, member_id=member_id)
    member = LeaveGroup.Request.Member
    return LeaveGroup.Request(group_id=group_id, members=[member(member_id=each) for each in member_ids])


async def join(client: Client, group_id: str, version: int, **fields: Any) -> JoinGroup.Response:
    """A new member, with the second request that MEMBER_ID_REQUIRED asks for."""
    response: JoinGroup.Response = await client.ask(join_request(group_id, version, **fields), version)
    if response.error_code is ErrorCode.MEMBER_ID_REQUIRED:
        response = await client.ask(join_request(group_id, version, response.member_id, **fields), version)
    return response


async def stable_group(client: Client, group_id: str) -> str:
    """A stable group of one member, generation 1; gives the member's id. Its assignment is b"mine"."""
    member_id = (await join(client, group_id, 3)).member_id
    response = await client.ask(sync_request(group_id, 3, 1, member_id, {member_id: b"mine"}), 3)
    assert response.error_code is ErrorCode.NONE
    return member_id


def commit_request(
    group_id: str,
    version: int,
    partitions: dict[int, int],
    *,
    topic: str = "t",
    topic_id: UUID | None = None,
    generation_id: int = -1,
    member_id: str = "",
    metadata: str | None = "m",
    **fields: Any,
) -> OffsetCommit.Request:
    """OffsetCommit of one topic's partitions."""
    asked = OffsetCommit.Request.Topic
    if version >= 1:
        fields.update(generation_id_or_member_epoch=generation_id, member_id=member_id)
    committed = [
        asked.Partition(partition_index=index, committed_offset=offset, committed_metadata=metadata)
        for index, offset in partitions.items()
    ]
    if version >= 6:
        for partition in committed:
            partition.committed_leader_epoch = 0
    named = (
        asked(name=topic, partitions=committed)
        if topic_id is None
        else asked(topic_id=topic_id, partitions=committed)
    )
    return OffsetCommit.Request(group_id=group_id, topics=[named], **fields)


def committed_errors(response: OffsetCommit.Response) -> dict[int, ErrorCode]:
    """The error of each partition of the only topic."""
    [topic] = response.topics
    return {partition.partition_index: partition.error_code for partition in topic.partitions}


def fetch_request(
    group_id: str,
    version: int,
    partitions: Sequence[int] | None,
    *,
    topic: str = "t",
    topic_id: UUID | None = None,
) -> OffsetFetch.Request:
    """OffsetFetch of one topic's partitions, or with None of everything."""
    if version < 8:
        single = OffsetFetch.Request.Topic
        return OffsetFetch.Request(
            group_id=group_id,
            topics=None if partitions is None else [single(name=topic, partition_indexes=list(partitions))],
        )
    group = OffsetFetch.Request.Group
    topics: list[OffsetFetch.Request.Group.Topic] | None = None
    if partitions is not None:
        named = group.Topic(partition_indexes=list(partitions))
        if topic_id is None:
            named.name = topic
        else:
            named.topic_id = topic_id
        topics = [named]
    return OffsetFetch.Request(groups=[group(group_id=group_id, topics=topics)])


def fetched(response: OffsetFetch.Response, version: int) -> dict[int, tuple[int, str | None, ErrorCode]]:
    """Offset, metadata and error of each partition of the only topic of the only group."""
    if version >= 8:
        [group] = response.groups
        assert group.error_code is ErrorCode.NONE
        [named] = group.topics
        return {
            each.partition_index: (each.committed_offset, each.metadata, each.error_code)
            for each in named.partitions
        }
    assert response.error_code is ErrorCode.NONE
    [topic] = response.topics
    return {
        each.partition_index: (each.committed_offset, each.metadata, each.error_code)
        for each in topic.partitions
    }


async def described(client: Client, group_id: str) -> DescribeGroups.Response.Group:
    """One group, by DescribeGroups v5."""
    response: DescribeGroups.Response = await client.ask(DescribeGroups.Request(groups=[group_id]), 5)
    [group] = response.groups
    return group
