"""Where the nodes of a process keep their data.

Rules: a single node has the directories that were given, as a Kafka has its `log.dirs`; each of several has
`broker-<id>` inside them. Data of another number of nodes is refused before anything is written: it would
not be seen, or lie beside a log directory's own.
"""

from __future__ import annotations

import logging
import random
import re
import uuid
from collections.abc import Sequence
from pathlib import Path

from kwire_storage.directories.interface import LogDirectories
from kwire_storage.directories.log_dirs import ForeignDirectory, LogDirs
from kwire_storage.files import Files

logger = logging.getLogger("kwire.broker")

_NODE = re.compile(r"broker-(\d+)")


def open_directories(
    data: Sequence[Path] | None,
    node_ids: Sequence[int],
    rng: random.Random,
    files: Files | None = None,
    cluster_id: str | None = None,
) -> dict[int, LogDirectories]:
    """Each node's directories, opened and locked; `data` None keeps all of it in memory.

    :param cluster_id: the cluster's, if it is known; an existing directory has its own.
    :raises ForeignDirectory: there is data of another cluster, another node or another number of nodes.
    :raises LockedError: another process has it open.
    :raises StorageError: it cannot be read or written.
    """

    def new_uuid() -> uuid.UUID:
        return uuid.UUID(int=rng.getrandbits(128), version=4)

    for path in data or ():
        _check_count(str(path), node_ids, files or Files())
    opened: dict[int, LogDirectories] = {}
    taken: list[LogDirs] = []
    try:
        for node_id in node_ids:
            directories: LogDirectories
            if data is None:
                from kwire_storage.memory_dirs import MemoryDirs  # of no use to who has directories

                directories = MemoryDirs(node_id=node_id, new_uuid=new_uuid, cluster_id=cluster_id)
            else:
                paths = [str(path / f"broker-{node_id}" if len(node_ids) > 1 else path) for path in data]
                directories = LogDirs(
                    paths, node_id=node_id, new_uuid=new_uuid, cluster_id=cluster_id, files=files
                )
                taken.append(directories)
                logger.info("broker %d keeps its data in %s", node_id, ", ".join(paths))
            opened[node_id] = directories
            cluster_id = directories.cluster_id
    except BaseException:
        for others in taken:
            others.give_back()
        raise
    return opened


def _check_count(path: str, node_ids: Sequence[int], files: Files) -> None:
    """Refuse a directory that holds the data of more brokers, or that is a single broker's own."""
    try:
        names = set(files.listdir(path))
    except OSError:
        return  # not there yet, or refused with a better message when it is opened
    if len(node_ids) > 1 and "meta.properties" in names:
        raise ForeignDirectory(
            f"{path} holds the data of a single broker, and {len(node_ids)} were asked for; start one, or "
            "give another directory with --data"
        )
    there = sorted(int(found[1]) for name in names if (found := _NODE.fullmatch(name)))
    missing = [node_id for node_id in there if node_id not in node_ids]
    if missing and "meta.properties" not in names:
        raise ForeignDirectory(
            f"{path} holds the data of brokers {', '.join(map(str, there))}, and only "
            f"{', '.join(map(str, node_ids))} would run; start all of them (--brokers {len(there)}), or give "
            "another directory with --data"
        )
