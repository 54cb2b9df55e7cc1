"""Small files that many logs have word for word alike: the first is written, the others are names of it.

`partition.metadata` is the same in all partitions of a topic, `leader-epoch-checkpoint` in nearly all new
logs. To make a file costs a file system many times what another name (a hard link) of one costs, and the
first append to each of a thousand partitions waits for that.

Rules: only files that everybody puts in place whole, by a rename, may share their bytes: changing one then
leaves the others alone (Kafka writes these two so: PartitionMetadataFile, CheckpointFile). Whoever writes
such a file does so through the same `AlikeFiles`. A file system without hard links, or one that allows no
more names, only makes it slower.
"""

from .files import Files

MOST_REMEMBERED = 256


class AlikeFiles:
    """The newest files of each content, of the logs of one node."""

    __slots__ = ("_contents", "_files", "_paths")

    def __init__(self, files: Files) -> None:
        self._files = files
        self._paths: dict[bytes, str] = {}
        self._contents: dict[str, bytes] = {}

    def write(self, path: str, data: bytes) -> None:
        """Put `data` in place of a file, whole or not at all, unsynced. Raises OSError."""
        self._forget(path)
        source = self._paths.get(data)
        if source is not None:
            try:
                self._files.link(source, path)
                return
            except OSError:
                # There is such a file already, or the source has gone, or there can be no further name.
                self._forget(source)
        self._files.write_file(path, data, sync=False)
        self._remember(path, data)

    def _remember(self, path: str, data: bytes) -> None:
        if len(self._paths) >= MOST_REMEMBERED:
            self._forget(next(iter(self._contents)))
        self._paths[data] = path
        self._contents[path] = data

    def _forget(self, path: str) -> None:
        data = self._contents.pop(path, None)
        if data is not None:
            del self._paths[data]
