"""Where nodes keep their data, and what is refused before anything is written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kwire_storage.directories.log_dirs import ForeignDirectory

from kwire.broker.data_directories import open_directories


def start_and_stop(data: Path, *node_ids: int) -> None:
    opened = open_directories([data], node_ids, random.Random(1))
    for directories in opened.values():
        directories.close(clean=True)


def test_several_nodes_have_a_directory_each_and_a_single_one_has_what_was_given(tmp_path: Path) -> None:
    start_and_stop(tmp_path / "three", 1, 2, 3)
    assert sorted(path.name for path in (tmp_path / "three").iterdir()) == [
        "broker-1",
        "broker-2",
        "broker-3",
    ]
    start_and_stop(tmp_path / "one", 1)
    assert (tmp_path / "one" / "meta.properties").exists()


def test_more_nodes_than_before_are_taken(tmp_path: Path) -> None:
    start_and_stop(tmp_path, 1, 2)
    start_and_stop(tmp_path, 1, 2, 3)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ((1, 2, 3), (1,), r"of brokers 1, 2, 3, and only 1 would run; .*--brokers 3"),
        ((1, 2, 3), (1, 2), r"of brokers 1, 2, 3, and only 1, 2 would run"),
        ((1,), (1, 2, 3), r"of a single broker, and 3 were asked for"),
    ],
)
def test_data_of_another_number_of_nodes_is_refused_and_left_alone(
    before: tuple[int, ...], now: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    start_and_stop(tmp_path, *before)
    files = sorted(tmp_path.rglob("*"))
    with pytest.raises(ForeignDirectory, match=message):
        start_and_stop(tmp_path, *now)
    assert sorted(tmp_path.rglob("*")) == files
