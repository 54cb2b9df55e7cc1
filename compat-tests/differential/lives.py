"""Random lives: moves drawn from a seed, played on two brokers side by side, and cut short where they differ.

A move is plain data, the same for both brokers; what it becomes (ids, epochs, sequences) follows from what
that broker answered before. A life that differs is made as short as it can be, so that it shows its point.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any, Protocol

from .case import Case, Trial
from .client import Closed, Silent
from .compare import Difference, unexpected
from .scene import Scene, StepFailed
from .values import Fields

Move = tuple[Any, ...]
"""A word, and what it needs."""
Exchange = tuple[str, int, Fields]
"""An API, a version and the answer."""

ASKINGS = 3
"""Some of Kafka's answers depend on its threads' order: a difference has to come again."""
TRIES = 120
"""How often a life is played again to make it shorter."""

_names = count()


class Life(Protocol):
    """One kind of life, as one broker sees it."""

    def play(self, move: Move) -> Exchange | None:
        """Make a move; None where it makes no sense."""


class Kind(Protocol):
    """What a life of some kind starts with and is made of; all from one random."""

    steps: str

    def __init__(self, random: Random) -> None: ...

    def draw(self) -> Move: ...

    def life(self, scene: Scene) -> Life: ...


class Failed(Exception):
    """The brokers differ; the message is the story of the shortest life that shows it."""


def live(kind: Kind, moves: Sequence[Move], truth: str, image: str, *, shorten: bool = True) -> None:
    """Live through `moves` on both brokers. Raises Failed if they differ each time."""
    for _ in range(ASKINGS):
        shortest, found = moves, _differences(kind, moves, truth, image)
        if not found:
            return
    if shorten:
        shortest, found = _shrunk(kind, moves, found, truth, image)
    story = [f"{index + 1}. {move}" for index, move in enumerate(shortest)]
    raise Failed("\n".join([f"after the steps {kind.steps!r}:", *story, *map(str, found)]))


def _shrunk(
    kind: Kind, moves: Sequence[Move], found: list[Difference], truth: str, image: str
) -> tuple[Sequence[Move], list[Difference]]:
    """Leave out what can be left out, in halves, quarters and so on down to single moves."""
    tries = TRIES
    size = max(len(moves) // 2, 1)
    while True:
        position = 0
        while position < len(moves) and tries:
            shorter = [*moves[:position], *moves[position + size :]]
            tries -= 1
            differing = _differences(kind, shorter, truth, image)
            if differing:
                moves, found = shorter, differing
            else:
                position += size
        if size == 1 or not tries:
            return moves, found
        size = max(size // 2, 1)


def _differences(kind: Kind, moves: Sequence[Move], truth: str, image: str) -> list[Difference]:
    """What differs after the first move whose answers do; a broker that fails differs from all."""
    name = f"life-{next(_names)}"
    with Scene(truth, name) as on_truth, Scene(image, name) as on_image:
        on_truth.take(kind.steps)
        try:
            on_image.take(kind.steps)
        except (Closed, Silent, StepFailed) as failure:
            return [Difference("the steps", "done", repr(failure))]
        pair = (on_truth, kind.life(on_truth)), (on_image, kind.life(on_image))
        for move in moves:
            outcomes = [_outcome(scene, life, move) for scene, life in pair]
            api, version = next(((each[0], each[1]) for each in outcomes if each[0]), ("", 0))
            trial = Trial(Case(api, str(version), "life", "", {}), version)
            found = unexpected(trial, outcomes[0][2], outcomes[1][2])
            if found:
                return [Difference(str(move), f"{api} v{version}", ""), *found]
    return []


def _outcome(scene: Scene, life: Life, move: Move) -> tuple[str, int, Any]:
    try:
        exchange = life.play(move)
    except (Closed, Silent, StepFailed) as failure:
        return "", 0, {"failed": type(failure).__name__}
    if exchange is None:
        return "", 0, {}
    api, version, answer = exchange
    return api, version, json.loads(json.dumps({"answer": scene.canonical.of(api, answer)}))
