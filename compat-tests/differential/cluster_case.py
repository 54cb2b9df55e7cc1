"""What a case on three nodes is, and how it is played on one cluster.

As in case.py, but `node` says who is asked, and `given` makes a stage that its trials share: they look, and
change nothing that another sees. A case that changes things is `alone`: each of its trials has its own stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from .canonical import error_names
from .case import Case, Outcome, Trial
from .client import Closed
from .cluster_scene import ClusterScene
from .nodes import Nodes
from .values import resolve


@dataclass(frozen=True)
class ClusterCase(Case):
    """One line. `node` is a number or the name of a variable that holds one; `then` are steps, or requests
    to a node: (node, API, version, fields).
    """

    node: int | str = 1
    alone: bool = False
    then: Sequence[Any] = ()

    def trials(self) -> list[Trial]:
        return [ClusterTrial(self, trial.version) for trial in super().trials()]


@dataclass(frozen=True)
class ClusterTrial(Trial):
    """A case on three nodes in one version."""

    def play_on(self, stages: Stages) -> tuple[Outcome, str]:
        """The outcome on a cluster, and what it was in the words of `expect`."""
        case = self.case
        assert isinstance(case, ClusterCase)
        before, _, meanwhile = case.given.partition("|")
        scene = stages.stage(before, self.id if case.alone else "")
        canonical = scene.fresh_canonical()
        connection = scene.at(case.node)
        with connection:
            unanswered = case.fields.get("acks") == 0
            connection.send(
                case.api, self.version, resolve(case.fields, scene.variables), answered=not unanswered
            )
            scene.take(meanwhile)
            try:
                answer = None if unanswered else connection.receive()
            except Closed:
                return {"closed": True}, "CLOSED"
            outcome: Outcome = {"answer": canonical.of(case.api, answer or {})}
        errors = " ".join(sorted(error_names(answer)))
        for item in case.then:
            if isinstance(item, str):
                scene.take(item)
                continue
            node, api, version, more = item
            with scene.at(node) as asked:
                answer = asked.ask(api, version, resolve(more, scene.variables))
            outcome.setdefault("then", []).append(canonical.of(api, answer))
        return outcome, "UNANSWERED" if unanswered else errors or "OK"


class Stages:
    """The stage that a cluster is set for; another one ends it, all nodes running again."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._open = ExitStack()
        self._current: tuple[str, str] | None = None
        self._scene: ClusterScene | None = None

    def stage(self, given: str, own: str) -> ClusterScene:
        """What `given` makes; `own` names a stage that is shared with nobody."""
        if self._scene is None or self._current != (given, own):
            self.close()
            self._scene = self._open.enter_context(ClusterScene(self._nodes, given, own))
            self._current = (given, own)
        return self._scene

    def close(self) -> None:
        self._open.close()
        self._scene = self._current = None

    def end(self) -> None:
        """Nothing more is to be asked: the nodes may stay as they are."""
        if self._scene is not None:
            self._scene.down.clear()
        self.close()
