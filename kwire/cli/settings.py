"""What `kwire serve` runs, from its properties and options.

Rules: `kwire.cli.properties` says which properties; values out of range are refused with the limit, before
anything is opened.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable
from pathlib import Path

from kwire.broker.listeners import DEFAULT_PORT
from kwire.cli.effect import without_effect
from kwire.cli.properties import properties_from
from kwire.cli.refusal import Refusal
from kwire.config import BrokerConfig
from kwire.config_def import InvalidValue
from kwire.server.launch import Settings

logger = logging.getLogger("kwire.cli")


def settings_from(arguments: argparse.Namespace, default_data: Callable[[], Path]) -> Settings:
    """The settings of a command line. Raises Refusal."""
    given = properties_from(arguments, os.environ)
    try:
        config = BrokerConfig(given.properties)
    except InvalidValue as error:
        raise Refusal(str(error)) from error
    if "broker" not in config.strings("process.roles"):
        raise Refusal(
            "process.roles has no broker; kwire has no nodes that are controllers only, and its brokers "
            "need none"
        )
    for warning in given.warnings:
        logger.warning("%s", warning)
    idle = without_effect(given.properties)
    if idle:
        logger.warning("settings without effect in kwire: %s", ", ".join(idle))
    data = None
    if not arguments.memory:
        if arguments.from_environment:
            from kwire.cli.environment import DATA

            data = _data(arguments, config, lambda: DATA)
        else:
            data = _data(arguments, config, default_data)
    return Settings(
        host=arguments.host if arguments.host is not None else "localhost",
        port=arguments.port if arguments.port is not None else DEFAULT_PORT,
        data=data,
        brokers=arguments.brokers or max(len(arguments.port or ()), len(arguments.rack), 1),
        racks=arguments.rack,
        cluster_id=given.cluster_id,
        config=config,
    )


def _data(
    arguments: argparse.Namespace, config: BrokerConfig, default_data: Callable[[], Path]
) -> list[Path]:
    directories = _log_dirs(arguments, config, default_data)
    metadata = config.text("metadata.log.dir") if config.is_set("metadata.log.dir") else ""
    if metadata and os.path.abspath(metadata) not in map(os.path.abspath, directories):
        raise Refusal(
            f"metadata.log.dir={metadata} is not among the log directories "
            f"({', '.join(map(str, directories))}); kwire keeps the metadata in one of them: add it to "
            "log.dirs"
        )
    _check_cordoned(config, directories)
    return directories


def _check_cordoned(config: BrokerConfig, directories: list[Path]) -> None:
    name = "cordoned.log.dirs"
    cordoned = config.strings(name) if config.is_set(name) else []
    if cordoned == ["*"]:
        return
    known = [os.path.abspath(directory) for directory in directories]
    unknown = [path for path in cordoned if path not in known]
    if "*" in unknown:
        raise Refusal(f"{name}={','.join(cordoned)}: * stands for all of them, and alone")
    if unknown:
        raise Refusal(
            f"{name} names {' and '.join(path or 'an empty path' for path in unknown)}, and the log "
            f"directories are {', '.join(known)}: write it as it is there, or leave it out"
        )


def _log_dirs(
    arguments: argparse.Namespace, config: BrokerConfig, default_data: Callable[[], Path]
) -> list[Path]:
    if arguments.data is not None:
        return [arguments.data]
    for name in ("log.dirs", "log.dir"):
        if config.is_set(name):
            directories = [Path(directory) for directory in config.strings(name) if directory]
            if not directories:
                raise Refusal(f"{name} names no directory; write e.g. {name}={default_data()}")
            return directories
    return [default_data()]
