"""Members of classic groups."""

from __future__ import annotations

import contextlib
import math
import struct
from typing import Any, Final

import trio
from kwire_codecs import wire as w
from kwire_codecs.apis.heartbeat import Heartbeat
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.leave_group import LeaveGroup
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode

from tests.simulation.checks import Commit, History
from tests.simulation.clients.calling import Caller, Lost, Retry
from tests.simulation.clients.groups import fetch_commits, find_coordinator
from tests.simulation.world import World

SESSION_TIMEOUT_MS: Final = 6000
REBALANCE_TIMEOUT_MS: Final = 8000


class Member(Caller):
    """A member of a classic group: it joins, owns partitions, counts their commits up, and leaves or dies."""

    def __init__(
        self, world: World, history: History, name: str, group: str, topics: list[str], static: bool
    ) -> None:
        super().__init__(world, history, name)
        self.group = group
        self.topics = topics
        self.instance_id = name if static else None
        self.member_id = ""
        self.generation = -1
        self.coordinator: int | None = None
        self.is_calm = False
        """Stays a member from now on, until `stopping`."""
        self.owned: list[tuple[str, int]] = []
        self.is_mixed = group.startswith("m")
        """Consumers of the other protocol are in the group too: generations are its epochs."""

    @property
    def owner(self) -> str:
        return self.instance_id or self.member_id

    def let_go(self) -> None:
        """It owns nothing any more."""
        if self.owned:
            self.history.holdings.gives_up(self.group, self.owner)
        self.owned = []

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(1)
            try:
                await self._live()
            except Lost:
                if self.coordinator is not None:
                    await self.drop(self.coordinator)
                self.coordinator = None
                await self.back_off()
            except Retry:
                await self.back_off()
            self.let_go()
        await self.leave()
        await self.close()

    async def leave(self) -> None:
        self.let_go()
        if self.member_id and self.coordinator is not None:
            version = self.rng.randint(3, 5) if self.instance_id else self.rng.randint(0, 5)
            leaving = LeaveGroup.Request.Member
            request = (
                LeaveGroup.Request(
                    group_id=self.group,
                    members=[leaving(member_id=self.member_id, group_instance_id=self.instance_id)],
                )
                if version >= 3
                else LeaveGroup.Request(group_id=self.group, member_id=self.member_id)
            )
            with contextlib.suppress(Lost):
                await self.ask(self.coordinator, request, version)
        self.member_id = ""

    def _check(self, code: ErrorCode) -> None:
        if code == ErrorCode.NONE:
            return
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.let_go()
            self.member_id = ""
        if code in (
            ErrorCode.NOT_COORDINATOR,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ):
            self.coordinator = None
        raise Retry

    async def _call(self, request: w.Struct, version: int) -> tuple[Any, int]:
        losses = self.world.power_losses
        if self.coordinator is None:
            self.coordinator = await find_coordinator(self, self.group)
        answer, stamp = await self.ask(self.coordinator, request, version)
        return answer, stamp if stamp == losses else -1

    async def _live(self) -> None:
        owned = await self._join()
        committed = await self._committed(owned)
        if owned and self.generation > 1 and not self.is_mixed and self.rng.random() < 0.3:
            # What it would still have said in the generation before, had it been slow.
            await self._commit(owned[:1], dict(committed), self.generation - 1)
        for _ in range(self.rng.randint(1, 12)):
            if self.stopping:
                return
            await self.pause(3 if self.is_calm else 0.6)
            if owned and self.rng.random() < 0.6:
                await self._commit(self.rng.sample(owned, self.rng.randint(1, len(owned))), committed)
            else:
                await self._heartbeat()
        await self._meet_fate(self.rng.random())

    async def _meet_fate(self, fate: float) -> None:
        if self.is_calm:
            return
        self.let_go()
        if fate < 0.15:
            await self.leave()
        elif fate < 0.3:
            await self.close()  # without a word
            self.member_id = "" if self.rng.random() < 0.7 else self.member_id
            await trio.sleep(self.rng.choice((0.1, 3, 10)))

    async def _join(self) -> list[tuple[str, int]]:
        self.let_go()
        # Version 0 has no time-out for rebalances: the session's counts.
        version = self.rng.randint(5, 9) if self.instance_id else self.rng.randint(0, 9)
        joined: Any = None
        before, sent = self.generation, 0.0
        while True:
            # As in Kafka, a generation is written down once its leader has synced: a crash before loses it.
            self.history.look_at_power()
            floor = self.history.synced.get(self.group, -1)
            request = JoinGroup.Request(
                group_id=self.group,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
                protocol_type="consumer",
                protocols=[JoinGroup.Request.Protocol(name="range", metadata=_subscription(self.topics))],
            )
            sent = trio.current_time()
            joined, stamp = await self._call(request, version)
            if joined.error_code != ErrorCode.MEMBER_ID_REQUIRED:
                break
            self.member_id = joined.member_id
        self._check(joined.error_code)
        self.member_id, self.generation = joined.member_id, joined.generation_id
        if not self.is_mixed:
            self.history.joined(self.group, self.generation, floor, stamp)
        assignments = []
        if joined.leader == joined.member_id and not joined.skip_assignment:
            assignments = await self._assign([member.member_id for member in joined.members])
        request_version = self.rng.randint(3, 5) if self.instance_id else self.rng.randint(0, 5)
        synced, stamp = await self._call(
            SyncGroup.Request(
                group_id=self.group,
                generation_id=self.generation,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
                protocol_type="consumer",
                protocol_name="range",
                assignments=assignments,
            ),
            request_version,
        )
        self._check(synced.error_code)
        self.owned = owned = _owned(synced.assignment)
        if not self.is_mixed:
            self.history.assigned(self.group, self.generation, self.owner, owned, stamp)
        # A generation that begins prolongs sessions. Who joins and syncs in one that stands is told
        # what it owns, and its session ends when it would have ended (as in Kafka).
        self._keeps(sent if self.generation != before else -math.inf, stamp)
        self.world.met["generation" if joined.leader == joined.member_id else "member in a generation"] += 1
        return owned

    def _keeps(self, sent: float, stamp: int) -> None:
        """It was told that all is well by an answer to what it sent then."""
        if self.history.counts(stamp):
            seconds = min(SESSION_TIMEOUT_MS, REBALANCE_TIMEOUT_MS) / 1000
            self.history.holdings.owns(self.group, self.owner, self.owned, sent, seconds)

    async def _assign(self, members: list[str]) -> list[Any]:
        await self.refresh(self.topics)
        everything = sorted(key for key in self.partitions if key[0] in self.topics)
        members = sorted(members)
        share = -(-len(everything) // len(members))
        return [
            SyncGroup.Request.Assignment(
                member_id=member,
                assignment=_assignment(everything[position * share : (position + 1) * share]),
            )
            for position, member in enumerate(members)
        ]

    async def _committed(self, owned: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        if not owned:
            return {}
        while True:
            if self.coordinator is None:
                self.coordinator = await find_coordinator(self, self.group)
            found = await fetch_commits(self, self.coordinator, self.group, owned)
            if not isinstance(found, ErrorCode):
                return found
            self._check(found)

    async def _commit(
        self,
        chosen: list[tuple[str, int]],
        committed: dict[tuple[str, int], int],
        late_from: int | None = None,
    ) -> None:
        """Commits the next offsets. `late_from` is an earlier generation to speak for: that must be
        refused.
        """
        generation = self.generation if late_from is None else late_from
        history = self.history
        version = self.rng.randint(7, 9) if self.instance_id else self.rng.randint(1, 9)
        asked = OffsetCommit.Request.Topic
        begun: list[tuple[tuple[str, int], Commit]] = []
        topics = []
        if self.coordinator is None:
            self.coordinator = await find_coordinator(self, self.group)
        for key in chosen:
            committed[key] = offset = max(committed.get(key, 0), 0) + self.rng.randint(1, 5)
            begun.append((key, history.commit_begins(self.group, *key, offset)))
            partition = asked.Partition(
                partition_index=key[1], committed_offset=offset, committed_metadata=""
            )
            topics.append(asked(name=key[0], partitions=[partition]))
        history.look_at_power()
        stale = not self.is_mixed and history.synced.get(self.group, -1) > generation
        answer, stamp = await self._call(
            OffsetCommit.Request(
                group_id=self.group,
                generation_id_or_member_epoch=generation,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
                topics=topics,
            ),
            version,
        )
        codes = {
            (topic.name, partition.partition_index): partition.error_code
            for topic in answer.topics
            for partition in topic.partitions
        }
        for key, commit in begun:
            code = codes[key]
            # A commit that failed when it was written may be there all the same.
            known = code == ErrorCode.NONE or code in REFUSALS
            if known:
                history.commit_ends((self.group, *key), commit, accepted=not code, stale=stale, stamp=stamp)
        if late_from is None:
            for code in codes.values():
                self._check(code)

    async def _heartbeat(self) -> None:
        version = self.rng.randint(3, 4) if self.instance_id else self.rng.randint(0, 4)
        sent = trio.current_time()
        answer, stamp = await self._call(
            Heartbeat.Request(
                group_id=self.group,
                generation_id=self.generation,
                member_id=self.member_id,
                group_instance_id=self.instance_id,
            ),
            version,
        )
        self._check(answer.error_code)
        self._keeps(sent, stamp)


REFUSALS: Final = (
    ErrorCode.ILLEGAL_GENERATION,
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.REBALANCE_IN_PROGRESS,
    ErrorCode.FENCED_INSTANCE_ID,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
)


def _subscription(topics: list[str]) -> bytes:
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


def _assignment(owned: list[tuple[str, int]]) -> bytes:
    by_topic: dict[str, list[int]] = {}
    for topic, index in owned:
        by_topic.setdefault(topic, []).append(index)
    topics = b"".join(
        struct.pack(">h", len(name))
        + name.encode()
        + struct.pack(f">i{len(indexes)}i", len(indexes), *indexes)
        for name, indexes in by_topic.items()
    )
    return struct.pack(">hi", 0, len(by_topic)) + topics + struct.pack(">i", -1)


def _owned(assignment: bytes) -> list[tuple[str, int]]:
    owned = []
    if assignment:
        _, topics = struct.unpack_from(">hi", assignment)
        at = 6
        for _ in range(topics):
            [size] = struct.unpack_from(">h", assignment, at)
            name = bytes(assignment[at + 2 : at + 2 + size]).decode()
            [count] = struct.unpack_from(">i", assignment, at + 2 + size)
            at += 6 + size
            owned += [(name, index) for index in struct.unpack_from(f">{count}i", assignment, at)]
            at += 4 * count
    return owned
