"""A classic group under whatever members do, whenever they do it, with restarts in between.

What must hold after every step:

1. The generation in memory never goes back (a restart may: joining is soft state). 2. A ticket is answered
once at most, and nobody waits whom nothing will wake: each waiting member is held by a timer. 3. What a
member gets in a generation is what that generation's leader gave it, so a partition has one owner. 4.
Replaying the log gives the offsets that are in memory, and the group too, unless it is in a rebalance. 5.
The group's books balance: leader, static members, protocols, who waits.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.classic_group import ClassicGroup, State
from kwire.coordinators.groups.coordinator import GroupCoordinator
from kwire.coordinators.groups.member import Member, session_key
from kwire.coordinators.groups.rebalance import join_key, sync_key
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import JoinResult, LeavingMember, Protocol, SyncResult
from kwire.coordinators.outcome import Ticket
from tests.coordinators.groups.context import GROUP, Shard, subscription

PARTITIONS = range(6)
OFFERS = [
    (Protocol("range", subscription("orders-topic")),),
    (
        Protocol("range", subscription("orders-topic")),
        Protocol("sticky", subscription("orders-topic", "other")),
    ),
    (Protocol("sticky", subscription("other")), Protocol("range", subscription("other"))),
]


class Client:
    """A member as it sees itself."""

    def __init__(self, instance: str | None) -> None:
        self.instance = instance
        self.member_id = ""
        self.generation_id = -1
        self.members: list[str] = []
        self.leads = False
        self.skips_assignment = False
        self.joining: Ticket[JoinResult] | None = None
        self.syncing: Ticket[SyncResult] | None = None

    @property
    def owner(self) -> str:
        return self.instance or self.member_id


class GroupUnderFire(RuleBasedStateMachine):
    """Rules are what clients, time and crashes do."""

    shard: Shard

    @initialize(
        delay_ms=st.sampled_from([0, 1_000]),
        max_size=st.sampled_from([2, 3, 100]),
        retention_ms=st.sampled_from([20_000, 10**9]),
    )
    def start(self, delay_ms: int, max_size: int, retention_ms: int) -> None:
        self.shard = Shard(
            GroupSettings(
                initial_rebalance_delay_ms=delay_ms,
                max_size=max_size,
                offsets_retention_ms=retention_ms,
                offsets_retention_check_interval_ms=7_000,
            )
        )
        self.clients: list[Client] = []
        self.highest = 0
        self.given: dict[int, dict[str, bytes]] = {}
        self.owners: dict[tuple[int, int], str] = {}

    # What happens

    @rule(
        instance=st.sampled_from([None, None, "one", "two"]),
        offer=st.sampled_from(OFFERS),
        version=st.sampled_from([0, 3, 5, 8, 9]),
        session_timeout_ms=st.sampled_from([6_000, 30_000]),
        rebalance_timeout_ms=st.sampled_from([5_000, 40_000]),
    )
    def newcomer(self, instance: str | None, version: int, offer: Any, **timeouts: Any) -> None:
        client = Client(instance if version >= 5 else None)
        self.clients.append(client)
        self._join(client, offer, version, timeouts)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), offer=st.sampled_from(OFFERS), forgets=st.booleans())
    def join_again(self, data: st.DataObject, offer: Any, forgets: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        if forgets:
            client.member_id = ""
        self._join(client, offer, 9, {})

    def _join(self, client: Client, offer: Any, version: int, timeouts: dict[str, Any]) -> None:
        response = self.shard.join(
            client.member_id, instance=client.instance, protocols=offer, version=version, **timeouts
        )
        if isinstance(response, Ticket):
            client.joining = response
        else:
            self._joined(client, response)
        self._collect()

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), share=st.integers(0, 5), stale=st.booleans())
    def sync(self, data: st.DataObject, share: int, stale: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        generation_id = client.generation_id - stale
        assignments: dict[str, bytes] = {}
        if client.leads and not client.skips_assignment and client.members:
            for partition in PARTITIONS:
                member_id = client.members[(partition + share) % len(client.members)]
                assignments[member_id] = assignments.get(member_id, b"") + bytes([partition])
        group = self.shard.machine.group(GROUP)
        awaited = group is not None and group.state is State.COMPLETING_REBALANCE
        response = self.shard.sync(
            generation_id, client.member_id, assignments, instance=client.instance, protocol_name=None
        )
        if awaited and group is not None and group.state is State.STABLE:
            self.given[generation_id] = {known: assignments.get(known, b"") for known in group.members}
        if isinstance(response, Ticket):
            client.syncing = response
        else:
            self._synced(client, response)
        self._collect()

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), stale=st.booleans())
    def heartbeat(self, data: st.DataObject, stale: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        error = self.shard.heartbeat(client.generation_id - stale, client.member_id, instance=client.instance)
        if stale:
            assert error is not ErrorCode.NONE
        if error is ErrorCode.NONE:
            group = self.shard.group()
            assert group.generation_id == client.generation_id
            assert group.state in (State.COMPLETING_REBALANCE, State.STABLE)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), by_instance=st.booleans())
    def leave(self, data: st.DataObject, by_instance: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        by_instance = by_instance and client.instance is not None
        self.shard.leave(LeavingMember("" if by_instance else client.member_id, client.instance))
        self._collect()

    @precondition(lambda self: self.clients)
    @rule(
        data=st.data(), offset=st.integers(0, 100), partition=st.sampled_from(PARTITIONS), alone=st.booleans()
    )
    def commit(self, data: st.DataObject, offset: int, partition: int, alone: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        group = self.shard.machine.group(GROUP)
        has_members = group is not None and group.state is not State.EMPTY
        if alone:
            error = self.shard.commit(offset, partition=partition)
            assert (error is ErrorCode.NONE) == (not has_members)
            return
        error = self.shard.commit(
            offset,
            partition=partition,
            generation_id=client.generation_id,
            member_id=client.member_id,
            instance=client.instance,
        )
        if error is ErrorCode.NONE:
            assert self.shard.fetched(partition=partition).offset == offset

    @rule(ms=st.sampled_from([1, 999, 1_000, 3_000, 6_000, 12_000, 45_000, 300_000]))
    def time_passes(self, ms: int) -> None:
        self.shard.sleep(ms)
        self._collect()

    @rule()
    def crash(self) -> None:
        self.shard.restart()
        for client in self.clients:
            client.joining = client.syncing = None
        group = self.shard.machine.group(GROUP)
        self.highest = 0 if group is None else group.generation_id
        # A generation that was never stable may be handed out again, to be filled otherwise.
        self.given = {
            generation: given for generation, given in self.given.items() if generation <= self.highest
        }
        self.owners = {key: owner for key, owner in self.owners.items() if key[0] <= self.highest}

    # What clients make of the answers

    def _collect(self) -> None:
        for client in self.clients:
            if client.joining is not None and client.joining.response is not None:
                response, client.joining = client.joining.response, None
                self._joined(client, response)
            if client.syncing is not None and client.syncing.response is not None:
                answer, client.syncing = client.syncing.response, None
                self._synced(client, answer)

    def _joined(self, client: Client, result: JoinResult) -> None:
        if result.error_code is ErrorCode.MEMBER_ID_REQUIRED:
            client.member_id = result.member_id
        elif result.error_code is ErrorCode.NONE:
            assert result.generation_id >= 1
            assert result.protocol_name in ("range", "sticky")
            client.member_id = result.member_id
            client.generation_id = result.generation_id
            client.members = [member.member_id for member in result.members]
            client.leads = bool(result.members)
            client.skips_assignment = result.skip_assignment
            assert not client.leads or result.leader == result.member_id
        elif result.error_code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            client.member_id = ""
            client.generation_id = -1

    def _synced(self, client: Client, result: SyncResult) -> None:
        if result.error_code is not ErrorCode.NONE:
            assert result.assignment == b""
            return
        for partition in result.assignment:
            owner = self.owners.setdefault((client.generation_id, partition), client.owner)
            assert owner == client.owner, f"partition {partition} has two owners in {client.generation_id}"
        given = self.given[client.generation_id].get(client.member_id)
        assert given is None or given == result.assignment

    # What must hold

    @invariant()
    def generations_rise(self) -> None:
        group = self.shard.machine.group(GROUP)
        if group is None:
            self.highest = 0
            self.given.clear()
            self.owners.clear()
            return
        assert group.generation_id >= self.highest
        self.highest = group.generation_id

    @invariant()
    def the_books_balance(self) -> None:
        group = self.shard.machine.group(GROUP)
        if group is None:
            return
        members = group.members
        assert group.awaiting_join == sum(member.join_ticket is not None for member in members.values())
        assert (group.leader_id in members) == bool(members)
        assert group._static_members == {
            member.group_instance_id: member.member_id for member in members.values() if member.is_static
        }
        offered = Counter(offer.name for member in members.values() for offer in member.protocols)
        assert group._supported_protocols == dict(offered)
        assert group.pending_syncs <= members.keys()
        assert not group.pending_joins & members.keys()
        if not members:
            # All members may go before a join phase is over; its timer then empties the group.
            assert group.state in (State.EMPTY, State.PREPARING_REBALANCE)
        assert group.state is not State.EMPTY or not members
        if members:
            assert max(offered.values()) == len(members), "the members have no protocol in common"
        if group.state is not State.PREPARING_REBALANCE:
            assert group.awaiting_join == 0
        if group.state is not State.COMPLETING_REBALANCE:
            assert all(member.sync_ticket is None for member in members.values())

    @invariant()
    def somebody_wakes_whoever_waits(self) -> None:
        group = self.shard.machine.group(GROUP)
        if group is None:
            return
        timers = self.shard.timers
        for member in group.members.values():
            assert (session_key(GROUP, member.member_id) in timers) == (member.timer_at_ms is not None)
            assert member.timer_at_ms is not None or member.heartbeat_is_satisfied
        assert all(session_key(GROUP, member_id) in timers for member_id in group.pending_joins)
        assert (join_key(GROUP) in timers) == (group.state is State.PREPARING_REBALANCE)
        assert (sync_key(GROUP) in timers) == bool(group.pending_syncs)

    @invariant()
    def replaying_the_log_gives_what_is_in_memory(self) -> None:
        loaded = GroupCoordinator(self.shard.settings)
        for record in self.shard.log:
            loaded.replay(record)
        assert loaded.committed() == self.shard.machine.committed()
        live, again = self.shard.machine.group(GROUP), loaded.group(GROUP)
        assert (live is None) == (again is None)
        if live is None or again is None:
            return
        if live.state in (State.STABLE, State.EMPTY):
            assert hard_state(again) == hard_state(live)
        else:
            assert again.state in (State.STABLE, State.EMPTY)
            assert again.generation_id <= live.generation_id


def hard_state(group: ClassicGroup) -> tuple[object, ...]:
    """What a restart must not change."""
    return (
        group.state,
        group.generation_id,
        group.protocol_type,
        group.protocol_name,
        group.leader_id,
        group.subscribed_topics if group.members else None,
        [_hard_member(member, group.protocol_name) for member in group.members.values()],
    )


def _hard_member(member: Member, protocol: str | None) -> tuple[object, ...]:
    return (
        member.member_id,
        member.group_instance_id,
        member.client_id,
        member.client_host,
        member.session_timeout_ms,
        member.rebalance_timeout_ms,
        member.metadata(protocol),
        member.assignment,
    )


TestGroupUnderFire = pytest.mark.slow(GroupUnderFire.TestCase)
TestGroupUnderFire.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
