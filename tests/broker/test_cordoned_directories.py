"""Log directories that get no new partitions (KIP-1066)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.apis.alter_replica_log_dirs import AlterReplicaLogDirs
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.describe_log_dirs import DescribeLogDirs
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.config_changes import Change, alter_incrementally
from kwire.coordinators.metadata.image import ResourceType
from kwire.server.launch import Running
from tests.broker.test_failed_directories import FINE, Bench
from tests.broker_client import Client, connected, create_topic, serving

CORDONED = "cordoned.log.dirs"


async def cordon(running: Running, value: str) -> ErrorCode:
    cluster = running.cluster
    [(_, error)] = await cluster.controller.submit(
        lambda image: alter_incrementally(
            image,
            [((ResourceType.BROKER, "1"), [Change(CORDONED, 0, value)])],
            config=cluster.config,
            node_id=1,
            is_log_dir=lambda path: cluster.failed_directories.is_log_dir(1, path),
        )
    )
    return ErrorCode(error.error_code)


def known(bench: Bench) -> Sequence[Any]:
    return bench.running.cluster.image.brokers[1].cordoned_log_dirs or ()


async def creation(client: Client, name: str, *, by_hand: bool = False) -> tuple[ErrorCode, str | None]:
    topic = CreateTopics.Request.Topic(
        name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
    )
    if by_hand:
        topic.num_partitions = topic.replication_factor = -1
        topic.assignments = [CreateTopics.Request.Topic.Assignment(partition_index=0, broker_ids=[1])]
    answer = await client.ask(CreateTopics.Request(topics=[topic], timeout_ms=1000), 7)
    return ErrorCode(answer.topics[0].error_code), answer.topics[0].error_message


async def move(client: Client, topic: str, path: Path) -> ErrorCode:
    wanted = AlterReplicaLogDirs.Request.Dir
    asked = wanted(path=str(path), topics=[wanted.Topic(name=topic, partitions=[0])])
    answer = await client.ask(AlterReplicaLogDirs.Request(dirs=[asked]), 2)
    return ErrorCode(answer.results[0].partitions[0].error_code)


async def described(client: Client) -> dict[str, bool]:
    answer = await client.ask(DescribeLogDirs.Request(topics=None), 5)
    return {Path(result.log_dir).name: result.is_cordoned for result in answer.results}


async def test_a_cordoned_directory_gets_no_new_partitions_and_serves_its_old_ones(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    async with serving(data=paths) as running, connected(running) as client:
        made = Bench(running, client, None, [str(path) for path in paths])  # type: ignore[arg-type]
        for name in ("a", "b"):
            await create_topic(running, name)
            assert await made.produce(name, b"first") is FINE
        [old] = [name for name in ("a", "b") if (tmp_path / "two" / f"{name}-0").is_dir()]
        assert await described(client) == {"one": False, "two": False}
        assert await cordon(running, str(paths[1])) is FINE
        await made.until(lambda: len(known(made)) == 1)
        assert await described(client) == {"one": False, "two": True}
        for number in range(4):
            await create_topic(running, f"new{number}")
            assert await made.produce(f"new{number}", b"x") is FINE
        assert not list((tmp_path / "two").glob("new*"))
        assert await made.produce(old, b"second") is FINE
        for topic in ("new0", old, "none-of-them"):
            assert await move(client, topic, paths[1]) is ErrorCode.INVALID_REPLICA_ASSIGNMENT, topic
    async with serving(data=paths) as running, connected(running) as client:
        assert await described(client) == {"one": False, "two": True}
        again = Bench(running, client, None, [])  # type: ignore[arg-type]
        assert len(known(again)) == 1
        assert await cordon(running, "") is FINE
        await again.until(lambda: not known(again))
        await create_topic(running, "last")
        assert await again.produce("last", b"x") is FINE
        assert (tmp_path / "two" / "last-0").is_dir()


async def test_a_broker_of_which_all_directories_are_cordoned_gets_no_topics(tmp_path: Path) -> None:
    async with serving(data=[tmp_path / "one", tmp_path / "two"]) as running, connected(running) as client:
        made = Bench(running, client, None, [])  # type: ignore[arg-type]
        assert await cordon(running, "*") is FINE
        await made.until(lambda: len(known(made)) == 2)
        assert await creation(client, "t") == (
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all "
            "their log directories cordoned.",
        )
        assert await creation(client, "t", by_hand=True) == (
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 1, but all its log directories are cordoned.",
        )
        assert await cordon(running, str(tmp_path / "one")) is FINE
        await made.until(lambda: len(known(made)) == 1)
        assert (await creation(client, "t"))[0] is FINE


async def test_what_can_not_be_cordoned_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    async with serving(data=[tmp_path / "one", tmp_path / "two"]) as running, connected(running) as client:
        made = Bench(running, client, None, [])  # type: ignore[arg-type]
        assert await cordon(running, f" {two} ") is FINE
        await made.until(lambda: len(known(made)) == 1)
        for wrong in (
            f"*,{one}",
            f"{tmp_path}/three",
            f"{one},{tmp_path}/three",
            f"{one}/",
            "one",
            f"{one},{one}",
            f"{one},,{two}",
            ",",
        ):
            assert await cordon(running, wrong) is ErrorCode.INVALID_REQUEST, wrong
        assert await described(client) == {"one": False, "two": True}
        change = IncrementalAlterConfigs.Request.Resource.Config(
            name=CORDONED, config_operation=0, value=f"{one},/nowhere"
        )
        answer = await client.ask(
            IncrementalAlterConfigs.Request(
                resources=[
                    IncrementalAlterConfigs.Request.Resource(
                        resource_type=ResourceType.BROKER, resource_name="1", configs=[change]
                    )
                ],
                validate_only=False,
            ),
            1,
        )
        assert answer.responses[0].error_message == (
            "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. "
            "Missing entries : /nowhere"
        )


async def test_a_path_that_is_no_log_directory_any_more_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(data=[tmp_path / "one", tmp_path / "two"]) as running:
        assert await cordon(running, str(tmp_path / "two")) is FINE
    async with serving(data=[tmp_path / "one"]) as running, connected(running) as client:
        assert await described(client) == {"one": False}
        assert f"cordoned.log.dirs names {tmp_path}/two" in caplog.text
