"""The settings of a group (resource type GROUP): table, limits, and what they come to for one group.

A setting that is not set on the group follows the broker's of the other name. What is set must lie between
the broker's own minimum and maximum of it; if those are narrowed later, what was set before is moved to the
nearer end. kwire acts on those of consumer groups; the others are kept for what is to come. (Kafka:
GroupConfig, GroupConfigManager; KIP-848, KIP-932, KIP-1071.)
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from kwire.config import BrokerConfig
from kwire.config_def import InvalidValue, Kind, Setting, Value, at_least, one_of
from kwire.coordinators.groups.settings import ConsumerGroupSettings

from .broker_configs import broker_value
from .image import ClusterImage, Configs, ResourceType

BOOLEAN, STRING, INT, LONG, LIST = Kind.BOOLEAN, Kind.STRING, Kind.INT, Kind.LONG, Kind.LIST

_DURATION = re.compile(
    r"by_duration:P(?=[0-9T])([0-9]{1,9}D)?(T(?=[0-9])([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,9}(\.[0-9]{0,9})?S)?)?",
    re.IGNORECASE,
)


def _offset_reset(name: str, value: Value) -> str | None:
    if isinstance(value, str) and (value.lower() in ("earliest", "latest") or _DURATION.fullmatch(value)):
        return None
    return (
        f"Invalid value {value} for configuration {name}: Invalid value `{value}` for configuration {name}. "
        "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
    )


class Limits(NamedTuple):
    """The broker's settings that a group's setting follows, and between which it must lie."""

    default: str
    minimum: str | None = None
    maximum: str | None = None


# fmt: off
_TABLE: Final = (
    Setting("consumer.session.timeout.ms", INT, "45000",
            "Time without a heartbeat after which a consumer is out.", at_least(1)),
    Setting("consumer.heartbeat.interval.ms", INT, "5000",
            "How often consumers are told to heartbeat.", at_least(1)),
    Setting("consumer.assignment.interval.ms", INT, "1000",
            "Shortest pause between two assignments of a consumer group.", at_least(0)),
    Setting("share.session.timeout.ms", INT, "45000",
            "Time without a heartbeat after which a share consumer is out.", at_least(1)),
    Setting("share.heartbeat.interval.ms", INT, "5000",
            "How often share consumers are told to heartbeat.", at_least(1)),
    Setting("share.record.lock.duration.ms", INT, "30000",
            "How long a delivered record stays locked.", at_least(1000)),
    Setting("share.delivery.count.limit", INT, "5", "Deliveries of a record.", at_least(2)),
    Setting("share.partition.max.record.locks", INT, "2000",
            "Locked records of a partition.", at_least(100)),
    Setting("share.auto.offset.reset", STRING, "latest",
            "Where a share group begins: earliest, latest or by_duration:<PnDTnHnMn.nS>.", _offset_reset),
    Setting("share.isolation.level", STRING, "read_uncommitted",
            "Whether records of open or aborted transactions are delivered.",
            one_of("read_committed", "read_uncommitted")),
    Setting("share.renew.acknowledge.enable", BOOLEAN, "true",
            "Whether a share consumer may renew its lock on a record."),
    Setting("share.assignment.interval.ms", INT, "1000",
            "Shortest pause between two assignments of a share group.", at_least(0)),
    Setting("streams.session.timeout.ms", INT, "45000",
            "Time without a heartbeat after which a streams member is out.", at_least(1)),
    Setting("streams.heartbeat.interval.ms", INT, "5000",
            "How often streams members are told to heartbeat.", at_least(1)),
    Setting("streams.num.standby.replicas", INT, "0", "Standby replicas of each streams task.", at_least(0)),
    Setting("streams.initial.rebalance.delay.ms", INT, "3000",
            "How long a new streams group waits for more members.", at_least(0)),
    Setting("streams.assignment.interval.ms", INT, "1000",
            "Shortest pause between two assignments of a streams group.", at_least(0)),
    Setting("streams.assignor.name", STRING, "sticky", "How tasks are assigned.", one_of("sticky")),
    Setting("streams.rack.aware.assignment.tags", LIST, "",
            "Client tags over which standby tasks are spread."),
    Setting("errors.deadletterqueue.topic.name", STRING, "",
            "Topic for records that no consumer of a share group could process."),
    Setting("errors.deadletterqueue.copy.record.enable", BOOLEAN, "false",
            "Whether such a record is copied there, or only told of."),
    Setting("consumer.assignor.offload.enable", BOOLEAN, "true",
            "Compute assignments of the consumer group on another thread.", internal=True),
    Setting("share.assignor.offload.enable", BOOLEAN, "true",
            "Compute assignments of the share group on another thread.", internal=True),
    Setting("streams.assignor.offload.enable", BOOLEAN, "true",
            "Compute assignments of the streams group on another thread.", internal=True),
    Setting("streams.task.offset.interval.ms", INT, "60000",
            "How often streams members report task offsets.", at_least(1), internal=True),
    Setting("streams.num.warmup.replicas", INT, "2", "Warm-up replicas of streams tasks.", at_least(0),
            internal=True),
    Setting("streams.acceptable.recovery.lag", LONG, "10000",
            "Lag below which a task counts as caught up.", at_least(0), internal=True),
)
# fmt: on

GROUP_SETTINGS: Final = {setting.name: setting for setting in _TABLE}


def _time_limits(kind: str, what: str) -> Limits:
    return Limits(f"group.{kind}.{what}", f"group.{kind}.min.{what}", f"group.{kind}.max.{what}")


LIMITS: Final = {
    "consumer.heartbeat.interval.ms": _time_limits("consumer", "heartbeat.interval.ms"),
    "consumer.session.timeout.ms": _time_limits("consumer", "session.timeout.ms"),
    "consumer.assignment.interval.ms": _time_limits("consumer", "assignment.interval.ms"),
    "share.heartbeat.interval.ms": _time_limits("share", "heartbeat.interval.ms"),
    "share.session.timeout.ms": _time_limits("share", "session.timeout.ms"),
    "share.record.lock.duration.ms": _time_limits("share", "record.lock.duration.ms"),
    "share.delivery.count.limit": _time_limits("share", "delivery.count.limit"),
    "share.partition.max.record.locks": _time_limits("share", "partition.max.record.locks"),
    "share.assignment.interval.ms": _time_limits("share", "assignment.interval.ms"),
    "streams.heartbeat.interval.ms": _time_limits("streams", "heartbeat.interval.ms"),
    "streams.session.timeout.ms": _time_limits("streams", "session.timeout.ms"),
    "streams.num.standby.replicas": Limits(
        "group.streams.num.standby.replicas", None, "group.streams.max.standby.replicas"
    ),
    "streams.assignment.interval.ms": _time_limits("streams", "assignment.interval.ms"),
    "streams.initial.rebalance.delay.ms": Limits("group.streams.initial.rebalance.delay.ms"),
    "streams.task.offset.interval.ms": Limits(
        "group.streams.task.offset.interval.ms", "group.streams.min.task.offset.interval.ms"
    ),
    "streams.num.warmup.replicas": Limits(
        "group.streams.num.warmup.replicas", None, "group.streams.max.warmup.replicas"
    ),
    "streams.assignor.name": Limits("group.streams.assignors"),
    "streams.rack.aware.assignment.tags": Limits("group.streams.rack.aware.assignment.tags"),
    "streams.acceptable.recovery.lag": Limits("group.streams.acceptable.recovery.lag"),
    "consumer.assignor.offload.enable": Limits("group.consumer.assignor.offload.enable"),
    "share.assignor.offload.enable": Limits("group.share.assignor.offload.enable"),
    "streams.assignor.offload.enable": Limits("group.streams.assignor.offload.enable"),
}
"""In the order in which Kafka checks them."""


def group_config_problem(image: ClusterImage, config: BrokerConfig, configs: Configs) -> str | None:
    """Why a group can't have these configs, or None. What follows the broker's may be outside the limits."""
    for name in configs:
        if name not in GROUP_SETTINGS:
            return f"Unknown group config name: {name}"
    values: dict[str, int] = {}
    for name, setting in GROUP_SETTINGS.items():
        try:
            value = setting.parse(configs[name]) if name in configs else _default(image, config, name)
        except InvalidValue as problem:
            return str(problem)
        if setting.kind is INT:
            assert isinstance(value, int)
            values[name] = value
    for name, limits in LIMITS.items():
        refusal = _outside(name, values[name], config, limits) if name in values and name in configs else None
        if refusal is not None:
            return refusal
    if configs.get("errors.deadletterqueue.topic.name", "").startswith("__"):
        return "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'"
    for kind in ("consumer", "share", "streams"):
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        if values[session] <= values[heartbeat] and (session in configs or heartbeat in configs):
            return f"{session} must be greater than {heartbeat}"
    return None


def _outside(name: str, value: int, config: BrokerConfig, limits: Limits) -> str | None:
    """Why a value is none that the broker allows, or None."""
    lowest = None if limits.minimum is None else config.integer(limits.minimum)
    highest = None if limits.maximum is None else config.integer(limits.maximum)
    if (lowest is None or value >= lowest) and (highest is None or value <= highest):
        return None
    if highest is None:
        return f"{name} must be greater than or equal to {lowest}"
    if lowest is None:
        return f"{name} must be less than or equal to {highest}"
    return f"{name} must be in the range {lowest} to {highest} inclusive."


def is_shown(config: BrokerConfig, own: Configs, name: str) -> bool:
    """Whether a group is described with a setting: an internal one only where somebody has set it."""
    return not GROUP_SETTINGS[name].internal or name in own or LIMITS[name].default in config.originals


def group_values(image: ClusterImage, config: BrokerConfig, own: Configs) -> dict[str, Value]:
    """The value of every setting of a group on which these are set."""
    values: dict[str, Value] = {}
    for name, setting in GROUP_SETTINGS.items():
        values[name] = _default(image, config, name)
        if name in own:
            try:
                values[name] = setting.parse(own[name])
            except InvalidValue:
                continue
    return values


def consumer_group_settings(
    image: ClusterImage, config: BrokerConfig, group_id: str
) -> ConsumerGroupSettings:
    """What a consumer group goes by. Kept in the image's memo: it is asked for by every heartbeat."""
    own = image.configs.get((ResourceType.GROUP, group_id))
    key = ("consumer_group_settings", config, group_id if own else None)
    found = image.memo.get(key)
    if not isinstance(found, ConsumerGroupSettings):
        values = group_values(image, config, own or {})
        found = image.memo[key] = ConsumerGroupSettings(
            _within(config, values, "consumer.session.timeout.ms"),
            _within(config, values, "consumer.heartbeat.interval.ms"),
            _within(config, values, "consumer.assignment.interval.ms"),
        )
    return found


def _within(config: BrokerConfig, values: dict[str, Value], name: str) -> int:
    value, limits = values[name], LIMITS[name]
    assert isinstance(value, int)
    assert limits.minimum is not None
    assert limits.maximum is not None
    return min(max(value, config.integer(limits.minimum)), config.integer(limits.maximum))


def _default(image: ClusterImage, config: BrokerConfig, name: str) -> Value:
    limits = LIMITS.get(name)
    if limits is None:
        return GROUP_SETTINGS[name].default_value()
    return broker_value(image, config, None, limits.default)
