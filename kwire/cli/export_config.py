"""`kwire export-config`: the server.properties with which a real Apache Kafka starts on a data directory.

Rules: the directory is only read, and must not be in use. What Kafka could not serve alone is refused, with
what to do. The text is ISO 8859-1 with escapes, as Java reads properties.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from kwire.cli.refusal import Refusal

if TYPE_CHECKING:
    from kwire_storage.files import Files

    from kwire.coordinators.metadata.image import ClusterImage

DESCRIPTION = """\
Prints a server.properties with which a real Apache Kafka starts on a data directory of kwire:

    kwire export-config --data DIR > server.properties
    bin/kafka-server-start.sh server.properties

Stop kwire first, and keep a copy of the directory. docs/interchange.md has both ways, step by step."""

_RELEASES: Final = ((7, "3.3"), (8, "3.4"), (11, "3.5"), (14, "3.6"), (19, "3.7"), (20, "3.8"), (21, "3.9"),
                    (25, "4.0"), (27, "4.1"), (29, "4.2"), (30, "4.3"), (33, "4.4"))  # fmt: skip
"""The highest metadata.version that each release of Kafka knows."""
_OWN_TOPICS: Final = (
    ("__consumer_offsets", "offsets.topic", ""),
    ("__transaction_state", "transaction.state.log", "min.isr"),
    ("__share_group_state", "share.coordinator.state.topic", "min.isr"),
)


class _Directory(NamedTuple):
    path: str
    node_id: int
    cluster_id: str
    is_clean: bool
    has_metadata: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `kwire export-config`."""
    from kwire.cli.serve import default_data, shown

    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        action="append",
        help=f"the data directory, or each of several log.dirs (default: {shown(default_data())})",
    )
    parser.add_argument(
        "--host", metavar="H", default="localhost", help="address to listen on (default: localhost)"
    )
    parser.add_argument(
        "--port", metavar="P", type=_port, default=9092, help="port for clients (default: 9092)"
    )
    parser.add_argument(
        "--controller-port",
        metavar="P",
        type=_port,
        help="port of the controller's listener (default: the one after --port)",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when the properties were printed, 1 when the directory is none that Kafka could serve."""
    from kwire.cli.serve import default_data

    controller_port = arguments.controller_port
    if controller_port is None:
        controller_port = arguments.port + 1 if arguments.port < 65535 else arguments.port - 1
    try:
        if controller_port == arguments.port:
            raise Refusal(f"clients and controller can't share port {controller_port}; choose another one")
        properties = exported(
            [str(path) for path in arguments.data or [default_data()]],
            host=arguments.host,
            port=arguments.port,
            controller_port=controller_port,
        )
    except Refusal as refusal:
        print(f"kwire: {refusal}", file=sys.stderr)
        return 1
    sys.stdout.write(properties)
    return 0


def exported(paths: Sequence[str], *, host: str, port: int, controller_port: int) -> str:
    """The text of a server.properties for these log directories.

    :raises Refusal: a single Kafka could not serve them, or they can't be read.
    """
    from kwire_storage.engine import StorageError
    from kwire_storage.files import Files

    from kwire.broker.metadata_offline import read_offline
    from kwire.coordinators.metadata.replay import ReplayError

    files = Files()
    try:
        directories = [_look(os.path.abspath(path), files) for path in paths]
        homes = [directory for directory in directories if directory.has_metadata]
        _check(directories, homes)
        home = homes[0]
        from kwire_storage.folder import DiskFolder

        found = read_offline(
            DiskFolder(f"{home.path}/__cluster_metadata-0", files),
            DiskFolder(home.path, files),
            home.cluster_id,
        )
    except (OSError, StorageError, ReplayError) as error:
        raise Refusal(f"the metadata can't be read: {error}") from error
    _check_alone(found.image, home.node_id)
    level = found.image.features.get("metadata.version", 0)
    controller = f"{host}:{controller_port}"
    lines = {
        "process.roles": "broker,controller",
        "node.id": str(home.node_id),
        **(
            {"controller.quorum.voters": f"{home.node_id}@{controller}"}
            if found.kraft.version == 0
            else {"controller.quorum.bootstrap.servers": controller}
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": ",".join(directory.path for directory in directories),
        **({"metadata.log.dir": home.path} if len(directories) > 1 else {}),
    }
    for name, prefix, min_isr in _OWN_TOPICS:
        topic = found.image.topics.get(name)
        if topic is not None:
            lines[f"{prefix}.num.partitions"] = str(len(topic.partitions))
        lines[f"{prefix}.replication.factor"] = "1"
        if min_isr:
            lines[f"{prefix}.{min_isr}"] = "1"
    if level <= 21:
        lines["group.coordinator.rebalance.protocols"] = "classic,consumer"
    text = [
        f"# Apache Kafka on the data directory of cluster {home.cluster_id}, node {home.node_id}.",
        f"# metadata.version {level}: needs Kafka {_release(level)} or later. The cluster has the features",
        "#   " + ", ".join(f"{name}={value}" for name, value in sorted(found.image.features.items())),
        "# Configs of topics, brokers and groups are in the directory. What kwire was started with by --set",
        "# or --config is not: add those lines here.",
    ]
    if level <= 21:
        text.append("# group.coordinator.rebalance.protocols is for Kafka 3.x; 4.x can do without.")
    for directory in directories:
        if not directory.is_clean:
            text.append(
                f"# {_escaped(directory.path)} was not left by a clean stop: Kafka will recover its logs."
            )
    text += [f"{name}={_escaped(value)}" for name, value in lines.items()]
    return "\n".join(text) + "\n"


def _look(path: str, files: Files) -> _Directory:
    from kwire_storage.checkpoints import decode_properties
    from kwire_storage.segments import file_names

    if not files.is_directory(path):
        raise Refusal(f"there is no directory {path}; name the data directory with --data")
    names = set(files.listdir(path))
    if file_names.META_PROPERTIES not in names:
        nodes = sorted(name for name in names if name.startswith("broker-"))
        if nodes:
            raise Refusal(
                f"{path} holds the data of {len(nodes)} brokers ({', '.join(nodes)}), which share their logs "
                "as no Kafkas do; only the directory of a single broker can be served by a Kafka"
            )
        raise Refusal(f"{path} is no data directory of kwire or Kafka: it has no meta.properties")
    if file_names.LOCK in names:
        _refuse_in_use(path, files)
    if "," in path:
        raise Refusal(f"{path} has a comma, which log.dirs takes for the end of a path; rename the directory")
    properties = decode_properties(files.read_file(f"{path}/{file_names.META_PROPERTIES}") or b"")
    node_id = properties.get("node.id", "")
    if properties.get("version") != "1" or not node_id.isdecimal():
        raise Refusal(f"{path}/{file_names.META_PROPERTIES} is not of a KRaft cluster (version 1, a node.id)")
    return _Directory(
        path,
        int(node_id),
        properties.get("cluster.id", ""),
        file_names.CLEAN_SHUTDOWN in names,
        "__cluster_metadata-0" in names,
    )


def _refuse_in_use(path: str, files: Files) -> None:
    try:
        descriptor = files.open(f"{path}/.lock", os.O_RDWR)
    except OSError as error:
        raise Refusal(f"{path}/.lock can't be opened: {error.strerror}") from error
    try:
        if not files.lock(descriptor):
            raise Refusal(f"{path} is in use: stop the broker first, or take a copy of the directory")
    finally:
        files.close(descriptor)


def _check(directories: Sequence[_Directory], homes: Sequence[_Directory]) -> None:
    first = directories[0]
    for other in directories[1:]:
        if (other.node_id, other.cluster_id) != (first.node_id, first.cluster_id):
            raise Refusal(
                f"{first.path} is of node {first.node_id} in cluster {first.cluster_id}, and {other.path} of "
                f"node {other.node_id} in {other.cluster_id}: give the directories of one node"
            )
    if len(homes) != 1:
        said = "more than one has" if homes else "there is no"
        raise Refusal(f"{said} __cluster_metadata-0 in {', '.join(one.path for one in homes or directories)}")


def _check_alone(image: ClusterImage, node_id: int) -> None:
    for topic in image.topics.values():
        for partition in topic.partitions:
            if partition.replicas != (node_id,):
                raise Refusal(
                    f"partition {partition.index} of {topic.name} is on brokers "
                    f"{', '.join(map(str, partition.replicas))}, and this is the directory of broker "
                    f"{node_id} alone: a single Kafka can't serve this cluster"
                )


def _release(level: int) -> str:
    return next((release for below, release in _RELEASES if level <= below), "4.4")


def _escaped(value: str) -> str:
    escaped = "".join(
        character if " " <= character <= "~" else "".join(f"\\u{unit:04x}" for unit in _utf_16(character))
        for character in value.replace("\\", "\\\\")
    )
    return f"\\{escaped}" if escaped.startswith(" ") else escaped


def _utf_16(character: str) -> list[int]:
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)
