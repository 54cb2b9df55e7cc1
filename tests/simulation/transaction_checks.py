"""Transactions as their producers know them, and what that says about what others may see.

Rules: a transaction is *surely open* from its first acknowledged record on, until somebody has sent anything
that may end it: its own end, another InitProducerId with its transactional id, or its time-out; a request
that is on its way counts as done. Its outcome is known when an end was acknowledged, or when its commit was
never asked for. `check` reads the markers in the logs at the end of a run, and compares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import trio

from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.checks import Log

Place = tuple[UUID, int]
Broken = Callable[[str, object, str], None]

LATE_SECONDS = 15.0


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of one producer."""

    name: str
    transactional_id: str
    producer_id: int
    producer_epoch: int
    ends_by_itself: float
    """When its time-out may end it, at the earliest."""
    first: dict[Place, int] = field(default_factory=dict)
    """The lowest acknowledged offset of each partition."""
    texts: set[str] = field(default_factory=set)
    commit_asked: bool = False
    may_have_ended: bool = False
    is_committed: bool | None = None
    """None: not known."""

    def __str__(self) -> str:
        return f"{self.name} ({self.producer_id}, {self.producer_epoch})"


class Transactions:
    """All transactions of a run."""

    def __init__(self, world: World, broken: Broken) -> None:
        self._world = world
        self._broken = broken
        self.of_text: dict[str, Transaction] = {}
        self.made_of: dict[str, tuple[Place, int]] = {}
        """What a pipeline wrote -> where that lay of which it was made."""
        self.surely_open: list[Transaction] = []
        """Those that may be; `is_surely_open` says it."""
        self._newest: dict[str, tuple[int, int]] = {}
        self._initialising: dict[str, dict[int, float]] = {}
        """InitProducerIds that are under way, and until when each may be."""
        self._number = 0

    def forget(self) -> None:
        """Power was lost."""
        self.surely_open.clear()
        self._newest.clear()

    # -- producers

    def newest(self, transactional_id: str) -> tuple[int, int]:
        """The highest producer id and epoch that somebody was given."""
        return self._newest.get(transactional_id, (-1, -1))

    def initialising(self, transactional_id: str) -> int:
        """Somebody sends an InitProducerId; gives its number, for `answered`. One that is lost may take
        effect for a while.
        """
        self._number += 1
        under_way = self._initialising.setdefault(transactional_id, {})
        under_way[self._number] = trio.current_time() + LATE_SECONDS
        for transaction in self.surely_open:
            if transaction.transactional_id == transactional_id:
                transaction.may_have_ended = True
        self._tidy()
        return self._number

    def answered(self, transactional_id: str, number: int) -> None:
        self._initialising[transactional_id].pop(number, None)

    def initialised(self, transactional_id: str, given: tuple[int, int], floor: tuple[int, int]) -> None:
        """The last that was sent was answered; `floor` is what was known when it was sent."""
        if given <= floor:
            self._broken(
                "producer-epoch-back", transactional_id, f"{transactional_id}: {floor}, then {given}"
            )
        self.goes_on(transactional_id, given)

    def goes_on(self, transactional_id: str, given: tuple[int, int]) -> None:
        """A producer was given an epoch at the end of its transaction."""
        self._newest[transactional_id] = max(self.newest(transactional_id), given)

    def begin(
        self, name: str, transactional_id: str, producer_id: int, epoch: int, timeout_ms: int
    ) -> Transaction:
        self._number += 1
        begun = Transaction(
            f"{name}/{self._number}",
            transactional_id,
            producer_id,
            epoch,
            trio.current_time() + timeout_ms / 1000,
        )
        under_way = self._initialising.get(transactional_id, {})
        begun.may_have_ended = any(until > trio.current_time() for until in under_way.values())
        self.surely_open.append(begun)
        return begun

    def sends(self, transaction: Transaction, texts: Iterable[str]) -> None:
        for text in texts:
            transaction.texts.add(text)
            self.of_text[text] = transaction

    def ends(self, transaction: Transaction, *, is_commit: bool) -> None:
        """Its end is about to be asked for."""
        transaction.commit_asked |= is_commit
        transaction.may_have_ended = True
        self._tidy()

    def is_surely_open(self, transaction: Transaction) -> bool:
        return not transaction.may_have_ended and trio.current_time() < transaction.ends_by_itself

    def _tidy(self) -> None:
        self.surely_open = [each for each in self.surely_open if self.is_surely_open(each)]

    # -- readers

    def given(self, place: Place, text: str) -> None:
        """A reader of committed records was given this one."""
        transaction = self.of_text.get(text)
        if transaction is None:
            return
        if not transaction.commit_asked or transaction.is_committed is False:
            asked = "aborted" if transaction.commit_asked else "not asked to be committed"
            self._broken("uncommitted-read", place, f"{text} of {transaction}, which is {asked}")

    def left_out(self, place: Place, text: str) -> None:
        """A reader of committed records was told that this one is of an aborted transaction."""
        transaction = self.of_text.get(text)
        if transaction is None or transaction.is_committed or self.is_surely_open(transaction):
            self._broken("committed-hidden", place, f"{text} of {transaction}")

    # -- at the end

    def check(self, logs: dict[Place, tuple[Log, int, int]]) -> None:
        """Judges logs that were read from a start to an end, by a reader of everything and one of what is
        committed.
        """
        outcomes: dict[Transaction, dict[bool, str]] = defaultdict(dict)
        for place, (log, start, end) in logs.items():
            for text, is_committed in self._outcomes_in(place, log, start, end):
                outcomes[self.of_text[text]].setdefault(is_committed, f"{text} in {place}")
        for transaction, found in outcomes.items():
            self._world.met["transaction committed" if True in found else "transaction aborted"] += 1
            if len(found) > 1:
                self._broken("half-visible", "transactions", f"{transaction}: {found}")
            known = transaction.is_committed if transaction.commit_asked else False
            if known is not None and (not known) in found:
                self._broken("outcome-changed", "transactions", f"{transaction} committed {known}: {found}")

    def _outcomes_in(self, place: Place, log: Log, start: int, end: int) -> Iterable[tuple[str, bool]]:
        """The records of transactions and what became of them, as the partition's markers say."""
        open_texts: dict[int, list[str]] = defaultdict(list)
        for offset in range(start, end):
            if offset in log.markers:
                producer_id, is_commit = log.markers[offset]
                texts = open_texts.pop(producer_id, [])
                if len({self.of_text[text] for text in texts}) > 1:
                    self._broken("unmarked", place, f"{place} at {offset}: one marker for {texts}")
                for text in texts:
                    yield text, is_commit
                    visible = self._is_visible(log, text, start)
                    if is_commit and not visible:
                        self._broken("half-visible", place, f"{place}: {text} is committed and not visible")
                    elif visible and not is_commit:
                        self._broken("uncommitted-read", place, f"{place}: {text} is aborted and visible")
            elif offset in log.at:
                text = log.at[offset][0]
                if offset in log.transactional:
                    open_texts[log.transactional[offset]].append(text)
                elif offset not in log.visible:
                    self._broken("lost", place, f"{place}: {text} at {offset} is not visible")
        for producer_id, texts in open_texts.items():
            self._broken("hanging", place, f"{place}: {texts} of {producer_id} have no marker")

    def _is_visible(self, log: Log, text: str, start: int) -> bool:
        return log.where.get(text, start) in log.visible

    def check_pipeline(
        self, source: Place, log: Log, start: int, committed: int, outputs: Iterable[tuple[str, int]]
    ) -> None:
        """Judges what a pipeline made of one partition: `outputs` are texts and how often each is visible."""
        expected = {offset for offset in log.visible if start <= offset < committed}
        made: dict[int, int] = defaultdict(int)
        for text, times in outputs:
            origin = self.made_of.get(text)
            if origin is not None and origin[0] == source:
                made[origin[1]] += times
        missing = sorted(expected - set(made))
        extra = sorted(set(made) - expected)
        twice = sorted(offset for offset, times in made.items() if times > 1)
        if missing or extra or twice:
            text = f"{missing[:9]} are missing, {extra[:9]} beyond, {twice[:9]} there twice"
            self._broken("exactly-once", source, f"{source} committed {committed}: {text}")
        self._world.met["record went through the pipeline"] += len(expected)
