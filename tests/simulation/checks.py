"""What kwire promises, held against what clients saw.

Rules: clients tell the `History` what they asked and what they were answered; each promise is one method here
and its name is in the violation. Answers may arrive in another order than they were made in, so "never goes
back" is always judged against what was known when the request was *sent* (a floor). A loss of power takes
back what was not synced, for kwire as for Kafka: what was known before it counts no more, and answers from
connections older than it are not taken in.

The promises are listed in `promises.py`; those of transactions are judged in `transaction_checks.py`, those
of who owns what in `group_checks.py`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

import trio

from kwire.coordinators.groups.consumer.group import ConsumerGroup
from tests.simulation.group_checks import Holdings
from tests.simulation.promises import KEPT_WITHOUT_POWER, PROMISES
from tests.simulation.transaction_checks import Transaction, Transactions
from tests.simulation.world import World

Place = tuple[UUID, int]
"""A partition: its topic's id and its index."""
HISTORY_KEPT: Final = 40
MOST_TOLD: Final = 30


@dataclass(slots=True)
class Log:
    """What is known of a partition's log."""

    at: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By offset: the record's text, and its leader epoch (-1: known from its acknowledgement only)."""
    where: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[int, str] = field(default_factory=dict)
    high_watermark: tuple[int, int] = (-1, -1)
    """The newest leader epoch that was seen with it, and the highest value in that epoch."""
    log_start: int = 0
    log_start_epoch: int = -1
    asked_start: int = 0
    """Below this somebody asked to delete."""
    leaders: dict[int, int] = field(default_factory=dict)
    leader_epoch: int = -1
    stable: tuple[int, int] = (-1, -1)
    """As `high_watermark`, of the last stable offset."""
    markers: dict[int, tuple[int, bool]] = field(default_factory=dict)
    """By offset: the producer whose transaction ends there, and whether it is committed."""
    transactional: dict[int, int] = field(default_factory=dict)
    """By offset: the producer in whose transaction the record is."""
    visible: dict[int, str] = field(default_factory=dict)
    """What readers of committed records were given, by offset."""


class Floor(NamedTuple):
    """What an answer to a request that is sent now may not fall behind."""

    high_watermark: tuple[int, int]
    stable: tuple[int, int]
    log_start: int
    log_start_epoch: int


@dataclass(slots=True)
class Commit:
    """One commit of one partition."""

    offset: int
    began: int
    ended: int | None = None
    """None: no answer, so that it may take effect at any time."""
    acknowledged: bool = False
    refused: bool = False
    transaction: Transaction | None = None
    """The transaction that it is part of."""


class History:
    """All that clients saw in a run. Methods that judge are named after the promise, or `saw_...`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.logs: dict[Place, Log] = defaultdict(Log)
        self.told: dict[object, deque[str]] = defaultdict(lambda: deque(maxlen=HISTORY_KEPT))
        self.sent: set[str] = set()
        self.producer_ids: set[tuple[int, int]] = set()
        self.synced: dict[str, int] = {}
        self.owners: dict[tuple[str, int, str, int], str] = {}
        self.commits: dict[tuple[str, str, int], list[Commit]] = defaultdict(list)
        self.broker_epochs: dict[int, int] = {}
        self.names: dict[UUID, str] = {}
        self.created: dict[UUID, str] = {}
        self.deleting: set[UUID] = set()
        self.deleted: set[UUID] = set()
        self.transactions = Transactions(world, self.broken)
        self.holdings = Holdings(self.broken)
        self._kinds: dict[str, str] = {}
        self._power_losses = 0
        self._tick = 0
        self._violations = 0

    # -- order and power

    def tick(self) -> int:
        """A moment: larger than all before."""
        self._tick += 1
        return self._tick

    def counts(self, stamp: int) -> bool:
        """Whether what a connection with this stamp said is still worth something."""
        self.look_at_power()
        return stamp == self._power_losses

    def look_at_power(self) -> None:
        """Forgets what a loss of power may have taken. To be called before a floor is taken."""
        losses = self._world.power_losses
        if losses != self._power_losses:
            self._power_losses = losses
            for place, log in self.logs.items():
                self.logs[place] = Log(asked_start=log.asked_start)
            self.synced.clear()
            self.owners.clear()
            for commits in self.commits.values():
                for commit in commits:
                    commit.ended, commit.acknowledged, commit.refused = None, False, False
            self.created.clear()
            self.deleted.clear()
            self.broker_epochs.clear()
            self.transactions.forget()
            self.holdings.forget()
            self.producer_ids.clear()

    def note(self, about: object, text: str) -> None:
        """Keeps a line of what happened to `about`, for the report of a failure."""
        self.told[about].append(f"{trio.current_time():.3f} {text}")

    def broken(self, promise: str, about: object, text: str) -> None:
        """A promise was not kept: told with what happened to `about` lately."""
        assert promise in PROMISES, promise
        if self._world.power_losses and promise not in KEPT_WITHOUT_POWER:
            self._world.note(f"after a loss of power: {promise} {text}")
            return
        self._violations += 1
        if self._violations <= MOST_TOLD:
            lines = "\n".join(self.told.get(about, ()))
            self._world.violation(f"{promise}: {text}" + (f"\n{lines}" if lines else ""))

    # -- records

    def acknowledged(self, place: Place, base_offset: int, texts: Sequence[str], stamp: int) -> None:
        if not self.counts(stamp):
            return
        self.note(place, f"acknowledged {texts[0]}..{texts[-1]} at {base_offset}")
        log = self.logs[place]
        for offset, text in enumerate(texts, base_offset):
            self._holds(place, log, offset, text, -1)
            log.acknowledged[offset] = text

    def read(self, place: Place, offset: int, text: str, epoch: int, stamp: int) -> None:
        if not self.counts(stamp):
            return
        if text not in self.sent:
            self.broken("invented", place, f"{place} has {text!r} at {offset}: nobody sent it")
        self._holds(place, self.logs[place], offset, text, epoch)

    def _holds(self, place: Place, log: Log, offset: int, text: str, epoch: int) -> None:
        known = log.at.get(offset)
        if known is None:
            log.at[offset] = (text, epoch)
        else:
            if known[0] != text:
                self.broken("offset-reused", place, f"{place} at {offset}: {known[0]}, and then {text}")
            if epoch >= 0 and known[1] >= 0 and known[1] != epoch:
                self.broken(
                    "offset-reused", place, f"{place} at {offset}: epoch {known[1]}, and then {epoch}"
                )
            if epoch >= 0:
                log.at[offset] = (known[0], epoch)
        before = log.where.setdefault(text, offset)
        # Once its records are deleted a restarted log may have forgotten their producer, as Kafka's does.
        if before != offset and min(before, offset) >= log.asked_start:
            self.broken("doubled", place, f"{place}: {text} is at {before} and at {offset}")

    def floor(self, place: Place) -> Floor:
        """What a request that is sent now may not fall behind."""
        self.look_at_power()
        log = self.logs[place]
        return Floor(log.high_watermark, log.stable, log.log_start, log.log_start_epoch)

    def saw_marker(self, place: Place, offset: int, producer_id: int, is_commit: bool, stamp: int) -> None:
        """A reader was given the end of a transaction."""
        if not self.counts(stamp):
            return
        log = self.logs[place]
        said = (producer_id, is_commit)
        if log.markers.setdefault(offset, said) != said or offset in log.at:
            known = log.at.get(offset, log.markers[offset])
            self.broken("offset-reused", place, f"{place} at {offset}: {known}, and then the marker {said}")

    def saw_stable(self, place: Place, floor: Floor, stable: int, mark: int, epoch: int, stamp: int) -> None:
        """The last stable offset of an answer, whose high watermark is `mark`."""
        if not self.counts(stamp) or stable < 0:
            return
        log = self.logs[place]
        floor_epoch, floor_stable = floor.stable
        if stable > mark or (epoch == floor_epoch and stable < floor_stable):
            text = f"{place}: {stable} in {epoch}, high watermark {mark}, was {floor_stable} in {floor_epoch}"
            self.broken("stable-back", place, text)
        log.stable = max(log.stable, (epoch, stable))
        for transaction in self.transactions.surely_open:
            first = transaction.first.get(place)
            if (
                first is not None
                and max(first, log.asked_start) < stable
                and self.transactions.is_surely_open(transaction)
            ):
                text = f"{place}: {stable}; {transaction} is open from {first} on"
                self.broken("stable-beyond-open", place, text)

    def saw_fetch(
        self,
        place: Place,
        floor: Floor,
        high_watermark: int,
        log_start: int,
        epoch: int,
        stamp: int,
    ) -> None:
        """An answer without an error, in a leader epoch that the request named (so it was the leader's)."""
        if not self.counts(stamp):
            return
        (floor_epoch, floor_mark), _, floor_start, start_epoch = floor
        log = self.logs[place]
        if epoch == floor_epoch and high_watermark < floor_mark:
            self.broken(
                "high-watermark-back", place, f"{place}: from {floor_mark} to {high_watermark} in {epoch}"
            )
        if epoch == start_epoch and 0 <= log_start < floor_start:
            self.broken("log-start-back", place, f"{place}: from {floor_start} to {log_start} in {epoch}")
        if log_start > log.asked_start:
            self.broken(
                "log-start-beyond", place, f"{place} begins at {log_start}, asked was {log.asked_start}"
            )
        log.high_watermark = max(log.high_watermark, (epoch, high_watermark))
        if (epoch, log_start) > (log.log_start_epoch, log.log_start):
            log.log_start_epoch, log.log_start = epoch, log_start

    # -- metadata

    def saw_leader(self, place: Place, leader: int, epoch: int, floor: int, stamp: int) -> None:
        if epoch < 0 or not self.counts(stamp):
            return
        log = self.logs[place]
        self.note(place, f"leader {leader} in epoch {epoch}")
        if epoch < floor:
            self.broken("leader-epoch-back", place, f"{place}: from {floor} to {epoch}")
        if leader >= 0 and log.leaders.setdefault(epoch, leader) != leader:
            self.broken("two-leaders", place, f"{place}: {log.leaders[epoch]} and {leader} in {epoch}")
        log.leader_epoch = max(log.leader_epoch, epoch)

    def saw_topic(self, name: str, topic_id: UUID, deleted: frozenset[UUID], stamp: int) -> None:
        if not self.counts(stamp):
            return
        if self.names.setdefault(topic_id, name) != name:
            self.broken("topic-id-reused", name, f"{topic_id} was {self.names[topic_id]} and is {name}")
        if topic_id in deleted:
            self.broken("topic-back", name, f"{name} {topic_id} was deleted and is there again")

    def look_inside(self) -> None:
        """Broker epochs, and of which kind groups are, which clients are not told."""
        running = self._world.running
        if running is None or not self.counts(self._world.power_losses):
            return
        for node in running.cluster.nodes.values():
            known = self.broker_epochs.get(node.id, -1)
            if node.epoch < known:
                self.broken("broker-epoch-back", node.id, f"node {node.id}: from {known} to {node.epoch}")
            self.broker_epochs[node.id] = node.epoch
        for _, shard in running.cluster.groups._shards._opened.values():
            for group_id, group in shard.machine._groups.items() if shard.machine is not None else ():
                kind = type(group).__name__
                before = self._kinds.get(group_id, kind)
                if before != kind and group.members:
                    is_consumer = isinstance(group, ConsumerGroup)
                    self._world.met[f"group became a {'consumer' if is_consumer else 'classic'} group"] += 1
                self._kinds[group_id] = kind

    # -- producers

    def given_producer_id(self, producer_id: int, epoch: int, stamp: int) -> None:
        if not self.counts(stamp):
            return
        if (producer_id, epoch) in self.producer_ids:
            if epoch:
                self.broken("producer-epoch-twice", "ids", f"{producer_id} epoch {epoch}")
            else:
                self.broken("producer-id-twice", "ids", f"{producer_id}")
        self.producer_ids.add((producer_id, epoch))

    # -- groups

    def joined(self, group: str, generation: int, floor: int, stamp: int) -> None:
        if not self.counts(stamp):
            return
        if generation < floor:
            self.broken("generation-back", group, f"{group}: from {floor} to {generation}")

    def assigned(
        self, group: str, generation: int, owner: str, owned: Sequence[tuple[str, int]], stamp: int
    ) -> None:
        if not self.counts(stamp):
            return
        self.synced[group] = max(self.synced.get(group, -1), generation)
        self.note(group, f"{owner} owns {owned} in {generation}")
        for topic, index in owned:
            before = self.owners.setdefault((group, generation, topic, index), owner)
            if before != owner:
                self.broken(
                    "two-owners", group, f"{topic}-{index} of {group} in {generation}: {before} and {owner}"
                )

    def commit_begins(self, group: str, topic: str, index: int, offset: int) -> Commit:
        commit = Commit(offset, self.tick())
        self.commits[group, topic, index].append(commit)
        return commit

    def commit_ends(
        self, about: tuple[str, str, int], commit: Commit, *, accepted: bool, stale: bool, stamp: int
    ) -> None:
        if not self.counts(stamp):
            return
        self.note(about, f"commit {commit.offset} {'accepted' if accepted else 'refused'}")
        commit.ended = self.tick()
        commit.acknowledged = accepted
        commit.refused = not accepted
        if accepted and stale:
            self.broken("stale-commit", about, f"{about}: {commit.offset} from an old generation")

    def fetched_commit(self, about: tuple[str, str, int], offset: int, began: int, stamp: int) -> None:
        """A committed offset (-1: none) as an answer to a request that was sent at `began`."""
        if not self.counts(stamp):
            return
        self.note(about, f"fetched {offset}")
        commits = self.commits[about]
        last_began = max(
            (each.began for each in commits if each.acknowledged and each.ended and each.ended < began),
            default=-1,
        )
        for each in commits:
            pending = each.transaction
            if each.offset != offset or pending is None or not self.transactions.is_surely_open(pending):
                continue
            if not any(other.offset == offset and other is not each for other in commits):
                self.broken("pending-read", about, f"{about}: {offset} of {pending}, which is open")
        if offset < 0:
            allowed = last_began < 0
        else:
            allowed = any(
                each.offset == offset and not each.refused and (each.ended is None or each.ended > last_began)
                for each in commits
            )
        if not allowed:
            said = [(each.offset, each.acknowledged) for each in commits[-8:]]
            self.broken("commit-lost", about, f"{about}: {offset} was fetched; commits were {said}")

    # -- at the end

    def check_log(self, place: Place, name: str, log_start: int, end: int) -> None:
        """Judges a partition that a fresh reader has read from `log_start` to `end`."""
        log = self.logs[place]
        for offset, text in sorted(log.acknowledged.items()):
            if offset >= max(log_start, log.asked_start) and offset >= end:
                self.broken("lost", place, f"{name}-{place[1]}: {text} was acknowledged at {offset}")
        newest: dict[str, int] = {}
        epoch = -1
        for offset in range(log_start, end):
            known = log.at.get(offset)
            if known is None:
                continue
            sender, _, number = known[0].partition("#")
            if int(number) <= newest.get(sender, -1):
                self.broken("out-of-order", place, f"{name}-{place[1]}: {known[0]} at {offset}")
            newest[sender] = int(number)
            if known[1] >= 0:
                if known[1] < epoch:
                    self.broken("leader-epoch-back", place, f"{place}: {epoch}, then {known[1]} at {offset}")
                epoch = known[1]
