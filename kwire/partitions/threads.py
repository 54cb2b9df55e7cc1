"""Decoding off the loop, a few at a time.

Rules: what may decompress to much or takes long runs here. A batch may come to a hundred times its size, so
the number that are open at once bounds the memory that hostile clients can take; more threads than cores
would gain nothing anyway, since most of the work holds the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

AT_ONCE = 2

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("decoding limiter")


async def decode_in_thread(decode: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """`decode(*arguments)` in a thread, once one of the few is free."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(AT_ONCE)
        _limiter.set(limiter)
    return await trio.to_thread.run_sync(decode, *arguments, limiter=limiter)
