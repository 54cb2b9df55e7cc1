"""What hostile clients make a broker in a process of its own hold: megabytes of group metadata, groups by the
thousand, answers that nobody takes. Memory is the resident set, with limits far above what it takes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request

from tests.broker_client import fetch_request, one_partition, produce_request
from tests.handlers.data import records
from tests.handlers.group_requests import join_request, stable_group, sync_request
from tests.hostile.test_crowds import HELLO, connected, created, serves, settled, watched

MEGABYTE = 1 << 20


def heavy(size: int) -> list[JoinGroup.Request.Protocol]:
    return [JoinGroup.Request.Protocol(name="range", metadata=b"\0" * size)]


@pytest.mark.slow
async def test_group_metadata_of_many_megabytes_is_refused_and_not_kept(tmp_path: Path) -> None:
    with watched(tmp_path) as (broker, log):
        client, greedy = await connected(broker), await connected(broker)
        await created(client)
        await serves(client, 0)
        owner = await stable_group(client, "g")
        before = broker.memory()
        for group_id in ("g", "h", "h"):
            for version in (3, 9):
                refused = await greedy.ask(
                    join_request(group_id, version, protocols=heavy(20 * MEGABYTE)), version
                )
                assert refused.error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
        assert broker.memory() - before < 120 * MEGABYTE
        synced = await client.ask(sync_request("g", 3, 1, owner, {}), 3)
        assert (synced.error_code, synced.assignment) == (ErrorCode.NONE, b"mine")
        await serves(client, 1)
        assert log() == []
        for one in (client, greedy):
            await one.stream.aclose()


@pytest.mark.slow
async def test_an_assignment_of_many_megabytes_fails_as_in_kafka_and_the_coordinator_lives(
    tmp_path: Path,
) -> None:
    with watched(tmp_path) as (broker, log):
        client, greedy = await connected(broker), await connected(broker)
        await created(client)
        await serves(client, 0)
        member_id = (await greedy.ask(join_request("h", 3), 3)).member_id
        request = sync_request("h", 3, 1, member_id, {member_id: b"\0" * (20 * MEGABYTE)})
        assert (await greedy.ask(request, 3)).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        again = await greedy.ask(join_request("h", 3, member_id), 3)
        assert (again.error_code, again.generation_id) == (ErrorCode.NONE, 2)
        await stable_group(client, "h-other")
        assert log() == []
        for one in (client, greedy):
            await one.stream.aclose()


@pytest.mark.slow
async def test_groups_by_the_thousand_take_little_and_hold_nobody_up(tmp_path: Path) -> None:
    with watched(tmp_path) as (broker, log):
        client, greedy = await connected(broker), await connected(broker)
        await created(client)
        await serves(client, 0)
        before, count = broker.memory(), 1_500
        for number in range(count):
            await stable_group(greedy, f"group-{number}")
            if not number % 300:
                await serves(client, 1 + number // 300)
        assert (broker.memory() - before) / count < 30_000
        listed = await client.ask(ListGroups.Request(), 4)
        assert len(listed.groups) == count
        assert log() == []
        for one in (client, greedy):
            await one.stream.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("version", [3, 11], ids=["converted", "as stored"])
async def test_answers_that_nobody_takes_are_not_gathered(tmp_path: Path, version: int) -> None:
    """Thirty clients ask for a gigabyte each, and read nothing."""
    with watched(tmp_path, "message.max.bytes=4000000") as (broker, log):
        client = await connected(broker)
        await created(client)
        produced = one_partition(await client.ask(produce_request("t", records(b"x" * 2_000_000)), 9))
        assert produced.error_code == ErrorCode.NONE
        counts, before = broker.counts(), broker.memory()
        parts, _ = frame_request(fetch_request("t", 0, max_bytes=4_000_000), version, 1, "greedy")
        asked = b"".join(bytes(part) for part in parts) * 500
        greedy = [await connected(broker) for _ in range(30)]
        for one in greedy:
            with trio.move_on_after(0.05):
                await one.send_bytes(asked)
        for _ in range(20):
            assert (await client.ask(HELLO, 3)).error_code == ErrorCode.NONE
        # One answer of two megabytes each is in hand, and what a conversion takes for a moment.
        assert broker.memory() - before < 30 * 4 * MEGABYTE + 100 * MEGABYTE
        for one in greedy:
            await one.stream.aclose()
        await settled(broker, counts, "connections", "tasks", "descriptors")
        assert log() == []
        await client.stream.aclose()
