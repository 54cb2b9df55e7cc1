"""Settings from `KAFKA_*` variables and a mounted server.properties, as the well-known images of Kafka take
them (docs/container.md has which, and where they differ).

Rules: `KAFKA_NUM_PARTITIONS` is `num.partitions`: the prefix goes, capitals become small, `___` becomes `-`,
`__` `_` and `_` `.`. A variable wins over the file; one that is empty counts as unset. Other programs set
variables that begin with KAFKA_ too, so one that is no setting is told in a warning, and stops nothing.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from kwire.broker.listeners import DEFAULT_PORT, EVERY_ADDRESS, LOCALHOST, ListenerError, parse_listeners
from kwire.cli.effect import is_retired
from kwire.cli.refusal import Refusal
from kwire.config import setting_named, unknown_settings

DATA: Final = Path("/var/lib/kafka/data")
"""Where apache/kafka's and Confluent's images have their volume."""

MOUNTED: Final = (
    "/mnt/shared/config/server.properties",  # apache/kafka, what its user mounts
    "/opt/kafka/config/server.properties",  # apache/kafka and wurstmeister, what the broker reads
    "/etc/kafka/docker/server.properties",  # apache/kafka, its default
    "/etc/kafka/server.properties",  # Confluent
    "/etc/kafka/kafka.properties",  # Confluent, what the broker reads
    "/bitnami/kafka/config/server.properties",
    "/opt/bitnami/kafka/config/server.properties",
)
"""Where a server.properties is looked for; the first counts."""

FOR_THE_HOST: Final = "PLAINTEXT://:9092"
FOR_CONTAINERS: Final = "CONTAINERS://:29092"
PROTOCOLS: Final = (
    "PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT,CONTROLLER:PLAINTEXT,CONTAINERS:PLAINTEXT,"
    "SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"
)
"""The names that apache/kafka's image knows, and kwire's own."""

CLUSTER_ID: Final = ("CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID")
"""Variables with the cluster's id, of apache/kafka's and Confluent's images, and of Bitnami's."""
OPTIONS: Final = "KWIRE_OPTIONS"

# What is about a JVM, an image's own scripts, or another program.
_QUIET: Final = frozenset(
    (
        "KAFKA_CREDENTIALS", "KAFKA_DEBUG", "KAFKA_GC_LOG_OPTS", "KAFKA_HEAP_OPT", "KAFKA_HEAP_OPTS",
        "KAFKA_HOME", "KAFKA_JMX_HOSTNAME", "KAFKA_JMX_OPTS", "KAFKA_JMX_PORT",
        "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_LOG4J_LOGGERS", "KAFKA_LOG4J_OPTS",
        "KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_OPTS", "KAFKA_RUN_CLASS", "KAFKA_SCALA_VERSION",
        "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_VERSION", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_ENABLE_KRAFT",
        *CLUSTER_ID,
    )
)  # fmt: skip
_QUIET_PREFIXES: Final = ("KAFKA_CONFLUENT_", "KAFKA_REST_", "KAFKA_CFG_CONFLUENT_")
# What Kubernetes gives the neighbours of a service that is called kafka.
_KUBERNETES: Final = re.compile(r"KAFKA_(?:[A-Z0-9_]*_)?(?:SERVICE_(?:HOST|PORT.*)|PORT(?:_[0-9]+_TCP.*)?)")
_BITNAMI: Final = "KAFKA_CFG_"
_PREFIX: Final = "KAFKA_"
_CLUSTER_ID: Final = re.compile(r"[!-~]{1,64}")


class Environment(NamedTuple):
    """What the variables say."""

    properties: dict[str, str]
    cluster_id: str | None
    warnings: list[str]


def property_name(variable: str) -> str | None:
    """The setting that a variable stands for, which need not exist; None where it is none of KAFKA_*."""
    if variable.startswith(_BITNAMI):
        rest = variable.removeprefix(_BITNAMI)
    elif variable.startswith(_PREFIX):
        rest = variable.removeprefix(_PREFIX)
    else:
        return None
    # Longest first; four underscores are a dash and a dot, as in the images.
    return rest.lower().replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def variable_name(setting: str) -> str:
    """The variable that stands for a setting."""
    return _PREFIX + setting.replace("_", "__").replace("-", "___").replace(".", "_").upper()


def read_environment(environ: Mapping[str, str]) -> Environment:
    """What KAFKA_* variables say. Raises Refusal for a cluster id that is none."""
    properties: dict[str, str] = {}
    unknown: dict[str, str] = {}
    # KAFKA_CFG_ after KAFKA_: Bitnami's image has the old names, and the new ones win.
    for variable in sorted(environ, key=lambda each: (each.startswith(_BITNAMI), each)):
        name, value = property_name(variable), environ[variable].strip()
        if not name or not value or _is_quiet(variable, value):
            continue
        if setting_named(name) is not None or is_retired(name):
            properties[name] = value
        else:
            unknown[name] = variable
    warnings = []
    for name, near in unknown_settings(unknown).items():
        hint = f"; did you mean {variable_name(near)}?" if near else ""
        warnings.append(f"{unknown[name]} has no effect: there is no setting {name}{hint}")
    _take_old_names(properties)
    voters = [voter for voter in properties.get("controller.quorum.voters", "").split(",") if voter.strip()]
    if len(voters) > 1:
        warnings.append(
            f"controller.quorum.voters names {len(voters)} nodes, and this broker is a cluster of its own: "
            f"{OPTIONS}='--brokers {len(voters)}' runs {len(voters)} in one container"
        )
    return Environment(properties, _cluster_id(environ), warnings)


def options_from(environ: Mapping[str, str]) -> list[str]:
    """More options of `kwire serve`, for where only variables can be set. Raises Refusal."""
    try:
        return shlex.split(environ.get(OPTIONS, ""))
    except ValueError as error:
        raise Refusal(
            f"{OPTIONS} cannot be read ({error}); write e.g. {OPTIONS}='--memory --verbose'"
        ) from None


def mounted_properties(places: Sequence[str] = MOUNTED) -> Path | None:
    """The server.properties that is mounted, if any."""
    return next((Path(place) for place in places if os.path.lexists(place)), None)


def with_container_listeners(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties with what a broker in a container needs, where they say nothing: it listens on every
    address, and the first listener advertises localhost, since what is dialled outside cannot be known here.

    Raises Refusal.
    """
    found = dict(properties)
    if not found.get("listener.security.protocol.map", "").strip():
        found["listener.security.protocol.map"] = PROTOCOLS
    advertised = found.get("advertised.listeners", "").strip()
    if not found.get("listeners", "").strip():
        if advertised:
            # As the images do it: the same names and ports, on every address.
            found["listeners"] = re.sub(r"://(?:\[[^\]]*\]|[^:,/\[\]]*):", "://:", advertised)
            return found
        found["listeners"] = FOR_THE_HOST
        if found["listener.security.protocol.map"] == PROTOCOLS:
            found["listeners"] += f",{FOR_CONTAINERS}"
    if not advertised:
        told = _advertised(found)
        if told:
            found["advertised.listeners"] = told
    return found


def started_in_kafkas_words(node_id: int) -> str:
    """The line that wrappers of Kafka's images wait for, each for a part of it: Testcontainers for Java and
    Go for the first, for Python with ZooKeeper for the second, for Python with KRaft for the third.
    """
    return (
        f"kwire: in Kafka's words: [BrokerServer id={node_id}] Transitioning from RECOVERY to RUNNING; "
        f"[KafkaServer id={node_id}] started; Kafka Server started"
    )


def _advertised(properties: Mapping[str, str]) -> str:
    """What to advertise for listeners of which nothing is said: a name is advertised as it is, every address
    as localhost for the first, and by what the client dialled for the others.
    """
    controllers = properties.get("controller.listener.names", "CONTROLLER").split(",")
    try:
        listeners = parse_listeners(
            properties["listeners"],
            None,
            properties.get("listener.security.protocol.map"),
            [name.strip() for name in controllers],
        )
    except ListenerError as error:
        raise Refusal(str(error)) from error
    told = []
    for number, listener in enumerate(listeners):
        host = listener.host
        if host in EVERY_ADDRESS:
            if number:
                continue
            host = LOCALHOST
        if listener.port:
            host = f"[{host}]" if ":" in host else host
            told.append(f"{listener.name}://{host}:{listener.port}")
    return ",".join(told)


def _is_quiet(variable: str, value: str) -> bool:
    if variable in _QUIET or variable.startswith(_QUIET_PREFIXES):
        return True
    # KAFKA_PORT=tcp://10.0.0.7:9092 is Kubernetes', KAFKA_PORT=9092 is an old setting.
    return _KUBERNETES.fullmatch(variable) is not None and (
        "://" in value or not is_retired(property_name(variable) or "")
    )


def _take_old_names(properties: dict[str, str]) -> None:
    """The names that advertised.listeners had before Kafka 0.10, which wurstmeister's image takes."""
    host, port = properties.get("advertised.host.name"), properties.get("advertised.port")
    if (host or port) and "advertised.listeners" not in properties:
        port = port or properties.get("port") or str(DEFAULT_PORT)
        properties["advertised.listeners"] = f"PLAINTEXT://{host or LOCALHOST}:{port}"
        if "listeners" not in properties:
            properties["listeners"] = (
                f"PLAINTEXT://{properties.get('host.name', '')}:{properties.get('port', 9092)}"
            )
        for name in ("advertised.host.name", "advertised.port", "host.name", "port"):
            properties.pop(name, None)


def _cluster_id(environ: Mapping[str, str]) -> str | None:
    for variable in CLUSTER_ID:
        value = environ.get(variable, "").strip()
        if value:
            if not _CLUSTER_ID.fullmatch(value):
                raise Refusal(
                    f"{variable} is no cluster id: up to 64 letters, digits and signs, e.g. "
                    "5L6g3nShT-eMCtK--X86sw"
                )
            return value
    return None
