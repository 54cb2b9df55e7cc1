"""A log on its way to a directory, when that from which it goes can't be read at a start."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.errors import ErrorCode

from tests.broker.test_moving_logs import alter_request
from tests.broker_client import (
    connected,
    fetch_request,
    one_partition,
    produce_request,
    serving,
)
from tests.handlers.data import records, values_in
from tests.storage.disks import BreakableDisk

FUTURE = "t-0.00000000000000000000000000000001-future"


def logs_in(path: Path) -> list[Path]:
    return list(path.rglob("t-0"))


def create_request(replicas: list[int]) -> CreateTopics.Request:
    asked = CreateTopics.Request.Topic
    assignment = asked.Assignment(partition_index=0, broker_ids=replicas)
    topic = asked(name="t", num_partitions=-1, replication_factor=-1, assignments=[assignment], configs=[])
    return CreateTopics.Request(topics=[topic], timeout_ms=5000)


@pytest.mark.parametrize("brokers", [1, 3])
async def test_a_log_whose_copy_the_metadata_name_already_is_not_begun_anew_while_it_is_away(
    tmp_path: Path, brokers: int
) -> None:
    disk, paths = BreakableDisk(), [tmp_path / "one", tmp_path / "two"]
    home = min(2, brokers)
    one, two = [path / f"broker-{home}" if brokers > 1 else path for path in paths]

    async def produce(value: bytes) -> list[ErrorCode]:
        """What each node says to it, as if it were the leader."""
        codes = []
        for node in range(brokers):
            async with connected(running, node) as client:
                answer = one_partition(await client.ask(produce_request("t", records(value)), 9))
                codes.append(ErrorCode(answer.error_code))
        return [code for code in codes if code is not ErrorCode.NOT_LEADER_OR_FOLLOWER]

    async with serving(data=paths, files=disk, brokers=brokers) as running:
        cluster = running.cluster
        async with connected(running, home - 1) as client:
            await client.ask(alter_request(t=str(two)), 2)
            await client.ask(create_request([home, *({1, 2, 3} - {home})][:brokers]), 5)
        assert await produce(b"first") == [ErrorCode.NONE]
        assert (two / "t-0").is_dir()
        directory_id = cluster.directories[home].directory_ids[0]
        await cluster.controller.assign_directory(home, "t", 0, directory_id)
    shutil.copytree(two / "t-0", one / FUTURE)
    disk.broken[str(two)] = errno.EIO
    async with serving(data=paths, files=disk, brokers=brokers) as running:
        assert set(await produce(b"second")) <= {ErrorCode.KAFKA_STORAGE_ERROR}
    disk.broken.clear()
    assert logs_in(tmp_path) == [two / "t-0"]
    async with serving(data=paths, files=disk, brokers=brokers) as running:
        assert await produce(b"third") == [ErrorCode.NONE]
        leader = running.cluster.image.partition("t", 0)
        assert leader is not None
        async with connected(running, leader.leader - 1) as client:
            answer = one_partition(await client.ask(fetch_request("t", 0), 11))
        assert values_in(answer.records) == [b"first", b"third"]
