"""Any bytes in a data directory's files give an answer or a clear refusal, in linear time.

`scripts/fuzz-files` does the same for as long as one likes.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.directories.garbling import INTERESTING, KINDS, Change, garbled, sample, try_all

CHANGES = st.lists(
    st.builds(
        Change,
        st.sampled_from(sorted(KINDS)),
        st.integers(0, 1 << 16),
        st.integers(0, 1 << 24),
        st.sampled_from(INTERESTING) | st.integers(0, 1 << 32),
    ),
    min_size=1,
    max_size=6,
)
ONE_LOG = ("transactions-0", "segments-0", "codecs-0", "__cluster_metadata-0")


def part_of(files: dict[str, bytes], folder: str) -> dict[str, bytes]:
    """One partition, and what is beside the partitions."""
    return {name: data for name, data in files.items() if "/" not in name or name.startswith(f"{folder}/")}


@pytest.mark.slow
@pytest.mark.parametrize("folder", ONE_LOG)
@settings(max_examples=40, deadline=None)
@given(changes=CHANGES)
def test_a_garbled_directory_is_served_or_refused(folder: str, changes: list[Change]) -> None:
    try_all(garbled(part_of(KWIRE, folder), changes))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(changes=CHANGES)
def test_so_is_one_of_kafka(changes: list[Change]) -> None:
    try_all(garbled(part_of(KAFKA, "__cluster_metadata-0"), changes))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(
        [f"topic-0/{0:020d}{suffix}" for suffix in (".log", ".index", ".timeindex", ".txnindex", ".snapshot")]
        + [
            "topic-0/leader-epoch-checkpoint",
            "topic-0/partition.metadata",
            "__cluster_metadata-0/quorum-state",
            f"__cluster_metadata-0/{1:020d}-{1:010d}.checkpoint",
            "meta.properties",
            ".kafka_cleanshutdown",
            "recovery-point-offset-checkpoint",
            "log-start-offset-checkpoint",
            "cleaner-offset-checkpoint",
        ]
    ),
    data=st.binary(max_size=400) | st.text(max_size=100).map(str.encode),
)
def test_any_bytes_in_any_file_are_read_or_refused(name: str, data: bytes) -> None:
    log = dict(part_of(KWIRE, "segments-0"))
    files = {path.replace("segments-0", "topic-0"): content for path, content in log.items()}
    try_all({**files, name: data})


KWIRE = sample("kwire-")
KAFKA = sample("kafka-3.9.2")  # that of 4.4.0 has 20 MB of room ahead in its indexes
