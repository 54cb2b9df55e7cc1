"""Images to operate on, and a way to apply what an operation decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any
from uuid import UUID

from kwire.config import BrokerConfig
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import BrokerImage, ClusterImage, Endpoint
from kwire.coordinators.metadata.replay import Replayer
from kwire.coordinators.metadata.topics import NewTopic, create_topics
from kwire.coordinators.outcome import Outcome

CLUSTER_ID = "kwire-test-cluster-id0"


def ids() -> Callable[[], UUID]:
    """A source of ids: 256, 257, ..."""
    numbers = iter(range(256, 1 << 32))
    return lambda: UUID(int=next(numbers))


def broker(broker_id: int, **changes: Any) -> BrokerImage:
    """A live broker with one directory and one listener."""
    image = BrokerImage(
        id=broker_id,
        epoch=broker_id * 100,
        incarnation_id=UUID(int=broker_id),
        endpoints=(Endpoint("PLAINTEXT", f"host{broker_id}", 9092),),
        fenced=False,
        log_dirs=(UUID(int=1000 + broker_id),),
    )
    return image._replace(**changes)


def cluster(*brokers: BrokerImage | int) -> ClusterImage:
    """An image with these brokers (by default: broker 1) and nothing else."""
    known = [found if isinstance(found, BrokerImage) else broker(found) for found in brokers or (1,)]
    return after(
        ClusterImage(cluster_id=CLUSTER_ID),
        [m.feature_level_record("metadata.version", 33), *(m.register_broker_record(one) for one in known)],
    )


def after(image: ClusterImage, records: Iterable[m.Record]) -> ClusterImage:
    """The image after records."""
    listed = list(records)
    return Replayer(image).replay(listed, last_offset=image.offset + len(listed), epoch=image.epoch)


def applied(image: ClusterImage, outcome: Outcome[Any, m.Record]) -> ClusterImage:
    """The image after an operation."""
    return after(image, outcome.records)


def with_topics(image: ClusterImage, *topics: NewTopic | str) -> ClusterImage:
    """The image with more topics; a name alone gets one partition."""
    wanted = [NewTopic(topic, 1, 1) if isinstance(topic, str) else topic for topic in topics]
    numbers = iter(range(0x10000 + len(image.topics), 1 << 32))
    outcome = create_topics(
        image, wanted, config=BrokerConfig(), random=Random(1), new_id=lambda: UUID(int=next(numbers))
    )
    assert isinstance(outcome.response, list)
    assert not [result for result in outcome.response if result.error.failed], outcome.response
    return applied(image, outcome)
