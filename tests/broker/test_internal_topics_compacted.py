"""The broker's own topics stay small, and what they say survives: committed offsets, transactional ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode
from kwire_storage.segments.log import SegmentedLog

from kwire.server.launch import Running
from tests.broker_client import Client, connected, create_topic, serving

PARTITIONS = 5
PROPERTIES = {
    "log.cleaner.enable": "false",  # of its own accord
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
}


async def find(client: Client, key: str, key_type: int) -> None:
    """The coordinator, once it is there."""
    request = FindCoordinator.Request(key=key, key_type=key_type)
    while (await client.ask(request, 1)).error_code != ErrorCode.NONE:
        pass


async def commit(client: Client, group: str, offset: int) -> None:
    asked = OffsetCommit.Request.Topic
    partitions = [
        asked.Partition(partition_index=index, committed_offset=offset + index, committed_metadata="")
        for index in range(PARTITIONS)
    ]
    request = OffsetCommit.Request(
        group_id=group,
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=[asked(name="t", partitions=partitions)],
    )
    while True:
        [topic] = (await client.ask(request, 5)).topics
        codes = {ErrorCode(each.error_code) for each in topic.partitions}
        if codes == {ErrorCode.NONE}:
            return
        assert codes <= {ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR}


async def fetched(client: Client, group: str) -> dict[int, int]:
    await find(client, group, 0)
    topic = OffsetFetch.Request.Topic(name="t", partition_indexes=list(range(PARTITIONS)))
    while True:
        answer = await client.ask(OffsetFetch.Request(group_id=group, topics=[topic]), 5)
        if answer.error_code == ErrorCode.NONE:
            return {each.partition_index: each.committed_offset for each in answer.topics[0].partitions}


async def initialised(client: Client, transactional_id: str) -> tuple[int, int]:
    """A producer id and epoch: with each call the epoch rises."""
    await find(client, transactional_id, 1)
    while True:
        request = InitProducerId.Request(transactional_id=transactional_id, transaction_timeout_ms=60_000)
        answer = await client.ask(request, 2)
        if answer.error_code == ErrorCode.NONE:
            return answer.producer_id, answer.producer_epoch


def log_of(running: Running, topic: str) -> SegmentedLog:
    partition = running.cluster.opened(topic, 0)
    assert partition is not None
    assert isinstance(partition.log, SegmentedLog)
    return partition.log


async def clean(running: Running, topic: str) -> tuple[int, int]:
    """The bytes of a topic before and after it is compacted, as if its last segment had been full."""
    log = log_of(running, topic)
    before = log.size_bytes
    log.roll(0)
    while await running.cluster.cleaner.clean_dirtiest():
        pass
    return before, log.size_bytes


async def test_committed_offsets_survive_while_their_topic_stays_small(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": [tmp_path]}
    async with serving(PROPERTIES, **settings) as running, connected(running) as client:
        await create_topic(running, "t", PARTITIONS)
        for group in ("once", "often"):
            await find(client, group, 0)
        await commit(client, "once", 7)
        for offset in range(300):
            await commit(client, "often", offset)
        before, after = await clean(running, "__consumer_offsets")
        assert after < before / 50
        expected = {index: 299 + index for index in range(PARTITIONS)}
        assert await fetched(client, "often") == expected
    async with serving(PROPERTIES, **settings) as running, connected(running) as client:
        assert await fetched(client, "often") == expected
        assert await fetched(client, "once") == {index: 7 + index for index in range(PARTITIONS)}


async def test_transactional_ids_survive_while_their_topic_stays_small(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": [tmp_path]}
    async with serving(PROPERTIES, **settings) as running, connected(running) as client:
        producer_id, epoch = await initialised(client, "once")
        newest = -1, -1
        for _ in range(600):
            newest = await initialised(client, "often")
        before, after = await clean(running, "__transaction_state")
        assert after < before / 50
    async with serving(PROPERTIES, **settings) as running, connected(running) as client:
        assert await initialised(client, "often") == (newest[0], newest[1] + 1)
        assert await initialised(client, "once") == (producer_id, epoch + 1)
