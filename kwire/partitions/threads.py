"""Work off the loop: the only way to a thread.

Rules: what may decompress to much or takes long goes through `decode_in_thread`, a few at a time: a batch may
come to a hundred times its size, so the number that are open at once bounds the memory that hostile clients
can take; more threads than cores would gain nothing anyway, since most of the work holds the interpreter's
lock. Disks are waited for in `run_in_thread`; by those who write, a few at a time, in `write_in_thread`. A
run of trio in which no thread may be (a simulation: threads are ordered by nobody) names, in
`instead_of_threads`, what is done with a job there.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, TypeVarTuple

import trio
from kwire_storage.directories.interface import Together, one_after_the_other

AT_ONCE = 2
WRITES_AT_ONCE = 4
SYNCS_AT_ONCE = 8

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
Runner: TypeAlias = "Callable[[Callable[[], Any], trio.CapacityLimiter | None], Awaitable[Any]]"

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("decoding limiter")
_write_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("writing limiter")
_sync_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("syncing limiter")
instead_of_threads: Final[trio.lowlevel.RunVar[Runner | None]] = trio.lowlevel.RunVar(
    "instead of threads", None
)
"""Set for a run of trio, `await runner(job, limiter)` is what becomes of every job in it."""


async def run_in_thread(
    work: Callable[[*Arguments], Result], *arguments: *Arguments, limiter: trio.CapacityLimiter | None = None
) -> Result:
    """`work(*arguments)` in a thread; its exceptions are raised here. Not to be cancelled once it runs."""
    runner = instead_of_threads.get()
    if runner is not None:
        done: Result = await runner(partial(work, *arguments), limiter)
        return done
    return await trio.to_thread.run_sync(work, *arguments, limiter=limiter)


async def decode_in_thread(decode: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """`decode(*arguments)` in a thread, once one of the few is free."""
    return await run_in_thread(decode, *arguments, limiter=_limiter_of(_limiter, AT_ONCE))


async def write_in_thread(write: Callable[[], None]) -> None:
    """`write()` in a thread, once one of the few is free."""
    await run_in_thread(write, limiter=_limiter_of(_write_limiter, WRITES_AT_ONCE))


async def sync_in_thread(sync: Callable[[], None]) -> None:
    """`sync()` in a thread, once one of the few is free: none of them uses the processor."""
    await run_in_thread(sync, limiter=_limiter_of(_sync_limiter, SYNCS_AT_ONCE))


def together() -> Together:
    """For work in a thread that waits for the disk many times: does some of it side by side, where there may
    be threads. It raises nothing.
    """
    return side_by_side if instead_of_threads.get() is None else one_after_the_other


def side_by_side(works: Sequence[Callable[[], None]]) -> None:
    """Do each in a thread, and wait for all."""
    threads = [threading.Thread(target=work) for work in works[1:]]
    for thread in threads:
        thread.start()
    for work in works[:1]:
        work()
    for thread in threads:
        thread.join()


def _limiter_of(kept: trio.lowlevel.RunVar[trio.CapacityLimiter], tokens: int) -> trio.CapacityLimiter:
    try:
        return kept.get()
    except LookupError:
        limiter = trio.CapacityLimiter(tokens)
        kept.set(limiter)
        return limiter
