"""A whole data directory, kwire's or Kafka's, checked without a lock, beside a running broker if need be.

Checkpoints are read before the logs, which only grow: so what they say must lie within what is found then.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import checkpoints, uuids
from ..checkpoints import BadCheckpoint
from ..files import Files
from ..segments import file_names
from . import dump
from .findings import Finding
from .partition_check import Checked, PartitionCheck
from .plain import Row
from .source import Source, Unreadable, small_file

_OFFSETS = (
    file_names.LOG_START_OFFSETS,
    file_names.RECOVERY_POINTS,
    file_names.HIGH_WATERMARKS,
    "cleaner-offset-checkpoint",
)
_SET_ASIDE = {
    file_names.DELETE_DIRECTORY: "a partition that is about to be removed",
    file_names.STRAY_DIRECTORY: "a partition that was set aside: nobody knows whose it is",
    file_names.FUTURE_DIRECTORY: "a partition on its way to this directory",
}


@dataclass(slots=True)
class Summary:
    """What was looked at."""

    partitions: int = 0
    batches: int = 0
    bytes: int = 0
    findings: int = 0

    def row(self) -> Row:
        """For JSON."""
        return {
            "type": "summary",
            "partitions": self.partitions,
            "batches": self.batches,
            "bytes": self.bytes,
            "findings": self.findings,
        }


class DirectoryCheck:
    """Checks data directories and what else is named; `run` gives the findings and fills `summary`."""

    def __init__(self, files: Files, *, records: bool = False) -> None:
        self.summary = Summary()
        self._files = files
        self._records = records
        self._checked: dict[tuple[str, str, int], Checked] = {}
        self._node = ""
        """Whose directory is looked at."""
        self._topic_ids: dict[str, object] | None = None

    def run(self, paths: Sequence[str]) -> Iterator[Finding]:
        """Every finding. Raises Unreadable for a path that is not there, or that nobody can check."""
        for path in paths:
            if not self._files.is_directory(path):
                yield from self._counted(self._file(path))
            elif _is_partition(path) and not self._has_identity(path):
                yield from self._counted(self._partition(path, was_clean=False))
            elif _is_future(path):
                yield from self._counted(self._partition(path, was_clean=False, is_future=True))
            else:
                yield from self._counted(self._directory(path))
        yield from self._counted(self._ids())

    def _has_identity(self, path: str) -> bool:
        """Whether a directory with a partition's name is a broker's data directory, as `broker-1` is."""
        try:
            return file_names.META_PROPERTIES in self._files.listdir(path)
        except OSError:
            return False

    def _counted(self, findings: Iterator[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self.summary.findings += not finding.is_note
            yield finding

    def _file(self, path: str) -> Iterator[Finding]:
        """One file by itself: whether it can be read to its end."""
        if not dump.is_known(path):
            raise Unreadable(path, "this name is none of those that Kafka's files have")
        Source(path, self._files).close()
        try:
            for row in dump.rows(path, self._files, records=self._records):
                if row["type"] == "batch":
                    self.summary.batches += 1
                    self.summary.bytes += int(str(row["size"]))
                    if not row["crc_valid"]:
                        position = int(str(row["position"]))
                        yield Finding(path, "a batch with a wrong checksum", position)
                elif row["type"] == "problem":
                    yield Finding(path, str(row["reason"]), int(str(row["position"])))
        except Unreadable as wrong:
            yield Finding(wrong.path, wrong.reason, wrong.position)

    def _partition(self, path: str, *, was_clean: bool, is_future: bool = False) -> Iterator[Finding]:
        check = PartitionCheck(path, self._files, was_clean=was_clean, records=self._records)
        for finding in check.run():
            if was_clean or not self._is_gone(finding.path):
                yield finding
        checked = check.checked
        self.summary.partitions += 1
        self.summary.batches += checked.batches
        self.summary.bytes += checked.bytes
        if is_future:
            return  # there is another one, which counts
        if checked.topic == "__cluster_metadata":
            self._topic_ids = dict(checked.topic_ids)
        known = self._checked.setdefault((self._node, checked.topic, checked.partition), checked)
        if known is not checked:
            yield Finding(path, f"the same partition is in {known.path}")

    def _is_gone(self, path: str) -> bool:
        """Whether a file's segment was deleted while it was looked at, as retention does beside us."""
        parsed = file_names.parse_segment_file(os.path.basename(path))
        if parsed is None:
            return False
        log = f"{os.path.dirname(path)}/{file_names.segment_file(parsed[0], file_names.LOG)}"
        try:
            self._files.path_size(log)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def _directory(self, path: str) -> Iterator[Finding]:
        try:
            names = sorted(self._files.listdir(path))
        except OSError as error:
            raise Unreadable(path, f"it can't be listed: {error.strerror or error}") from None
        partitions = [name for name in names if _is_partition(name)]
        if not partitions and file_names.META_PROPERTIES not in names:
            raise Unreadable(path, "this is no data directory: no meta.properties and no partition")
        was_clean = file_names.CLEAN_SHUTDOWN in names
        if not was_clean:
            yield Finding(
                path,
                "a broker runs on it, or was killed: what it appended last may be in motion",
                is_note=True,
            )
        yield from self._identity(path, names)
        if was_clean:
            yield from self._file(f"{path}/{file_names.CLEAN_SHUTDOWN}")
        offsets: dict[str, dict[tuple[str, int], int]] = {}
        for name in _OFFSETS:
            if name in names:
                yield from self._offsets(f"{path}/{name}", offsets)
        for name in names:
            full = f"{path}/{name}"
            if name in partitions:
                # Whatever is gone by now has been deleted meanwhile.
                if was_clean or self._files.is_directory(full):
                    yield from self._partition(full, was_clean=was_clean)
            elif self._files.is_directory(full):
                suffix = next((suffix for suffix in _SET_ASIDE if name.endswith(suffix)), None)
                yield Finding(
                    full, _SET_ASIDE.get(suffix or "", "no partition; it is left alone"), is_note=True
                )
                if _is_future(full):
                    yield from self._partition(full, was_clean=was_clean, is_future=True)
        for file, found in offsets.items():
            yield from self._bounds(file, found, path, was_clean=was_clean)

    def _identity(self, path: str, names: list[str]) -> Iterator[Finding]:
        file = f"{path}/{file_names.META_PROPERTIES}"
        self._node = path
        if file_names.META_PROPERTIES not in names:
            yield Finding(file, "it is missing: nobody can say whose directory this is")
            return
        try:
            found = checkpoints.decode_properties(small_file(file, self._files))
        except Unreadable as wrong:
            yield Finding(wrong.path, wrong.reason, wrong.position)
            return
        if found.get("version") not in ("0", "1"):
            yield Finding(file, f"its version is {found.get('version')!r}; 0 and 1 are known")
        self._node = found.get("node.id", found.get("broker.id", ""))
        if not found.get("cluster.id"):
            yield Finding(file, "it names no cluster.id")
        if found.get("version") == "1":
            if not found.get("node.id", "").isdecimal():
                yield Finding(file, f"its node.id is {found.get('node.id')!r}, which is no number")
            try:
                uuids.from_text(found.get("directory.id", ""))
            except ValueError as bad:
                yield Finding(file, f"its directory.id is no id: {bad}")

    def _offsets(self, path: str, into: dict[str, dict[tuple[str, int], int]]) -> Iterator[Finding]:
        try:
            into[path] = checkpoints.decode_offsets(small_file(path, self._files))
        except BadCheckpoint as bad:
            yield Finding(path, str(bad))
        except Unreadable as wrong:
            yield Finding(wrong.path, wrong.reason, wrong.position)

    def _bounds(
        self, file: str, offsets: dict[tuple[str, int], int], directory: str, *, was_clean: bool
    ) -> Iterator[Finding]:
        is_start = os.path.basename(file) == file_names.LOG_START_OFFSETS
        for (topic, partition), offset in offsets.items():
            checked = self._checked.get((self._node, topic, partition))
            if checked is None or os.path.dirname(checked.path) != directory:
                continue  # nothing was ever written to it, or it is deleted
            name = file_names.partition_directory(topic, partition)
            if offset < 0:
                yield Finding(file, f"{name} has offset {offset}")
            elif offset > checked.end_offset and (was_clean or is_start):
                yield Finding(file, f"{name} has offset {offset}, and its log ends at {checked.end_offset}")

    def _ids(self) -> Iterator[Finding]:
        """Partitions of one topic have one id, which is that of the metadata log, where that was seen."""
        by_topic: dict[str, Checked] = {}
        for checked in self._checked.values():
            if checked.topic_id is None:
                continue
            known = by_topic.setdefault(checked.topic, checked)
            file = f"{checked.path}/{file_names.PARTITION_METADATA}"
            own = uuids.to_text(checked.topic_id)
            if known.topic_id != checked.topic_id:
                yield Finding(file, f"topic id {own} is not that of {known.path}")
            elif (
                known is checked
                and self._topic_ids is not None
                and self._topic_ids.get(checked.topic, checked.topic_id) != checked.topic_id
            ):
                yield Finding(file, f"topic id {own} is not that of the metadata log")


def _is_partition(path: str) -> bool:
    return file_names.parse_partition_directory(os.path.basename(path.rstrip("/"))) is not None


def _is_future(path: str) -> bool:
    return file_names.parse_future_directory(os.path.basename(path.rstrip("/"))) is not None
