"""Short ways to write the requests that cases and steps are made of.

Each gives the fields of all versions at once, names and topic ids both; the codec sends those that the
version in hand has. `topic="{topic}"` brings its id along as `{topic_id}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .batches import Batch, Joined, MessageSet, Raw
from .values import Built, Fields

Records = Batch | MessageSet | Joined | Raw | None
THREE = Batch()
TOPIC, BROKER, BROKER_LOGGER = 2, 4, 8


def id_of(topic: str) -> str:
    """`"{topic}"` -> `"{topic_id}"`."""
    return f"{topic[:-1]}_id}}" if topic.startswith("{") else "{missing_id}"


def api_versions(name: str = "differential", version: str = "1.0", **more: Any) -> Fields:
    return {"client_software_name": name, "client_software_version": version, **more}


def metadata(*topics: str, auto_create: bool = True, **more: Any) -> Fields:
    """Metadata by name; none named: all topics, as each version says it (v0 by an empty list)."""
    named = [{"name": topic} for topic in topics] if topics else None
    return {"topics": named, "allow_auto_topic_creation": auto_create, **more}


def metadata_by_id(*ids: str, name: str | None = None, **more: Any) -> Fields:
    return {"topics": [{"topic_id": each, "name": name} for each in ids], **more}


def produce(
    records: Records = THREE,
    *,
    topic: str = "{topic}",
    partition: int = 0,
    acks: int = -1,
    transactional_id: str | None = None,
    timeout_ms: int = 10_000,
) -> Fields:
    partition_data = [{"index": partition, "records": records}]
    topic_data = [{"name": topic, "topic_id": id_of(topic), "partition_data": partition_data}]
    more = {"acks": acks, "timeout_ms": timeout_ms}
    return {"transactional_id": transactional_id, "topic_data": topic_data, **more}


def fetch(
    offset: int = 0,
    *,
    topic: str = "{topic}",
    partition: int = 0,
    max_wait_ms: int = 500,
    min_bytes: int = 1,
    max_bytes: int = 1_000_000,
    partition_max_bytes: int = 1_000_000,
    session_id: int | str = 0,
    session_epoch: int = -1,
    leader_epoch: int = -1,
    last_fetched_epoch: int = -1,
    isolation_level: int = 0,
    **more: Any,
) -> Fields:
    one = {"partition": partition, "fetch_offset": offset, "partition_max_bytes": partition_max_bytes}
    one |= {"current_leader_epoch": leader_epoch, "last_fetched_epoch": last_fetched_epoch}
    return {
        "max_wait_ms": max_wait_ms,
        "min_bytes": min_bytes,
        "max_bytes": max_bytes,
        "isolation_level": isolation_level,
        "session_id": session_id,
        "session_epoch": session_epoch,
        "topics": [{"topic": topic, "topic_id": id_of(topic), "partitions": [one]}],
        **more,
    }


def fetch_several(*partitions: tuple[str, int, int], **more: Any) -> Fields:
    """Fetch (topic, partition, offset) each, in one request."""
    fields = fetch(**more)
    fields["topics"] = [
        fetch(offset, topic=topic, partition=partition)["topics"][0]
        for topic, partition, offset in partitions
    ]
    return fields


def fetch_nothing(**more: Any) -> Fields:
    """A fetch that names no partition: a session's partitions stay as they are."""
    return {**fetch(**more), "topics": []}


def list_offsets(
    timestamp: int,
    *,
    topic: str = "{topic}",
    partition: int = 0,
    leader_epoch: int = -1,
    most: int = 10,
    isolation_level: int = 0,
    replica_id: int = -1,
) -> Fields:
    one = {"partition_index": partition, "timestamp": timestamp, "max_num_offsets": most}
    one["current_leader_epoch"] = leader_epoch
    topics = [{"name": topic, "partitions": [one]}]
    return {
        "replica_id": replica_id,
        "isolation_level": isolation_level,
        "topics": topics,
        "timeout_ms": 5000,
    }


def end_offset(epoch: int, *, topic: str = "{topic}", partition: int = 0, leader_epoch: int = -1) -> Fields:
    """OffsetForLeaderEpoch."""
    one = {"partition": partition, "leader_epoch": epoch, "current_leader_epoch": leader_epoch}
    return {"replica_id": -1, "topics": [{"topic": topic, "partitions": [one]}]}


def find_coordinator(*keys: str, kind: int = 0) -> Fields:
    return {"key": keys[0] if keys else "", "coordinator_keys": list(keys), "key_type": kind}


def join(
    group: str,
    member: str,
    instance: str | None = None,
    *,
    protocol_type: str = "testing",
    protocols: Sequence[str] = ("first", "second"),
    metadata: bytes | Built = b"metadata",
    session_timeout_ms: int = 30_000,
    rebalance_timeout_ms: int = 30_000,
) -> Fields:
    return {
        "group_id": group,
        "session_timeout_ms": session_timeout_ms,
        "rebalance_timeout_ms": rebalance_timeout_ms,
        "member_id": member,
        "group_instance_id": instance,
        "protocol_type": protocol_type,
        "protocols": [{"name": name, "metadata": metadata} for name in protocols],
    }


def sync(
    group: str,
    generation: int | str,
    member: str,
    assignments: Sequence[tuple[str, bytes | Built]] = (),
    *,
    instance: str | None = None,
    kind: str | None = "testing",
    protocol: str | None = "first",
) -> Fields:
    return {
        "group_id": group,
        "generation_id": generation,
        "member_id": member,
        "group_instance_id": instance,
        "protocol_type": kind,
        "protocol_name": protocol,
        "assignments": [{"member_id": who, "assignment": what} for who, what in assignments],
    }


def heartbeat(group: str, generation: int | str, member: str, instance: str | None = None) -> Fields:
    fields = {"group_id": group, "generation_id": generation, "member_id": member}
    return {**fields, "group_instance_id": instance}


def leave(group: str, *members: str, instances: Sequence[str | None] = ()) -> Fields:
    """One member by v0-v2's field, and all of them by v3's list."""
    named = instances or (None,) * len(members)
    several = [
        {"member_id": member, "group_instance_id": instance}
        for member, instance in zip(members, named, strict=True)
    ]
    return {"group_id": group, "member_id": members[0] if members else "", "members": several}


def commit(
    group: str,
    offset: int,
    *,
    topic: str = "{topic}",
    partition: int = 0,
    generation: int | str = -1,
    member: str = "",
    instance: str | None = None,
    metadata: str | None = "note",
    epoch: int = -1,
    retention_time_ms: int = -1,
) -> Fields:
    one = {"partition_index": partition, "committed_offset": offset, "committed_metadata": metadata}
    one |= {"committed_leader_epoch": epoch, "commit_timestamp": -1}
    return {
        "group_id": group,
        "generation_id_or_member_epoch": generation,
        "member_id": member,
        "group_instance_id": instance,
        "retention_time_ms": retention_time_ms,
        "topics": [{"name": topic, "topic_id": id_of(topic), "partitions": [one]}],
    }


def offset_fetch(
    group: str,
    *topics: str,
    partitions: Sequence[int] = (0,),
    require_stable: bool = False,
    member: str | None = None,
    epoch: int | str = -1,
) -> Fields:
    """No topic: all that the group has committed (v2 and later)."""
    old = [{"name": topic, "partition_indexes": list(partitions)} for topic in topics]
    new = [{**one, "topic_id": id_of(topic)} for one, topic in zip(old, topics, strict=True)]
    groups = [{"group_id": group, "topics": new or None, "member_id": member, "member_epoch": epoch}]
    return {"group_id": group, "topics": old or None, "groups": groups, "require_stable": require_stable}


def offset_delete(group: str, topic: str = "{topic}", partition: int = 0) -> Fields:
    return {"group_id": group, "topics": [{"name": topic, "partitions": [{"partition_index": partition}]}]}


def init_producer_id(
    transactional_id: str | None, *, timeout_ms: int = 60_000, producer: int | str = -1, epoch: int | str = -1
) -> Fields:
    who = {"producer_id": producer, "producer_epoch": epoch}
    return {"transactional_id": transactional_id, "transaction_timeout_ms": timeout_ms, **who}


def create_topics(
    *names_and_partitions: str | int,
    replication: int = 1,
    assignments: Sequence[tuple[int, Sequence[int]]] = (),
    configs: Mapping[str, str | None] | None = None,
    validate_only: bool = False,
    timeout_ms: int = 10_000,
) -> Fields:
    """`create_topics("{topic}", 3, "{other}", 1)`; what else is given holds for each."""
    pairs = zip(names_and_partitions[::2], names_and_partitions[1::2], strict=True)
    placed = [{"partition_index": index, "broker_ids": list(brokers)} for index, brokers in assignments]
    settings = [{"name": name, "value": value} for name, value in (configs or {}).items()]
    topics = [
        {
            "name": name,
            "num_partitions": partitions,
            "replication_factor": replication,
            "assignments": placed,
            "configs": settings,
        }
        for name, partitions in pairs
    ]
    return {"topics": topics, "timeout_ms": timeout_ms, "validate_only": validate_only}


def delete_topics(*names: str, timeout_ms: int = 10_000) -> Fields:
    named = [{"name": name} for name in names]
    return {"topics": named, "topic_names": list(names), "timeout_ms": timeout_ms}


def delete_topics_by_id(*ids: str, name: str | None = None) -> Fields:
    return {"topics": [{"name": name, "topic_id": each} for each in ids], "timeout_ms": 10_000}


def create_partitions(
    topic: str,
    count: int,
    assignments: Sequence[Sequence[int]] | None = None,
    *,
    validate_only: bool = False,
) -> Fields:
    placed = None if assignments is None else [{"broker_ids": list(brokers)} for brokers in assignments]
    topics = [{"name": topic, "count": count, "assignments": placed}]
    return {"topics": topics, "timeout_ms": 10_000, "validate_only": validate_only}


def delete_records(offset: int, *, topic: str = "{topic}", partition: int = 0) -> Fields:
    partitions = [{"partition_index": partition, "offset": offset}]
    return {"topics": [{"name": topic, "partitions": partitions}], "timeout_ms": 10_000}


def describe_configs(
    name: str, *keys: str, kind: int = TOPIC, synonyms: bool = False, documentation: bool = False
) -> Fields:
    """No key: all of them."""
    one = {"resource_type": kind, "resource_name": name, "configuration_keys": list(keys) or None}
    return {"resources": [one], "include_synonyms": synonyms, "include_documentation": documentation}


def alter_configs(
    name: str, configs: Mapping[str, str | None], *, kind: int = TOPIC, validate_only: bool = False
) -> Fields:
    pairs = [{"name": key, "value": value} for key, value in configs.items()]
    one = {"resource_type": kind, "resource_name": name, "configs": pairs}
    return {"resources": [one], "validate_only": validate_only}


def incremental_alter(
    name: str,
    *,
    set_to: Mapping[str, str | None] | None = None,
    deleted: Sequence[str] = (),
    appended: Mapping[str, str] | None = None,
    subtracted: Mapping[str, str] | None = None,
    operation: int = 0,
    kind: int = TOPIC,
    validate_only: bool = False,
) -> Fields:
    pairs = [(key, operation, value) for key, value in (set_to or {}).items()]
    pairs += [(key, 1, None) for key in deleted]
    pairs += [(key, 2, value) for key, value in (appended or {}).items()]
    pairs += [(key, 3, value) for key, value in (subtracted or {}).items()]
    configs = [{"name": key, "config_operation": how, "value": value} for key, how, value in pairs]
    one = {"resource_type": kind, "resource_name": name, "configs": configs}
    return {"resources": [one], "validate_only": validate_only}


def describe_groups(*groups: str, operations: bool = False) -> Fields:
    return {"groups": list(groups), "include_authorized_operations": operations}


def list_groups(states: Sequence[str] = (), types: Sequence[str] = ()) -> Fields:
    return {"states_filter": list(states), "types_filter": list(types)}


def list_config_resources(*types: int) -> Fields:
    return {"resource_types": list(types)}


def describe_cluster(*, operations: bool = False, endpoint_type: int = 1, fenced: bool = False) -> Fields:
    more = {"endpoint_type": endpoint_type, "include_fenced_brokers": fenced}
    return {"include_cluster_authorized_operations": operations, **more}


def describe_topics(*topics: str, limit: int = 2000, cursor: tuple[str, int] | None = None) -> Fields:
    """DescribeTopicPartitions."""
    start = None if cursor is None else {"topic_name": cursor[0], "partition_index": cursor[1]}
    return {
        "topics": [{"name": topic} for topic in topics],
        "response_partition_limit": limit,
        "cursor": start,
    }


def log_dirs(*topics: tuple[str, Sequence[int]]) -> Fields:
    """No topic: all of them."""
    wanted = [{"topic": topic, "partitions": list(partitions)} for topic, partitions in topics]
    return {"topics": wanted or None}


def move_replicas(*moves: tuple[str, str, Sequence[int]]) -> Fields:
    """AlterReplicaLogDirs of (path, topic, partitions) each."""
    return {
        "dirs": [
            {"path": path, "topics": [{"name": topic, "partitions": list(indexes)}]}
            for path, topic, indexes in moves
        ]
    }


def elect(*partitions: tuple[str, Sequence[int]], kind: int = 0, timeout_ms: int = 10_000) -> Fields:
    """ElectLeaders of (topic, partitions) each; none: of all."""
    named = [{"topic": topic, "partitions": list(indexes)} for topic, indexes in partitions]
    return {"election_type": kind, "topic_partitions": named or None, "timeout_ms": timeout_ms}


def reassign(
    *moves: tuple[str, int, Sequence[int] | None], factor_may_change: bool = True, timeout_ms: int = 10_000
) -> Fields:
    """AlterPartitionReassignments of (topic, partition, replicas) each; replicas None cancels."""
    topics = [
        {"name": topic, "partitions": [{"partition_index": partition, "replicas": replicas}]}
        for topic, partition, replicas in moves
    ]
    return {"topics": topics, "allow_replication_factor_change": factor_may_change, "timeout_ms": timeout_ms}


def list_reassignments(*partitions: tuple[str, Sequence[int]], timeout_ms: int = 10_000) -> Fields:
    """ListPartitionReassignments of (topic, partitions) each; none: of all."""
    named = [{"name": topic, "partition_indexes": list(indexes)} for topic, indexes in partitions]
    return {"topics": named or None, "timeout_ms": timeout_ms}


def update_features(
    *updates: tuple[str, int], kind: int = 1, validate_only: bool = False, timeout_ms: int = 10_000
) -> Fields:
    """UpdateFeatures to (feature, level) each, as an upgrade unless another kind is given."""
    wanted = [
        {"feature": name, "max_version_level": level, "allow_downgrade": kind != 1, "upgrade_type": kind}
        for name, level in updates
    ]
    return {"timeout_ms": timeout_ms, "feature_updates": wanted, "validate_only": validate_only}
