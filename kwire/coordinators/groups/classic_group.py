"""A classic group: its members, its generation and its state.

    Empty ---> PreparingRebalance ---> CompletingRebalance ---> Stable
                 |   ^       ^ ^_______________|                  |
                 v   |       |____________________________________|
               Empty-'

What survives is in the group's record (`to_value`, `from_value`): written when a leader's assignment
arrives, when the last member has gone, and when a static member is replaced. Joining is soft state: after a
restart the group is as its last record says, and its members join anew. A group that was deleted, or never
was, is "Dead" to those who ask. (Kafka: ClassicGroup.)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.effects import Effects
from kwire.coordinators.groups.java_hash import hash_map_order
from kwire.coordinators.groups.member import HELD_BYTES, Member
from kwire.coordinators.groups.records import GroupValue
from kwire.coordinators.groups.subscription import subscribed_topics
from kwire.coordinators.groups.values import (
    CONSUMER_PROTOCOL_TYPE,
    NO_LEADER,
    JoinedMember,
    JoinResult,
    Protocol,
    SyncResult,
)
from kwire.coordinators.outcome import Ticket


class State(Enum):
    """A group's state, by the name that clients see."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"


_NONE = ErrorCode.NONE
"""Looked up here: it takes long where requests come often."""

DEAD = "Dead"
"""What a group that does not exist is called in DescribeGroups."""

_MAY_FOLLOW: Mapping[State, tuple[State, ...]] = {
    State.EMPTY: (State.PREPARING_REBALANCE,),
    State.PREPARING_REBALANCE: (State.EMPTY, State.STABLE, State.COMPLETING_REBALANCE),
    State.COMPLETING_REBALANCE: (State.PREPARING_REBALANCE,),
    State.STABLE: (State.COMPLETING_REBALANCE,),
}


class ClassicGroup:
    """One group. It keeps its own books consistent and decides nothing: that is rebalance.py's part."""

    __slots__ = (
        "_static_members",
        "_supported_protocols",
        "awaiting_join",
        "current_state_timestamp_ms",
        "generation_id",
        "group_id",
        "held_bytes",
        "initial_delay_remaining_ms",
        "leader_id",
        "members",
        "new_member_added",
        "pending_joins",
        "pending_syncs",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "state",
        "subscribed_topics",
    )

    def __init__(self, group_id: str, now_ms: int | None) -> None:
        self.group_id = group_id
        self.state = State.EMPTY
        self.previous_state: State | None = None
        self.current_state_timestamp_ms = now_ms
        self.generation_id = 0
        self.protocol_type: str | None = None
        """None until the first member: such a group only holds the offsets of consumers without a group."""
        self.protocol_name: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, Member] = {}
        self.pending_joins: set[str] = set()
        """Members that were given an id and are yet to join with it (KIP-394)."""
        self.pending_syncs: set[str] = set()
        """Members of this generation that have not asked for their assignment yet."""
        self.awaiting_join = 0
        self.held_bytes = 0
        """About how much memory its members take, pending ones too."""
        self.new_member_added = False
        self.initial_delay_remaining_ms = 0
        self.subscribed_topics: frozenset[str] | None = None
        self._static_members: dict[str, str] = {}
        self._supported_protocols: dict[str, int] = {}

    # What it is

    @property
    def uses_consumer_protocol(self) -> bool:
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    @property
    def can_rebalance(self) -> bool:
        return self.state is not State.PREPARING_REBALANCE

    @property
    def all_members_joined(self) -> bool:
        return len(self.members) == self.awaiting_join and not self.pending_joins

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest of its members', who may say less than nothing."""
        return max([0, *(member.rebalance_timeout_ms for member in self.members.values())])

    def is_leader(self, member_id: str) -> bool:
        return self.leader_id == member_id

    def static_member_id(self, group_instance_id: str) -> str | None:
        return self._static_members.get(group_instance_id)

    def validate_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """NONE, UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID where another member holds the instance id."""
        if group_instance_id is not None:
            owner = self._static_members.get(group_instance_id)
            if owner is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if owner != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return _NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def supports_protocols(self, protocol_type: str, protocols: tuple[Protocol, ...]) -> bool:
        """Whether a member with these could join; the first member of an empty group decides for the
        others.
        """
        if self.state is State.EMPTY:
            return bool(protocol_type) and bool(protocols)
        return self.protocol_type == protocol_type and any(
            self._supported_protocols.get(offered.name, 0) == len(self.members) for offered in protocols
        )

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether its consumers may need the topic's offsets; yes if what they said is not understood."""
        if self.subscribed_topics is None:
            return self.uses_consumer_protocol
        return topic in self.subscribed_topics

    # Members

    def add_pending(self, member_id: str) -> None:
        """Expect a member to join with the id that it was given."""
        self.pending_joins.add(member_id)
        self.held_bytes += HELD_BYTES + len(member_id)

    def _discard_pending(self, member_id: str) -> None:
        if member_id in self.pending_joins:
            self.pending_joins.discard(member_id)
            self.held_bytes -= HELD_BYTES + len(member_id)

    def add(self, member: Member, ticket: Ticket[JoinResult] | None = None) -> None:
        """Take in a member; it waits with `ticket` if it comes by JoinGroup."""
        if member.group_instance_id is not None:
            self._static_members[member.group_instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self._count_protocols(member, 1)
        member.join_ticket = ticket
        if ticket is not None:
            self.awaiting_join += 1
        self._discard_pending(member.member_id)

    def remove(self, member_id: str) -> None:
        """Forget a member, joined or pending; another becomes leader if it was."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count_protocols(member, -1)
            if member.join_ticket is not None:
                self.awaiting_join -= 1
            if member.group_instance_id is not None:
                self._static_members.pop(member.group_instance_id, None)
        if self.leader_id == member_id:
            self.leader_id = next(iter(self.members), None)
        self._discard_pending(member_id)
        self.pending_syncs.discard(member_id)

    def update_member(
        self,
        member: Member,
        protocols: tuple[Protocol, ...],
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        ticket: Ticket[JoinResult] | None,
    ) -> None:
        """Take over what a member says when it joins again."""
        self._count_protocols(member, -1)
        member.protocols = protocols
        self._count_protocols(member, 1)
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_timeout_ms
        self.awaiting_join += (ticket is not None) - (member.join_ticket is not None)
        member.join_ticket = ticket

    def replace_static_member(self, old_member_id: str, new_member_id: str, effects: Effects) -> Member:
        """A static member came back under a new id: it inherits everything, and the old one is fenced at
        once.
        """
        old = self.members.pop(old_member_id)
        self.complete_join(old, JoinResult(ErrorCode.FENCED_INSTANCE_ID, old_member_id), effects)
        self.complete_sync(old, SyncResult(ErrorCode.FENCED_INSTANCE_ID), effects)
        new = Member(
            new_member_id,
            old.group_instance_id,
            old.client_id,
            old.client_host,
            old.rebalance_timeout_ms,
            old.session_timeout_ms,
            old.protocols,
            old.assignment,
        )
        self.members[new_member_id] = new
        if self.leader_id == old_member_id:
            self.leader_id = new_member_id
        assert old.group_instance_id is not None
        self._static_members[old.group_instance_id] = new_member_id
        return new

    def elect_joined_leader(self) -> bool:
        """Have a leader that has joined: the old one, else any. False if nobody has joined."""
        if self.leader_id is None:
            return False
        if self.members[self.leader_id].join_ticket is not None:
            return True
        for member in self.members.values():
            if member.join_ticket is not None:
                self.leader_id = member.member_id
                return True
        return False

    def complete_join(self, member: Member, result: JoinResult, effects: Effects) -> None:
        """Answer the member's JoinGroup, if it waits with one."""
        ticket = member.join_ticket
        if ticket is not None:
            member.join_ticket = None
            self.awaiting_join -= 1
            effects.complete(ticket, result)

    def complete_sync(self, member: Member, result: SyncResult, effects: Effects) -> bool:
        """Answer the member's SyncGroup, if it waits with one; says whether it did."""
        ticket = member.sync_ticket
        if ticket is None:
            return False
        member.sync_ticket = None
        effects.complete(ticket, result)
        return True

    def _count_protocols(self, member: Member, change: int) -> None:
        self.held_bytes += change * member.held_bytes
        counts = self._supported_protocols
        for protocol in member.protocols:
            count = counts.get(protocol.name, 0) + change
            if count:
                counts[protocol.name] = count
            else:
                del counts[protocol.name]

    # Generations

    def transition_to(self, state: State, now_ms: int | None) -> None:
        """Change state; a transition that Kafka's groups cannot make is a bug."""
        if self.state not in _MAY_FOLLOW[state]:
            raise AssertionError(
                f"group {self.group_id!r} may not go from {self.state.value} to {state.value}"
            )
        self.previous_state = self.state
        self.state = state
        self.current_state_timestamp_ms = now_ms

    def select_protocol(self) -> str:
        """Of the protocols that all members offer, the one that most put first.

        Of equals Kafka takes the one that its HashMap walks to first.
        """
        size = len(self.members)
        candidates = {name for name, count in self._supported_protocols.items() if count == size}
        votes: dict[str, int] = {}
        for member in self.members.values():
            choice = member.vote(candidates)
            votes[choice] = votes.get(choice, 0) + 1
        return max(hash_map_order(votes), key=votes.__getitem__)

    def start_next_generation(self, now_ms: int) -> None:
        """Everybody who is coming has joined: a new generation, whose assignment is yet to come if it has
        members.
        """
        self.generation_id += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.update_subscribed_topics()
        self.transition_to(State.COMPLETING_REBALANCE if self.members else State.EMPTY, now_ms)
        self.pending_syncs.clear()

    def update_subscribed_topics(self) -> None:
        """Read again what the members subscribe to under the group's protocol."""
        self.subscribed_topics = self._compute_subscribed_topics()

    def _compute_subscribed_topics(self) -> frozenset[str] | None:
        if not self.uses_consumer_protocol:
            return None
        if self.members and self.protocol_name is None:
            return None
        topics: set[str] = set()
        for member in self.members.values():
            subscribed = subscribed_topics(member.metadata(self.protocol_name))
            if subscribed is None:
                return None
            topics.update(subscribed)
        return frozenset(topics)

    def joined_members(self) -> list[JoinedMember]:
        """The members as the leader needs them to assign."""
        return [
            JoinedMember(member.member_id, member.group_instance_id, member.metadata(self.protocol_name))
            for member in self.members.values()
        ]

    def join_result(self, member_id: str, *, with_members: bool, skip_assignment: bool = False) -> JoinResult:
        """Tell a member of the generation that it is in."""
        return JoinResult(
            ErrorCode.NONE,
            member_id,
            self.generation_id,
            self.protocol_type,
            self.protocol_name,
            self.leader_id or NO_LEADER,
            skip_assignment,
            self.joined_members() if with_members else (),
        )

    # Records

    def to_value(self, assignments: Mapping[str, bytes], now_ms: int | None) -> GroupValue:
        """The record that keeps this generation, with these assignments (none given is an empty one)."""
        return GroupValue(
            self.protocol_type or "",
            self.generation_id,
            self.protocol_name,
            self.leader_id,
            -1 if now_ms is None else now_ms,
            tuple(
                member.to_value(self.protocol_name, assignments.get(member.member_id, b""))
                for member in self.members.values()
            ),
        )

    @classmethod
    def from_value(cls, group_id: str, value: GroupValue) -> ClassicGroup:
        """The group that a record keeps: stable, or empty."""
        timestamp_ms = value.current_state_timestamp_ms
        group = cls(group_id, None if timestamp_ms == -1 else timestamp_ms)
        group.state = State.STABLE if value.members else State.EMPTY
        group.generation_id = value.generation
        group.protocol_type = value.protocol_type or None
        group.protocol_name = value.protocol
        for member in value.members:
            group.add(Member.from_value(member, value.protocol))
        if value.leader in group.members:
            group.leader_id = value.leader
        group.update_subscribed_topics()
        return group
