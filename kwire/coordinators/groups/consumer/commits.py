"""Which offsets members of a consumer group may commit and fetch: by their epochs.

A commit counts if it comes with the member's epoch, or with an older one that is no older than the epoch at
which the member was given the partition: so that a commit which was on its way when the epoch rose is not
lost. (KIP-1251; Kafka: ConsumerGroup.validateOffsetCommit, validateOffsetFetch.)
"""

from __future__ import annotations

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.consumer.group import ConsumerGroup
from kwire.coordinators.groups.consumer.member import ConsumerGroupMember
from kwire.coordinators.groups.values import CommitRequest


def commit_error(
    group: ConsumerGroup, request: CommitRequest, metadata_limit: int, *, is_transactional: bool
) -> ErrorCode:
    """NONE, or why nothing of a commit is taken. `metadata_limit`: what is longer is refused by itself."""
    epoch = request.generation_id
    if epoch < 0 and not group.members:
        return ErrorCode.NONE
    if is_transactional and epoch == -1 and not request.member_id and request.group_instance_id is None:
        return ErrorCode.NONE
    member = group.members.get(request.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if not is_transactional and not member.uses_classic_protocol and not request.knows_group_id_not_found:
        # Before v9 a client cannot know of member epochs.
        return ErrorCode.UNSUPPORTED_VERSION
    if epoch == member.member_epoch:
        return ErrorCode.NONE
    stale = ErrorCode.STALE_MEMBER_EPOCH
    if member.uses_classic_protocol or (is_transactional and not request.knows_group_id_not_found):
        stale = ErrorCode.ILLEGAL_GENERATION
    if epoch > member.member_epoch:
        return stale
    for topic in request.topics:
        for committed in topic.partitions:
            if len(committed.metadata or "") > metadata_limit:
                continue
            given = member.assignment_epoch(topic.topic_id, committed.partition)
            if given is None or epoch < given:
                return stale
    return ErrorCode.NONE


def fetch_error(group: ConsumerGroup, member_id: str | None, member_epoch: int) -> ErrorCode:
    """NONE, or why a member's OffsetFetch is refused."""
    if member_id is None and member_epoch < 0:
        return ErrorCode.NONE
    member: ConsumerGroupMember | None = None if member_id is None else group.members.get(member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if member_epoch == member.member_epoch:
        return ErrorCode.NONE
    return ErrorCode.ILLEGAL_GENERATION if member.uses_classic_protocol else ErrorCode.STALE_MEMBER_EPOCH
