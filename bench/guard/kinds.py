"""What a row of the guard is: how its work is prepared, done and checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwire_codecs.compile import decoder
from kwire_codecs.errors import ErrorCode
from kwire_codecs.headers import read_response_header
from kwire_codecs.wire import Api

from bench.guard.stage import Stage

Planted: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Gives a function as it is, or slowed down."""
Work: TypeAlias = Callable[[int], object]
"""Does the row's work that many times."""


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """`prepare(stage, planted, most)` gives the work, which will be done `most` times in all."""

    name: str
    prepare: Callable[[Stage, Planted, int], Work]


@dataclass(frozen=True, slots=True)
class WholeRow:
    """`frames(stage, count)` gives that many requests for one connection, `each` times as many where several
    make up one piece of work; `error` what an answer to the last of them refuses.
    """

    name: str
    api: type[Api]
    version: int
    frames: Callable[[Stage, int], Sequence[bytes] | Awaitable[Sequence[bytes]]]
    error: Callable[[Any], ErrorCode]
    each: int = 1

    async def requests(self, stage: Stage, count: int) -> Sequence[bytes]:
        """The requests that do the work `count` times."""
        found = self.frames(stage, count)
        frames = await found if isinstance(found, Awaitable) else found
        assert len(frames) == count * self.each
        return frames

    def check(self, answer: memoryview) -> None:
        """Raises AssertionError unless the broker did what it was asked: a refusal would be cheap."""
        _, _, position = read_response_header(answer, self.api.response_header_version(self.version))
        response = decoder(self.api.Response, self.version)(answer[position:])
        assert self.error(response) == ErrorCode.NONE, response
