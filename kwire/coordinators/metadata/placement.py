"""Where the replicas of new partitions go: over racks first, then over brokers, in stripes (KIP-36).

Each partition starts one rack, and within a rack one broker, further than the one before it, so leaders
spread evenly; after as many partitions as there are live brokers the orders are shuffled, so that the same
sets do not come again. Live brokers come before fenced ones, and the first replica, the leader, is always
live. (Kafka: StripedReplicaPlacer.) Randomness is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from random import Random

from .image import BrokerImage


class PlacementRefused(Exception):
    """There are not enough brokers for the replication factor; the message says how many there are."""


class _Ring:
    """Brokers handed out round robin; each new round begins one further."""

    __slots__ = ("_brokers", "_given", "_round", "_start")

    def __init__(self, brokers: Iterable[int], random: Random) -> None:
        self._brokers = sorted(brokers)
        self._start = random.randrange(len(self._brokers)) if self._brokers else 0
        self._given = 0
        self._round = 0

    def shuffle(self, random: Random) -> None:
        random.shuffle(self._brokers)

    def next(self, round_number: int) -> int | None:
        count = len(self._brokers)
        if not count:
            return None
        if round_number != self._round:
            self._round = round_number
            self._given = 0
            self._start = (self._start + 1) % count
        if self._given == count:
            return None
        self._given += 1
        return self._brokers[(self._start + self._given - 1) % count]


class _Rack:
    __slots__ = ("fenced", "live")

    def __init__(self, brokers: list[BrokerImage], random: Random) -> None:
        self.live = _Ring((broker.id for broker in brokers if not broker.fenced), random)
        self.fenced = _Ring((broker.id for broker in brokers if broker.fenced), random)

    def next(self, round_number: int) -> int | None:
        live = self.live.next(round_number)
        return self.fenced.next(round_number) if live is None else live


def place(
    brokers: Iterable[BrokerImage], partitions: int, replication_factor: int, random: Random
) -> Iterator[tuple[int, ...]]:
    """The replicas of each new partition, leader first.

    :raises PlacementRefused: (at once) fewer brokers are registered than replicas wanted, or none is live;
        one of which all log directories are cordoned does not count.
    """
    known = [broker for broker in brokers if broker.has_uncordoned_dirs]
    live = sum(not broker.fenced for broker in known)
    if not live:
        raise PlacementRefused(
            "All brokers are currently fenced, or have all their log directories cordoned."
        )
    if replication_factor > len(known):
        raise PlacementRefused(
            f"The target replication factor of {replication_factor} cannot be reached because only "
            f"{len(known)} broker(s) are registered or some brokers have all their log directories cordoned."
        )
    if len(known) == 1:  # there is nothing to choose
        return repeat((known[0].id,), partitions)
    by_rack: dict[str, list[BrokerImage]] = {}
    for broker in known:
        by_rack.setdefault(broker.rack or "", []).append(broker)
    racks = [_Rack(by_rack[name], random) for name in sorted(by_rack)]
    return _stripes(racks, live, partitions, replication_factor, random)


def _stripes(
    racks: list[_Rack], live: int, partitions: int, replication_factor: int, random: Random
) -> Iterator[tuple[int, ...]]:
    first = random.randrange(len(racks))
    round_number = 0
    for _ in range(partitions):
        if round_number == live and live > 1:
            random.shuffle(racks)
            for rack in racks:
                rack.live.shuffle(random)
                rack.fenced.shuffle(random)
            round_number = 0
        yield tuple(_one_partition(racks, first % len(racks), round_number, replication_factor))
        round_number += 1
        first += 1


def _one_partition(
    racks: list[_Rack], first: int, round_number: int, replication_factor: int
) -> Iterator[int]:
    order = racks[first:] + racks[:first]
    leader_rack = leader = None
    for rack in order:
        leader = rack.live.next(round_number)
        if leader is not None:
            leader_rack = rack
            break
    assert leader is not None  # some rack has a live broker
    yield leader
    wanted = replication_factor - 1
    skip = leader_rack  # it has given one already, so the first time round it is passed over
    while wanted:
        for rack in order:
            if rack is skip:
                skip = None
                continue
            replica = rack.next(round_number)
            if replica is not None:
                yield replica
                wanted -= 1
                if not wanted:
                    break
