"""What DescribeConfigs and CreateTopics show of a configuration: each value, and where it comes from.

Sources and their quirks are Kafka's (ConfigHelper): a topic's setting whose broker setting is given in
another unit (log.retention.hours) shows the value, but no synonym and the source "default".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.config import BROKER_SETTINGS, BrokerConfig, base_name, setting_named
from kwire.config_def import Setting, Update, Value, show

from .api_error import ApiError
from .broker_configs import (
    BROKER_SYNONYMS,
    DEFAULT_CONFIG,
    DYNAMIC_BROKER_CONFIG,
    DYNAMIC_DEFAULT_BROKER_CONFIG,
    DYNAMIC_ONLY,
    GROUP_CONFIG,
    STATIC_BROKER_CONFIG,
    TOPIC_CONFIG,
    Source,
    broker_value,
    sources,
)
from .group_configs import GROUP_SETTINGS, LIMITS, group_values, is_shown
from .image import ClusterImage, Configs, ResourceType
from .topic_configs import effective_values
from .topic_names import problem_with
from .topic_settings import SYNONYMS, TOPIC_SETTINGS

UNKNOWN_KIND = 0


class ShownConfig(NamedTuple):
    """One config as an answer shows it; `value` None is hidden or unset."""

    name: str
    value: str | None
    source: int
    read_only: bool = False
    sensitive: bool = False
    synonyms: tuple[Source, ...] = ()
    kind: int = UNKNOWN_KIND
    doc: str | None = None


def describe(
    image: ClusterImage, config: BrokerConfig, node_id: int, resource_type: int, name: str
) -> ApiError | Iterator[ShownConfig]:
    """Everything that one resource is configured with.

    :param node_id: the broker that was asked; it knows no other broker's configs.
    """
    if resource_type == ResourceType.TOPIC:
        problem = problem_with(name)
        if problem is not None:
            return ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
        if image.topic(name) is None:
            return ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "")
        return _topic(image, config, node_id, name)
    if resource_type == ResourceType.BROKER:
        if not name:
            return _default_broker(image)
        try:
            broker_id = int(name)
        except ValueError:
            return ApiError(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}")
        if broker_id != node_id:
            message = f"Unexpected broker id, expected {node_id} or empty string, but received {name}"
            return ApiError(ErrorCode.INVALID_REQUEST, message)
        return _broker(image, config, broker_id)
    if resource_type == ResourceType.GROUP:
        if not name:
            return ApiError(ErrorCode.INVALID_REQUEST, "Group name must not be empty")
        return _group(image, config, node_id, name)
    return ApiError(ErrorCode.INVALID_REQUEST, f"Unsupported resource type: {resource_type}")


def _topic(image: ClusterImage, config: BrokerConfig, node_id: int, topic: str) -> Iterator[ShownConfig]:
    own = image.config(ResourceType.TOPIC, topic)
    values = effective_values(image, config, own, node_id)
    for name, setting in TOPIC_SETTINGS.items():
        if setting.internal and name not in own:
            continue
        value = _shown_value(setting, values[name])
        found: tuple[Source, ...] = ()
        if name in SYNONYMS:
            found = tuple(sources(image, config, node_id, SYNONYMS[name][0][0]))
        if name in own:
            found = (Source(name, value or "", TOPIC_CONFIG), *found)
        source = found[0].number if found else DEFAULT_CONFIG
        yield ShownConfig(
            name,
            value,
            source,
            sensitive=setting.sensitive,
            synonyms=found,
            kind=setting.kind,
            doc=setting.doc,
        )


def _group(image: ClusterImage, config: BrokerConfig, node_id: int, group: str) -> Iterator[ShownConfig]:
    """A group needs not exist to be configured."""
    own = image.config(ResourceType.GROUP, group)
    values = group_values(image, config, own)
    for name, setting in GROUP_SETTINGS.items():
        if not is_shown(config, own, name):
            continue
        value = _shown_value(setting, values[name])
        found: tuple[Source, ...]
        if name in LIMITS:
            found = tuple(sources(image, config, node_id, LIMITS[name].default))
        else:
            found = (Source(name, setting.default or "", DEFAULT_CONFIG),)
        if name in own:
            found = (Source(name, value or "", GROUP_CONFIG), *found)
        source = found[0].number if found else DEFAULT_CONFIG
        yield ShownConfig(name, value, source, synonyms=found, kind=setting.kind, doc=setting.doc)


def _shown_value(setting: Setting, value: Value) -> str | None:
    return None if setting.sensitive or value is None else show(value)


def _broker(image: ClusterImage, config: BrokerConfig, broker_id: int) -> Iterator[ShownConfig]:
    dynamic = {
        **image.config(ResourceType.BROKER, ""),
        **image.config(ResourceType.BROKER, str(broker_id)),
    }
    config = config.with_values(_identity(image, config, broker_id))
    shown = {name: None for name, setting in BROKER_SETTINGS.items() if not setting.internal}
    for name in (*shown, *(name for name in (*config.originals, *dynamic) if name not in shown)):
        setting = setting_named(name)
        found = tuple(sources(image, config, broker_id, name))
        if setting is None:
            # A name that nobody knows might be a secret of a plugin: its value is not shown.
            yield ShownConfig(
                name,
                None,
                found[0].number if found else DEFAULT_CONFIG,
                read_only=name not in DYNAMIC_ONLY,
                sensitive=True,
                synonyms=tuple(Source(synonym.name, "", synonym.number) for synonym in found),
            )
            continue
        if setting.sensitive:
            found = tuple(Source(synonym.name, "", synonym.number) for synonym in found)
        yield ShownConfig(
            name,
            _shown_value(setting, broker_value(image, config, broker_id, name)),
            found[0].number if found else DEFAULT_CONFIG,
            read_only=setting.update is Update.READ_ONLY,
            sensitive=setting.sensitive,
            synonyms=found,
            kind=setting.kind,
            doc=setting.doc,
        )


def _identity(image: ClusterImage, config: BrokerConfig, broker_id: int) -> dict[str, str]:
    """What makes this node this one, whether it was written in a file or given on the command line."""
    identity = {"node.id": str(broker_id), "broker.id": str(broker_id)}
    broker = image.brokers.get(broker_id)
    if broker is not None:
        if broker.rack is not None:
            identity["broker.rack"] = broker.rack
        if broker.endpoints and not config.is_set("listeners"):
            identity["listeners"] = ",".join(
                f"{end.name}://{end.host}:{end.port}" for end in broker.endpoints
            )
    return identity


def _default_broker(image: ClusterImage) -> Iterator[ShownConfig]:
    """What is set for all brokers alone: neither defaults nor files (Kafka: perBrokerConfig false)."""
    values = image.config(ResourceType.BROKER, "")
    for name, value in values.items():
        setting = setting_named(name)
        sensitive = setting is None or setting.sensitive
        group = BROKER_SYNONYMS.get(name, (name, base_name(name)))
        found = [
            Source(synonym, "" if sensitive else values[synonym], DYNAMIC_DEFAULT_BROKER_CONFIG)
            for synonym in dict.fromkeys(group)
            if synonym in values
        ]
        while found and found[0].name != name:
            found.pop(0)
        yield ShownConfig(
            name,
            None if sensitive else value,
            DYNAMIC_DEFAULT_BROKER_CONFIG,
            read_only=(setting is None or setting.update is Update.READ_ONLY) and name not in DYNAMIC_ONLY,
            sensitive=sensitive,
            synonyms=tuple(found),
            kind=UNKNOWN_KIND if setting is None else setting.kind,
            doc=None if setting is None else setting.doc,
        )


def created_topic_configs(
    image: ClusterImage, config: BrokerConfig, node_id: int, own: Configs
) -> list[ShownConfig]:
    """A topic's configs as it is created, sorted (KIP-525). A value in hours has its source here."""
    values = effective_values(image, config, own, node_id)
    return [
        ShownConfig(
            name,
            own[name] if name in own else _shown_value(setting, values[name]),
            TOPIC_CONFIG if name in own else _source(image, config, node_id, name),
            sensitive=setting.sensitive,
        )
        for name, setting in sorted(TOPIC_SETTINGS.items())
        if not setting.internal or name in own
    ]


def _source(image: ClusterImage, config: BrokerConfig, node_id: int, name: str) -> int:
    synonyms = [synonym for synonym, _ in SYNONYMS.get(name, ())]
    layers: tuple[tuple[Collection[str], int], ...] = (
        (image.config(ResourceType.BROKER, str(node_id)), DYNAMIC_BROKER_CONFIG),
        (image.config(ResourceType.BROKER, ""), DYNAMIC_DEFAULT_BROKER_CONFIG),
        (config.originals, STATIC_BROKER_CONFIG),
    )
    for names, number in layers:
        if any(synonym in names for synonym in synonyms):
            return number
    return DEFAULT_CONFIG
