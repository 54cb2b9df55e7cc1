"""What the cluster is, as one immutable value: brokers, topics, configs, features, producer ids.

Rules:
- An image never changes. A change is made by an `ImageBuilder` (builder.py; replay.py drives it), which
  copies a map the first time it touches it in a batch and shares every other map with the image before.
- Nobody writes into a mapping that hangs on an image; they are plain dicts for speed.
- `offset` and `epoch` are those of the last metadata record it holds; `offset` is what clients see as the
  epoch of the finalised features (Kafka does the same).
- What kwire keeps but does not use (ACLs, SCRAM, quotas, tokens, newer records) is in `kept`, record by
  record, so that snapshots can write it back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

NO_LEADER: Final = -1
METADATA_TOPIC_ID: Final = UUID(int=1)
"""The id of `__cluster_metadata`; never an id of a user's topic (Kafka: Uuid.METADATA_TOPIC_ID)."""

UNASSIGNED_DIRECTORY: Final = UUID(int=1)
"""Stands for the directory of a replica whose broker has not told which one it is (KIP-858)."""

METADATA_VERSION_FEATURE: Final = "metadata.version"
TRANSACTION_VERSION_FEATURE: Final = "transaction.version"


class ResourceType(IntEnum):
    """What a config belongs to, by the number in records and requests (Kafka: ConfigResource.Type)."""

    UNKNOWN = 0
    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class SecurityProtocol(IntEnum):
    """A listener's protocol, by the number that registration records carry."""

    PLAINTEXT = 0
    SSL = 1
    SASL_PLAINTEXT = 2
    SASL_SSL = 3


class Endpoint(NamedTuple):
    """Where one listener of a node is reached: its name, and the advertised host and port."""

    name: str
    host: str
    port: int
    security_protocol: int = SecurityProtocol.PLAINTEXT


class FeatureRange(NamedTuple):
    """The levels of one feature that a node can run."""

    name: str
    min_level: int
    max_level: int


class BrokerImage(NamedTuple):
    """A registered broker; `epoch` is the offset of its registration and never falls."""

    id: int
    epoch: int
    incarnation_id: UUID
    endpoints: tuple[Endpoint, ...] = ()
    features: tuple[FeatureRange, ...] = ()
    rack: str | None = None
    fenced: bool = True
    in_controlled_shutdown: bool = False
    log_dirs: tuple[UUID, ...] = ()
    cordoned_log_dirs: tuple[UUID, ...] | None = None
    is_migrating_zk_broker: bool = False

    @property
    def active(self) -> bool:
        """Whether it may lead and be in an ISR."""
        return not self.fenced and not self.in_controlled_shutdown

    @property
    def has_uncordoned_dirs(self) -> bool:
        """Whether it may get new replicas (KIP-1066)."""
        return not self.cordoned_log_dirs or not set(self.log_dirs) <= set(self.cordoned_log_dirs)

    def endpoint(self, listener_name: str) -> Endpoint | None:
        """The advertised address of the listener of that name."""
        return next((endpoint for endpoint in self.endpoints if endpoint.name == listener_name), None)


class ControllerImage(NamedTuple):
    """A registered controller (KIP-919)."""

    id: int
    incarnation_id: UUID
    endpoints: tuple[Endpoint, ...] = ()
    features: tuple[FeatureRange, ...] = ()
    zk_migration_ready: bool = False


@dataclass(frozen=True, slots=True)
class PartitionImage:
    """A partition's replicas and leadership; `leader` is `NO_LEADER` when nobody can lead."""

    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int = 0
    partition_epoch: int = 0
    directories: tuple[UUID, ...] = ()
    adding_replicas: tuple[int, ...] = ()
    removing_replicas: tuple[int, ...] = ()
    elr: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()
    leader_recovery_state: int = 0


class TopicImage(NamedTuple):
    """A topic; `partitions[i].index == i`."""

    name: str
    id: UUID
    partitions: tuple[PartitionImage, ...] = ()

    def partition(self, index: int) -> PartitionImage | None:
        """The partition of that index, or None where the topic has none."""
        return self.partitions[index] if 0 <= index < len(self.partitions) else None


Configs = Mapping[str, str]
ResourceKey = tuple[int, str]
"""(ResourceType, name); the name of the default broker resource is ""."""

NO_CONFIGS: Final[Configs] = {}


@dataclass(frozen=True, slots=True)
class ClusterImage:
    """The whole cluster. Compare and share it freely; get another one through `ImageBuilder`."""

    cluster_id: str = ""
    offset: int = -1
    epoch: int = 0
    brokers: Mapping[int, BrokerImage] = field(default_factory=dict)
    controllers: Mapping[int, ControllerImage] = field(default_factory=dict)
    topics: Mapping[str, TopicImage] = field(default_factory=dict)
    topic_names: Mapping[UUID, str] = field(default_factory=dict)
    collision_names: Mapping[str, str] = field(default_factory=dict)
    """A topic's name with its dots made underscores -> that name, for names that hold either."""
    configs: Mapping[ResourceKey, Configs] = field(default_factory=dict)
    features: Mapping[str, int] = field(default_factory=dict)
    next_producer_id: int = 0
    kept: Mapping[Hashable, object] = field(default_factory=dict)
    changed_topics: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The topics that were made, changed or deleted between the image that this one was made from and this
    one, each once: whoever follows the images need not look through all of them.
    """
    changed_configs: tuple[ResourceKey, ...] = field(default=(), compare=False, repr=False)
    """What had a config set or taken away between these two, likewise; but for topics that were deleted."""
    memo: dict[Hashable, object] = field(default_factory=dict, compare=False, repr=False)
    """Values derived from `configs` alone; shared by images for as long as `configs` is the same mapping."""

    def topic(self, name: str) -> TopicImage | None:
        """The topic of that name."""
        return self.topics.get(name)

    def topic_by_id(self, topic_id: UUID) -> TopicImage | None:
        """The topic of that id."""
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def partition(self, topic: str, index: int) -> PartitionImage | None:
        """One partition, or None where the topic or the index does not exist."""
        found = self.topics.get(topic)
        return None if found is None else found.partition(index)

    def config(self, resource_type: int, name: str) -> Configs:
        """The dynamic configs set on one resource; empty where none are."""
        return self.configs.get((resource_type, name), NO_CONFIGS)

    def active_brokers(self) -> Iterator[BrokerImage]:
        """Brokers that are neither fenced nor shutting down, by id."""
        return (broker for _, broker in sorted(self.brokers.items()) if broker.active)

    def unfenced_brokers(self) -> Iterator[BrokerImage]:
        """Brokers that clients are told of, by id (one that is shutting down still is)."""
        return (broker for _, broker in sorted(self.brokers.items()) if not broker.fenced)
