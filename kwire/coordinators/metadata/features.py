"""Which features kwire has, and their levels (KIP-584). Clients turn behaviour on by what is finalised here.

`metadata.version` 33 is 4.4-IV2, what Kafka 4.4.0 formats a new cluster with; 7 (3.3-IV3) is the lowest that
4.x reads. `group.version` 1 turns on consumer groups (KIP-848). `transaction.version` 1 has its log written
in a version that older brokers cannot read, 2 has the end of a transaction begin a new epoch, and writes add
their partitions (KIP-890). share.version and streams.version join the table with what they turn on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .image import METADATA_VERSION_FEATURE, TRANSACTION_VERSION_FEATURE, FeatureRange

METADATA_VERSION: Final = 33
MINIMUM_METADATA_VERSION: Final = 7
TRANSACTION_VERSION: Final = 2

GROUP_VERSION_FEATURE: Final = "group.version"
GROUP_VERSION: Final = 1

SUPPORTED: Final[Mapping[str, tuple[int, int]]] = {
    GROUP_VERSION_FEATURE: (0, GROUP_VERSION),
    METADATA_VERSION_FEATURE: (MINIMUM_METADATA_VERSION, METADATA_VERSION),
    TRANSACTION_VERSION_FEATURE: (0, TRANSACTION_VERSION),
}
"""Feature -> (lowest, highest) level that a node runs: what ApiVersions lists as supported."""

INITIAL: Final[Mapping[str, int]] = {
    METADATA_VERSION_FEATURE: METADATA_VERSION,
    GROUP_VERSION_FEATURE: GROUP_VERSION,
    TRANSACTION_VERSION_FEATURE: TRANSACTION_VERSION,
}
"""The levels that a new cluster is formatted with."""


def supported_ranges() -> tuple[FeatureRange, ...]:
    """What a node registers with."""
    return tuple(FeatureRange(name, low, high) for name, (low, high) in sorted(SUPPORTED.items()))


def has_consumer_groups(features: Mapping[str, int]) -> bool:
    """Whether a cluster with these finalised levels has the groups of KIP-848."""
    return features.get(GROUP_VERSION_FEATURE, 0) >= 1


def is_newer(name: str, level: int) -> bool:
    """Whether a finalised level means that the log may hold records that kwire can't read."""
    return name == METADATA_VERSION_FEATURE and level > METADATA_VERSION
