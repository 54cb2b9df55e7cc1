"""Makes the next image out of one batch of changes, copying only the maps that the batch touches.

Setters raise nothing: whether a record fits the image is replay.py's to judge. A topic's partitions may come
in any order within a batch; `build()` checks that none is missing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from uuid import UUID

from .image import (
    NO_CONFIGS,
    BrokerImage,
    ClusterImage,
    Configs,
    ControllerImage,
    PartitionImage,
    ResourceKey,
    ResourceType,
    TopicImage,
)
from .topic_names import collision_key


class ImageBuilder:
    """One batch of changes on a base image; `build()` gives the new image."""

    __slots__ = (
        "_base",
        "_brokers",
        "_changed_topics",
        "_cluster_id",
        "_collision_names",
        "_configs",
        "_controllers",
        "_epoch",
        "_features",
        "_kept",
        "_next_producer_id",
        "_offset",
        "_own_values",
        "_partitions",
        "_topic_names",
        "_topics",
    )

    def __init__(self, base: ClusterImage) -> None:
        self._base = base
        self._brokers: dict[int, BrokerImage] | None = None
        self._controllers: dict[int, ControllerImage] | None = None
        self._topics: dict[str, TopicImage] | None = None
        self._changed_topics: dict[str, None] = {}  # in the order in which they are first touched
        self._topic_names: dict[UUID, str] | None = None
        self._collision_names: dict[str, str] | None = None
        self._partitions: dict[str, dict[int, PartitionImage]] = {}
        self._configs: dict[ResourceKey, Configs] | None = None
        self._own_values: dict[ResourceKey, dict[str, str]] = {}
        self._features: dict[str, int] | None = None
        self._kept: dict[Hashable, object] | None = None
        self._next_producer_id = base.next_producer_id
        self._cluster_id = base.cluster_id
        self._offset = base.offset
        self._epoch = base.epoch

    # What the batch sees so far

    def topic_by_id(self, topic_id: UUID) -> TopicImage | None:
        """The topic of that id, without this batch's changes to its partitions."""
        names = self._base.topic_names if self._topic_names is None else self._topic_names
        topics = self._base.topics if self._topics is None else self._topics
        name = names.get(topic_id)
        return None if name is None else topics[name]

    def topic(self, name: str) -> TopicImage | None:
        """The topic of that name, without this batch's changes to its partitions."""
        return (self._base.topics if self._topics is None else self._topics).get(name)

    def all_topics(self) -> Iterable[TopicImage]:
        """Every topic, without this batch's changes to their partitions."""
        return (self._base.topics if self._topics is None else self._topics).values()

    def broker(self, broker_id: int) -> BrokerImage | None:
        """The broker of that id."""
        return (self._base.brokers if self._brokers is None else self._brokers).get(broker_id)

    def partition(self, topic: TopicImage, index: int) -> PartitionImage | None:
        """A partition of a topic, with this batch's changes."""
        changed = self._partitions.get(topic.name)
        return topic.partition(index) if changed is None else changed.get(index)

    # Changes

    def set_position(self, offset: int, epoch: int) -> None:
        """The offset and the epoch of the last record of the batch."""
        self._offset = offset
        self._epoch = epoch

    def set_broker(self, broker: BrokerImage) -> None:
        """Add or replace a broker."""
        if self._brokers is None:
            self._brokers = dict(self._base.brokers)
        self._brokers[broker.id] = broker

    def remove_broker(self, broker_id: int) -> None:
        """Forget a broker."""
        if self._brokers is None:
            self._brokers = dict(self._base.brokers)
        self._brokers.pop(broker_id, None)

    def set_controller(self, controller: ControllerImage) -> None:
        """Add or replace a controller."""
        if self._controllers is None:
            self._controllers = dict(self._base.controllers)
        self._controllers[controller.id] = controller

    def remove_controller(self, controller_id: int) -> None:
        """Forget a controller."""
        if self._controllers is None:
            self._controllers = dict(self._base.controllers)
        self._controllers.pop(controller_id, None)

    def _own_topics(self) -> tuple[dict[str, TopicImage], dict[UUID, str]]:
        if self._topics is None:
            self._topics = dict(self._base.topics)
        if self._topic_names is None:
            self._topic_names = dict(self._base.topic_names)
        return self._topics, self._topic_names

    def _own_collision_names(self) -> dict[str, str]:
        if self._collision_names is None:
            self._collision_names = dict(self._base.collision_names)
        return self._collision_names

    def add_topic(self, name: str, topic_id: UUID) -> None:
        """A new topic without partitions."""
        topics, names = self._own_topics()
        topics[name] = TopicImage(name, topic_id)
        self._changed_topics[name] = None
        names[topic_id] = name
        collision = collision_key(name)
        if collision is not None:
            self._own_collision_names()[collision] = name

    def remove_topic(self, topic: TopicImage) -> None:
        """A topic and its configs."""
        topics, names = self._own_topics()
        topics.pop(topic.name, None)
        self._changed_topics[topic.name] = None
        names.pop(topic.id, None)
        self._partitions.pop(topic.name, None)
        collision = collision_key(topic.name)
        if collision is not None:
            self._own_collision_names().pop(collision, None)
        configs = self._base.configs if self._configs is None else self._configs
        if (ResourceType.TOPIC, topic.name) in configs:
            self._own_configs().pop((ResourceType.TOPIC, topic.name), None)
            self._own_values.pop((ResourceType.TOPIC, topic.name), None)

    def set_partition(self, topic: TopicImage, partition: PartitionImage) -> None:
        """Add or replace a partition of a topic that is in the image."""
        changed = self._partitions.get(topic.name)
        if changed is None:
            changed = self._partitions[topic.name] = {known.index: known for known in topic.partitions}
            self._changed_topics[topic.name] = None
        changed[partition.index] = partition

    def _own_configs(self) -> dict[ResourceKey, Configs]:
        if self._configs is None:
            self._configs = dict(self._base.configs)
        return self._configs

    def set_config(self, key: ResourceKey, name: str, value: str | None) -> None:
        """Set a dynamic config, or delete it with None."""
        configs = self._own_configs()
        values = self._own_values.get(key)
        if values is None:
            values = self._own_values[key] = dict(configs.get(key, NO_CONFIGS))
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
        if values:
            configs[key] = values
        else:
            configs.pop(key, None)

    def set_feature(self, name: str, level: int) -> None:
        """Finalise a level; 0 turns the feature off."""
        if self._features is None:
            self._features = dict(self._base.features)
        if level:
            self._features[name] = level
        else:
            self._features.pop(name, None)

    def set_next_producer_id(self, next_producer_id: int) -> None:
        """The first producer id that no block holds yet."""
        self._next_producer_id = next_producer_id

    def keep(self, key: Hashable, record: object) -> None:
        """Keep a record that kwire does not use, in place of an older one with the same key; it is the last
        one then: of records that are not understood, nobody knows which of them depend on the order.
        """
        if self._kept is None:
            self._kept = dict(self._base.kept)
        self._kept.pop(key, None)
        self._kept[key] = record

    def drop(self, key: Hashable) -> None:
        """Forget a kept record."""
        if self._kept is None:
            self._kept = dict(self._base.kept)
        self._kept.pop(key, None)

    def build(self) -> ClusterImage:
        """The image after the batch.

        :raises ValueError: a topic's partitions are not numbered 0 to n-1.
        """
        base = self._base
        if self._partitions and self._topics is None:
            self._topics = dict(base.topics)
        for name, changed in self._partitions.items():
            assert self._topics is not None
            if max(changed) != len(changed) - 1:
                raise ValueError(
                    f"topic {name!r}: {len(changed)} partitions, but one is numbered {max(changed)}"
                )
            ordered = tuple(changed[index] for index in range(len(changed)))
            self._topics[name] = self._topics[name]._replace(partitions=ordered)
        return ClusterImage(
            cluster_id=self._cluster_id,
            offset=self._offset,
            epoch=self._epoch,
            brokers=base.brokers if self._brokers is None else self._brokers,
            controllers=base.controllers if self._controllers is None else self._controllers,
            topics=base.topics if self._topics is None else self._topics,
            topic_names=base.topic_names if self._topic_names is None else self._topic_names,
            collision_names=base.collision_names if self._collision_names is None else self._collision_names,
            configs=base.configs if self._configs is None else self._configs,
            features=base.features if self._features is None else self._features,
            next_producer_id=self._next_producer_id,
            kept=base.kept if self._kept is None else self._kept,
            changed_topics=tuple(self._changed_topics),
            changed_configs=tuple(self._own_values),
            memo=base.memo if self._configs is None else {},
        )
