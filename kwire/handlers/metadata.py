"""Metadata (key 3): brokers, controller, topics and leaders, as the client's listener sees them.

v0 an empty list asks for all topics, and a replica that is down is an error of the partition · v1 null asks
for all, an empty list for none; controller, racks, is_internal · v2 cluster id (KIP-78) · v3 throttle time ·
v4 the client says whether topics may be created (KIP-204) · v5 offline replicas · v6 LISTENER_NOT_FOUND · v7
leader epochs (KIP-320) · v8 authorised operations (KIP-430) · v9 flexible · v10 topic ids (KIP-516) · v12
topics by id · v13 a top-level error

Unlike Kafka, which answers the first question for a new topic with UNKNOWN_TOPIC_OR_PARTITION, a topic that
is created by being asked for is ready in the same answer.

Topics are told in bytes that `broker/encoded_topics.py` keeps. A topic of very many partitions is encoded in
pieces, and others have their turn in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.compile import element_encoder
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Encoded

from kwire.coordinators.metadata import internal_topics
from kwire.coordinators.metadata.directories import is_offline
from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage, PartitionImage, TopicImage
from kwire.coordinators.metadata.topic_names import (
    CONSUMER_OFFSETS,
    SHARE_GROUP_STATE,
    TRANSACTION_STATE,
    is_internal,
    is_valid,
)
from kwire.coordinators.metadata.topics import NO_ID, NewTopic
from kwire.handlers import authorized_operations
from kwire.handlers.authorized_operations import NOT_ASKED
from kwire.handlers.context import Context
from kwire.handlers.topic_creation import create
from kwire.handlers.turns import PARTITIONS_A_TURN, Turns, check_size

API = Metadata
VERSIONS = (0, 13)

_REPORTED = frozenset((ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.INVALID_REPLICATION_FACTOR))
"""Refusals of an automatic creation that the client is told; any other leaves the topic unknown."""

A_PIECE = 50
KEPT_COST = 0.1
"""A row that is kept takes the time of so many partitions that are not."""

Topic = Metadata.Response.Topic
Partition = Metadata.Response.Topic.Partition


async def handle(ctx: Context, request: Metadata.Request) -> Metadata.Response:
    """Brokers always; the topics asked for, created first where that is allowed."""
    asked = request.topics
    check_size(len(asked or ()))
    if ctx.version == 0 and not asked:
        asked = None
    if any(_is_invalid(topic, ctx.version) for topic in asked or ()):
        return _invalid(request)
    errors: dict[str, ErrorCode] = {}
    by_id = [topic.topic_id for topic in asked or () if topic.topic_id != NO_ID]
    names = list(dict.fromkeys(topic.name for topic in asked or () if topic.name is not None))
    if names and not by_id and request.allow_auto_topic_creation:
        errors = await _create_missing(ctx, names)
    image = ctx.cluster.controller.image
    reachable = _reachable(ctx, image)
    shown = request.include_topic_authorized_operations
    view = _View(ctx, image, reachable, authorized_operations.TOPIC if shown else NOT_ASKED)
    if asked is None:
        topics = view.kept.all_of(image.topics)
        if topics is None:
            topics = await _told(ctx, view, image.topics.values())
            view.kept.keep_all(image.topics, topics)
    else:
        view.kept.forget_deleted(image.topics)
        told = _by_id(view, by_id) if by_id else _by_name(view, names, errors)
        topics = await _told(ctx, view, told)
    ctx.answer_is_large = False  # the topics are encoded
    shown = request.include_cluster_authorized_operations
    return Metadata.Response(
        brokers=[
            Metadata.Response.Broker(node_id=node_id, host=host, port=port, rack=image.brokers[node_id].rack)
            for node_id, (host, port) in reachable.items()
            if not image.brokers[node_id].fenced
        ],
        cluster_id=image.cluster_id,
        controller_id=_controller_id(ctx, image, reachable),
        topics=topics,
        cluster_authorized_operations=authorized_operations.CLUSTER if shown else NOT_ASKED,
    )


async def _told(ctx: Context, view: _View, topics: Iterable[TopicImage | Topic]) -> Encoded:
    """All of them; others have their turn in between, the image being one that nobody changes. What is no
    image is an answer as it is.
    """
    turns = Turns(ctx)
    rows: list[bytes] = []
    row: bytes | None
    for topic in topics:
        parts = 1 + len(topic.partitions)
        cost = float(parts)
        if isinstance(topic, Topic):
            row = view.encode(topic)
        else:
            row = view.kept.row(topic)
            if row is not None:
                cost = KEPT_COST
            elif parts <= PARTITIONS_A_TURN:
                row = view.encoded(topic)
            else:
                row = await view.encoded_in_pieces(topic, turns)
                cost = 0.0
        rows.append(row)
        if turns.is_due(parts, cost):
            await turns.give_one()
    return Encoded(len(rows), b"".join(rows))


def _is_invalid(topic: Metadata.Request.Topic, version: int) -> bool:
    """Whether a topic is named by nothing, or in a way that the version does not have yet."""
    if version < 12:
        return topic.name is None or topic.topic_id != NO_ID
    return topic.name is None and topic.topic_id == NO_ID


def _invalid(request: Metadata.Request) -> Metadata.Response:
    """No topic is told of, nor a broker (Kafka: MetadataRequest.getErrorResponse)."""
    code = ErrorCode.INVALID_REQUEST
    topics = [
        Topic(
            error_code=code,
            name=topic.name or "",
            topic_id=topic.topic_id,
            partitions=[],
        )
        for topic in request.topics or ()
    ]
    return Metadata.Response(brokers=[], topics=topics, error_code=code)


def _reachable(ctx: Context, image: ClusterImage) -> dict[int, tuple[str, int]]:
    """The nodes that have the client's listener, and where it reaches them."""
    found = {}
    for node_id in sorted(image.brokers):
        address = ctx.advertised(node_id)
        if address is not None:
            found[node_id] = address
    return found


def _controller_id(ctx: Context, image: ClusterImage, reachable: dict[int, tuple[str, int]]) -> int:
    """Any live broker will do, since each forwards; clients look it up among the answer's brokers."""
    live = [node_id for node_id in reachable if not image.brokers[node_id].fenced]
    if ctx.cluster.controller.node_id in live:
        return ctx.cluster.controller.node_id
    return live[0] if live else -1


async def _create_missing(ctx: Context, names: Iterable[str]) -> dict[str, ErrorCode]:
    """Create the topics that aren't there; gives what the client is told of those that can't be made."""
    cluster = ctx.cluster
    if not cluster.config.boolean("auto.create.topics.enable"):
        return {}
    image = cluster.controller.image
    missing = [name for name in names if name not in image.topics and name != SHARE_GROUP_STATE]
    wanted = [_new_topic(ctx, name) for name in missing]
    if not wanted:
        return {}
    results = await create(ctx, wanted)
    return {
        result.name: result.error.error_code for result in results if result.error.error_code in _REPORTED
    }


def _new_topic(ctx: Context, name: str) -> NewTopic:
    image = ctx.cluster.controller.image
    if name == CONSUMER_OFFSETS:
        return internal_topics.consumer_offsets(image, ctx.cluster.config)
    if name == TRANSACTION_STATE:
        return internal_topics.transaction_state(image, ctx.cluster.config)
    return NewTopic(name)


def _by_id(view: _View, topic_ids: Iterable[UUID]) -> Iterator[TopicImage | Topic]:
    """Unknown ids come first, as in Kafka."""
    found = {topic_id: view.image.topic_by_id(topic_id) for topic_id in topic_ids}
    for topic_id, topic in found.items():
        if topic is None:
            yield view.missing(ErrorCode.UNKNOWN_TOPIC_ID, None, topic_id)
    for topic in found.values():
        if topic is not None:
            yield topic


def _by_name(view: _View, names: Iterable[str], errors: dict[str, ErrorCode]) -> Iterator[TopicImage | Topic]:
    """Names of no topic come last, as in Kafka."""
    found = {name: view.image.topic(name) for name in names}
    for topic in found.values():
        if topic is not None:
            yield topic
    for name, topic in found.items():
        if topic is None:
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            error = unknown if is_valid(name) else ErrorCode.INVALID_TOPIC_EXCEPTION
            yield view.missing(errors.get(name, error), name, NO_ID)


class _View:
    """Topics as one client sees them: through one listener, in one version."""

    __slots__ = (
        "_available_only",
        "_encode",
        "_no_listener",
        "_operations",
        "_reachable",
        "_version",
        "image",
        "kept",
    )

    def __init__(
        self, ctx: Context, image: ClusterImage, reachable: dict[int, tuple[str, int]], operations: int
    ) -> None:
        version = ctx.version
        nodes = tuple((node.id, node.fenced, node.log_dirs) for node in image.brokers.values())
        self.image = image
        self.kept = ctx.cluster.encoded_topics.view((version, operations, tuple(reachable), nodes))
        self._reachable = reachable
        self._operations = operations
        self._encode = element_encoder(Metadata.Response, Topic, version)
        self._version = version
        self._available_only = version == 0
        self._no_listener = ErrorCode.LISTENER_NOT_FOUND if version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE

    def encode(self, told: Topic) -> bytes:
        """What is told of a topic, in the version."""
        return bytes(self._encode(told))

    def encoded(self, topic: TopicImage) -> bytes:
        """The topic with its partitions, encoded and kept."""
        return self._keep(topic, [self._partition(partition) for partition in topic.partitions])

    async def encoded_in_pieces(self, topic: TopicImage, turns: Turns) -> bytes:
        """As `encoded`, with turns for the others in between."""
        data = bytearray()
        encode = element_encoder(Metadata.Response, Partition, self._version)
        for start in range(0, len(topic.partitions), A_PIECE):
            piece = topic.partitions[start : start + A_PIECE]
            for partition in piece:
                data += encode(self._partition(partition))
            if turns.is_due(0, len(piece)):
                await turns.give_one()
        return self._keep(topic, Encoded(len(topic.partitions), data))

    def _keep(self, topic: TopicImage, partitions: list[Partition] | Encoded) -> bytes:
        told = Topic(
            name=topic.name,
            topic_id=topic.id,
            is_internal=is_internal(topic.name),
            partitions=partitions,
            topic_authorized_operations=self._operations,
        )
        row = self.encode(told)
        self.kept.keep(topic, row)
        return row

    def missing(self, error: ErrorCode, name: str | None, topic_id: UUID) -> Topic:
        """A topic that can't be shown."""
        return Topic(
            error_code=error,
            name=name,
            topic_id=topic_id,
            is_internal=name is not None and is_internal(name),
            partitions=[],
            topic_authorized_operations=self._operations,
        )

    def _partition(self, partition: PartitionImage) -> Partition:
        reachable = self._reachable
        image = self.image
        replicas, isr = list(partition.replicas), list(partition.isr)
        offline = [node for node in replicas if node not in reachable or is_offline(image, partition, node)]
        error = ErrorCode.NONE
        leader = partition.leader
        if leader not in reachable:
            error = self._no_listener if leader in image.brokers else ErrorCode.LEADER_NOT_AVAILABLE
            leader = NO_LEADER
        if self._available_only and offline:
            replicas = [node for node in replicas if node not in offline]
            isr = [node for node in isr if node not in offline]
            if error is ErrorCode.NONE:
                error = ErrorCode.REPLICA_NOT_AVAILABLE
        return Partition(
            error_code=error,
            partition_index=partition.index,
            leader_id=leader,
            leader_epoch=partition.leader_epoch,
            replica_nodes=replicas,
            isr_nodes=isr,
            offline_replicas=offline,
        )
