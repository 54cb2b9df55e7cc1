"""The properties that a command line stands for, from a file, `KAFKA_*` variables and options.

Rules: an option wins over `--set`, which wins over a variable, which wins over the file. An unknown name is
refused with the nearest one, before anything is opened; a variable that is no setting is only told. Light:
nothing of the broker is imported here, since a health check asks too.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from kwire.broker.listeners import DEFAULT_PORT
from kwire.cli.effect import is_retired
from kwire.cli.refusal import Refusal
from kwire.config import load_properties, unknown_settings
from kwire.config_def import InvalidValue

MAX_FILE_BYTES: Final = 1 << 20


class Given(NamedTuple):
    """What was asked for. `cluster_id` None: nothing was said of it."""

    properties: dict[str, str]
    cluster_id: str | None
    warnings: list[str]


def properties_from(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Given:
    """The properties of a command line of `kwire serve`. Raises Refusal."""
    environment = None
    file = arguments.config
    if arguments.from_environment:
        from kwire.cli.environment import mounted_properties, read_environment

        environment = read_environment(environ)
        if file is None:
            file = mounted_properties()
    properties = _read(file) if file is not None else {}
    if environment is not None:
        properties.update(environment.properties)
    for entry in arguments.settings:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise Refusal(f"--set {entry} is not of the form KEY=VALUE, e.g. --set num.partitions=3")
        properties[name.strip()] = value.strip()
    for name, near in unknown_settings(name for name in properties if not is_retired(name)).items():
        hint = f"; did you mean {near}?" if near else ""
        raise Refusal(f"there is no setting {name or repr(name)}{hint}")
    warnings = [] if environment is None else environment.warnings
    if arguments.host is not None or arguments.port is not None:
        option = "--port" if arguments.port is not None else "--host"
        if any(entry.partition("=")[0].strip() == "listeners" for entry in arguments.settings):
            raise Refusal(f"{option} and --set listeners=... both say where to listen; leave one of them out")
        replaced = properties.pop("listeners", None)
        if replaced is not None and environment is None:
            warnings = [*warnings, f"{option} is used instead of listeners={replaced} in {file}"]
        if environment is not None:
            if arguments.port is not None and len(arguments.port) > 1:
                raise Refusal(
                    "--from-environment takes one --port; give brokers ports of their own by "
                    "node.1.listeners, node.1.advertised.listeners and so on"
                )
            port = DEFAULT_PORT if arguments.port is None else arguments.port[0]
            properties["listeners"] = f"PLAINTEXT://{arguments.host or ''}:{port}"
    if environment is None:
        return Given(properties, None, warnings)
    from kwire.cli.environment import with_container_listeners

    return Given(with_container_listeners(properties), environment.cluster_id, warnings)


def _read(path: Path) -> dict[str, str]:
    """A server.properties file, read as Java does: bytes are ISO 8859-1, whatever they were meant to be."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Refusal(
            f"cannot read {path}: {error.strerror}; --config takes a server.properties file"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise Refusal(f"{path} has over {MAX_FILE_BYTES} bytes, which no server.properties has")
    if b"\0" in data:
        raise Refusal(
            f"{path} is no text (a zero byte at {data.index(0)}); --config takes a server.properties file"
        )
    try:
        return load_properties(data.removeprefix(b"\xef\xbb\xbf").decode("iso-8859-1"))
    except InvalidValue as error:
        raise Refusal(f"{path}: {error}") from error
