"""The shards of one coordinator: one for each partition of its topic, on the node that leads the partition.

A key lives on the partition that its hash names; every node but the partition's leader refuses it with
NOT_COORDINATOR. Shards are opened when the broker starts where there is something to load, and otherwise when
first asked for. When a partition gets another leader, its shard is closed, and the new leader loads it, also
if nobody asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import trio
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.java_hash import partition_for
from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage
from kwire.partitions.clock import Clock
from kwire.partitions.partition import Partition
from kwire.runtime.group_host import Images
from kwire.runtime.journal import RecordFormat
from kwire.runtime.machine import Machine
from kwire.runtime.partition_log import PartitionLog
from kwire.runtime.shard import Refused, Shard

M = TypeVar("M", bound=Machine[Any])

_REMEMBERED_KEYS = 10_000
_REMEMBERED_LENGTH = 100
"""The partitions of this many keys, none longer than this, are not worked out anew each time."""


class Host(Protocol):
    """What shards need of the cluster that they belong to."""

    @property
    def clock(self) -> Clock: ...

    @property
    def controller(self) -> Images: ...

    def reach(self, topic_name: str, index: int) -> Partition | ErrorCode:
        """An open partition, or why there is none."""
        ...

    def found_on_disk(self, topic_name: str) -> Sequence[int]:
        """The partitions of a topic that had a log when the cluster started."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Led:
    """A partition, and the leadership that its shard was opened under."""

    index: int
    partition: Partition
    leader_id: int
    leader_epoch: int

    @property
    def is_current(self) -> bool:
        """Whether nobody has taken the partition over since."""
        partition = self.partition
        return partition.leader_id == self.leader_id and partition.leader_epoch == self.leader_epoch


class Shards(Generic[M]):
    """All shards of one topic. `start()` before the first request, `close()` when the cluster stops.

    `machinery()` gives what makes a machine, and the format of its records; it is called with the first
    shard. `deliver(led, message)` takes the messages of machines, and must not call the shard back.
    `unavailable` is what is answered while the topic is not there. Shards load one at a
    time.
    """

    def __init__(
        self,
        host: Host,
        topic: str,
        name: str,
        machinery: Callable[[], tuple[Callable[[], M], RecordFormat[Any]]],
        deliver: Callable[[Led, object], None],
        unavailable: ErrorCode = ErrorCode.NOT_COORDINATOR,
    ) -> None:
        self._host = host
        self._topic = topic
        self._name = name
        self._machinery = machinery
        self._deliver = deliver
        self._unavailable = Refused(unavailable)
        self._made: tuple[Callable[[], M], RecordFormat[Any]] | None = None
        self._opened: dict[int, tuple[Led, Shard[M]]] = {}
        self._indexes: dict[str, int] = {}
        self._indexes_of = 0
        self._loads = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._draining = False

    # Its life

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to load every partition that has something in it, and follow the cluster's metadata."""
        self._nursery = nursery
        self._host.controller.subscribe(self._image_changed)
        for index in self._host.found_on_disk(self._topic):
            partition = self._partition(index)
            if (
                partition is not None
                and partition.leader_id != NO_LEADER
                and partition.log_end_offset > partition.log_start_offset
            ):
                self._open(index, partition)

    def drain(self) -> None:
        """The broker is about to stop: who waits for others is told NOT_COORDINATOR, now and from now on."""
        self._draining = True
        for _, shard in self._opened.values():
            shard.drain()

    def close(self) -> None:
        """Stop coordinating: whoever waits is told NOT_COORDINATOR."""
        opened, self._opened = self._opened, {}
        for _, shard in opened.values():
            shard.close()

    def spawn(self, task: Callable[[], Awaitable[None]]) -> None:
        """Start a task that lives as long as the cluster. It must not end by an exception."""
        assert self._nursery is not None, "start() comes first"
        self._nursery.start_soon(task)

    # Routing

    def partition_of(self, key: str) -> int | None:
        """The partition that a key lives on; None while the topic does not exist."""
        index = self._indexes.get(key)
        if index is None:
            topic = self._host.controller.image.topic(self._topic)
            if topic is None or not topic.partitions:
                return None
            index = partition_for(key, len(topic.partitions))
            if len(key) <= _REMEMBERED_LENGTH:
                if len(self._indexes) >= _REMEMBERED_KEYS:
                    self._indexes.clear()
                self._indexes[key] = index
        return index

    def coordinator_of(self, key: str) -> int:
        """The node that coordinates a key; -1 while there is none."""
        index = self.partition_of(key)
        found = None if index is None else self._host.controller.image.partition(self._topic, index)
        return NO_LEADER if found is None else found.leader

    def shard(self, node_id: int, key: str) -> Shard[M] | Refused:
        """The shard of a key, for a request that came to this node."""
        index = self.partition_of(key)
        opened = None if index is None else self._opened.get(index)
        if opened is not None:
            # As `is_current`, which would take long where requests come often.
            led = opened[0]
            partition = led.partition
            if node_id == led.leader_id == partition.leader_id and led.leader_epoch == partition.leader_epoch:
                return opened[1]
        found = self.led_for(node_id, key)
        return found if isinstance(found, Refused) else found[1]

    def led_for(self, node_id: int, key: str) -> tuple[Led, Shard[M]] | Refused:
        """As `shard`, and the partition that it is on."""
        index = self.partition_of(key)
        if index is None:
            return self._unavailable
        partition = self._partition(index)
        if partition is None or partition.leader_id != node_id:
            return Refused(ErrorCode.NOT_COORDINATOR)
        return self._current(index, partition)

    def led(self, index: int) -> tuple[Led, Shard[M]] | Refused:
        """A partition and its shard, wherever it is led. NOT_COORDINATOR while nobody leads it."""
        partition = self._host.reach(self._topic, index)
        if isinstance(partition, ErrorCode):
            # Where its directory is offline nobody leads it.
            is_there = partition in (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_LEADER_OR_FOLLOWER)
            return Refused(ErrorCode.NOT_COORDINATOR if is_there else partition)
        if partition.leader_id == NO_LEADER:
            return Refused(ErrorCode.NOT_COORDINATOR)
        return self._current(index, partition)

    def opened(self, key: str | None = None) -> list[Shard[M]]:
        """The shards that are open now, in order; of one key, if that is asked for."""
        if key is None:
            return [shard for _, (_, shard) in sorted(self._opened.items())]
        index = self.partition_of(key)
        found = None if index is None else self._opened.get(index)
        return [] if found is None else [found[1]]

    def shard_of(self, led: Led) -> Shard[M] | None:
        """The shard that was opened under this leadership, if it still holds."""
        opened = self._opened.get(led.index)
        return opened[1] if opened is not None and opened[0] is led and led.is_current else None

    def led_by(self, node_id: int) -> list[Shard[M]]:
        """The open shards of the partitions that a node leads, in order."""
        return [
            shard
            for _, (led, shard) in sorted(self._opened.items())
            if led.leader_id == node_id and led.is_current
        ]

    def _partition(self, index: int) -> Partition | None:
        """A partition of the topic; None where there is none, or its files cannot be opened (logged)."""
        found = self._host.reach(self._topic, index)
        return None if isinstance(found, ErrorCode) else found

    def _current(self, index: int, partition: Partition) -> tuple[Led, Shard[M]]:
        opened = self._opened.get(index)
        if opened is not None:
            led, shard = opened
            if led.partition is partition and led.is_current:
                return opened
            shard.close()
        return self._open(index, partition)

    def _open(self, index: int, partition: Partition) -> tuple[Led, Shard[M]]:
        if self._made is None:
            self._made = self._machinery()
        new_machine, records = self._made
        led = Led(index, partition, partition.leader_id, partition.leader_epoch)
        shard = Shard(
            f"{self._name} {index}",
            PartitionLog(partition),
            new_machine,
            records,
            self._host.clock,
            self.spawn,
            partial(self._deliver, led),
            self._loads,
        )
        self._opened[index] = opened = led, shard
        if self._draining:
            shard.drain()
        shard.open()
        return opened

    # Following the cluster

    def _image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        before, after = old.topic(self._topic), new.topic(self._topic)
        if before is after:
            return
        if before is None or after is None or len(before.partitions) != len(after.partitions):
            self._indexes.clear()
        if before is not None and after is not None and before.id == after.id:
            for was, is_now in zip(before.partitions, after.partitions, strict=False):
                if was.leader == NO_LEADER != is_now.leader:
                    self.spawn(partial(self._reopen, was.index))
        for index, (led, shard) in list(self._opened.items()):
            found = None if after is None else new.partition(self._topic, index)
            leadership = (NO_LEADER, -1) if found is None else (found.leader, found.leader_epoch)
            if leadership != (led.leader_id, led.leader_epoch):
                del self._opened[index]
                shard.close()
                self.spawn(partial(self._reopen, index))

    async def _reopen(self, index: int) -> None:
        """Load under the new leader, also if nobody asks: what was begun goes on."""
        partition = self._partition(index)
        if partition is not None and partition.leader_id != NO_LEADER:
            self._current(index, partition)
