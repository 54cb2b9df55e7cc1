"""The group coordinator as handlers see it: finds the shard of a group, asks it, waits for the answer.

A group lives on the partition of `__consumer_offsets` that its id's hash names, and is coordinated by the
node that leads that partition; every other node answers NOT_COORDINATOR. Shards are opened when the broker
starts where there is something to load, and otherwise when first asked for. When a partition gets another
leader, its shard is closed, and the new leader loads it.

Nothing is decided here but routing. Every method takes the id of the node that the request arrived at. Most
answers are there at once; a method that gives one `Soon` has done its work when it returns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import trio
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.java_hash import partition_for
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
)
from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage
from kwire.coordinators.outcome import Outcome
from kwire.partitions.partition import Partition
from kwire.runtime.group_host import Host
from kwire.runtime.partition_log import PartitionLog
from kwire.runtime.shard import Refused, Shard, Status
from kwire.runtime.soon import Soon, all_of, awaited, then

if TYPE_CHECKING:
    from kwire.coordinators.groups.coordinator import GroupCoordinator

logger = logging.getLogger("kwire.runtime")

OFFSETS_TOPIC = "__consumer_offsets"

R = TypeVar("R")
A = TypeVar("A")
GroupShard: TypeAlias = "Shard[GroupCoordinator]"
_GROUPS_A_TURN = 100
"""So many are seen to before others have their turn."""
_REMEMBERED_GROUPS = 10_000
_REMEMBERED_LENGTH = 100
"""The partitions of this many groups, with ids no longer than this, are not worked out anew each time."""


class _Opened(NamedTuple):
    """A shard, and the leadership that it was opened under."""

    shard: GroupShard
    partition: Partition
    leader_id: int
    leader_epoch: int


class GroupCoordinatorService:
    """All shards of one cluster. `start()` before the first request, `close()` when the cluster stops.

    Its tasks (loading, and writes that a timer caused) run in the nursery that `start` is given; none of
    them ends by an exception.
    """

    def __init__(self, host: Host, settings: GroupSettings) -> None:
        self._host = host
        self._settings = settings
        self._opened: dict[int, _Opened] = {}
        self._indexes: dict[str, int] = {}
        self._nursery: trio.Nursery | None = None
        self._draining = False

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to load every partition that has something in it, and follow the cluster's metadata."""
        self._nursery = nursery
        self._host.controller.subscribe(self._image_changed)
        for index in self._host.found_on_disk(OFFSETS_TOPIC):
            partition = self._partition(index)
            if partition is not None and partition.log_end_offset > partition.log_start_offset:
                self._open(index, partition)

    def _partition(self, index: int) -> Partition | None:
        """A partition of `__consumer_offsets`; None where there is none, or its files cannot be opened
        (logged).
        """
        found = self._host.reach(OFFSETS_TOPIC, index)
        return None if isinstance(found, ErrorCode) else found

    def drain(self) -> None:
        """The broker is about to stop: joins and syncs that wait are told NOT_COORDINATOR, now and from now
        on.
        """
        self._draining = True
        for each in self._opened.values():
            each.shard.drain()

    def close(self) -> None:
        """Stop coordinating: whoever waits is told NOT_COORDINATOR."""
        opened, self._opened = self._opened, {}
        for each in opened.values():
            each.shard.close()

    # Routing

    def _partition_count(self) -> int:
        topic = self._host.controller.image.topic(OFFSETS_TOPIC)
        return 0 if topic is None else len(topic.partitions)

    def partition_of(self, group_id: str) -> int | None:
        """The partition of `__consumer_offsets` that a group lives on; None while that topic does not
        exist.
        """
        index = self._indexes.get(group_id)
        if index is None:
            count = self._partition_count()
            if not count:
                return None
            index = partition_for(group_id, count)
            if len(group_id) <= _REMEMBERED_LENGTH:
                if len(self._indexes) >= _REMEMBERED_GROUPS:
                    self._indexes.clear()
                self._indexes[group_id] = index
        return index

    def coordinator_of(self, group_id: str) -> int:
        """The node that coordinates a group; -1 while there is none."""
        index = self.partition_of(group_id)
        found = None if index is None else self._host.controller.image.partition(OFFSETS_TOPIC, index)
        return NO_LEADER if found is None else found.leader

    def _shard(self, node_id: int, group_id: str) -> GroupShard | Refused:
        index = self.partition_of(group_id)
        opened = None if index is None else self._opened.get(index)
        if opened is not None:
            led = opened.partition
            if node_id == opened.leader_id == led.leader_id and opened.leader_epoch == led.leader_epoch:
                return opened.shard
        partition = None if index is None else self._partition(index)
        if index is None or partition is None:
            return Refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        if partition.leader_id != node_id:
            return Refused(ErrorCode.NOT_COORDINATOR)
        return self._current(index, partition)

    def _current(self, index: int, partition: Partition) -> GroupShard:
        opened = self._opened.get(index)
        if opened is None:
            return self._open(index, partition)
        if opened.leader_id != partition.leader_id or opened.leader_epoch != partition.leader_epoch:
            opened.shard.close()
            return self._open(index, partition)
        return opened.shard

    def _open(self, index: int, partition: Partition) -> GroupShard:
        # The coordinator comes with the first group: a broker starts without it.
        from kwire.coordinators.groups.coordinator import GroupCoordinator
        from kwire.coordinators.groups.records import GroupsFormat

        shard = Shard(
            f"group coordinator {index}",
            PartitionLog(partition),
            lambda: GroupCoordinator(self._settings),
            GroupsFormat(),
            self._host.clock,
            self._spawn,
        )
        self._opened[index] = _Opened(shard, partition, partition.leader_id, partition.leader_epoch)
        if self._draining:
            shard.drain()
        shard.open()
        return shard

    def _spawn(self, task: Callable[[], Any]) -> None:
        assert self._nursery is not None, "start() comes first"
        self._nursery.start_soon(task)

    def _begin(
        self,
        node_id: int,
        group_id: str,
        operation: Callable[[GroupCoordinator, int], Outcome[R, Any]],
        refused: Callable[[ErrorCode], R],
    ) -> Soon[R]:
        """Have the group's shard carry out an operation; `refused` is what is answered where it does not."""
        shard = self._shard(node_id, group_id)
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
        return self._begin(
            node_id,
            request.group_id,
            lambda shard, now_ms: shard.join(request, now_ms),
            lambda error_code: JoinResult(error_code, request.member_id),
        )

    def sync(self, node_id: int, request: SyncRequest) -> Soon[SyncResult]:
        """SyncGroup; there when the assignment is."""
        if not request.group_id:
            return SyncResult(ErrorCode.INVALID_GROUP_ID)
        return self._begin(
            node_id, request.group_id, lambda shard, now_ms: shard.sync(request, now_ms), SyncResult
        )

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

    def fetch_offsets(
        self, node_id: int, group_id: str, topics: Sequence[tuple[TopicPartitions, UUID]] | None
    ) -> Soon[OffsetFetchResult]:
        """OffsetFetch of one group; None is everything that it has."""
        return self._begin(
            node_id, group_id, lambda shard, _: shard.fetch_offsets(group_id, topics), OffsetFetchResult
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
        for index in sorted(self._opened):
            partition = self._partition(index)
            if partition is None or partition.leader_id != node_id:
                continue
            shard = self._current(index, partition)
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
        gone = [name for name in new.changed_topics if _has_gone(name, old, new)]
        if gone:
            self._forget_topics(frozenset(gone))
        self._load_what_is_led_again(old, new)
        for index, opened in list(self._opened.items()):
            found = new.partition(OFFSETS_TOPIC, index)
            leadership = (NO_LEADER, -1) if found is None else (found.leader, found.leader_epoch)
            if leadership != (opened.leader_id, opened.leader_epoch):
                del self._opened[index]
                opened.shard.close()
                self._spawn(partial(self._reopen, index))

    def _load_what_is_led_again(self, old: ClusterImage, new: ClusterImage) -> None:
        before, after = old.topic(OFFSETS_TOPIC), new.topic(OFFSETS_TOPIC)
        if before is after or before is None or after is None or before.id != after.id:
            return
        for was, is_now in zip(before.partitions, after.partitions, strict=False):
            if was.leader == NO_LEADER != is_now.leader:
                self._spawn(partial(self._reopen, was.index))

    async def _reopen(self, index: int) -> None:
        """Load under the new leader, also if nobody asks: sessions go on."""
        partition = self._partition(index)
        if partition is not None and partition.leader_id != NO_LEADER:
            self._current(index, partition)

    def _forget_topics(self, names: frozenset[str]) -> None:
        async def forget(shard: GroupShard) -> None:
            try:
                await shard.run(lambda machine, now_ms: machine.delete_offsets_of_topics(names, now_ms))
            except Exception:
                logger.exception("forgetting the offsets of deleted topics failed: %s", ", ".join(names))

        assert self._nursery is not None
        for opened in self._opened.values():
            self._nursery.start_soon(forget, opened.shard)


def _heartbeat_refused(error_code: ErrorCode) -> ErrorCode:
    if error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        # Sessions start when the group is loaded: nothing is wrong yet (GroupCoordinatorService.heartbeat).
        return ErrorCode.NONE
    return error_code


def _has_gone(topic: str, old: ClusterImage, new: ClusterImage) -> bool:
    """Whether the topic of that name is deleted, be there another one or not."""
    before, after = old.topic(topic), new.topic(topic)
    return before is not None and (after is None or after.id != before.id)


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
