"""The log directories of a node together: taken, of one cluster, some of them offline (Kafka: LogManager,
MetaPropertiesEnsemble).

One that can't be read when they are opened is offline if there are others that can; with none left the first
refusal counts. LockedError and ForeignDirectory refuse all of them: somebody has to decide what is meant.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from uuid import UUID

from .. import uuids
from ..engine import DirectoryOffline, StorageError
from ..files import Files
from .interface import EVERY_DIRECTORY
from .log_directory import ForeignDirectory, LogDirectory

log = logging.getLogger("kwire.storage")


class DirectorySet:
    """The directories of one node, in the order in which they were named. Whoever opens them closes them."""

    def __init__(self, paths: Sequence[str], files: Files, failed: Callable[[], None]) -> None:
        self._all = [LogDirectory(path, files, failed) for path in paths]
        self.cluster_id = ""
        self.cordoned: frozenset[str] = frozenset()
        """The paths of those that get no new logs while there are others (KIP-1066)."""

    def __iter__(self) -> Iterator[LogDirectory]:
        return iter(self._all)

    def open(
        self,
        node_id: int,
        cluster_id: str | None,
        new_uuid: Callable[[], UUID],
        look: Callable[[LogDirectory], None],
    ) -> None:
        """Take, identify and load each, and have `look` at it. Raises what `LogDirs` raises."""
        try:
            self._each(LogDirectory.take)
            self._each(lambda directory: directory.identify(node_id))
            self.cluster_id = self._identify(node_id, cluster_id, new_uuid)
            self._each(LogDirectory.load)
            self._each(look)
        except BaseException:
            self.give_back()
            raise
        for directory in self._all:
            directory.is_ready = True

    def _each(self, step: Callable[[LogDirectory], None]) -> None:
        for directory in self.online:
            try:
                step(directory)
            except StorageError as refusal:
                if len(self.online) <= 1:
                    raise
                directory.start_offline(refusal)

    def _identify(self, node_id: int, wanted: str | None, new_uuid: Callable[[], UUID]) -> str:
        known = {d.cluster_id: d.path for d in self.online if d.cluster_id is not None}
        if len(known) > 1:
            raise ForeignDirectory(
                "the log directories belong to different clusters: "
                + ", ".join(f"{path} to {cluster}" for cluster, path in known.items())
            )
        cluster_id = next(iter(known), None) or wanted or uuids.to_text(uuids.usable(new_uuid))
        if wanted is not None and cluster_id != wanted:
            raise ForeignDirectory(
                f"{known[cluster_id]} belongs to cluster {cluster_id}, and this one is {wanted}: "
                "start without a cluster id, or choose another data directory"
            )

        def name_it(directory: LogDirectory) -> None:
            if not directory.is_identified:
                directory.write_identity(cluster_id, node_id, uuids.usable(new_uuid))

        self._each(name_it)
        return cluster_id

    @property
    def first(self) -> LogDirectory:
        return self._all[0]

    @property
    def online(self) -> list[LogDirectory]:
        """Those that work, or have not been tried yet."""
        return [directory for directory in self._all if directory.is_online or not directory.is_ready]

    @property
    def offline(self) -> list[str]:
        """The paths of the others."""
        return [directory.path for directory in self._all if not directory.is_online]

    @property
    def was_clean(self) -> bool:
        """Whether the last stop was clean, in every directory that can be read."""
        return all(directory.was_clean for directory in self.online)

    @property
    def previous_broker_epoch(self) -> int:
        """The broker epoch that the last clean stop wrote down, -1 when there was none (KIP-966)."""
        epochs = {directory.previous_broker_epoch for directory in self.online}
        return epochs.pop() if len(epochs) == 1 else -1

    def emptiest(self, wanted: UUID | None) -> LogDirectory:
        """The directory of that id, if it works, else the one with the fewest logs of those that are not
        cordoned, if there are any (Kafka: LogManager.nextLogDirs). DirectoryOffline where none works.
        """
        online = self.online
        if not online:
            raise DirectoryOffline("all log directories are offline")
        for directory in online:
            if directory.directory_id == wanted:
                return directory
        open_ones = [directory for directory in online if directory.path not in self.cordoned]
        return min(open_ones or online[:1], key=lambda directory: directory.logs)

    def with_id(self, directory_id: UUID) -> LogDirectory | None:
        """The directory of an id, if it works."""
        return next((each for each in self.online if each.directory_id == directory_id), None)

    def cordon(self, paths: Collection[str]) -> None:
        """See `LogDirectories`."""
        every = {directory.path for directory in self._all}
        unknown = [path for path in paths if path not in every and path != EVERY_DIRECTORY]
        if unknown:
            log.warning(
                "cordoned.log.dirs names %s, and the log directories are %s: what is none of them has no "
                "effect",
                ", ".join(unknown),
                ", ".join(sorted(every)),
            )
        self.cordoned = frozenset(every if EVERY_DIRECTORY in paths else every & set(paths))

    def give_back(self) -> None:
        """Undo the opening, before any log was opened: each directory is as it was, and free."""
        for directory in self._all:
            try:
                directory.give_back()
            except StorageError as error:
                log.error("%s", error)
                directory.let_go()

    def let_go(self, *, offline_only: bool = False) -> None:
        """They may be taken by others."""
        for directory in self._all:
            if not (offline_only and directory.is_online):
                directory.let_go()
