"""Which features kwire has, and their levels (KIP-584). Clients turn behaviour on by what is finalised here.

`metadata.version` 33 is 4.4-IV2, what Kafka 4.4.0 formats a new cluster with; 7 (3.3-IV3) is the lowest that
4.x reads. transaction.version, group.version, share.version and streams.version join the table with what they
turn on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .image import METADATA_VERSION_FEATURE, FeatureRange

METADATA_VERSION: Final = 33
MINIMUM_METADATA_VERSION: Final = 7

SUPPORTED: Final[Mapping[str, tuple[int, int]]] = {
    METADATA_VERSION_FEATURE: (MINIMUM_METADATA_VERSION, METADATA_VERSION),
}
"""Feature -> (lowest, highest) level that a node runs: what ApiVersions lists as supported."""

INITIAL: Final[Mapping[str, int]] = {METADATA_VERSION_FEATURE: METADATA_VERSION}
"""The levels that a new cluster is formatted with."""


def supported_ranges() -> tuple[FeatureRange, ...]:
    """What a node registers with."""
    return tuple(FeatureRange(name, low, high) for name, (low, high) in sorted(SUPPORTED.items()))


def is_newer(name: str, level: int) -> bool:
    """Whether a finalised level means that the log may hold records that kwire can't read."""
    return name == METADATA_VERSION_FEATURE and level > METADATA_VERSION
