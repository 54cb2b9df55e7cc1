"""Old and surplus segments go, from the oldest on, and nothing else does."""

from pathlib import Path

import pytest
from kwire_storage.engine import LogConfig
from kwire_storage.log_dirs import LogDirs
from kwire_storage.segments.retention import SegmentFacts, segments_to_delete

from tests.storage.batches import batch, fill, offsets
from tests.storage.disks import TOPIC_ID, uuids

THREE = [SegmentFacts(100, 10, 1000), SegmentFacts(100, 20, 2000), SegmentFacts(50, 30, 3000)]


@pytest.mark.parametrize(
    ("retention_ms", "now_ms", "gone"),
    [
        (500, 1500, 0),
        (500, 1501, 1),
        (500, 2501, 2),
        (500, 99999, 3),
        (0, 1000, 0),
        (0, 1001, 1),
        (-1, 1 << 60, 0),
    ],
)
def test_by_age(retention_ms: int, now_ms: int, gone: int) -> None:
    assert segments_to_delete(THREE, LogConfig(retention_ms=retention_ms), now_ms, 30) == gone


@pytest.mark.parametrize(
    ("retention_bytes", "gone"),
    [(-1, 0), (251, 0), (250, 0), (151, 0), (150, 1), (51, 1), (50, 2), (1, 2), (0, 3)],
)
def test_by_size(retention_bytes: int, gone: int) -> None:
    assert (
        segments_to_delete(THREE, LogConfig(retention_ms=-1, retention_bytes=retention_bytes), 0, 30) == gone
    )


@pytest.mark.parametrize(("limit", "gone"), [(30, 3), (29, 2), (20, 2), (9, 0)])
def test_nothing_beyond_the_high_watermark(limit: int, gone: int) -> None:
    assert segments_to_delete(THREE, LogConfig(retention_ms=0), 1 << 40, limit) == gone


def test_a_young_segment_keeps_what_follows_it() -> None:
    segments = [SegmentFacts(1, 1, 5000), SegmentFacts(1, 2, 0)]
    assert segments_to_delete(segments, LogConfig(retention_ms=100), 5000, 2) == 0


def test_segments_without_time_do_not_age() -> None:
    assert segments_to_delete([SegmentFacts(1, 1, -1)], LogConfig(retention_ms=100), 1 << 40, 1) == 0


def test_a_log_lets_go_of_its_oldest_segments_and_goes_on(tmp_path: Path) -> None:
    config = LogConfig(segment_bytes=300, retention_ms=-1, retention_bytes=400)
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, config)
    fill(log, 20)
    bases = log.segment_offsets
    start = log.retain(0)
    assert start == log.log_start_offset == log.segment_offsets[0]
    assert log.segment_offsets == bases[-len(log.segment_offsets) :]
    assert 400 <= log.size_bytes < 400 + 300
    log.configure(LogConfig(segment_bytes=300, retention_ms=10))
    assert log.retain(1 << 40) == 20
    assert log.size_bytes == 0
    log.append([batch(20)], 0)
    dirs.close(clean=True)
    dirs = LogDirs([str(tmp_path)], node_id=1, new_uuid=uuids())
    log = dirs.open("topic", 0, TOPIC_ID, config)
    assert log.log_start_offset == 20
    assert offsets(log) == [(20, 20)]
    dirs.close(clean=False)
