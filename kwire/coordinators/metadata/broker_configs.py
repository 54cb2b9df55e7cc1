"""The effective value of a broker's setting: dynamic for it, dynamic for all, static, default; in that order.

Dynamic values live in the image as config records of resource BROKER, the ones for all brokers under the name
"". A dynamic value that a stricter release would not take any more is passed over, as if it were not set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kwire.config import BrokerConfig, setting_named
from kwire.config_def import InvalidValue, Update, Value

from .image import ClusterImage, ResourceType

BROKER_SYNONYMS = {
    name: group
    for group in (
        ("log.roll.ms", "log.roll.hours"),
        ("log.roll.jitter.ms", "log.roll.jitter.hours"),
        ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
        ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    )
    for name in group
}
"""Settings that stand in for each other, the finest unit first (Kafka: brokerConfigSynonyms)."""

DYNAMIC_ONLY = frozenset(
    (
        "leader.replication.throttled.rate",
        "follower.replication.throttled.rate",
        "replica.alter.log.dirs.io.max.bytes.per.second",
    )
)
"""Throttles that exist as dynamic configs alone (Kafka: QuotaConfig, KIP-73)."""


class Source(NamedTuple):
    """Where a value comes from: `number` is what DescribeConfigs carries (Kafka: ConfigSource)."""

    name: str
    value: str
    number: int


TOPIC_CONFIG = 1
DYNAMIC_BROKER_CONFIG = 2
DYNAMIC_DEFAULT_BROKER_CONFIG = 3
STATIC_BROKER_CONFIG = 4
DEFAULT_CONFIG = 5
GROUP_CONFIG = 8


def broker_value(image: ClusterImage, config: BrokerConfig, broker_id: int | None, name: str) -> Value:
    """The value that counts for one broker; `broker_id` None asks for what counts for all.

    :raises KeyError: there is no such setting.
    """
    setting = setting_named(name)
    if setting is None:
        raise KeyError(name)
    if setting.update is not Update.READ_ONLY:
        for resource in (str(broker_id), "") if broker_id is not None else ("",):
            text = image.config(ResourceType.BROKER, resource).get(name)
            if text is not None:
                try:
                    return setting.parse(text)
                except InvalidValue:
                    continue
    return config.value(name)


def sources(image: ClusterImage, config: BrokerConfig, broker_id: int, name: str) -> Iterator[Source]:
    """Every place that sets `name` or a synonym of it, the one that counts first.

    Kafka lists a synonym only from the first entry of the asked name on, so a retention given in hours shows
    none.
    """
    found: list[Source] = []
    names = BROKER_SYNONYMS.get(name, (name,))
    base = setting_named(name)
    if base is not None and base.name != name:
        names = (name, base.name)
    dynamic = ((str(broker_id), DYNAMIC_BROKER_CONFIG), ("", DYNAMIC_DEFAULT_BROKER_CONFIG))
    for resource, number in dynamic:
        values = image.config(ResourceType.BROKER, resource)
        found += [Source(synonym, values[synonym], number) for synonym in names if synonym in values]
    found += [
        Source(synonym, config.originals[synonym], STATIC_BROKER_CONFIG)
        for synonym in names
        if synonym in config.originals
    ]
    for synonym in names:
        setting = setting_named(synonym)
        if setting is not None and setting.name == synonym and setting.default is not None:
            found.append(Source(synonym, setting.default, DEFAULT_CONFIG))
    while found and found[0].name != name:
        found.pop(0)
    return iter(found)
