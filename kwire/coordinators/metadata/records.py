"""The records of the metadata log as operations make them, and in which version each is written.

A record is a message of `kwire_codecs.internal.metadata_records`, or an `UnknownRecord` that travels on as it
came. Which version of a record type is written follows from the finalised metadata.version (Kafka:
MetadataVersion), so that an older Kafka that shares the level can read the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final, TypeVar
from uuid import UUID

from kwire_codecs import wire as w
from kwire_codecs.internal.coordinator import UnknownRecord
from kwire_codecs.internal.metadata_records import (
    AbortTransactionRecord,
    BrokerRegistrationChangeRecord,
    ConfigRecord,
    FeatureLevelRecord,
    PartitionChangeRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RegisterControllerRecord,
    RemoveTopicRecord,
    TopicRecord,
    decode_value,
    encode_value,
)

from .image import BrokerImage, ControllerImage, Endpoint, FeatureRange, PartitionImage, ResourceType

Record = w.Message | UnknownRecord

_DIRECTORIES_LEVEL: Final = 17
_ELR_LEVEL: Final = 23
CORDONED_LEVEL: Final = 30
"""4.3-IV0: cordoned directories are told of (KIP-1066)."""
_NEWEST_LEVEL: Final = CORDONED_LEVEL


@cache
def record_version(record_type: type[w.Message], metadata_version: int) -> int:
    """The version in which a type of record is written at a level of metadata.version."""
    if record_type is RegisterBrokerRecord:
        return 1 + sum(metadata_version >= level for level in (8, _DIRECTORIES_LEVEL, CORDONED_LEVEL))
    if record_type is BrokerRegistrationChangeRecord:
        return 1 + sum(metadata_version >= level for level in (_DIRECTORIES_LEVEL, CORDONED_LEVEL))
    if record_type in (PartitionRecord, PartitionChangeRecord):
        return sum(metadata_version >= level for level in (_DIRECTORIES_LEVEL, _ELR_LEVEL))
    return 0


def encode(record: Record, metadata_version: int) -> bytes:
    """The value that holds a record; what an old level has no room for (directories) is left out."""
    if isinstance(record, UnknownRecord):
        assert record.value is not None  # records of this log always have one
        return record.value
    version = record_version(type(record), metadata_version)
    if version == record_version(type(record), _NEWEST_LEVEL):
        return encode_value(record, version)
    fitting = {
        field.name: getattr(record, field.name)
        for field in type(record).__fields__
        if version in field.versions
    }
    return encode_value(type(record)(unknown_tags=record.unknown_tags, **fitting), version)


def decode(value: w.Buffer) -> Record:
    """Read a value. Malformed if a known record can't be read."""
    decoded = decode_value(value)
    return decoded if isinstance(decoded, UnknownRecord) else decoded[0]


def topic_record(name: str, topic_id: UUID) -> TopicRecord:
    """A new topic."""
    return TopicRecord(name=name, topic_id=topic_id)


def remove_topic_record(topic_id: UUID) -> RemoveTopicRecord:
    """The end of a topic, its partitions and its configs."""
    return RemoveTopicRecord(topic_id=topic_id)


def config_record(resource_type: int, resource: str, name: str, value: str | None) -> ConfigRecord:
    """A dynamic config set, or deleted with None."""
    return ConfigRecord(resource_type=resource_type, resource_name=resource, name=name, value=value)


def topic_config_record(topic: str, name: str, value: str) -> ConfigRecord:
    """A config of a topic."""
    return config_record(ResourceType.TOPIC, topic, name, value)


def partition_record(topic_id: UUID, index: int, partition: PartitionImage) -> PartitionRecord:
    """A partition as a whole."""
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=list(partition.replicas),
        isr=list(partition.isr),
        removing_replicas=list(partition.removing_replicas),
        adding_replicas=list(partition.adding_replicas),
        leader=partition.leader,
        leader_recovery_state=partition.leader_recovery_state,
        leader_epoch=partition.leader_epoch,
        partition_epoch=partition.partition_epoch,
        directories=list(partition.directories),
        eligible_leader_replicas=list(partition.elr) or None,
        last_known_elr=list(partition.last_known_elr) or None,
    )


def partition_change_record(
    topic_id: UUID,
    index: int,
    *,
    isr: Iterable[int] | None = None,
    leader: int | None = None,
    clear_elr: bool = False,
    replicas: Iterable[int] | None = None,
    adding: Iterable[int] | None = None,
    removing: Iterable[int] | None = None,
    directories: Iterable[UUID] | None = None,
    leader_recovery_state: int | None = None,
) -> PartitionChangeRecord:
    """What changes of a partition; None leaves things as they are. Naming a leader, even the one that is
    there, raises the leader epoch in the replay.
    """
    record = PartitionChangeRecord(partition_id=index, topic_id=topic_id)
    if isr is not None:
        record.isr = list(isr)
    if leader is not None:
        record.leader = leader
    if clear_elr:
        record.eligible_leader_replicas = record.last_known_elr = []
    if replicas is not None:
        record.replicas = list(replicas)
    if adding is not None:
        record.adding_replicas = list(adding)
    if removing is not None:
        record.removing_replicas = list(removing)
    if directories is not None:
        record.directories = list(directories)
    if leader_recovery_state is not None:
        record.leader_recovery_state = leader_recovery_state
    return record


def abort_transaction_record(reason: str) -> AbortTransactionRecord:
    """The end of a metadata transaction whose records do not count."""
    return AbortTransactionRecord(reason=reason)


def feature_level_record(name: str, level: int) -> FeatureLevelRecord:
    """A finalised feature level."""
    return FeatureLevelRecord(name=name, feature_level=level)


def producer_ids_record(broker_id: int, broker_epoch: int, next_producer_id: int) -> ProducerIdsRecord:
    """A block of producer ids given to a broker: the first id that is still free."""
    return ProducerIdsRecord(
        broker_id=broker_id, broker_epoch=broker_epoch, next_producer_id=next_producer_id
    )


def register_broker_record(broker: BrokerImage) -> RegisterBrokerRecord:
    """A broker's registration."""
    return RegisterBrokerRecord(
        broker_id=broker.id,
        is_migrating_zk_broker=broker.is_migrating_zk_broker,
        incarnation_id=broker.incarnation_id,
        broker_epoch=broker.epoch,
        end_points=_end_points(RegisterBrokerRecord.Endpoint, broker.endpoints),
        features=_features(RegisterBrokerRecord.Feature, broker.features),
        rack=broker.rack,
        fenced=broker.fenced,
        in_controlled_shutdown=broker.in_controlled_shutdown,
        log_dirs=list(broker.log_dirs),
        cordoned_log_dirs=None if broker.cordoned_log_dirs is None else list(broker.cordoned_log_dirs),
    )


def register_controller_record(controller: ControllerImage) -> RegisterControllerRecord:
    """A controller's registration."""
    return RegisterControllerRecord(
        controller_id=controller.id,
        incarnation_id=controller.incarnation_id,
        zk_migration_ready=controller.zk_migration_ready,
        end_points=_end_points(RegisterControllerRecord.Endpoint, controller.endpoints),
        features=_features(RegisterControllerRecord.Feature, controller.features),
    )


_E = TypeVar("_E", RegisterBrokerRecord.Endpoint, RegisterControllerRecord.Endpoint)
_F = TypeVar("_F", RegisterBrokerRecord.Feature, RegisterControllerRecord.Feature)


def _end_points(kind: type[_E], endpoints: Iterable[Endpoint]) -> list[_E]:
    return [
        kind(
            name=endpoint.name,
            host=endpoint.host,
            port=endpoint.port,
            security_protocol=endpoint.security_protocol,
        )
        for endpoint in endpoints
    ]


def _features(kind: type[_F], features: Iterable[FeatureRange]) -> list[_F]:
    return [
        kind(
            name=feature.name,
            min_supported_version=feature.min_level,
            max_supported_version=feature.max_level,
        )
        for feature in features
    ]


def broker_change_record(
    broker_id: int,
    broker_epoch: int,
    *,
    fenced: bool | None = None,
    in_controlled_shutdown: bool | None = None,
    log_dirs: Iterable[UUID] = (),
    cordoned_log_dirs: Iterable[UUID] | None = None,
) -> BrokerRegistrationChangeRecord:
    """A broker that is fenced or unfenced, begins to shut down, has only these log directories left, or has
    cordoned these; None, or no log directories, leaves it as it is.
    """
    return BrokerRegistrationChangeRecord(
        broker_id=broker_id,
        broker_epoch=broker_epoch,
        fenced=0 if fenced is None else 1 if fenced else -1,
        in_controlled_shutdown=1 if in_controlled_shutdown else 0,
        log_dirs=list(log_dirs),
        cordoned_log_dirs=None if cordoned_log_dirs is None else list(cordoned_log_dirs),
    )
