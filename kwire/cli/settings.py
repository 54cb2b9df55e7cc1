"""What `kwire serve` runs, from its options and a server.properties file.

Rules: an option wins over `--set`, which wins over the file. Unknown names and values out of range are
refused with the nearest name or the limit, before anything is opened.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from kwire.cli.effect import is_retired, without_effect
from kwire.cli.refusal import Refusal
from kwire.config import BrokerConfig, load_properties, unknown_settings
from kwire.config_def import InvalidValue
from kwire.server.launch import DEFAULT_PORT, Settings

logger = logging.getLogger("kwire.cli")


def settings_from(arguments: argparse.Namespace, default_data: Callable[[], Path]) -> Settings:
    """The settings of a command line. Raises Refusal."""
    properties: dict[str, str] = {}
    if arguments.config is not None:
        properties.update(_read(arguments.config))
    for entry in arguments.settings:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise Refusal(f"--set {entry} is not of the form KEY=VALUE, e.g. --set num.partitions=3")
        properties[name.strip()] = value.strip()
    unknown = unknown_settings(name for name in properties if not is_retired(name))
    for name, near in unknown.items():
        hint = f"; did you mean {near}?" if near else ""
        raise Refusal(f"there is no setting {name}{hint}")
    idle = without_effect(properties)
    if idle:
        logger.warning("settings without effect in kwire: %s", ", ".join(idle))
    host = arguments.host
    port = arguments.port
    if host is not None or port is not None:
        properties.pop("listeners", None)
    try:
        config = BrokerConfig(properties)
    except InvalidValue as error:
        raise Refusal(str(error)) from error
    return Settings(
        host=host if host is not None else "localhost",
        port=port if port is not None else DEFAULT_PORT,
        data=None if arguments.memory else _data(arguments, config, default_data),
        brokers=arguments.brokers,
        config=config,
    )


def _read(path: Path) -> dict[str, str]:
    try:
        return load_properties(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Refusal(f"cannot read {path}: {reason}; --config takes a server.properties file") from error
    except InvalidValue as error:
        raise Refusal(f"{path}: {error}") from error


def _data(
    arguments: argparse.Namespace, config: BrokerConfig, default_data: Callable[[], Path]
) -> list[Path]:
    if arguments.data is not None:
        return [arguments.data]
    for name in ("log.dirs", "log.dir"):
        if config.is_set(name):
            return [Path(directory) for directory in config.strings(name)]
    return [default_data()]
