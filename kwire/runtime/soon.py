"""Results that are mostly there at once: a value, or a coroutine that has yet to be awaited for it.

A call that gives such a result has done what it can when it returns; the coroutine only waits for the rest.
So the usual case takes no task, and whoever answers requests one after the other can do so without one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from types import CoroutineType
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
U = TypeVar("U")

Soon: TypeAlias = "T | Coroutine[Any, Any, T]"
"""A value, or what has to be awaited for it. The value is never a coroutine itself."""


def then(soon: Soon[T], make: Callable[[T], U]) -> Soon[U]:
    """`make` of the result, as soon as that is there."""
    if type(soon) is CoroutineType:
        return _later(soon, make)
    return make(soon)  # type: ignore[arg-type]  # a value


async def _later(soon: Coroutine[Any, Any, T], make: Callable[[T], U]) -> U:
    return make(await soon)


def all_of(soons: Sequence[Soon[T]]) -> Soon[list[T]]:
    """Every result, in order, as soon as the last is there."""
    if any(type(soon) is CoroutineType for soon in soons):
        return _all_awaited(soons)
    return list(soons)  # type: ignore[arg-type]  # values


async def _all_awaited(soons: Sequence[Soon[T]]) -> list[T]:
    return [await awaited(soon) for soon in soons]


async def awaited(soon: Soon[T]) -> T:
    """The result itself."""
    if type(soon) is CoroutineType:
        found: T = await soon
        return found
    return soon  # type: ignore[return-value]  # a value
