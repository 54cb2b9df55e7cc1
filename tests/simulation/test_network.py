"""What the simulated network does to bytes: in order, late, in parts, cut."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio

from tests.simulation import schedule
from tests.simulation.network import CAPACITY, SimulatedNetwork, SimulatedStream, SimulatedTransport
from tests.simulation.trace import Trace

PORT = 9092
Test = Callable[[SimulatedNetwork, SimulatedStream, SimulatedTransport], Awaitable[None]]


def on_a_connection(test: Test, seed: int = 1) -> None:
    """Runs `test(network, client's end, server's end)`."""

    async def main() -> None:
        network = SimulatedNetwork(random.Random(seed), Trace())
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(network.run)
                [listening] = network.listen("127.0.0.1", PORT)
                client = await network.connect("127.0.0.1", PORT)
                await listening.wait_readable()
                await test(network, client, listening.accept())
                nursery.cancel_scope.cancel()

    schedule.run(main, seed)


async def read(server: SimulatedTransport, count: int) -> bytes:
    """What the server reads, until it has `count` bytes or the end."""
    found = b""
    buffer = bytearray(4096)
    while len(found) < count:
        await server.wait_readable()
        try:
            size = server.recv_into(memoryview(buffer))
        except BlockingIOError:
            continue
        if not size:
            break
        found += buffer[:size]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_bytes_arrive_whole_and_in_order(seed: int) -> None:
    sent = random.Random(seed).randbytes(3 * CAPACITY)

    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, sent)
            assert await read(server, len(sent)) == sent
        rest, back = sent, b""
        while rest or len(back) < len(sent):
            with suppress(BlockingIOError):
                rest = rest[server.sendmsg([rest[:7], rest[7:]]) :] if rest else rest
            if len(back) < len(sent):
                back += await client.receive_some()
        assert back == sent

    on_a_connection(test, seed)


def test_a_reader_that_reads_nothing_holds_the_writer_up() -> None:
    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        with trio.move_on_after(100) as waited:
            await client.send_all(bytes(CAPACITY + 1))
        assert waited.cancelled_caught
        taken = 0
        with pytest.raises(BlockingIOError):  # noqa: PT012
            while True:
                taken += server.sendmsg([bytes(CAPACITY)])
        assert taken == CAPACITY

    on_a_connection(test)


def test_the_end_comes_after_what_was_sent() -> None:
    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        server.sendmsg([b"bye"])
        server.close()
        said = b""
        while more := await client.receive_some():
            said += more
        assert said == b"bye"
        assert network.links != {}
        await client.aclose()
        assert network.links == {}

    network_without_chops = 3
    on_a_connection(test, network_without_chops)


def test_cut_before_the_effect_drops_the_request() -> None:
    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        network.delays = (0.001,)
        await client.send_all(b"ask")
        network.cut_before(client.link)
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        await server.wait_readable()
        with pytest.raises(ConnectionResetError):
            server.recv_into(memoryview(bytearray(10)))

    on_a_connection(test)


def test_cut_after_the_effect_loses_the_answer() -> None:
    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        await client.send_all(b"ask")
        network.cut_after(client.link)
        assert await read(server, 3) == b"ask"
        assert server.sendmsg([b"answer"])
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()

    on_a_connection(test)


def test_half_open_is_silence() -> None:
    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        network.half_open(client.link)
        with trio.move_on_after(500) as asked:
            await client.send_all(b"ask")
            await client.receive_some()
        with trio.move_on_after(400) as served:
            await server.wait_readable()
        assert asked.cancelled_caught
        assert served.cancelled_caught

    on_a_connection(test)


def test_a_crash_cuts_everybody_and_later_dials_are_refused() -> None:
    async def test(network: SimulatedNetwork, client: SimulatedStream, server: SimulatedTransport) -> None:
        network.crash()
        with pytest.raises(OSError, match="Broken pipe"):
            server.sendmsg([b"too late"])
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        with pytest.raises(ConnectionRefusedError):
            await network.connect("127.0.0.1", PORT)

    on_a_connection(test)
