"""Random faults, from the seed: what may go wrong goes wrong, again and again, until it is told to end.

Rules: which kinds a run has, and how often each, is drawn anew for each seed, since a fault that comes always
hides others. One task does it all, so that a crash is over before the next one begins. Whatever was broken is
whole again after `end`, so that a run can say what must be true once nothing fails any more. Every kind is
counted when it happens (not when it is asked for), in `world.faults`.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from tests.simulation.disk import FILE_KINDS, FUTURE, MOVE_KINDS, DiskFault
from tests.simulation.network import Link
from tests.simulation.world import World

KINDS: Final = (
    "cut before the effect",
    "cut after the effect",
    "cut at once",
    "half open",
    "connection refused",
    "delay",
    "no file descriptor at accept",
    "pwritev fails with EIO",
    "pwritev fails with ENOSPC",
    "pwritev fails with ENOMEM",
    "preadv fails with ENOMEM",
    "fdatasync fails with EIO",
    "open fails with ENOMEM",
    "rename fails with ENOMEM",
    "stopped by its disk",
    "log directory offline",
    "torn write",
    "crash at a file",
    "crash in an answer",
    "process crash",
    "power loss",
    "node stop",
    "node crash",
)
"""Every kind that a long run must have seen."""

CUT_ON_SEND: Final = 0.004
"""How often a request that a client sends is cut off on its way, or its answer."""
DISK_ERRORS: Final = (
    (("pwritev",), errno.EIO),
    (("fdatasync",), errno.EIO),
    (("pwritev",), errno.ENOSPC),
    (("pwritev",), errno.ENOMEM),
    (("preadv",), errno.ENOMEM),
    (("open",), errno.ENOMEM),
    (("rename",), errno.ENOMEM),
)
"""The first two take the log directory offline, which stops a broker that has no other; the rest pass."""
LONGEST_OFFLINE_SECONDS: Final = 8.0
"""After so long at most somebody starts a broker anew that has lost a directory."""


class Faults:
    """The faults of one run: `nursery.start_soon(faults.run)`, then `await faults.end()`.

    `mean_seconds` is the usual span between two of them. Power losses come in one seed of four, since they
    weaken what may be asked of the others; with `loses_power` in each.
    """

    def __init__(
        self, world: World, *, mean_seconds: float = 0.5, restarts: bool = True, loses_power: bool = False
    ) -> None:
        self._world = world
        self._rng = rng = world.rng_for("faults")
        self._mean_seconds = mean_seconds
        self._loses_power = rng.random() < 0.25 or loses_power
        self._ended = trio.Event()
        self._end = trio.CancelScope()
        self._down: dict[int, float] = {}
        """Nodes that are stopped, and when they come back."""
        self._full: list[tuple[float, DiskFault]] = []
        self._offline_until: float | None = None
        """When a broker is started anew that has lost a directory."""
        self._second = world.rng_for("second directories")
        actions: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._cut, 3),
            (self._half_open, 1),
            (self._slow, 1),
            (self._no_descriptors, 1),
            (self._disk_error, 3),
        ]
        if restarts:
            actions += [(self._kill, 0.2), (self._kill_in_write, 0.3), (self._kill_in_answer, 0.2)]
            actions.append((self._kill_at_file, 0.5))
        if restarts and len(world.data) > 1:
            actions.append((self._kill_in_move, 2 if self._loses_power else 0.7))
        actions.append((self._stop_node, 1))
        self._actions = [action for action, _ in actions]
        self._weights = [weight * rng.choice((0.1, 1, 1, 2)) for _, weight in actions]

    async def run(self) -> None:
        """Breaks things until `end`."""
        world, rng = self._world, self._rng
        world.network.cut_on_send = self._on_send
        try:
            with self._end:
                while True:
                    with trio.move_on_after(rng.expovariate(1 / self._mean_seconds)):
                        await world.died.wait()
                    with trio.CancelScope(shield=True):  # what has begun is done to its end
                        if world.running is None:
                            await self._come_back()
                        await self._mend()
                        await self._bring_back_directories()
                        if world.running is not None:
                            await rng.choices(self._actions, self._weights)[0]()
        finally:
            self._ended.set()

    async def end(self) -> None:
        """No more faults; what is broken is mended, who is down comes back."""
        world = self._world
        self._end.cancel()
        await self._ended.wait()
        world.network.heal()
        world.disk.heal()
        if (world.disk.counted["fdatasync fails with EIO"] or world.offline) and world.running is not None:
            # A log whose sync has failed acknowledges nothing more that has to be on the device.
            await world.crash()
        if world.running is None:
            await world.restart()
            self._down.clear()
        for node_id in sorted(self._down):
            await world.start_node(node_id)
        self._down.clear()

    # -- the network

    def _on_send(self, link: Link) -> None:
        network = self._world.network
        if link.requests.drop or self._rng.random() >= CUT_ON_SEND:
            return
        self._rng.choice((network.cut_before, network.cut_after))(link)

    def _some_link(self) -> Link | None:
        links = [link for link in self._world.network.links.values() if not link.requests.drop]
        busy = [link for link in links if link.busy()]
        return self._rng.choice(busy or links) if links else None

    async def _cut(self) -> None:
        link = self._some_link()
        network = self._world.network
        if link is not None:
            self._rng.choice((network.cut_before, network.cut_after, network.cut_now))(link)

    async def _half_open(self) -> None:
        link = self._some_link()
        if link is not None:
            self._world.network.half_open(link)

    async def _slow(self) -> None:
        self._world.network.slow(self._rng.choice((0.05, 0.5, 3)), self._rng.uniform(0.1, 5))

    async def _no_descriptors(self) -> None:
        self._world.network.accept_errors += self._rng.randint(1, 4)

    # -- the disk

    async def _disk_error(self) -> None:
        rng, disk = self._rng, self._world.disk
        operations, error = rng.choice(DISK_ERRORS)
        data = rng.choice(self._world.data) if len(self._world.data) > 1 else self._world.data[0]
        prefix = f"{data}/broker-{rng.choice(self._world.node_ids)}/" if self._world.nodes > 1 else f"{data}/"
        if error == errno.ENOSPC or rng.random() < 0.2:
            fault = disk.fail(operations, prefix, error, 1_000_000)
            self._full.append((self._world.now() + rng.uniform(0.1, 3), fault))
        else:
            disk.fail(operations, prefix, error, rng.randint(1, 3))

    async def _mend(self) -> None:
        """What was broken for a while works again; nodes come back."""
        world = self._world
        now = world.now()
        for until, fault in self._full:
            if until <= now:
                fault.times = 0
        self._full = [(until, fault) for until, fault in self._full if until > now]
        world.disk.faults[:] = [fault for fault in world.disk.faults if fault.times > 0]
        for node_id, until in list(self._down.items()):
            if until <= now and world.running is not None:
                del self._down[node_id]
                await world.start_node(node_id)

    async def _bring_back_directories(self) -> None:
        """A directory that failed is offline until the next start, which comes after a while."""
        world = self._world
        if not world.offline:
            self._offline_until = None
        elif self._offline_until is None:
            world.counted["log directory offline"] += 1
            world.note(f"offline: {world.offline}")
            self._offline_until = world.now() + self._rng.uniform(0, LONGEST_OFFLINE_SECONDS)
            self._fail_the_other(world.offline[0])
        elif self._offline_until <= world.now():
            world.kill()
            await self._come_back()

    def _fail_the_other(self, failed: str) -> None:
        """So does the other directory of a node, sometimes, where a log is on its way between them."""
        world = self._world
        if len(world.data) < 2:
            return
        root = next(each for each in world.data if failed.startswith(each))
        other = next(each for each in world.data if each != root) + failed[len(root) :]
        roots = failed + "/", other + "/"
        moving = [
            each for each in world.disk.directories() if each.endswith(FUTURE) and each.startswith(roots)
        ]
        if moving and self._second.random() < 0.5:
            world.note(f"{other} fails as well, with {moving[0]} on its way")
            world.disk.fail(("pwritev", "fdatasync"), roots[1], errno.EIO, 1)

    # -- processes and nodes

    async def _kill(self) -> None:
        self._world.kill()
        await self._come_back()

    async def _kill_in_write(self) -> None:
        self._world.disk.crash_in_writes = self._rng.choice((0, 1, 2, 5, 20, 100))

    async def _kill_at_file(self) -> None:
        self._world.disk.crash_at = self._rng.choice(FILE_KINDS), self._rng.choice((0, 0, 1, 2, 5))

    async def _kill_in_move(self) -> None:
        kind = self._rng.choice(MOVE_KINDS)
        self._world.disk.crash_at = kind, self._rng.choice((0, 1, 3, 6) if kind is FUTURE else (0, 0, 1))

    async def _kill_in_answer(self) -> None:
        self._world.network.crash_in_answers = self._rng.choice((0, 1, 2, 5, 20, 100))

    async def _come_back(self) -> None:
        world, rng = self._world, self._rng
        # What is half done on a disk is worth more of the losses.
        share = 0.9 if world.disk.crashed_at else 0.5
        await world.crash(power=self._loses_power and rng.random() < share)
        self._down.clear()
        await trio.sleep(rng.choice((0, 0.05, 1, 10)))
        if rng.random() < 0.2:
            world.disk.crash_in_writes = rng.randint(0, 30)  # and again while it starts
        await world.restart()

    async def _stop_node(self) -> None:
        world, rng = self._world, self._rng
        up = [node_id for node_id in world.node_ids if node_id not in self._down]
        if len(up) < 2:
            return
        node_id = rng.choice(up)
        self._down[node_id] = world.now() + rng.uniform(0.05, 5)
        await world.stop_node(node_id, controlled=rng.random() < 0.5)
