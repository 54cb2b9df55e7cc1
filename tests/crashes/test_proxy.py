"""The proxy knows which requests have no answer yet, and which of them would change something."""

from __future__ import annotations

import trio

from tests.broker_client import Client, create_topic, fetch_request, serving
from tests.crashes.proxy import OnTheWay, Proxy
from tests.handlers.group_requests import join_request


async def test_a_request_is_on_the_way_until_it_is_answered() -> None:
    async with (
        serving({"group.initial.rebalance.delay.ms": "60000"}) as running,
        trio.open_nursery() as nursery,
    ):
        await create_topic(running, "t")
        proxy = Proxy()
        await nursery.start(proxy.run)
        proxy.broker = int(running.addresses[0].rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as stream:
            client = Client(stream, "reader")
            await client.ask(fetch_request("t", 0), 12)
            assert proxy.on_the_way == {}
            await client.send(fetch_request("t", 0, max_wait_ms=60_000), 12)
            assert await proxy.next_request(lambda request: request.api == "Fetch", 10)
            assert list(proxy.on_the_way.values()) == [OnTheWay("reader", "Fetch", 12)]
            assert proxy.writes_on_the_way() == {}
            async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as another:
                member = Client(another, "member")
                await member.send(join_request("g", 3), 3)
                assert await proxy.next_request(lambda request: request.client == "member", 10)
                assert list(proxy.writes_on_the_way().values()) == [OnTheWay("member", "JoinGroup", 3)]
                assert proxy.writes_on_the_way(["reader"]) == {}
        nursery.cancel_scope.cancel()


async def test_without_a_broker_connections_are_closed() -> None:
    async with trio.open_nursery() as nursery:
        proxy = Proxy()
        await nursery.start(proxy.run)
        async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as stream:
            assert await Client(stream).closed_by_broker()
        assert not await proxy.next_request(lambda _: True, 0)
        nursery.cancel_scope.cancel()
