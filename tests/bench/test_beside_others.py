"""What benchmarks of a producer beside other work ask and judge."""

from pathlib import Path

import pytest

from bench.asking import is_still_low
from bench.compaction.topics import Progress


@pytest.mark.parametrize(
    ("before_ms", "beside_ms", "is_low"),
    [
        (0.5, 0.9, True),
        (0.5, 10.4, True),  # twenty times as long, but nobody waits for 10 ms
        (0.5, 10.6, False),
        (20.0, 39.0, True),  # 19 ms more, but less than twice
        (20.0, 41.0, False),
    ],
)
def test_a_p99_may_double_or_grow_by_ten_milliseconds(
    before_ms: float, beside_ms: float, is_low: bool
) -> None:
    assert is_still_low({"p99_ms": before_ms}, {"p99_ms": beside_ms}) is is_low


def test_a_topic_is_clean_once_the_checkpoint_has_come_to_its_open_segment(tmp_path: Path) -> None:
    log = tmp_path / "data" / "cleaned-1-0"
    log.mkdir(parents=True)
    for base in (0, 70, 200):
        (log / f"{base:020}.log").touch()
    progress = Progress(tmp_path, "cleaned-1")
    assert not progress.is_done
    checkpoint = log.parent / "cleaner-offset-checkpoint"
    for text, is_done in (
        ("0\n1\ncleaned-10 0 900\n", False),  # another topic's
        ("0\n1\ncleaned-1 0 70\n", False),
        ("0\n2\nother 0 1\ncleaned-1 0 200\n", True),
    ):
        checkpoint.write_text(text)
        assert progress.is_done is is_done
