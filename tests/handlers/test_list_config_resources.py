"""ListConfigResources: what has settings that can be asked for."""

from __future__ import annotations

import pytest
from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs
from kwire_codecs.apis.list_config_resources import ListConfigResources
from kwire_codecs.errors import ErrorCode

from tests.broker_client import Client, connected, create_topic, serving

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32


async def listed(client: Client, *types: int, version: int = 1) -> list[tuple[int, str]]:
    answer = await client.ask(ListConfigResources.Request(resource_types=list(types)), version)
    assert answer.error_code == ErrorCode.NONE
    return [(each.resource_type, each.resource_name) for each in answer.config_resources]


async def configure_group(client: Client, name: str) -> None:
    resource = IncrementalAlterConfigs.Request.Resource
    setting = resource.Config(name="consumer.session.timeout.ms", config_operation=0, value="50000")
    asked = resource(resource_type=GROUP, resource_name=name, configs=[setting])
    [answer] = (
        await client.ask(IncrementalAlterConfigs.Request(resources=[asked], validate_only=False), 1)
    ).responses
    assert answer.error_code == ErrorCode.NONE


async def test_everything_with_settings_is_listed_where_no_type_is_named() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await configure_group(client, "g")
        found = await listed(client)
    brokers = [name for kind, name in found if kind == BROKER]
    assert len(brokers) == 1
    assert {(TOPIC, "t"), (GROUP, "g"), (LOGGER, brokers[0])} <= set(found)
    assert METRICS not in {kind for kind, _ in found}


async def test_only_the_types_that_were_named_are_listed_each_once() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        await configure_group(client, "g")
        assert await listed(client, GROUP, TOPIC, GROUP) == [
            *((TOPIC, name) for name in running.cluster.controller.image.topics),
            (GROUP, "g"),
        ]


async def test_version_0_knows_subscriptions_to_metrics_only() -> None:
    async with serving() as running, connected(running) as client:
        await create_topic(running, "t")
        assert await listed(client, version=0) == []


@pytest.mark.parametrize("types", [[7], [TOPIC, 0], [-1]])
async def test_a_type_that_does_not_exist_is_refused(types: list[int]) -> None:
    async with serving() as running, connected(running) as client:
        answer = await client.ask(ListConfigResources.Request(resource_types=types), 1)
    assert (answer.error_code, answer.config_resources) == (ErrorCode.UNSUPPORTED_VERSION, [])
