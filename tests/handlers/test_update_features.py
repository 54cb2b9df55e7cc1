"""UpdateFeatures over a connection, in every version: what is finalised counts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic
from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.update_features import UpdateFeatures
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import records as m
from kwire.coordinators.outcome import Outcome
from tests.broker_client import Client, connected, create_topic, serving

UP, SAFE = 1, 2
GROUPS, TRANSACTIONS = "group.version", "transaction.version"


def update(*levels: tuple[str, int], kind: int = UP, **more: Any) -> UpdateFeatures.Request:
    return UpdateFeatures.Request(
        feature_updates=[
            UpdateFeatures.Request.FeatureUpdate(feature=name, max_version_level=level, upgrade_type=kind)
            for name, level in levels
        ],
        **more,
    )


async def finalised(client: Client) -> tuple[dict[str, int], int]:
    """The levels that clients are told of, and their epoch."""
    asked = ApiVersions.Request(client_software_name="test", client_software_version="1")
    answer = await client.ask(asked, 4)
    levels = {each.name: each.max_version_level for each in answer.finalized_features}
    return levels, answer.finalized_features_epoch


async def joins(client: Client) -> ErrorCode:
    """What a first heartbeat of a consumer group hears."""
    asked = ConsumerGroupHeartbeat.Request(
        group_id="g",
        member_id="m",
        member_epoch=0,
        rebalance_timeout_ms=1000,
        subscribed_topic_names=["t"],
        topic_partitions=[],
    )
    error_code: ErrorCode = (await client.ask(asked, 1)).error_code
    return error_code


@pytest.mark.parametrize("version", range(3))
async def test_a_level_that_is_raised_counts_at_once_with_a_new_epoch(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        off = [m.feature_level_record(GROUPS, 0)]
        await broker.cluster.controller.submit(lambda image: Outcome(None, off))
        before, epoch = await finalised(client)
        assert GROUPS not in before
        assert await joins(client) is ErrorCode.UNSUPPORTED_VERSION

        answer = await client.ask(update((GROUPS, 1)), version)
        assert answer.error_code is ErrorCode.NONE
        assert [(each.feature, each.error_code) for each in answer.results] == [
            (GROUPS, ErrorCode.NONE) for _ in range(version <= 1)
        ]
        levels, newer = await finalised(client)
        assert levels[GROUPS] == 1
        assert newer > epoch
        assert await joins(client) is ErrorCode.NONE


@pytest.mark.parametrize("version", range(3))
async def test_one_mistake_refuses_the_whole(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        before = await finalised(client)
        answer = await client.ask(update((GROUPS, 1), (TRANSACTIONS, 3)), version)
        assert answer.error_code is ErrorCode.INVALID_UPDATE_VERSION
        assert answer.error_message
        assert TRANSACTIONS in answer.error_message
        assert answer.results == []
        assert await finalised(client) == before


@pytest.mark.parametrize("version", [1, 2])
async def test_what_is_only_tried_changes_nothing(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        before = await finalised(client)
        answer = await client.ask(update((GROUPS, 0), kind=SAFE, validate_only=True), version)
        assert answer.error_code is ErrorCode.NONE
        assert await finalised(client) == before
        assert await joins(client) is ErrorCode.NONE


async def test_levels_outlive_a_restart_and_are_not_raised_by_it(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as broker, connected(broker) as client:
        answer = await client.ask(update((GROUPS, 0), (TRANSACTIONS, 1), kind=SAFE), 2)
        assert answer.error_code is ErrorCode.NONE
    async with serving(data=[tmp_path]) as broker, connected(broker) as client:
        levels, _ = await finalised(client)
        assert GROUPS not in levels
        assert levels[TRANSACTIONS] == 1


@pytest.mark.parametrize("version", [4, 5])
async def test_a_transaction_that_the_log_has_no_record_for_refuses_the_whole_request(version: int) -> None:
    async with serving() as broker, connected(broker) as client:
        await create_topic(broker, "t")
        assert (await client.ask(update((TRANSACTIONS, 0), kind=SAFE), 2)).error_code is ErrorCode.NONE
        await client.ask(FindCoordinator.Request(key="x", key_type=1), 3)
        begun = await client.ask(InitProducerId.Request(transactional_id="x", transaction_timeout_ms=9000), 4)
        asked = AddPartitionsToTxn.Request
        transaction = asked.Transaction(
            transactional_id="x",
            producer_id=begun.producer_id,
            producer_epoch=begun.producer_epoch,
            topics=[Topic(name="t", partitions=[0])],
        )
        refused = await client.ask(asked(transactions=[transaction]), version)
        assert (refused.error_code, refused.results_by_transaction) == (ErrorCode.UNSUPPORTED_VERSION, [])
        assert (await client.ask(update((TRANSACTIONS, 1)), 2)).error_code is ErrorCode.NONE
        taken = await client.ask(asked(transactions=[transaction]), version)
        [topic] = taken.results_by_transaction[0].topic_results
        assert topic.results_by_partition[0].partition_error_code is ErrorCode.NONE
