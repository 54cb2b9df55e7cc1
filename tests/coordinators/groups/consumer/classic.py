"""A consumer of the classic protocol that can be in a group of either kind: it joins, syncs, heartbeats."""

from __future__ import annotations

from kwire_codecs.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    decode_assignment,
    decode_subscription,
    encode_prefixed,
)
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import JoinedMember, JoinResult, LeavingMember, Protocol, SyncResult
from kwire.coordinators.outcome import Ticket
from tests.coordinators.groups.consumer.context import Groups

_LOST = (
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.FENCED_INSTANCE_ID,
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    ErrorCode.GROUP_MAX_SIZE_REACHED,
    ErrorCode.UNKNOWN_SERVER_ERROR,
)
"""Errors after which it starts anew."""
_AGAIN = (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION)
"""Errors after which it joins again."""


def assigned(**topics: list[int]) -> bytes:
    """An assignment as the leader writes it."""
    named = [
        ConsumerProtocolAssignment.TopicPartitions(topic=topic, partitions=partitions)
        for topic, partitions in topics.items()
    ]
    return encode_prefixed(ConsumerProtocolAssignment(assigned_partitions=named), 3)


class ClassicConsumer:
    """It gives up everything before it joins again, as consumers of `range` do; `step` does what is next."""

    def __init__(self, shard: Groups, topics: tuple[str, ...], instance: str | None = None) -> None:
        self.shard = shard
        self.topics = topics
        self.instance = instance
        self.start_anew()

    def start_anew(self) -> None:
        self.member_id = ""
        self.generation_id = -1
        self.owned: dict[str, list[int]] = {}
        self.forget_tickets()

    def forget_tickets(self) -> None:
        """Its connection was lost."""
        self.joining: Ticket[JoinResult] | None = None
        self.syncing: Ticket[SyncResult] | None = None
        self.must_join = True
        self.must_sync = False
        self.members: list[JoinedMember] = []

    def step(self) -> None:
        """Whatever is next."""
        if self.joining is not None or self.syncing is not None:
            self._collect()
        elif self.must_join:
            self._join()
        elif self.must_sync:
            self._sync()
        else:
            self._heard(self.shard.heartbeat(self.generation_id, self.member_id, instance=self.instance))
        if self.joining is not None or self.syncing is not None:
            self._collect()

    def leave(self) -> None:
        if self.member_id:
            self.shard.leave(LeavingMember(self.member_id, self.instance))

    def _collect(self) -> None:
        if self.joining is not None and self.joining.response is not None:
            joined, self.joining = self.joining.response, None
            self._joined(joined)
        elif self.syncing is not None and self.syncing.response is not None:
            synced, self.syncing = self.syncing.response, None
            self._synced(synced)

    def _join(self) -> None:
        self.owned = {}
        said = ConsumerProtocolSubscription(topics=list(self.topics))
        offer = (Protocol("range", encode_prefixed(said, 3)),)
        response = self.shard.join(
            self.member_id, protocols=offer, instance=self.instance, session_timeout_ms=20_000
        )
        if isinstance(response, Ticket):
            self.joining = response
        else:
            self._joined(response)

    def _joined(self, result: JoinResult) -> None:
        if result.error_code is ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = result.member_id
        elif result.error_code is ErrorCode.NONE:
            self.member_id, self.generation_id = result.member_id, result.generation_id
            self.members = list(result.members)
            self.must_join, self.must_sync = False, True
        else:
            self._heard(result.error_code)

    def _sync(self) -> None:
        response = self.shard.sync(self.generation_id, self.member_id, self._assign(), instance=self.instance)
        if isinstance(response, Ticket):
            self.syncing = response
        else:
            self._synced(response)

    def _synced(self, result: SyncResult) -> None:
        if result.error_code is not ErrorCode.NONE:
            self._heard(result.error_code)
            return
        self.must_sync = False
        if result.assignment:
            topics = decode_assignment(result.assignment).assigned_partitions
            self.owned = {topic.topic: list(topic.partitions) for topic in topics}

    def _assign(self) -> dict[str, bytes]:
        """As the leader of a classic group: each topic in turn among those who subscribe to it."""
        shares: dict[str, dict[str, list[int]]] = {member.member_id: {} for member in self.members}
        wanted = {member.member_id: decode_subscription(member.metadata).topics for member in self.members}
        for name, topic in self.shard.topics.items():
            takers = [member_id for member_id, topics in wanted.items() if name in topics]
            for partition in range(topic.partition_count if takers else 0):
                shares[takers[partition % len(takers)]].setdefault(name, []).append(partition)
        return {member_id: assigned(**share) for member_id, share in shares.items()}

    def _heard(self, error: ErrorCode) -> None:
        if error in _LOST:
            self.start_anew()
        elif error in _AGAIN:
            self.must_join, self.must_sync = True, False
        else:
            assert error is ErrorCode.NONE, error
