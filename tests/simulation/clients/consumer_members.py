"""Members of consumer groups (KIP-848)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import trio
from kwire_codecs import wire as w
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.errors import ErrorCode

from tests.simulation.checks import Commit, History
from tests.simulation.clients.calling import Caller, Lost, Retry
from tests.simulation.clients.groups import fetch_commits, find_coordinator
from tests.simulation.world import World

JOINS: Final = 0
LEAVES: Final = -1
LEAVES_FOR_A_WHILE: Final = -2
SESSION_TIMEOUT_SECONDS: Final = 6.0
REBALANCE_TIMEOUT_MS: Final = 20_000
FENCED: Final = frozenset((ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID))

Key = tuple[str, int]


class ConsumerMember(Caller):
    """Joins, gives up what it shall not own any more and says so, takes what it is given, commits, and leaves
    or dies. It knows what it was assigned by the last answer that told it; what it owns follows that later.
    """

    def __init__(
        self, world: World, history: History, name: str, group: str, topics: list[str], static: bool
    ) -> None:
        super().__init__(world, history, name)
        self.group = group
        self.topics = topics
        self.instance_id = name if static else None
        self.is_calm = False
        """Stays a member from now on, until `stopping`."""
        self.is_lasting = True
        """Whether it joins again once it has left and is calm."""
        self.member_id = ""
        self.epoch = -1
        self.owned: set[Key] = set()
        self._assigned: set[Key] | None = None
        self._is_full = True
        self._node: int | None = None
        self._lives = 0
        self._names: dict[UUID, str] = {}

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(1)
            try:
                await self._live()
            except Lost:
                await self._forget_coordinator()
                await self.back_off()
            except Retry:
                self.let_go()
                await self.back_off()
        await self._leave(LEAVES)
        await self.close()

    @property
    def owner(self) -> str:
        return self.instance_id or self.member_id

    def let_go(self) -> None:
        """It owns nothing any more, and is no member."""
        self.history.holdings.gives_up(self.group, self.owner)
        self.owned.clear()
        self._assigned = None
        self.epoch = -1

    # -- one membership

    async def _live(self) -> None:
        if self.epoch < 0:
            await self._join()
        for _ in range(self.rng.randint(2, 14)):
            await self.pause(3 if self.is_calm else 0.7)
            if self.stopping:
                return
            await self._step()
        if not self.is_calm:
            await self._meet_fate(self.rng.random())

    async def _step(self) -> None:
        """One heartbeat, with what follows from it, and perhaps a commit."""
        given_up = await self._revoke()
        if self.owned and self.rng.random() < 0.5:
            await self._commit(sorted(self.owned), self.epoch)
        before = self.epoch
        await self._heartbeat()
        if given_up and self.epoch > before > 0 and self.rng.random() < 0.5:
            # What it would still have said before it gave them up, had it been slow.
            late = [key for key in given_up if key not in (self._assigned or self.owned)]
            if late:
                await self._commit(late[:1], before, is_late=True)

    async def _revoke(self) -> list[Key]:
        """Gives up what it shall not own any more, takes what is new."""
        if self._assigned is None:
            return []
        given_up = sorted(self.owned - self._assigned)
        if given_up:
            self.world.met["partition revoked"] += len(given_up)
            await self.revoking(given_up)
            self.history.holdings.gives_up(self.group, self.owner, given_up)
        self.owned = set(self._assigned)
        return given_up

    async def revoking(self, given_up: list[Key]) -> None:
        """Before these are given up, for good."""
        if self.rng.random() < 0.5:
            await self._commit(given_up, self.epoch)
        await self.pause(1)

    async def _meet_fate(self, fate: float) -> None:
        if self.group.startswith("m"):
            fate /= 2  # whether a mixed group changes its kind is for those who come and go to say
        if fate < 0.1:
            await self._leave(LEAVES)
        elif fate < 0.6 and self.instance_id is not None:
            await self._leave(LEAVES_FOR_A_WHILE)
        elif fate < 0.5:
            self.let_go()
            await self.close()  # without a word
        else:
            return
        await trio.sleep(self.rng.choice((0.1, 3, 10)))

    # -- requests

    async def _join(self) -> None:
        await self.refresh(self.topics)
        if not self.member_id or self.instance_id is not None or self.rng.random() < 0.5:
            self._lives += 1
            self.member_id = f"{self.name}.{self._lives}"
        self.epoch = JOINS
        self.owned.clear()
        self._is_full = True
        floor = self.history.holdings.epochs.get(self.group, 0)
        await self._heartbeat()
        if self.epoch < floor and not self.group.startswith("m"):
            text = f"{self.owner} joined {self.group} at {self.epoch}, known was {floor}"
            self.history.broken("member-epoch-back", self.group, text)
        self.world.met["member joined"] += 1

    async def _heartbeat(self) -> None:
        """Lost, Retry: it is no member any more."""
        history, joins = self.history, self.epoch == JOINS
        is_full = self._is_full or joins
        by_expression = self.name.endswith("0")
        version = 1 if by_expression else self.rng.randint(0, 1)
        owned = None if not is_full and self._assigned is None else self._partitions(ConsumerGroupHeartbeat)
        request = ConsumerGroupHeartbeat.Request(
            group_id=self.group,
            member_id=self.member_id,
            member_epoch=self.epoch,
            instance_id=self.instance_id,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS if is_full else -1,
            subscribed_topic_names=self.topics if is_full and not by_expression else None,
            subscribed_topic_regex="s[0-9]" if is_full and by_expression else None,
            topic_partitions=owned,
        )
        if by_expression and is_full:
            request.subscribed_topic_names = []
        if joins:
            request.topic_partitions = []
        self._is_full = True  # until it is answered
        sent = trio.current_time()
        answer, stamp = await self._call(request, version)
        code = answer.error_code
        if code:
            history.note(self.group, f"{self.owner} at {self.epoch}: {code.name}")
            self._refused(code)
        if not history.counts(stamp):
            self.let_go()
            raise Retry
        self._is_full = False
        if answer.member_epoch < self.epoch:
            text = f"{self.owner} of {self.group}: from {self.epoch} to {answer.member_epoch}"
            history.broken("member-epoch-back", self.group, text)
        if answer.member_epoch != self.epoch:
            self.world.met["member epoch"] += 1
        self.epoch = answer.member_epoch
        self.member_id = answer.member_id or self.member_id
        self._assigned = None
        if answer.assignment is not None:
            await self._take(answer.assignment)
        holdings = history.holdings
        holdings.epochs[self.group] = max(self.epoch, holdings.epochs.get(self.group, 0))
        assigned = self.owned if self._assigned is None else self._assigned
        if not self.owned - assigned:
            sure_seconds = min(SESSION_TIMEOUT_SECONDS, REBALANCE_TIMEOUT_MS / 1000)
            holdings.owns(self.group, self.owner, assigned, sent, sure_seconds)
        history.note(self.group, f"{self.owner} at {self.epoch} owns {sorted(assigned)}")

    def may_be_refused(self, request: w.Struct) -> bool:
        """A member that comes to a classic group before its first generation: `conversion.to_consumer`."""
        return (
            isinstance(request, ConsumerGroupHeartbeat.Request)
            and request.member_epoch == JOINS
            and self.group.startswith("m")
        )

    async def _take(self, assignment: Any) -> None:
        assigned = set()
        for topic in assignment.topic_partitions:
            if topic.topic_id not in self._names:
                await self.refresh(self.topics)
                for known in self.partitions.values():
                    self._names[known.topic_id] = known.topic
            name = self._names.get(topic.topic_id)
            if name is None:
                self._is_full = True  # not known yet: it is told again
                continue
            assigned |= {(name, index) for index in topic.partitions}
        self._assigned = assigned

    def _partitions(self, of: Any) -> list[Any]:
        by_topic: dict[str, list[int]] = {}
        for name, index in sorted(self.owned):
            by_topic.setdefault(name, []).append(index)
        ids = {name: topic_id for topic_id, name in self._names.items()}
        return [
            of.Request.TopicPartitions(topic_id=ids[name], partitions=indexes)
            for name, indexes in by_topic.items()
        ]

    def _refused(self, code: ErrorCode) -> None:
        if code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
            self._node = None
        if code in FENCED:
            self.world.met["member fenced"] += 1
            self.let_go()
        if self.epoch == JOINS:
            self.epoch = -1
            if self.rng.random() < 0.5:
                self.member_id = ""
        if self.epoch < 0:
            raise Retry
        if code in (
            ErrorCode.NOT_COORDINATOR,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode.NOT_ENOUGH_REPLICAS,
        ):
            raise Lost
        raise Retry

    async def _leave(self, epoch: int) -> None:
        if self.epoch <= 0:
            self.let_go()
            return
        before, owned = self.epoch, sorted(self.owned)
        self.let_go()
        request = ConsumerGroupHeartbeat.Request(
            group_id=self.group, member_id=self.member_id, member_epoch=epoch, instance_id=self.instance_id
        )
        try:
            answer, _ = await self._call(request, 1)
            self.world.met["member left" if epoch == LEAVES else "static member left for a while"] += 1
            if not answer.error_code and epoch == LEAVES and owned and self.rng.random() < 0.5:
                await self._commit(owned[:1], before, is_late=True)
        except (Lost, Retry):
            await self._forget_coordinator()

    async def _forget_coordinator(self) -> None:
        if self._node is not None:
            await self.drop(self._node)
        self._node = None

    async def coordinator(self) -> int:
        """Lost, Retry."""
        if self._node is None:
            try:
                self._node = await find_coordinator(self, self.group)
            except Retry:
                raise Lost from None
        return self._node

    async def _call(self, request: Any, version: int) -> tuple[Any, int]:
        losses = self.world.power_losses
        answer, stamp = await self.ask(await self.coordinator(), request, version)
        return answer, stamp if losses == self.world.power_losses else -1

    async def _commit(self, chosen: list[Key], epoch: int, *, is_late: bool = False) -> None:
        """Commits the next offsets; with `is_late` that must be refused."""
        history = self.history
        found = await fetch_commits(self, await self.coordinator(), self.group, chosen)
        if isinstance(found, ErrorCode):
            return
        version = self.rng.randint(9, 10)
        asked = OffsetCommit.Request.Topic
        begun: list[tuple[Key, Commit]] = []
        topics = []
        for key in chosen:
            offset = max(found.get(key, 0), 0) + self.rng.randint(1, 5)
            begun.append((key, history.commit_begins(self.group, *key, offset)))
            partition = asked.Partition(
                partition_index=key[1], committed_offset=offset, committed_metadata=""
            )
            known = self.partitions.get(key)
            named: dict[str, Any] = {"name": key[0]}
            if version >= 10:
                if known is None:
                    version = 9
                else:
                    named = {"name": key[0], "topic_id": known.topic_id}
            topics.append(asked(**named, partitions=[partition]))
        request = OffsetCommit.Request(
            group_id=self.group,
            generation_id_or_member_epoch=epoch,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            topics=topics,
        )
        answer, stamp = await self._call(request, version)
        codes = [partition.error_code for topic in answer.topics for partition in topic.partitions]
        for (key, commit), code in zip(begun, codes, strict=True):
            if code == ErrorCode.NONE or code in REFUSALS:
                history.commit_ends((self.group, *key), commit, accepted=not code, stale=is_late, stamp=stamp)
        if is_late:
            self.world.met["late commit refused"] += 1
        elif any(codes) and any(code in FENCED for code in codes):
            self.let_go()
            raise Retry


REFUSALS: Final = frozenset(
    (
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.FENCED_MEMBER_EPOCH,
        ErrorCode.FENCED_INSTANCE_ID,
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.GROUP_ID_NOT_FOUND,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    )
)
