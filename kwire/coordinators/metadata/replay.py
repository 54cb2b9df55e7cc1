"""What each metadata record does to the image; the same code runs for a change now and after a restart.

Rules:
- `Replayer.replay` takes the records of one batch and makes one new image.
- Records between BeginTransaction and EndTransaction count when the end comes; an abort drops them (KIP-868).
- A record that does not fit (a partition of a topic that isn't there) means that the log or kwire is broken:
  `ReplayError`, and the image stays as it was.
- Records that kwire does not use are kept (`ClusterImage.kept`); `image_records` writes everything back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from kwire_codecs import wire as w
from kwire_codecs.internal import metadata_records as r
from kwire_codecs.internal.coordinator import UnknownRecord

from . import records as m
from .builder import ImageBuilder
from .image import (
    METADATA_VERSION_FEATURE,
    BrokerImage,
    ClusterImage,
    ControllerImage,
    Endpoint,
    FeatureRange,
    PartitionImage,
    TopicImage,
)

NO_LEADER_CHANGE: Final = -2


class ReplayError(Exception):
    """A record contradicts the image it is replayed on; the message names both."""


class Replayer:
    """Holds the newest image and an open metadata transaction."""

    __slots__ = ("_pending", "image")

    def __init__(self, image: ClusterImage) -> None:
        self.image = image
        self._pending: list[m.Record] | None = None

    @property
    def in_transaction(self) -> bool:
        """Whether records are held back until their metadata transaction ends."""
        return self._pending is not None

    def copy(self) -> Replayer:
        """Another one in the same state."""
        twin = Replayer(self.image)
        twin._pending = None if self._pending is None else list(self._pending)
        return twin

    def replay(self, records: Iterable[m.Record], *, last_offset: int, epoch: int) -> ClusterImage:
        """Apply a batch whose last record has offset `last_offset`; return the new image.

        :raises ReplayError: a record does not fit.
        """
        builder = ImageBuilder(self.image)
        pending = None if self._pending is None else list(self._pending)
        for record in records:
            if isinstance(record, r.BeginTransactionRecord):
                pending = []
            elif isinstance(record, r.EndTransactionRecord):
                for held in pending or ():
                    apply(builder, held)
                pending = None
            elif isinstance(record, r.AbortTransactionRecord):
                pending = None
            elif pending is not None:
                pending.append(record)
            else:
                apply(builder, record)
        builder.set_position(last_offset, epoch)
        try:
            self.image = builder.build()
        except ValueError as problem:
            raise ReplayError(str(problem)) from None
        self._pending = pending
        return self.image


def replay(image: ClusterImage, record: m.Record) -> ClusterImage:
    """The image after one record, at the next offset."""
    return Replayer(image).replay((record,), last_offset=image.offset + 1, epoch=image.epoch)


def apply(builder: ImageBuilder, record: m.Record) -> None:
    """Do what one record says. A type that is unknown here is kept as it is."""
    action = _ACTIONS.get(type(record))
    if action is not None:
        action(builder, record)
    elif isinstance(record, UnknownRecord):
        builder.keep(("unknown", record.value), record)
    else:
        builder.keep(("type", type(record).__name__), record)


def _endpoints(record: r.RegisterBrokerRecord | r.RegisterControllerRecord) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(point.name, point.host, point.port, point.security_protocol) for point in record.end_points
    )


def _features(record: r.RegisterBrokerRecord | r.RegisterControllerRecord) -> tuple[FeatureRange, ...]:
    return tuple(
        FeatureRange(feature.name, feature.min_supported_version, feature.max_supported_version)
        for feature in record.features
    )


def _register_broker(builder: ImageBuilder, record: r.RegisterBrokerRecord) -> None:
    cordoned = record.cordoned_log_dirs
    builder.set_broker(
        BrokerImage(
            id=record.broker_id,
            epoch=record.broker_epoch,
            incarnation_id=record.incarnation_id,
            endpoints=_endpoints(record),
            features=_features(record),
            rack=record.rack,
            fenced=record.fenced,
            in_controlled_shutdown=record.in_controlled_shutdown,
            log_dirs=tuple(record.log_dirs),
            cordoned_log_dirs=None if cordoned is None else tuple(cordoned),
            is_migrating_zk_broker=record.is_migrating_zk_broker,
        )
    )


def _known_broker(builder: ImageBuilder, broker_id: int, epoch: int) -> BrokerImage:
    broker = builder.broker(broker_id)
    if broker is None:
        raise ReplayError(f"a record is about broker {broker_id}, which is not registered")
    if broker.epoch != epoch:
        raise ReplayError(
            f"a record is about broker {broker_id} in epoch {epoch}, but it is in {broker.epoch}"
        )
    return broker


def _unregister_broker(builder: ImageBuilder, record: r.UnregisterBrokerRecord) -> None:
    _known_broker(builder, record.broker_id, record.broker_epoch)
    builder.remove_broker(record.broker_id)


def _fence(builder: ImageBuilder, record: r.FenceBrokerRecord) -> None:
    builder.set_broker(_known_broker(builder, record.id, record.epoch)._replace(fenced=True))


def _unfence(builder: ImageBuilder, record: r.UnfenceBrokerRecord) -> None:
    builder.set_broker(_known_broker(builder, record.id, record.epoch)._replace(fenced=False))


def _change_broker(builder: ImageBuilder, record: r.BrokerRegistrationChangeRecord) -> None:
    broker = _known_broker(builder, record.broker_id, record.broker_epoch)
    changes: dict[str, Any] = {}
    if record.fenced:
        changes["fenced"] = record.fenced > 0
    if record.in_controlled_shutdown:
        changes["in_controlled_shutdown"] = record.in_controlled_shutdown > 0
    if record.log_dirs:
        changes["log_dirs"] = tuple(record.log_dirs)
    if record.cordoned_log_dirs is not None:
        changes["cordoned_log_dirs"] = tuple(record.cordoned_log_dirs)
    builder.set_broker(broker._replace(**changes))


def _register_controller(builder: ImageBuilder, record: r.RegisterControllerRecord) -> None:
    builder.set_controller(
        ControllerImage(
            id=record.controller_id,
            incarnation_id=record.incarnation_id,
            endpoints=_endpoints(record),
            features=_features(record),
            zk_migration_ready=record.zk_migration_ready,
        )
    )


def _unregister_controller(builder: ImageBuilder, record: r.UnregisterControllerRecord) -> None:
    builder.remove_controller(record.controller_id)


def _topic(builder: ImageBuilder, record: r.TopicRecord) -> None:
    known = builder.topic(record.name)
    if known is not None:
        raise ReplayError(
            f"topic {record.name!r} is created with id {record.topic_id}, but has id {known.id}"
        )
    builder.add_topic(record.name, record.topic_id)


def _known_topic(builder: ImageBuilder, record: Any) -> TopicImage:
    topic = builder.topic_by_id(record.topic_id)
    if topic is None:
        raise ReplayError(
            f"a {type(record).__name__} is about topic id {record.topic_id}, which is not there"
        )
    return topic


def _partition(builder: ImageBuilder, record: r.PartitionRecord) -> None:
    builder.set_partition(
        _known_topic(builder, record),
        PartitionImage(
            index=record.partition_id,
            replicas=tuple(record.replicas),
            isr=tuple(record.isr),
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
            directories=tuple(record.directories),
            adding_replicas=tuple(record.adding_replicas),
            removing_replicas=tuple(record.removing_replicas),
            elr=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
            leader_recovery_state=record.leader_recovery_state,
        ),
    )


def _change_partition(builder: ImageBuilder, record: r.PartitionChangeRecord) -> None:
    topic = _known_topic(builder, record)
    known = builder.partition(topic, record.partition_id)
    if known is None:
        raise ReplayError(
            f"a change is about partition {record.partition_id} of {topic.name!r}, which is not there"
        )
    changes: dict[str, Any] = {"partition_epoch": known.partition_epoch + 1}
    given: tuple[tuple[str, list[Any] | None], ...] = (
        ("isr", record.isr),
        ("replicas", record.replicas),
        ("adding_replicas", record.adding_replicas),
        ("removing_replicas", record.removing_replicas),
        ("directories", record.directories),
        ("elr", record.eligible_leader_replicas),
        ("last_known_elr", record.last_known_elr),
    )
    for name, values in given:
        if values is not None:
            changes[name] = tuple(values)
    if record.leader != NO_LEADER_CHANGE:
        changes["leader"] = record.leader
        changes["leader_epoch"] = known.leader_epoch + 1
    if record.leader_recovery_state >= 0:
        changes["leader_recovery_state"] = record.leader_recovery_state
    builder.set_partition(topic, replace(known, **changes))


def _remove_topic(builder: ImageBuilder, record: r.RemoveTopicRecord) -> None:
    builder.remove_topic(_known_topic(builder, record))


def _clear_elr(builder: ImageBuilder, record: r.ClearElrRecord) -> None:
    topic = builder.topic(record.topic_name) if record.topic_name else None
    if record.topic_name and topic is None:
        raise ReplayError(f"a ClearElrRecord is about topic {record.topic_name!r}, which is not there")
    for cleared in [topic] if topic is not None else list(builder.all_topics()):
        for index in range(len(cleared.partitions)):
            known = builder.partition(cleared, index)
            if known is not None and (known.elr or known.last_known_elr):
                emptied = replace(known, elr=(), last_known_elr=(), partition_epoch=known.partition_epoch + 1)
                builder.set_partition(cleared, emptied)


def _config(builder: ImageBuilder, record: r.ConfigRecord) -> None:
    builder.set_config((record.resource_type, record.resource_name), record.name, record.value)


def _feature(builder: ImageBuilder, record: r.FeatureLevelRecord) -> None:
    builder.set_feature(record.name, record.feature_level)


def _producer_ids(builder: ImageBuilder, record: r.ProducerIdsRecord) -> None:
    builder.set_next_producer_id(record.next_producer_id)


def _no_op(_builder: ImageBuilder, _record: r.NoOpRecord) -> None:
    """Only its offset counts."""


def _acl(builder: ImageBuilder, record: r.AccessControlEntryRecord) -> None:
    builder.keep(("acl", record.id), record)


def _remove_acl(builder: ImageBuilder, record: r.RemoveAccessControlEntryRecord) -> None:
    builder.drop(("acl", record.id))


def _scram(builder: ImageBuilder, record: r.UserScramCredentialRecord) -> None:
    builder.keep(("scram", record.name, record.mechanism), record)


def _remove_scram(builder: ImageBuilder, record: r.RemoveUserScramCredentialRecord) -> None:
    builder.drop(("scram", record.name, record.mechanism))


def _quota(builder: ImageBuilder, record: r.ClientQuotaRecord) -> None:
    entity = frozenset((part.entity_type, part.entity_name) for part in record.entity)
    if record.remove:
        builder.drop(("quota", entity, record.key))
    else:
        builder.keep(("quota", entity, record.key), record)


def _token(builder: ImageBuilder, record: r.DelegationTokenRecord) -> None:
    builder.keep(("token", record.token_id), record)


def _remove_token(builder: ImageBuilder, record: r.RemoveDelegationTokenRecord) -> None:
    builder.drop(("token", record.token_id))


_ACTIONS: Final[dict[type, Callable[[ImageBuilder, Any], None]]] = {
    r.RegisterBrokerRecord: _register_broker,
    r.UnregisterBrokerRecord: _unregister_broker,
    r.FenceBrokerRecord: _fence,
    r.UnfenceBrokerRecord: _unfence,
    r.BrokerRegistrationChangeRecord: _change_broker,
    r.RegisterControllerRecord: _register_controller,
    r.UnregisterControllerRecord: _unregister_controller,
    r.TopicRecord: _topic,
    r.PartitionRecord: _partition,
    r.PartitionChangeRecord: _change_partition,
    r.RemoveTopicRecord: _remove_topic,
    r.ClearElrRecord: _clear_elr,
    r.ConfigRecord: _config,
    r.FeatureLevelRecord: _feature,
    r.ProducerIdsRecord: _producer_ids,
    r.NoOpRecord: _no_op,
    r.AccessControlEntryRecord: _acl,
    r.RemoveAccessControlEntryRecord: _remove_acl,
    r.UserScramCredentialRecord: _scram,
    r.RemoveUserScramCredentialRecord: _remove_scram,
    r.ClientQuotaRecord: _quota,
    r.DelegationTokenRecord: _token,
    r.RemoveDelegationTokenRecord: _remove_token,
}


def image_records(image: ClusterImage) -> Iterator[m.Record]:
    """Records that make this image out of an empty one with its cluster id: what a snapshot holds.

    metadata.version comes first, as Kafka's readers expect.
    """
    levels = dict(image.features)
    version = levels.pop(METADATA_VERSION_FEATURE, None)
    if version is not None:
        yield m.feature_level_record(METADATA_VERSION_FEATURE, version)
    for name, level in sorted(levels.items()):
        yield m.feature_level_record(name, level)
    for _, controller in sorted(image.controllers.items()):
        yield m.register_controller_record(controller)
    for _, broker in sorted(image.brokers.items()):
        yield m.register_broker_record(broker)
    for _, topic in sorted(image.topics.items()):
        yield m.topic_record(topic.name, topic.id)
        for partition in topic.partitions:
            yield m.partition_record(topic.id, partition.index, partition)
    for (resource_type, resource), configs in sorted(image.configs.items()):
        for name, value in sorted(configs.items()):
            yield m.config_record(resource_type, resource, name, value)
    if image.next_producer_id:
        yield m.producer_ids_record(-1, -1, image.next_producer_id)
    for record in image.kept.values():
        assert isinstance(record, (w.Message, UnknownRecord))
        yield record
