"""What a cleaning is asked to do and what came of it, as values that go through a pipe as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..compaction import UNLIMITED
from ..transaction_index import AbortedTransaction


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment as the log knows it: `size` bytes of its file count."""

    base_offset: int
    end_offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningJob:
    """Clean the log in `directory`: `segments` are all that are sealed and may be cleaned, oldest first; what
    begins at `dirty_offset` has not been cleaned before.

    `aborted` are the aborted transactions that have a part in them, `producers` what `Rewriter` needs.
    """

    directory: str
    segments: list[SealedSegment]
    dirty_offset: int
    now_ms: int
    delete_retention_ms: int
    segment_bytes: int
    segment_index_bytes: int
    index_interval_bytes: int
    aborted: list[AbortedTransaction] = field(default_factory=list)
    producers: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    memory_bytes: int = 128 << 20
    load_factor: float = 0.9
    io_buffer_bytes: int = 1 << 20
    max_bytes_per_second: float = UNLIMITED

    def encode(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, line: str) -> "CleaningJob":
        """What `encode` gave."""
        fields: dict[str, Any] = json.loads(line)
        fields["segments"] = [SealedSegment(**each) for each in fields["segments"]]
        fields["aborted"] = [AbortedTransaction(*each) for each in fields["aborted"]]
        fields["producers"] = {
            int(producer_id): (last_offset, epoch)
            for producer_id, (last_offset, epoch) in fields["producers"].items()
        }
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class CleanedGroup:
    """Segments that one cleaned segment replaces: its files are named by the first of `base_offsets` and end
    in `.cleaned`. `end_offset` is where its last batch ends.
    """

    base_offsets: list[int]
    size: int
    end_offset: int
    has_aborted: bool


@dataclass(frozen=True, slots=True)
class CleaningResult:
    """What came of a job: below `dirty_offset` all is clean, once each of `groups` is in its place. Segments
    that would not change have no group.
    """

    dirty_offset: int
    groups: list[CleanedGroup]
    keys: int = 0
    mapped_bytes: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    records_read: int = 0
    records_kept: int = 0
    seconds: float = 0.0

    def encode(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, line: str) -> "CleaningResult":
        """What `encode` gave."""
        fields: dict[str, Any] = json.loads(line)
        fields["groups"] = [CleanedGroup(**each) for each in fields["groups"]]
        return cls(**fields)
