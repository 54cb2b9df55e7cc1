"""Each engine, held to the contract."""

from pathlib import Path
from uuid import UUID

import pytest
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import LogConfig, PartitionLog
from kwire_storage.memory_dirs import MemoryDirs
from kwire_storage.tail import TailBudget

from tests.storage.contract import LogContract
from tests.storage.disks import TOPIC_ID, uuids


class TestMemory(LogContract):
    @pytest.fixture
    def log(self) -> PartitionLog:
        return MemoryDirs(node_id=1, new_uuid=uuids()).open("topic", 0, TOPIC_ID, self.config)


class TestSegments(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> PartitionLog:
        return self.dirs(tmp_path).open("topic", 0, TOPIC_ID, self.config)

    def dirs(self, path: Path) -> LogDirs:
        return LogDirs([str(path)], node_id=1, new_uuid=uuids())


class TestSegmentsWithoutATail(TestSegments):
    """Every read from files."""

    def dirs(self, path: Path) -> LogDirs:
        return LogDirs([str(path)], node_id=1, new_uuid=uuids(), tails=TailBudget(0, 0), max_open_files=1)


class TestSegmentsWithASmallTail(TestSegments):
    """Reads meet the border between files and memory."""

    config = LogConfig(segment_bytes=1000, index_interval_bytes=0)

    def dirs(self, path: Path) -> LogDirs:
        return LogDirs([str(path)], node_id=1, new_uuid=uuids(), tails=TailBudget(5000, 5000))


class TestSegmentsWithReservedRoom(TestSegmentsWithoutATail):
    config = LogConfig(segment_bytes=400, index_interval_bytes=60, preallocate=True)


class TestOneLargeSegment(TestSegmentsWithoutATail):
    config = LogConfig(index_interval_bytes=0)


def test_ids_are_handed_out_in_turn() -> None:
    make = uuids()
    assert make() != make()
    assert isinstance(make(), UUID)
