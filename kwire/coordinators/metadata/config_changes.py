"""Changing dynamic configs of topics, brokers and groups, legacy and incremental (Kafka: ConfigAdminManager).

Rules:
- Every resource stands or falls as a whole: one wrong value, and nothing of it changes.
- What is checked is the state after the change: all configs of the topic, old ones included.
- A broker's change makes a record even if the value stays, so that its files are read again (KAFKA-14136).
- The resource "" of type BROKER is the default for all brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.config import BrokerConfig, base_name, setting_named
from kwire.config_def import InvalidValue, Kind, Setting, Update
from kwire.coordinators.outcome import Outcome

from . import records as m
from .api_error import NO_ERROR, ApiError
from .broker_configs import DYNAMIC_ONLY
from .group_configs import GROUP_SETTINGS, group_config_problem
from .image import METADATA_VERSION_FEATURE, ClusterImage, Configs, ResourceKey, ResourceType
from .topic_configs import effective_values
from .topic_names import problem_with
from .topic_settings import TOPIC_SETTINGS

MAX_CHANGES: Final = 10_000
"""Resources and configs that one request may name, so that no request keeps everyone waiting (Kafka:
MAX_RECORDS_PER_USER_OP)."""

MAX_VALUE_BYTES: Final = 32_767
"""What a string of the wire and of a record has room for; APPEND could go beyond it step by step."""


CORDONED: Final = "cordoned.log.dirs"

IsLogDir = Callable[[str], bool]
"""Whether the broker that was asked has a log directory of that path."""


class _Asked(NamedTuple):
    """The broker that was asked."""

    config: BrokerConfig
    node_id: int
    is_log_dir: IsLogDir


class Op(IntEnum):
    """What to do to a config (Kafka: AlterConfigOp.OpType)."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Change(NamedTuple):
    """One config of a resource and what to do to it; `op` is as it came, checked here."""

    name: str
    op: int
    value: str | None


class _Refused(Exception):
    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error = ApiError(error_code, message)


Results = list[tuple[ResourceKey, ApiError]]


def alter_incrementally(
    image: ClusterImage,
    resources: Sequence[tuple[ResourceKey, Sequence[Change]]],
    *,
    config: BrokerConfig,
    node_id: int,
    is_log_dir: IsLogDir = lambda path: True,
    validate_only: bool = False,
) -> Outcome[Results, m.Record]:
    """Set, delete, append to and subtract from single configs; one result a resource, in the request's order.

    :param node_id: the broker that was asked: the only one whose own configs it changes.
    :param is_log_dir: whether it has a log directory of that path.
    """
    return _alter(image, resources, _Asked(config, node_id, is_log_dir), validate_only, replace=False)


def alter_legacy(
    image: ClusterImage,
    resources: Sequence[tuple[ResourceKey, Sequence[tuple[str, str | None]]]],
    *,
    config: BrokerConfig,
    node_id: int,
    is_log_dir: IsLogDir = lambda path: True,
    validate_only: bool = False,
) -> Outcome[Results, m.Record]:
    """Replace all dynamic configs of each resource by the ones given."""
    changes = [(key, [Change(name, Op.SET, value) for name, value in configs]) for key, configs in resources]
    return _alter(image, changes, _Asked(config, node_id, is_log_dir), validate_only, replace=True)


def _alter(
    image: ClusterImage,
    resources: Sequence[tuple[ResourceKey, Sequence[Change]]],
    asked: _Asked,
    validate_only: bool,
    *,
    replace: bool,
) -> Outcome[Results, m.Record]:
    if len(resources) + sum(len(changes) for _, changes in resources) > MAX_CHANGES:
        message = "Unable to perform excessively large batch operation."
        too_large = ApiError(ErrorCode.POLICY_VIOLATION, message)
        return Outcome([(key, too_large) for key, _ in resources])
    counts: dict[ResourceKey, int] = {}
    for key, _ in resources:
        counts[key] = counts.get(key, 0) + 1
    results: Results = []
    records: list[m.Record] = []
    for key, changes in resources:
        try:
            if counts[key] > 1:
                raise _Refused(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            records += _alter_one(image, key, changes, asked, replace)
            results.append((key, NO_ERROR))
        except _Refused as refused:
            results.append((key, refused.error))
    return Outcome(results, () if validate_only else records)


def _alter_one(
    image: ClusterImage,
    key: ResourceKey,
    changes: Sequence[Change],
    asked: _Asked,
    replace: bool,
) -> list[m.Record]:
    resource_type, resource = key
    config = asked.config
    if len({change.name for change in changes}) < len(changes):
        raise _Refused(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    nulls = [change.name for change in changes if change.value is None and change.op != Op.DELETE]
    if nulls:
        raise _Refused(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {', '.join(nulls)}")
    if resource_type == ResourceType.TOPIC:
        current = image.config(resource_type, resource)
        after = _after(resource_type, current, changes, TOPIC_SETTINGS, replace)
        _check_topic(image, config, resource, after)
        touched = set()
    elif resource_type == ResourceType.BROKER:
        if resource:
            _check_is_this_broker(resource, asked.node_id)
        current = image.config(resource_type, resource)
        after = _after(resource_type, current, changes, _broker_settings(changes), replace)
        _check_broker(after, per_broker=bool(resource))
        _check_cordoned(image, changes, after, asked.is_log_dir)
        touched = {change.name for change in changes}
    elif resource_type == ResourceType.GROUP:
        current = image.config(resource_type, resource)
        after = _after(resource_type, current, changes, GROUP_SETTINGS, replace)
        _check_group(image, config, resource, after)
        touched = set()
    else:
        raise _Refused(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource_type}")
    if any(len(value.encode()) > MAX_VALUE_BYTES for value in after.values()):
        message = f"The configuration value would be longer than {MAX_VALUE_BYTES} bytes."
        raise _Refused(ErrorCode.INVALID_CONFIG, message)
    names = dict.fromkeys([*(change.name for change in changes), *current])
    return [
        m.config_record(resource_type, resource, name, after.get(name))
        for name in names
        if current.get(name) != after.get(name) or name in touched
    ]


def _check_cordoned(
    image: ClusterImage, changes: Sequence[Change], after: Mapping[str, str], is_log_dir: IsLogDir
) -> None:
    """In the words of Kafka 4.4.0 and in its order (KafkaConfig.validateCordonedLogDirs)."""
    if all(change.name != CORDONED for change in changes):
        return
    if image.features.get(METADATA_VERSION_FEATURE, 0) < m.CORDONED_LEVEL:
        raise _Refused(
            ErrorCode.INVALID_CONFIG,
            f"The {CORDONED} configuration value cannot be set because it requires metadata.version >= "
            "4.3-IV0",
        )
    value = after.get(CORDONED, "").strip()
    paths = [path.strip() for path in value.split(",")] if value else []
    unknown = [path for path in paths if not is_log_dir(path)]
    if len(set(paths)) < len(paths):
        wrong = f"Configuration '{CORDONED}' values must not be duplicated."
    elif "" in paths:
        wrong = f"Configuration '{CORDONED}' values must not be empty."
    elif paths == ["*"]:
        return
    elif "*" in paths:
        wrong = f"requirement failed: When {CORDONED} is set to *, it must not contain other values"
    elif unknown:
        wrong = (
            f"requirement failed: All entries in {CORDONED} must be present in log.dirs or log.dir. "
            f"Missing entries : {', '.join(unknown)}"
        )
    else:
        return
    raise _Refused(ErrorCode.INVALID_REQUEST, wrong)


def _broker_settings(changes: Sequence[Change]) -> dict[str, Setting]:
    found = ((change.name, setting_named(change.name)) for change in changes)
    return {name: setting for name, setting in found if setting is not None}


def _after(
    resource_type: int,
    current: Configs,
    changes: Sequence[Change],
    settings: Mapping[str, Setting],
    replace: bool,
) -> dict[str, str]:
    """The configs of a resource after the changes."""
    after = {} if replace else dict(current)
    for name, op, value in changes:
        if op == Op.DELETE:
            after.pop(name, None)
        elif op == Op.SET:
            assert value is not None
            after[name] = value
        elif op in (Op.APPEND, Op.SUBTRACT):
            assert value is not None
            setting = settings.get(name)
            if setting is None or setting.kind is not Kind.LIST:
                raise _Refused(ErrorCode.INVALID_CONFIG, _not_a_list(name, Op(op), setting, resource_type))
            after[name] = _list_after(name, Op(op), value, current, setting)
        else:
            raise _Refused(ErrorCode.INVALID_REQUEST, f"Unknown operations type {op}")
    return after


def _not_a_list(name: str, op: Op, setting: Setting | None, resource_type: int) -> str:
    if resource_type in (ResourceType.TOPIC, ResourceType.GROUP):
        return f"Can't {op.name} to key {name} because its type is not LIST."
    if setting is None:
        return f"Unknown config name: {name}"
    return f"Config value {op.name.lower()} is not allowed for config key: {name}"


def _list_after(name: str, op: Op, value: str, current: Configs, setting: Setting) -> str:
    # A dict: a list of some thousand entries against as many others would take seconds.
    entries = dict.fromkeys(entry for entry in (current.get(name, setting.default) or "").split(",") if entry)
    for entry in value.split(","):
        if op is Op.APPEND:
            entries[entry] = None
        else:
            entries.pop(entry, None)
    return ",".join(entries)


def _check_topic(image: ClusterImage, config: BrokerConfig, name: str, after: Configs) -> None:
    if not name:
        raise _Refused(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
    problem = problem_with(name)
    if problem is not None:
        raise _Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    problem = topic_config_problem(image, config, after)
    if problem is not None:
        raise _Refused(ErrorCode.INVALID_CONFIG, problem)
    if image.topic(name) is None:
        message = f"The topic '{name}' does not exist."
        raise _Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)


def topic_config_problem(image: ClusterImage, config: BrokerConfig, configs: Configs) -> str | None:
    """Why a topic can't have these configs, or None (Kafka: LogConfig.validate)."""
    for name in configs:
        if name not in TOPIC_SETTINGS:
            return f"Unknown topic config name: {name}"
    for name, text in configs.items():
        try:
            TOPIC_SETTINGS[name].parse(text)
        except InvalidValue as problem:
            return str(problem)
    values = effective_values(image, config, configs, None)
    shortest, longest = values["min.compaction.lag.ms"], values["max.compaction.lag.ms"]
    assert isinstance(shortest, int)
    assert isinstance(longest, int)
    if shortest > longest:
        return (
            f"conflict topic config setting min.compaction.lag.ms ({shortest}) > "
            f"max.compaction.lag.ms ({longest})"
        )
    if values["remote.storage.enable"]:
        return (
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )
    return None


def _check_group(image: ClusterImage, config: BrokerConfig, name: str, after: Configs) -> None:
    if not name:
        raise _Refused(ErrorCode.INVALID_REQUEST, "Default group resources are not allowed.")
    problem = group_config_problem(image, config, after)
    if problem is not None:
        raise _Refused(ErrorCode.INVALID_CONFIG, problem)


def _check_is_this_broker(name: str, node_id: int) -> None:
    try:
        asked = int(name)
    except ValueError:
        message = f"Node id must be an integer, but it is: {name}"
        raise _Refused(ErrorCode.INVALID_REQUEST, message) from None
    if asked != node_id:
        message = f"Unexpected broker id, expected {node_id}, but received {name}"
        raise _Refused(ErrorCode.INVALID_REQUEST, message)


def _check_broker(after: Configs, *, per_broker: bool) -> None:
    fixed = [name for name in after if _update(name) is Update.READ_ONLY]
    if fixed:
        message = f"Cannot update these configs dynamically: [{', '.join(fixed)}]"
        raise _Refused(ErrorCode.INVALID_REQUEST, message)
    for name, text in after.items():
        setting = setting_named(name)
        if setting is not None:
            try:
                setting.parse(text)
            except InvalidValue as problem:
                raise _Refused(ErrorCode.INVALID_REQUEST, str(problem)) from None
    own = [] if per_broker else [name for name in after if _update(name) is Update.PER_BROKER]
    if own:
        raise _Refused(
            ErrorCode.INVALID_REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: "
            f"[{', '.join(own)}]",
        )


def _update(name: str) -> Update | None:
    """Whether a broker's config may change; None for names that Kafka has never heard of, which it takes."""
    if name in DYNAMIC_ONLY:
        return Update.CLUSTER_WIDE
    setting = setting_named(name)
    if setting is None:
        return None
    return Update.PER_BROKER if base_name(name) != name else setting.update
