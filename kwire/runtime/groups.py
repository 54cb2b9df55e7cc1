"""The group coordinator as handlers see it: finds the shard of a group, asks it, waits for the answer.

A group lives on the partition of `__consumer_offsets` that its id's hash names, see `shards.py`.

Nothing is decided here but routing. Every method takes the id of the node that the request arrived at. Most
answers are there at once; a method that gives one `Soon` has done its work when it returns.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode

from kwire import failpoints
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import (
    CommitRequest,
    CommitResult,
    DescribedGroup,
    GroupResult,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    ListedGroup,
    OffsetDeleteResult,
    OffsetFetchResult,
    SyncRequest,
    SyncResult,
    TopicPartitions,
    TransactionalCommitRequest,
)
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.outcome import Outcome, TransactionEnd
from kwire.runtime.consumer_groups import ConsumerGroups
from kwire.runtime.group_host import Host
from kwire.runtime.journal import RecordFormat
from kwire.runtime.partition_log import PartitionLog
from kwire.runtime.shard import Refused, Shard, Status
from kwire.runtime.shards import Shards
from kwire.runtime.soon import Soon, all_of, awaited, then

if TYPE_CHECKING:
    from kwire_storage.producer_state import Verification

    from kwire.coordinators.groups.coordinator import GroupCoordinator

logger = logging.getLogger("kwire.runtime")

OFFSETS_TOPIC = "__consumer_offsets"

R = TypeVar("R")
A = TypeVar("A")
GroupShard: TypeAlias = "Shard[GroupCoordinator]"
_GROUPS_A_TURN = 100
"""So many are seen to before others have their turn."""


class GroupCoordinatorService:
    """All shards of one cluster. `start()` before the first request, `close()` when the cluster stops.

    Its tasks (loading, and writes that a timer caused) run in the nursery that `start` is given; none of
    them ends by an exception.
    """

    def __init__(self, host: Host, settings: GroupSettings) -> None:
        self._host = host
        self._settings = settings
        self._shards = Shards["GroupCoordinator"](
            host,
            OFFSETS_TOPIC,
            "group coordinator",
            self._machinery,
            lambda _, message: self.consumers.deliver(message),
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
        )
        self.consumers = ConsumerGroups(host, settings, self._begin, self._shards.opened, self._shards.spawn)

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to load every partition that has something in it, and follow the cluster's metadata."""
        self.consumers.start()
        self._shards.start(nursery)
        self._host.controller.subscribe(self._image_changed)

    def drain(self) -> None:
        """The broker is about to stop: joins and syncs that wait are told NOT_COORDINATOR, now and from now
        on.
        """
        self._shards.drain()

    def close(self) -> None:
        """Stop coordinating: whoever waits is told NOT_COORDINATOR."""
        self._shards.close()

    def partition_of(self, group_id: str) -> int | None:
        """The partition of `__consumer_offsets` that a group lives on; None while that topic does not
        exist.
        """
        return self._shards.partition_of(group_id)

    def coordinator_of(self, group_id: str) -> int:
        """The node that coordinates a group; -1 while there is none."""
        return self._shards.coordinator_of(group_id)

    def _machinery(self) -> tuple[Callable[[], GroupCoordinator], RecordFormat[Any]]:
        # The coordinator comes with the first group: a broker starts without it.
        from kwire.coordinators.groups.coordinator import GroupCoordinator
        from kwire.coordinators.groups.records import GroupsFormat

        return lambda: GroupCoordinator(self._settings, self.consumers.view), GroupsFormat()

    def _begin(
        self,
        node_id: int,
        group_id: str,
        operation: Callable[[GroupCoordinator, int], Outcome[R, Any]],
        refused: Callable[[ErrorCode], R],
    ) -> Soon[R]:
        """Have the group's shard carry out an operation; `refused` is what is answered where it does not."""
        shard = self._shards.shard(node_id, group_id)
        if isinstance(shard, Refused):
            return refused(shard.error_code)

        def told(result: R | Refused) -> R:
            return refused(result.error_code) if isinstance(result, Refused) else result

        begun: Soon[R | Refused] = shard.begin(operation)
        return then(begun, told)  # type: ignore[arg-type]  # R is inferred as object

    # Membership

    def join(self, node_id: int, request: JoinRequest) -> Soon[JoinResult]:
        """JoinGroup; there when the join phase has ended."""
        if not request.group_id:
            return JoinResult(ErrorCode.INVALID_GROUP_ID, request.member_id)
        if not self._settings.allows_session_timeout(request.session_timeout_ms):
            return JoinResult(ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id)
        joined = self._begin(
            node_id,
            request.group_id,
            lambda shard, now_ms: shard.join(request, now_ms),
            lambda error_code: JoinResult(error_code, request.member_id),
        )
        return then(joined, _joined)

    def sync(self, node_id: int, request: SyncRequest) -> Soon[SyncResult]:
        """SyncGroup; there when the assignment is."""
        if not request.group_id:
            return SyncResult(ErrorCode.INVALID_GROUP_ID)
        synced = self._begin(
            node_id, request.group_id, lambda shard, now_ms: shard.sync(request, now_ms), SyncResult
        )
        return then(synced, _synced)

    def heartbeat(
        self, node_id: int, group_id: str, generation_id: int, member_id: str, group_instance_id: str | None
    ) -> Soon[ErrorCode]:
        """Heartbeat."""
        if not group_id:
            return ErrorCode.INVALID_GROUP_ID
        return self._begin(
            node_id,
            group_id,
            lambda shard, now_ms: shard.heartbeat(
                group_id, generation_id, member_id, group_instance_id, now_ms
            ),
            _heartbeat_refused,
        )

    def leave(self, node_id: int, group_id: str, members: Sequence[LeavingMember]) -> Soon[LeaveResult]:
        """LeaveGroup."""
        if not group_id:
            return LeaveResult(ErrorCode.INVALID_GROUP_ID)
        return self._begin(
            node_id, group_id, lambda shard, now_ms: shard.leave(group_id, members, now_ms), LeaveResult
        )

    # Offsets

    def commit_offsets(self, node_id: int, request: CommitRequest) -> Soon[CommitResult]:
        """OffsetCommit, of topics and partitions that exist."""
        return self._begin(
            node_id,
            request.group_id,
            lambda shard, now_ms: shard.commit_offsets(request, now_ms),
            CommitResult,
        )

    async def commit_transactional_offsets(
        self,
        node_id: int,
        request: TransactionalCommitRequest,
        admitted: Callable[[int], Awaitable[ErrorCode]] | None,
        *,
        supports_epoch_bump: bool,
    ) -> CommitResult:
        """TxnOffsetCommit, of topics and partitions that exist.

        `await admitted(index)` says whether the producer's transaction covers that partition of
        `__consumer_offsets`; it is asked unless the transaction is known to be open there. None: nobody needs
        to be asked.
        `supports_epoch_bump`: the client knows transaction version 2.
        """
        producer_id, producer_epoch, commit = request
        if not commit.group_id:
            return CommitResult(ErrorCode.INVALID_GROUP_ID)
        found = self._shards.led_for(node_id, commit.group_id)
        if isinstance(found, Refused):
            return CommitResult(found.error_code)
        led, shard = found
        log = PartitionLog(led.partition)
        verified: Verification | bool = admitted is None
        if admitted is not None:
            started = log.start_verification(
                producer_id, producer_epoch, supports_epoch_bump=supports_epoch_bump
            )
            if isinstance(started, ErrorCode):
                return CommitResult(started)
            if started is not None:
                if error_code := await admitted(led.index):
                    return CommitResult(error_code)
                verified = started
        begun: Soon[CommitResult | Refused] = shard.begin_transactional(
            producer_id,
            lambda machine, now_ms: machine.commit_transactional_offsets(request, now_ms),
            lambda: log.refusal_of_records(producer_id, producer_epoch, verified),
        )
        result: CommitResult | Refused = await awaited(begun)
        return CommitResult(result.error_code) if isinstance(result, Refused) else result

    def end_transaction(
        self, index: int, marker: TransactionEnd, transaction_version: int
    ) -> Soon[ErrorCode]:
        """Write the end of a producer's transaction into a partition of `__consumer_offsets`, and have its
        offsets count, or forgotten. NOT_LEADER_OR_FOLLOWER while nobody coordinates that partition, or it is
        loading: it is to be asked again. (Kafka: KafkaApis.handleWriteTxnMarkersRequest.)
        """
        found = self._shards.led(index)
        if isinstance(found, Refused):
            return _ended(found)
        led, shard = found
        log = PartitionLog(led.partition)
        begun: Soon[ErrorCode | Refused] = shard.begin_transactional(
            marker.producer_id,
            lambda machine, now_ms: Outcome(ErrorCode.NONE, [marker]),
            lambda: log.refusal_of_end(marker, transaction_version),
        )
        return then(begun, _ended)  # type: ignore[arg-type]  # the type of the result is inferred as object

    def fetch_offsets(
        self,
        node_id: int,
        group_id: str,
        topics: Sequence[tuple[TopicPartitions, UUID]] | None,
        *,
        require_stable: bool = False,
        member_id: str | None = None,
        member_epoch: int = -1,
    ) -> Soon[OffsetFetchResult]:
        """OffsetFetch of one group; None is everything that it has."""
        return self._begin(
            node_id,
            group_id,
            lambda shard, _: shard.fetch_offsets(
                group_id,
                topics,
                require_stable=require_stable,
                member_id=member_id,
                member_epoch=member_epoch,
            ),
            OffsetFetchResult,
        )

    def delete_offsets(
        self, node_id: int, group_id: str, topics: Sequence[TopicPartitions]
    ) -> Soon[OffsetDeleteResult]:
        """OffsetDelete, of topics and partitions that exist."""
        if not group_id:
            return OffsetDeleteResult(ErrorCode.INVALID_GROUP_ID)
        return self._begin(
            node_id,
            group_id,
            lambda shard, now_ms: shard.delete_offsets(group_id, topics, now_ms),
            OffsetDeleteResult,
        )

    # Administration

    def list_groups(
        self, node_id: int, states: Collection[str], types: Collection[str]
    ) -> Soon[tuple[ErrorCode, list[ListedGroup]]]:
        """ListGroups: what this node coordinates. While any of it is loading, nothing is listed."""
        asked: list[Soon[list[ListedGroup] | Refused]] = []
        for shard in self._shards.led_by(node_id):
            if shard.status is Status.LOADING:
                return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, []
            begun: Soon[list[ListedGroup] | Refused] = shard.begin(
                lambda machine, _: machine.list_groups(states, types)
            )
            asked.append(begun)
        listed: Soon[list[list[ListedGroup] | Refused]] = all_of(asked)
        return then(listed, _listed)

    async def describe_groups(self, node_id: int, group_ids: Sequence[str]) -> list[DescribedGroup]:
        """DescribeGroups, in the order asked."""
        described: list[DescribedGroup] = []
        for number, group_id in enumerate(group_ids, 1):
            if not number % _GROUPS_A_TURN:
                await trio.lowlevel.checkpoint()
            asked = self._begin(node_id, group_id, _describe(group_id), _undescribed(group_id))
            described.extend(await awaited(asked))
        return described

    async def delete_groups(self, node_id: int, group_ids: Sequence[str]) -> list[GroupResult]:
        """DeleteGroups, in the order asked, each id once."""
        results: list[GroupResult] = []
        for number, group_id in enumerate(dict.fromkeys(group_ids), 1):
            if not number % _GROUPS_A_TURN:
                await trio.lowlevel.checkpoint()
            asked = self._begin(node_id, group_id, _delete(group_id), _undeleted(group_id))
            results.extend(await awaited(asked))
        return results

    # Following the cluster

    def _image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        if old.topics is new.topics:
            return
        from kwire.runtime.deleted_topics import deleted_topics, forget_offsets

        self.consumers.image_changed(old, new)
        gone = deleted_topics(old, new)
        if gone:
            for shard in self._shards.opened():
                self._shards.spawn(partial(forget_offsets, shard, gone))


def _joined(result: JoinResult) -> JoinResult:
    if not result.error_code:
        failpoints.reach("before a join is answered")
    return result


def _synced(result: SyncResult) -> SyncResult:
    if not result.error_code:
        failpoints.reach("before a sync is answered")
    return result


def _heartbeat_refused(error_code: ErrorCode) -> ErrorCode:
    if error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        # Sessions start when the group is loaded: nothing is wrong yet (GroupCoordinatorService.heartbeat).
        return ErrorCode.NONE
    return error_code


def _ended(result: ErrorCode | Refused) -> ErrorCode:
    """What the transaction coordinator hears: it does not know the answers of other coordinators."""
    if not isinstance(result, Refused):
        return result
    match result.error_code:
        case (
            ErrorCode.NOT_COORDINATOR
            | ErrorCode.COORDINATOR_NOT_AVAILABLE
            | ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        ):
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        case error_code:
            return error_code


def _describe(group_id: str) -> Callable[[GroupCoordinator, int], Outcome[list[DescribedGroup], Any]]:
    return lambda shard, _: shard.describe_groups([group_id])


def _delete(group_id: str) -> Callable[[GroupCoordinator, int], Outcome[list[GroupResult], Any]]:
    return lambda shard, now_ms: shard.delete_groups([group_id], now_ms)


def _listed(results: list[list[ListedGroup] | Refused]) -> tuple[ErrorCode, list[ListedGroup]]:
    """Of a shard that cannot be loaded nothing is listed."""
    return ErrorCode.NONE, [group for each in results if not isinstance(each, Refused) for group in each]


def _undescribed(group_id: str) -> Callable[[ErrorCode], list[DescribedGroup]]:
    return lambda error_code: [DescribedGroup(error_code, group_id)]


def _undeleted(group_id: str) -> Callable[[ErrorCode], list[GroupResult]]:
    return lambda error_code: [GroupResult(group_id, error_code)]
