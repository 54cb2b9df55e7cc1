"""One client connection: its transport's only reader and writer.

Rules: one request in progress a connection, answers in order (Kafka's SocketServer mutes the socket
meanwhile). The frames of one read are handled one after the other, their answers gathered into one send; when
a handler suspends, what is gathered is sent first, so that no answer waits for a later request's. What is
gathered is bounded: a client that takes no answers is asked for no more requests. Parts of files that are not
in the page cache are read by a thread before they are sent. The transport is tried before it is waited for.
Nothing but `Malformed` and the refusals of `requests.py` is expected to leave a handler. Silence is measured
in trio's time, turns by the clock that is handed in.
"""

from __future__ import annotations

import enum
import errno
import logging
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any

import outcome
import trio
from kwire_codecs.errors import Malformed
from kwire_codecs.framing import Frames
from kwire_storage.engine import StorageError

from kwire.partitions.threads import run_in_thread
from kwire.server.outbox import Outbox
from kwire.server.readiness import TURN_SECONDS
from kwire.server.requests import LOGGED_CHARACTERS, Answer, Later, Requests
from kwire.server.strangers import looks_like

if TYPE_CHECKING:
    from kwire_storage.engine import FileSlice

    from kwire.broker.node import Endpoint, Node
    from kwire.server.transport import Transport

logger = logging.getLogger("kwire.server")


class Step(enum.Enum):
    """Why a connection goes no further by itself."""

    IDLE = enum.auto()
    """There is nothing to read."""
    FULL = enum.auto()
    """What there is to send has to be taken first."""
    TURN = enum.auto()
    """It is the others' turn."""
    OVER = enum.auto()
    """The connection has ended, and everything is sent."""


IDLE, FULL, TURN, OVER = Step
"""Looked up in the class they would cost as much as a call each."""


def plain_address(address: str) -> str:
    """An address as people write it: where one socket takes IPv4 and IPv6, ::ffff:10.0.0.1 is 10.0.0.1."""
    mapped = address.removeprefix("::ffff:")
    return mapped if "." in mapped else address


class Connection:
    """A client's transport and what is known of the client. Owns the transport: `run` closes it on every way
    out. `now` gives seconds.
    """

    def __init__(
        self,
        transport: Transport,
        requests: Requests,
        node: Node,
        endpoint: Endpoint,
        frames: Frames,
        now: Callable[[], float],
    ) -> None:
        self.transport = transport
        self.node = node
        self.listener_name = endpoint.name
        self.principal = "User:ANONYMOUS"
        self.client_software_name = ""
        self.client_software_version = ""
        peer_host, peer_port = transport.peer
        dialled_host, dialled_port = transport.local
        self.peer_host = plain_address(peer_host)
        self.peer_address = f"{self.peer_host}:{peer_port}"
        self.dialled: tuple[str, int] = (plain_address(dialled_host), dialled_port)
        self._last_active = trio.current_time()
        self._was_active = False
        self.scope = trio.CancelScope()
        self.draining = False
        self._requests = requests
        self._frames = frames
        self._outbox = Outbox(transport, now)
        self._handling_since: float | None = None
        self._now = now
        self._turn_started = 0.0
        self._closing = False
        self._drained = False
        self._is_watched = False
        self._has_ended = False
        self._parked: trio.lowlevel.Task | None = None
        self._waiting_for_input = False
        self._waiting_for_output = False

    def describe(self) -> str:
        """Who this is, for a log line."""
        software = " ".join(
            part for part in (self.client_software_name, self.client_software_version) if part
        )
        return f"{self.peer_address} ({software[:LOGGED_CHARACTERS] or 'unnamed client'})"

    def drain(self) -> None:
        """Lets the request in progress be answered, then closes."""
        self.draining = True
        if self._waiting_for_input:
            self.scope.cancel()

    def idle_since(self, moment: float) -> bool:
        """Whether it waits for the client, to ask or to take an answer, and the last sign of life lies before
        `moment` (trio's time). What came between two of these questions counts as of the second.
        """
        if self._was_active:
            self._was_active = False
            self._last_active = trio.current_time()
        return (self._waiting_for_input or self._waiting_for_output) and self._last_active < moment

    def has_left(self, moment: float) -> bool:
        """Whether the client is gone although its request is still being answered, and has been since before
        `moment` (trio's time): nobody reads from it meanwhile.
        """
        since = self._handling_since
        return since is not None and since < moment and self.transport.peer_has_left()

    async def run(self) -> None:
        """Serves the connection until either side ends it."""
        try:
            with self.scope:
                await self._serve()
        except (BrokenPipeError, ConnectionError, TimeoutError):
            pass
        except OSError as error:
            if error.errno not in (
                errno.EBADF,
                errno.ENOTCONN,
                errno.EPIPE,
                errno.ETIMEDOUT,
                errno.EHOSTUNREACH,
            ):
                logger.warning("connection %s ended: %s", self.describe(), error)
        finally:
            self._outbox.clear()
            self._requests.connection_closed(self)
            self.transport.close()

    async def _serve(self) -> None:
        self._is_watched = self.transport.watch(self._on_ready)
        self._turn_started = self._now()
        step: Any = self._step()
        while step is not OVER:
            if step is IDLE:
                step = await self._wait_for_input()
                continue
            if step is FULL:
                await self._flush()
            elif step is TURN:
                await trio.lowlevel.checkpoint()
                self._turn_started = self._now()
            else:
                self._take(await self._until_suspended(step.answer))
                if self._now() - self._turn_started > TURN_SECONDS:
                    step = self._end_turn()
                    continue
            step = self._step()

    def _step(self, *, told: bool = False) -> Any:
        """Reads, answers and sends as far as that goes without waiting; says why it goes no further: a
        `Step`, or what gives the answer to the request that is next, `Later`.

        `told`: that it ended with `Step.IDLE`, and now there is something to read.
        """
        frames, outbox = self._frames, self._outbox
        frame: memoryview | None = None
        while True:
            while not (told or self._closing or self.draining):
                if frame is None:
                    if outbox.is_full and not outbox.send(self._turn_started + TURN_SECONDS):
                        return FULL
                    try:
                        frame = frames.next_frame()
                    except Malformed as error:
                        self._refuse(error)
                        break
                    if frame is None:
                        break
                answer: Any = self._requests.begin(self, frame)
                frame = None
                if type(answer) is list:
                    outbox.add(answer)
                elif type(answer) is Later:
                    return answer
                else:
                    self._take(answer)
                if not frames.mid_frame:
                    break
                if self._now() - self._turn_started > TURN_SECONDS:
                    return self._end_turn()
            told = False
            if outbox.parts and not outbox.send(self._turn_started + TURN_SECONDS):
                return FULL
            if self._closing or self.draining:
                return OVER
            if self._drained and not frames.mid_frame:
                self._drained = False
                return IDLE
            buffer = frames.get_buffer()
            room = len(buffer)
            try:
                count = self.transport.recv_into(buffer)
            except BlockingIOError:
                return IDLE
            finally:
                buffer.release()
            if not count:
                return OVER
            self._was_active = True
            # Less than there was room for: there was no more. It is not asked for again at once.
            self._drained = self._is_watched and count < room and not self._has_ended
            if self._now() - self._turn_started > TURN_SECONDS:
                frames.buffer_updated(count)
                return TURN
            try:
                frame = frames.received(count)
            except Malformed as error:
                self._refuse(error)

    def _end_turn(self) -> Step:
        """The others' turn, for which what is answered does not wait."""
        outbox = self._outbox
        return FULL if outbox.parts and not outbox.send(self._turn_started) else TURN

    def _refuse(self, error: Malformed) -> None:
        """What came is no frame: nothing more is read."""
        hint = looks_like(self._frames.head) or error
        logger.warning("connection %s closed: %s", self.describe(), hint)
        self._closing = True

    def _take(self, answer: Answer) -> None:
        if answer is None:
            pass
        elif not isinstance(answer, list):
            self._closing = True
        else:
            self._outbox.add(answer)

    async def _wait_for_input(self) -> Any:
        """The next step, once there is something to read and it goes no further by itself."""
        self._waiting_for_input = True
        try:
            if self._is_watched:
                self._parked = trio.lowlevel.current_task()
                return await trio.lowlevel.wait_task_rescheduled(self._unpark)
            await self.transport.wait_readable()
        finally:
            self._waiting_for_input = False
        if self.draining:
            return OVER
        self._turn_started = self._now()
        return self._step()

    def _unpark(self, _: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _on_ready(self, ended: bool) -> None:
        """There is more to read, `ended` or the end of it: told by whoever watches the transport. What can be
        answered at once is; for the rest the connection's own task goes on.
        """
        self._drained = False  # for the task, if it is at work: it reads once more before it waits
        self._has_ended = self._has_ended or ended
        task = self._parked
        if task is None:
            return
        self._turn_started = self._now()
        failure: Exception | None = None
        step: Any = None
        try:
            step = self._step(told=True)
        except Exception as error:
            failure = error
        if step is IDLE:
            return
        if self._parked is not None:
            self._parked = None
            self._waiting_for_input = False
            trio.lowlevel.reschedule(task, outcome.Error(failure) if failure else outcome.Value(step))
        elif type(step) is Later:
            step.given_up()

    @coroutine
    def _until_suspended(self, handling: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Awaits a handler; at its first suspension the answers gathered so far go out, as far as they
        fit.
        """
        try:
            trap = handling.send(None)
        except StopIteration as done:
            return done.value
        failure: Exception | None = None
        if self._outbox.parts:
            try:
                # What does not go out now would wait for this handler, so it is not cut off after a turn.
                self._outbox.send()
            except Exception as error:
                # Whatever the handler waits for knows this task already: only a cancellation undoes that.
                failure = error
                self.scope.cancel()
        self._handling_since = trio.current_time()
        try:
            while True:
                try:
                    value = yield trap
                except BaseException as thrown:
                    resume = partial(handling.throw, thrown)
                else:
                    resume = partial(handling.send, value)
                try:
                    trap = resume()
                except StopIteration as done:
                    self._turn_started = self._now()
                    if failure is not None:
                        raise failure from None
                    return done.value
        finally:
            self._handling_since = None

    async def _flush(self) -> None:
        outbox = self._outbox
        while not outbox.send(self._turn_started + TURN_SECONDS):
            if outbox.cold is not None:
                await self._warm_up(outbox.cold)
            elif outbox.is_cut_off:
                await trio.lowlevel.checkpoint()
            else:
                self._waiting_for_output = True
                await self.transport.wait_writable()
                self._waiting_for_output = False
                self._was_active = True
            self._turn_started = self._now()

    async def _warm_up(self, part: FileSlice) -> None:
        """Has a thread wait for the disk, so that sending does not."""
        try:
            await run_in_thread(part.read)
        except StorageError as error:
            logger.error("an answer to %s is cut off: %s", self.describe(), error)
            raise ConnectionAbortedError(str(error)) from error
        self._outbox.is_warm(part)
