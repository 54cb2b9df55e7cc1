"""DescribeConfigs, AlterConfigs and IncrementalAlterConfigs over a connection, in every version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.apis.alter_configs import AlterConfigs
from kwire_codecs.apis.describe_configs import DescribeConfigs
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, one_partition, produce_request, serving
from tests.handlers.data import records

TOPIC, BROKER = 2, 4


def describing(
    resource_type: int, name: str, keys: list[str] | None = None, **fields: Any
) -> DescribeConfigs.Request:
    asked = DescribeConfigs.Request.Resource
    return DescribeConfigs.Request(
        resources=[asked(resource_type=resource_type, resource_name=name, configuration_keys=keys)], **fields
    )


def setting(
    resource_type: int, name: str, op: int, key: str, value: str | None
) -> IncrementalAlterConfigs.Request:
    asked = IncrementalAlterConfigs.Request.Resource
    config = asked.Config(name=key, config_operation=op, value=value)
    resource = asked(resource_type=resource_type, resource_name=name, configs=[config])
    return IncrementalAlterConfigs.Request(resources=[resource], validate_only=False)


async def value_of(client: Client, resource_type: int, name: str, key: str) -> str | None:
    [result] = (await client.ask(describing(resource_type, name, [key]), 4)).results
    [config] = result.configs
    value: str | None = config.value
    return value


@pytest.mark.parametrize("version", range(5))
async def test_every_config_of_a_topic_is_described_with_its_source(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t", 1, {"retention.ms": "5"})
        [result] = (await client.ask(describing(TOPIC, "t"), version)).results
        configs = {config.name: config for config in result.configs}
        assert len(configs) == 37
        assert configs["retention.ms"].value == "5"
        assert configs["segment.bytes"].value == "1073741824"
        if version == 0:
            assert not configs["retention.ms"].is_default
            assert configs["segment.bytes"].is_default
        else:
            assert (configs["retention.ms"].config_source, configs["segment.bytes"].config_source) == (1, 5)
        if version >= 3:
            assert configs["retention.ms"].config_type == 5


@pytest.mark.parametrize("version", range(1, 5))
async def test_synonyms_are_told_when_asked(version: int) -> None:
    async with serving({"log.retention.ms": "9"}) as broker, connected(broker) as client:
        await create_topic(broker, "t", 1, {"retention.ms": "5"})
        quiet = await client.ask(describing(TOPIC, "t", ["retention.ms"]), version)
        asked = await client.ask(describing(TOPIC, "t", ["retention.ms"], include_synonyms=True), version)
        assert quiet.results[0].configs[0].synonyms == []
        found = [(one.name, one.value, one.source) for one in asked.results[0].configs[0].synonyms]
        assert found == [
            ("retention.ms", "5", 1),
            ("log.retention.ms", "9", 4),
            ("log.retention.hours", "168", 5),
        ]


@pytest.mark.parametrize("version", [3, 4])
async def test_documentation_is_told_when_asked(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        quiet = await client.ask(describing(TOPIC, "t", ["retention.ms"]), version)
        asked = await client.ask(
            describing(TOPIC, "t", ["retention.ms"], include_documentation=True), version
        )
        assert quiet.results[0].configs[0].documentation is None
        assert asked.results[0].configs[0].documentation == "How long records stay; -1 for ever."


async def test_a_resource_asked_for_many_times_is_described_once() -> None:
    async with serving() as broker, connected(broker) as client:
        asked = DescribeConfigs.Request.Resource
        one = asked(resource_type=BROKER, resource_name="1", configuration_keys=None)
        response = await client.ask(DescribeConfigs.Request(resources=[one] * 20_000), 4)
        assert len(response.results) == 1


async def test_every_config_of_the_broker_is_described() -> None:
    async with serving() as broker, connected(broker) as client:
        [result] = (await client.ask(describing(BROKER, "1"), 4)).results
        configs = {config.name: config for config in result.configs}
        assert len(configs) > 300
        assert configs["node.id"].value == "1"
        assert configs["node.id"].read_only
        assert configs["listeners"].value == f"PLAINTEXT://{broker.addresses[0]}"
        assert configs["ssl.key.password"].is_sensitive


@pytest.mark.parametrize(
    ("resource_type", "name", "code"),
    [
        (TOPIC, "nowhere", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a/b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "9", ErrorCode.INVALID_REQUEST),
        (BROKER, "one", ErrorCode.INVALID_REQUEST),
        (99, "x", ErrorCode.INVALID_REQUEST),
        (0, "x", ErrorCode.INVALID_REQUEST),
        (8, "1", ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_has_no_configs_is_refused_in_all_versions(
    resource_type: int, name: str, code: ErrorCode
) -> None:
    async with serving() as broker, connected(broker) as client:
        for version in range(5):
            [result] = (await client.ask(describing(resource_type, name), version)).results
            assert (result.error_code, result.configs) == (code, [])


@pytest.mark.parametrize("version", [0, 1])
async def test_a_config_is_set_appended_to_subtracted_from_and_deleted(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        seen = []
        for op, value in ((0, "compact"), (2, "delete"), (3, "compact"), (1, None)):
            answer = await client.ask(setting(TOPIC, "t", op, "cleanup.policy", value), version)
            assert [one.error_code for one in answer.responses] == [ErrorCode.NONE]
            seen.append(await value_of(client, TOPIC, "t", "cleanup.policy"))
        assert seen == ["compact", "compact,delete", "delete", "delete"]
        assert broker.cluster.controller.image.config(TOPIC, "t") == {}


@pytest.mark.parametrize("version", range(3))
async def test_the_old_alter_configs_sets_what_it_names_and_drops_the_rest(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t", 1, {"retention.ms": "5", "flush.ms": "6"})
        asked = AlterConfigs.Request.Resource
        resource = asked(
            resource_type=TOPIC, resource_name="t", configs=[asked.Config(name="flush.ms", value="7")]
        )
        request = AlterConfigs.Request(resources=[resource], validate_only=False)
        [answer] = (await client.ask(request, version)).responses
        assert answer.error_code is ErrorCode.NONE
        assert broker.cluster.controller.image.config(TOPIC, "t") == {"flush.ms": "7"}


async def test_a_brokers_config_reaches_its_topics_at_once() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        await client.ask(setting(BROKER, "", 0, "message.max.bytes", "2000"), 1)
        assert await value_of(client, TOPIC, "t", "max.message.bytes") == "2000"
        await client.ask(setting(BROKER, "1", 0, "message.max.bytes", "3000"), 1)
        assert await value_of(client, TOPIC, "t", "max.message.bytes") == "3000"


async def test_a_broker_answers_for_itself_alone() -> None:
    async with serving(brokers=2) as broker, connected(broker, node=1) as client:
        [result] = (await client.ask(describing(BROKER, "2"), 4)).results
        assert result.error_code is ErrorCode.NONE
        [result] = (await client.ask(describing(BROKER, "1"), 4)).results
        assert result.error_code is ErrorCode.INVALID_REQUEST


async def alter_topic(client: Client, key: str, value: str) -> None:
    [answer] = (await client.ask(setting(TOPIC, "t", 0, key, value), 1)).responses
    assert answer.error_code is ErrorCode.NONE


@pytest.mark.parametrize(
    ("key", "value", "refused"),
    [
        ("max.message.bytes", "100", ErrorCode.MESSAGE_TOO_LARGE),
        ("cleanup.policy", "compact", ErrorCode.INVALID_RECORD),
        ("message.timestamp.before.max.ms", "1000", ErrorCode.INVALID_TIMESTAMP),
    ],
)
async def test_an_altered_topic_config_counts_from_the_next_produce_on(
    key: str, value: str, refused: ErrorCode
) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        request = produce_request("t", records(b"x" * 200))
        assert one_partition(await client.ask(request, 9)).error_code is ErrorCode.NONE
        await alter_topic(client, key, value)
        assert one_partition(await client.ask(request, 9)).error_code is refused


async def test_a_topic_told_to_stamp_append_time_does_so_from_the_next_produce_on() -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        await alter_topic(client, "message.timestamp.type", "LogAppendTime")
        produced = one_partition(await client.ask(produce_request("t", records(b"x")), 9))
        assert produced.log_append_time_ms > 1_000_000


async def test_configs_survive_a_restart(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as broker, connected(broker) as client:
        await create_topic(broker, "t")
        await alter_topic(client, "max.message.bytes", "100")
        await client.ask(setting(BROKER, "", 0, "log.retention.ms", "12345"), 1)
    async with serving(data=[tmp_path]) as broker, connected(broker) as client:
        assert await value_of(client, TOPIC, "t", "max.message.bytes") == "100"
        assert await value_of(client, TOPIC, "t", "retention.ms") == "12345"
        produced = one_partition(await client.ask(produce_request("t", records(b"x" * 200)), 9))
        assert produced.error_code is ErrorCode.MESSAGE_TOO_LARGE
