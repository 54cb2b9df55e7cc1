"""Connections in memory, with everything that networks do to them.

Rules: bytes travel in order and arrive after a delay that the seed decides; a write takes a part, a read
gives a part; what is under way is bounded. A cut happens before an effect (the request is dropped unseen) or
after it (the request arrives, its answer does not); a half-open connection is silent for ever, and only
whoever has a time-out notices. Servers get `Transport`s, clients `SimulatedStream`s, which raise what trio's
own streams raise. `crash()` is the end of the serving process: at once for it, a little later for its peers.
"""

from __future__ import annotations

import errno
import heapq
import os
import random
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import trio

from kwire.server.listening import CannotListen
from tests.simulation.trace import Trace

if TYPE_CHECKING:
    from kwire_storage.engine import FileSlice

HOST: Final = "127.0.0.1"
CAPACITY: Final = 64 * 1024
"""Bytes under way in one direction; who sends more waits."""
BACKLOG: Final = 128
FIRST_FREE_PORT: Final = 40_000
CLIENT_PORTS: Final = 50_000


class Pipe:
    """One direction of a connection."""

    __slots__ = (
        "arrived",
        "broken",
        "closed",
        "drop",
        "in_flight",
        "last_arrival",
        "name",
        "room",
        "tell",
        "there",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrived = bytearray()
        self.in_flight = 0
        self.last_arrival = 0.0
        self.closed = False
        """The writer sends no more, and the reader knows."""
        self.broken = False
        """Reading and writing fail."""
        self.drop = False
        """What is sent from now on gets lost on the way, and so does what is under way."""
        self.there: trio.Event | None = None
        self.room: trio.Event | None = None
        self.tell: Callable[[], None] | None = None
        """Called when more can be read than before, if the reader has itself told."""

    @property
    def free(self) -> int:
        return CAPACITY - self.in_flight - len(self.arrived)

    @property
    def readable(self) -> bool:
        return bool(self.arrived) or self.closed or self.broken

    def wake(self) -> None:
        """Whoever reads or writes looks again."""
        if self.there is not None and self.readable:
            self.there.set()
            self.there = None
        if self.room is not None and (self.free > 0 or self.broken):
            self.room.set()
            self.room = None

    async def wait_readable(self) -> None:
        if self.readable:
            await trio.lowlevel.checkpoint()
            return
        if self.there is None:
            self.there = trio.Event()
        await self.there.wait()

    async def wait_writable(self) -> None:
        if self.free > 0 or self.broken:
            await trio.lowlevel.checkpoint()
            return
        if self.room is None:
            self.room = trio.Event()
        await self.room.wait()


class Link:
    """A connection: two pipes, and what has become of it."""

    __slots__ = ("answers", "client_closed", "frozen", "name", "port", "requests", "server_closed")

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.requests = Pipe(f"{name}>")
        self.answers = Pipe(f"{name}<")
        self.client_closed = False
        self.server_closed = False
        self.frozen = False
        """The serving process is dead, or the connection half open: the server moves nothing any more."""

    @property
    def over(self) -> bool:
        return self.client_closed and self.server_closed

    @property
    def hurt(self) -> bool:
        """Whether something may have been lost on it."""
        return self.requests.drop or self.answers.drop or self.requests.broken or self.frozen

    def busy(self) -> bool:
        """Whether anything is under way, or was asked and not answered as far as the network can tell."""
        return bool(self.requests.in_flight or self.answers.in_flight or self.requests.arrived)


class SimulatedTransport:
    """The server's end."""

    __slots__ = ("_link", "_network", "local", "peer")

    def __init__(self, network: SimulatedNetwork, link: Link, client_port: int) -> None:
        self._network = network
        self._link = link
        self.peer = (HOST, client_port)
        self.local = (HOST, link.port)

    def recv_into(self, buffer: memoryview) -> int:
        link = self._link
        pipe = link.requests
        if pipe.broken:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not pipe.arrived:
            if pipe.closed:
                return 0
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        size = self._network.part_of(min(len(buffer), len(pipe.arrived)))
        if pipe.tell is not None and size < min(len(buffer), len(pipe.arrived)):
            # As if the rest had come a moment later.
            pipe.tell()
        buffer[:size] = pipe.arrived[:size]
        del pipe.arrived[:size]
        pipe.wake()
        return size

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        return self._send(lambda room: b"".join(buffers)[:room])

    def sendfile(self, part: FileSlice) -> int:
        def read(room: int) -> bytes:
            view = memoryview(bytearray(min(room, part.size)))
            files = part.file._files
            return bytes(view[: files.read_up_to(part.fileno(), view, part.position)])

        return self._send(read)

    def cork(self, held: bool) -> None:
        """Its packets hold what they are given."""

    def _send(self, take: Callable[[int], bytes]) -> int:
        link = self._link
        pipe = link.answers
        if pipe.broken or link.server_closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if pipe.free <= 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data = take(pipe.free)
        data = data[: self._network.part_of(len(data))]
        self._network.server_sends(pipe, data)
        if link.server_closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return len(data)

    async def wait_readable(self) -> None:
        await self._link.requests.wait_readable()

    async def wait_writable(self) -> None:
        await self._link.answers.wait_writable()

    def watch(self, on_ready: Callable[[bool], None]) -> bool:
        return self._network.watch(self._link.requests, on_ready)

    def peer_has_left(self) -> bool:
        pipe = self._link.requests
        return pipe.closed or pipe.broken

    def close(self) -> None:
        self._link.requests.tell = None
        self._network.server_closes(self._link)


class SimulatedStream:
    """The client's end. As trio's SocketStream: `send_all`, `receive_some`, `aclose`; BrokenResourceError
    once it is cut.
    """

    __slots__ = ("_network", "link")

    def __init__(self, network: SimulatedNetwork, link: Link) -> None:
        self._network = network
        self.link = link

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends all of it; done when the network has taken it."""
        link = self.link
        pipe = link.requests
        rest = bytes(data)
        self._network.client_sends(link)
        while True:
            self._check_open()
            if pipe.broken:
                raise trio.BrokenResourceError("the connection was cut")
            if not rest:
                await trio.lowlevel.checkpoint()
                return
            room = pipe.free
            if room <= 0:
                await pipe.wait_writable()
                continue
            self._network.carry(pipe, rest[:room])
            rest = rest[room:]

    async def receive_some(self, max_bytes: int = 65536) -> bytes:
        """What is there, at least a byte; empty when the broker has closed its side."""
        pipe = self.link.answers
        while True:
            self._check_open()
            if pipe.arrived:
                size = self._network.part_of(min(max_bytes, len(pipe.arrived)))
                data = bytes(pipe.arrived[:size])
                del pipe.arrived[:size]
                pipe.wake()
                return data
            if pipe.broken:
                raise trio.BrokenResourceError("the connection was cut")
            if pipe.closed:
                return b""
            await pipe.wait_readable()

    async def aclose(self) -> None:
        """Closes it; nothing happens when it is closed."""
        self._network.client_closes(self.link)
        await trio.lowlevel.checkpoint()

    async def __aenter__(self) -> SimulatedStream:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._network.client_closes(self.link)

    def _check_open(self) -> None:
        if self.link.client_closed:
            raise trio.ClosedResourceError("this side closed it")


class SimulatedListening:
    """A port that is listened on."""

    def __init__(self, network: SimulatedNetwork, port: int) -> None:
        self._network = network
        self.port = port
        self.backlog: deque[SimulatedTransport] = deque()
        self.came = trio.Event()
        self.closed = False

    async def wait_readable(self) -> None:
        if not self.backlog:
            self.came = trio.Event()
            await self.came.wait()
        else:
            await trio.lowlevel.checkpoint()

    def accept(self) -> SimulatedTransport:
        self._network.may_accept()
        while self.backlog:
            transport = self.backlog.popleft()
            if not transport._link.over:
                return transport
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._network.stops_listening(self)


class SimulatedNetwork:
    """All connections of a run. `run()` is the task that lets time pass for them.

    `delays` are seconds, picked from as the seed says; `slow_until` adds `slow_by` to them for a while.
    """

    def __init__(self, rng: random.Random, trace: Trace) -> None:
        self._rng = rng
        self._trace = trace
        self.listening: dict[int, SimulatedListening] = {}
        self.links: dict[str, Link] = {}
        self.faults: Counter[str] = Counter()
        self.delays: Sequence[float] = (0, 0, 0.0002, 0.001, 0.005)
        self.slow_by = 0.0
        self.slow_until = 0.0
        self.chops = rng.choice((0.0, 0.05, 0.3))
        """How often a read or write moves only a part of what it could."""
        self.accept_errors = 0
        """So many times, accepting finds no free file descriptor."""
        self.crash_in_answers: int | None = None
        """So many more answers, then `on_crash` is called in the middle of sending one."""
        self.on_crash: Callable[[], None] = lambda: None
        self.cut_on_send: Callable[[Link], None] | None = None
        """Called when a client begins to send; may cut."""
        self._turns = 0.0
        self._turn_length = rng.choice((0.00001, 0.0002, 0.0006))
        self._tells = rng.random() < 0.7
        self._made = 0
        self._next_port = FIRST_FREE_PORT
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._wake = trio.Event()

    # -- for servers

    def now(self) -> float:
        """By which connections take turns: it moves on with every look, since no time passes within a
        turn.
        """
        self._turns += self._turn_length
        return self._turns

    def listen(self, host: str, port: int) -> Sequence[SimulatedListening]:
        """One listener on `port`, whatever the host."""
        if port == 0:
            port, self._next_port = self._next_port, self._next_port + 1
        if port in self.listening:
            raise CannotListen(errno.EADDRINUSE, f"port {port} is taken")
        self.listening[port] = made = SimulatedListening(self, port)
        return [made]

    def stops_listening(self, listening: SimulatedListening) -> None:
        if self.listening.get(listening.port) is listening:
            del self.listening[listening.port]
        for transport in listening.backlog:
            transport.close()
        listening.backlog.clear()

    def may_accept(self) -> None:
        if self.accept_errors > 0:
            self.accept_errors -= 1
            self.faults["no file descriptor at accept"] += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    # -- for clients

    async def connect(self, host: str, port: int) -> SimulatedStream:
        """Connects; ConnectionRefusedError when nobody listens on the port."""
        await trio.sleep(self._delay())
        listening = self.listening.get(port)
        if listening is None or len(listening.backlog) >= BACKLOG:
            self.faults["connection refused"] += 1
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{host}:{port} refuses")
        self._made += 1
        link = Link(f"{self._made}:{port}", port)
        self.links[link.name] = link
        listening.backlog.append(SimulatedTransport(self, link, CLIENT_PORTS + self._made % 10_000))
        listening.came.set()
        self._trace.note(f"connected {link.name}")
        await trio.sleep(self._delay())
        return SimulatedStream(self, link)

    # -- what happens on the way

    async def attend(self) -> None:
        """The simulation's own task does that."""

    def watch(self, pipe: Pipe, on_ready: Callable[[bool], None]) -> bool:
        """Tells of what can be read from the pipe, in this network's task; not in every run."""
        if not self._tells:
            return False

        def told() -> None:
            if pipe.tell is not None:
                on_ready(pipe.closed or pipe.broken)

        pipe.tell = lambda: self._at(trio.current_time(), told)
        if pipe.readable:
            pipe.tell()
        return True

    async def run(self) -> None:
        """Delivers, until cancelled."""
        events = self._events
        while True:
            now = trio.current_time()
            while events and events[0][0] <= now:
                heapq.heappop(events)[2]()
            self._wake = trio.Event()
            with trio.CancelScope(deadline=events[0][0] if events else float("inf")):
                await self._wake.wait()

    def _at(self, moment: float, callback: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (moment, self._sequence, callback))
        if self._events[0][2] is callback:
            self._wake.set()

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Calls back once `seconds` have passed."""
        self._at(trio.current_time() + seconds, callback)

    def _delay(self) -> float:
        delay = self._rng.choice(self.delays)
        if self.slow_by and trio.current_time() < self.slow_until:
            delay += self._rng.random() * self.slow_by
        return delay

    def part_of(self, size: int) -> int:
        """How much of `size` bytes one call moves."""
        if size > 1 and self.chops and self._rng.random() < self.chops:
            return self._rng.randint(1, size)
        return size

    def carry(self, pipe: Pipe, data: bytes) -> None:
        """Takes data on its way. Bytes never overtake each other."""
        if not data:
            return
        if pipe.drop:
            return
        now = trio.current_time()
        arrival = max(now + self._delay(), pipe.last_arrival)
        pipe.last_arrival = arrival
        if arrival <= now and not pipe.in_flight:
            self._arrive(pipe, data)
        else:
            pipe.in_flight += len(data)
            self._at(arrival, lambda: self._land(pipe, data))

    def _land(self, pipe: Pipe, data: bytes) -> None:
        pipe.in_flight -= len(data)
        if pipe.drop or pipe.broken:
            pipe.wake()
            return
        self._arrive(pipe, data)

    def _arrive(self, pipe: Pipe, data: bytes) -> None:
        self._trace.note(f"{pipe.name} {len(data)} {_checksum(data)}")
        pipe.arrived += data
        pipe.wake()
        if pipe.tell is not None:
            pipe.tell()

    def client_sends(self, link: Link) -> None:
        if self.cut_on_send is not None:
            self.cut_on_send(link)

    def server_sends(self, pipe: Pipe, data: bytes) -> None:
        if self.crash_in_answers is not None:
            self.crash_in_answers -= 1
            if self.crash_in_answers < 0:
                self.crash_in_answers = None
                self.carry(pipe, data[: self._rng.randrange(len(data) + 1)])
                self.faults["crash in an answer"] += 1
                self.on_crash()
                return
        self.carry(pipe, data)

    def client_closes(self, link: Link) -> None:
        """The client lets go: what it sent arrives, and then the end."""
        if link.client_closed:
            return
        link.client_closed = True
        self._trace.note(f"client closes {link.name}")
        link.answers.drop = True
        link.answers.closed = True
        link.answers.wake()
        if not link.requests.drop:
            arrival = max(trio.current_time() + self._delay(), link.requests.last_arrival)
            if self._rng.random() < 0.5:
                self._at(arrival, lambda: self._reset(link))
            else:
                self._at(arrival, lambda: _end(link.requests))
        self._forget(link)

    def server_closes(self, link: Link) -> None:
        """The server lets go: its answers arrive, and then the end; or a reset, if it had not read all."""
        if link.server_closed:
            return
        link.server_closed = True
        self._trace.note(f"server closes {link.name}")
        unread = bool(link.requests.arrived) or link.requests.in_flight > 0
        link.requests.drop = True
        link.requests.broken = True
        link.requests.wake()
        if not link.frozen:
            arrival = max(trio.current_time() + self._delay(), link.answers.last_arrival)
            if unread and self._rng.random() < 0.5:
                self._at(arrival, lambda: self._reset(link))
            else:
                self._at(arrival, lambda: _end(link.answers))
        self._forget(link)

    def _forget(self, link: Link) -> None:
        if link.over:
            self.links.pop(link.name, None)

    def _reset(self, link: Link) -> None:
        """Both sides learn that it is over."""
        for pipe in (link.requests, link.answers):
            pipe.broken = True
            pipe.drop = True
            pipe.wake()
            if pipe.tell is not None:
                pipe.tell()

    # -- faults

    def cut_before(self, link: Link) -> None:
        """What the client has asked and the server has not seen yet is lost, and the connection with it."""
        self._fault(link, "cut before the effect")
        link.requests.drop = True
        self.later(self._delay(), lambda: self._reset(link))

    def cut_after(self, link: Link) -> None:
        """What was asked arrives and takes effect; the answer does not."""
        self._fault(link, "cut after the effect")
        link.answers.drop = True
        self.later(self._rng.uniform(0.01, 0.5), lambda: self._reset(link))

    def cut_now(self, link: Link) -> None:
        """Both sides are told at once; a request may have arrived in part."""
        self._fault(link, "cut at once")
        self._reset(link)

    def half_open(self, link: Link) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._fault(link, "half open")
        link.requests.drop = True
        link.answers.drop = True
        link.frozen = True

    def _fault(self, link: Link, kind: str) -> None:
        self.faults[kind] += 1
        self._trace.note(f"{kind}: {link.name}")

    def slow(self, by_seconds: float, for_seconds: float) -> None:
        """Everything takes up to `by_seconds` longer for a while."""
        self.faults["delay"] += 1
        self.slow_by = by_seconds
        self.slow_until = trio.current_time() + for_seconds

    def crash(self) -> None:
        """The serving process is gone, with all its listeners and connections. What it had sent may arrive
        or not.
        """
        for listening in list(self.listening.values()):
            listening.closed = True
            for transport in listening.backlog:
                transport._link.server_closed = True
        self.listening.clear()
        for link in list(self.links.values()):
            half_open = link.frozen
            link.frozen = True
            link.server_closed = True
            link.requests.tell = None
            link.requests.drop = True
            link.requests.broken = True
            link.answers.drop = link.answers.drop or self._rng.random() < 0.5
            if not half_open:
                self.later(self._delay(), lambda link=link: self._reset(link))  # type: ignore[misc]
            self._forget(link)

    def heal(self) -> None:
        """No more faults from now on; what is half open stays so."""
        self.slow_by = 0.0
        self.accept_errors = 0
        self.cut_on_send = None
        self.crash_in_answers = None


def _end(pipe: Pipe) -> None:
    if not pipe.drop or pipe.broken:
        pipe.closed = True
    pipe.wake()
    if pipe.tell is not None:
        pipe.tell()


def _checksum(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"
