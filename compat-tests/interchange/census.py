"""All that a client can see of a broker's data: the same after another one has opened the directory."""

from __future__ import annotations

from typing import Any, NamedTuple

import trio
from interchange.producers import until_done
from kwire_codecs.apis.describe_acls import DescribeAcls
from kwire_codecs.apis.describe_client_quotas import DescribeClientQuotas
from kwire_codecs.apis.describe_configs import DescribeConfigs
from kwire_codecs.apis.describe_share_group_offsets import DescribeShareGroupOffsets
from kwire_codecs.apis.describe_transactions import DescribeTransactions
from kwire_codecs.apis.describe_user_scram_credentials import DescribeUserScramCredentials
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.list_transactions import ListTransactions
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.streams_group_describe import StreamsGroupDescribe
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.control import decode_marker

from tests.broker_client import Client, fetch_request, one_partition

OF_THE_BROKER = ("__consumer_offsets", "__transaction_state", "__share_group_state")
_DYNAMIC_TOPIC, _DYNAMIC_DEFAULT_BROKER = 1, 3

Partition = tuple[str, int]
Seen = tuple[int, int, bytes | None, bytes | None, Any]
"""Offset, timestamp, key, value, headers."""


class Census(NamedTuple):
    """What there is."""

    cluster_id: str | None
    topics: dict[str, tuple[Any, int, dict[str, str | None]]]
    """Id, number of partitions, configs that were set."""
    broker_configs: dict[str, str | None]
    records: dict[Partition, list[Seen]]
    committed: dict[Partition, list[Seen]]
    """What a reader of committed data gets."""
    bounds: dict[Partition, tuple[int, int, int]]
    """First offset, next offset, and the next one for readers of committed data."""
    groups: dict[str, tuple[str, str]]
    """State and type of each."""
    offsets: dict[str, dict[Partition, tuple[int, str | None]]]
    transactions: dict[str, tuple[Any, ...]]
    """State, producer id and epoch, time-out, partitions."""


async def census(client: Client) -> Census:
    """Look at everything."""
    answer = await client.ask(Metadata.Request(topics=None), 12)
    topics, records, committed, bounds = {}, {}, {}, {}
    for topic in sorted(answer.topics, key=lambda topic: topic.name):
        assert topic.error_code == ErrorCode.NONE
        configs = await configs_of(client, 2, topic.name, _DYNAMIC_TOPIC)
        topics[topic.name] = topic.topic_id, len(topic.partitions), configs
        if topic.name in OF_THE_BROKER:
            continue
        for index in range(len(topic.partitions)):
            at = topic.name, index
            first = await offset_of(client, at, -2, 0)
            bounds[at] = first, await offset_of(client, at, -1, 0), await offset_of(client, at, -1, 1)
            records[at] = await read(client, at, bounds[at][0], bounds[at][1], isolation_level=0)
            committed[at] = await read(client, at, bounds[at][0], bounds[at][2], isolation_level=1)
    brokers = await configs_of(client, 4, "", _DYNAMIC_DEFAULT_BROKER)
    groups = await groups_of(client)
    offsets = {
        group: await offsets_of(client, group)
        for group, (_, kind) in groups.items()
        if kind.lower() not in ("share", "streams")
    }
    return Census(
        answer.cluster_id, topics, brokers, records, committed, bounds, groups, offsets, await txns_of(client)
    )


async def configs_of(client: Client, kind: int, name: str, source: int) -> dict[str, str | None]:
    asked = DescribeConfigs.Request.Resource(resource_type=kind, resource_name=name, configuration_keys=None)
    [result] = (await client.ask(DescribeConfigs.Request(resources=[asked]), 4)).results
    assert result.error_code == ErrorCode.NONE
    return {config.name: config.value for config in result.configs if config.config_source == source}


async def offset_of(client: Client, at: Partition, timestamp: int, isolation_level: int) -> int:
    topic = ListOffsets.Request.Topic
    asked = topic(name=at[0], partitions=[topic.Partition(partition_index=at[1], timestamp=timestamp)])
    request = ListOffsets.Request(replica_id=-1, isolation_level=isolation_level, topics=[asked])
    answer = await until_done(client, request, 6, lambda answer: answer.topics[0].partitions[0].error_code)
    offset: int = answer.topics[0].partitions[0].offset
    return offset


async def read(client: Client, at: Partition, start: int, end: int, *, isolation_level: int) -> list[Seen]:
    """Every record between two offsets; of aborted transactions none, where committed data is asked for."""
    found: list[Seen] = []
    offset = start
    while offset < end:
        request = fetch_request(
            at[0],
            offset,
            partition=at[1],
            isolation_level=isolation_level,
            max_bytes=1 << 20,
            max_wait_ms=500,
        )
        answer = one_partition(
            await until_done(client, request, 11, lambda answer: one_partition(answer).error_code)
        )
        pending = sorted((each.first_offset, each.producer_id) for each in answer.aborted_transactions or [])
        doomed: set[int] = set()
        data = memoryview(answer.records)
        before = offset
        for position, header in batch.walk(data, allow_partial_end=True):
            assert batch.crc_is_valid(data, position, header)
            while pending and pending[0][0] <= header.last_offset:
                doomed.add(pending.pop(0)[1])
            for record in batch.records(data, position, header, 1 << 26):
                if header.is_control:
                    marker = decode_marker(record)
                    if marker is not None and not marker.committed:
                        doomed.discard(header.producer_id)
                elif record.offset >= offset and not (
                    header.is_transactional and header.producer_id in doomed
                ):
                    found.append((record.offset, record.timestamp, record.key, record.value, record.headers))
            offset = header.next_offset
        assert offset > before, (at, offset, end)
    return found


async def groups_of(client: Client) -> dict[str, tuple[str, str]]:
    answer = await until_done(client, ListGroups.Request(), 5, lambda answer: answer.error_code)
    return {
        group.group_id: (group.group_state, group.group_type)
        for group in answer.groups
        if group.group_id != "warm"
    }


async def offsets_of(client: Client, group: str) -> dict[Partition, tuple[int, str | None]]:
    find = FindCoordinator.Request(key_type=0, key=group)
    await until_done(client, find, 3, lambda answer: answer.error_code)
    request = OffsetFetch.Request(group_id=group, topics=None)
    answer = await until_done(client, request, 7, lambda answer: answer.error_code)
    return {
        (topic.name, partition.partition_index): (partition.committed_offset, partition.metadata)
        for topic in answer.topics
        for partition in topic.partitions
    }


async def txns_of(client: Client) -> dict[str, tuple[Any, ...]]:
    request = ListTransactions.Request(state_filters=[], producer_id_filters=[])
    answer = await until_done(client, request, 0, lambda answer: answer.error_code)
    names = sorted(state.transactional_id for state in answer.transaction_states)
    request = DescribeTransactions.Request(transactional_ids=names)
    answer = await client.ask(request, 0)
    return {
        state.transactional_id: (
            state.transaction_state,
            state.producer_id,
            state.producer_epoch,
            state.transaction_timeout_ms,
            sorted((topic.topic, tuple(sorted(topic.partitions))) for topic in state.topics),
        )
        for state in answer.transaction_states
    }


async def decided(client: Client, transactional_id: str) -> None:
    """Waits until a coordinator that has just started knows a transaction, and has nothing of it to end."""
    request = DescribeTransactions.Request(transactional_ids=[transactional_id])
    for _ in range(600):
        answer = await until_done(client, request, 0, lambda answer: answer.transaction_states[0].error_code)
        if not answer.transaction_states[0].transaction_state.startswith("Prepare"):
            return
        await trio.sleep(0.05)
    raise AssertionError(f"{transactional_id} was decided and never ends")


async def other_groups(client: Client) -> tuple[Any, ...]:
    """Where the share group stands in its partitions, the topology of the streams group: asked of a Kafka."""
    group = DescribeShareGroupOffsets.Request.Group(group_id="sharers", topics=None)
    for key in ("sharers", "streamers"):
        find = FindCoordinator.Request(key_type=0, key=key)
        await until_done(client, find, 3, lambda answer: answer.error_code)
    request = DescribeShareGroupOffsets.Request(groups=[group])
    answer = await until_done(client, request, 0, lambda answer: answer.groups[0].error_code)
    stands = sorted(
        (topic.topic_name, partition.partition_index, partition.start_offset, partition.error_code)
        for topic in answer.groups[0].topics
        for partition in topic.partitions
    )
    request = StreamsGroupDescribe.Request(group_ids=["streamers"], include_authorized_operations=False)
    answer = await until_done(client, request, 0, lambda answer: answer.groups[0].error_code)
    [found] = answer.groups
    topology = None
    if found.topology is not None:
        topology = (
            found.topology.epoch,
            [(each.subtopology_id, each.source_topics) for each in found.topology.subtopologies or []],
        )
    return stands, (found.group_state, found.group_epoch, topology, len(found.members))


async def security(client: Client) -> tuple[Any, ...]:
    """ACLs, users with their SCRAM mechanisms, quotas: asked of a Kafka."""
    request = DescribeAcls.Request(
        resource_type_filter=1,
        resource_name_filter=None,
        pattern_type_filter=1,
        principal_filter=None,
        host_filter=None,
        operation=1,
        permission_type=1,
    )
    answer = await client.ask(request, 3)
    assert answer.error_code == ErrorCode.NONE
    acls = sorted(
        (resource.resource_type, resource.resource_name, acl.principal, acl.operation, acl.permission_type)
        for resource in answer.resources
        for acl in resource.acls
    )
    answer = await client.ask(DescribeUserScramCredentials.Request(users=None), 0)
    assert answer.error_code == ErrorCode.NONE
    users = sorted(
        (result.user, sorted((info.mechanism, info.iterations) for info in result.credential_infos))
        for result in answer.results
    )
    answer = await client.ask(DescribeClientQuotas.Request(components=[], strict=False), 1)
    quotas = sorted(
        (
            sorted((part.entity_type, part.entity_name) for part in entry.entity),
            sorted((value.key, value.value) for value in entry.values),
        )
        for entry in answer.entries or []
    )
    return acls, users, quotas
