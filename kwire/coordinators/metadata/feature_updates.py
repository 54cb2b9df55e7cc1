"""What UpdateFeatures comes to: all levels of a request change, or none does (KIP-584, KIP-778).

Kafka: FeatureControlManager.updateFeatures. No feature that kwire has depends on another, but for
metadata.version, of which every level that kwire opens is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.outcome import Outcome

from . import records as m
from .api_error import NO_ERROR, ApiError
from .features import SUPPORTED
from .image import METADATA_VERSION_FEATURE, ClusterImage

METADATA_CHANGES: Final = (7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33)
"""The levels of metadata.version that brought records, or fields, which the level before can't read: nobody
goes back over one of them.
"""


class UpgradeType(IntEnum):
    """What a client says that its update is; any other number is as UNKNOWN."""

    UNKNOWN = 0
    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


class FeatureUpdate(NamedTuple):
    """The level that one feature shall have; 0 turns it off."""

    level: int
    upgrade_type: int


def update_features(
    image: ClusterImage, node_id: int, updates: Mapping[str, FeatureUpdate], *, validate_only: bool
) -> Outcome[ApiError, m.Record]:
    """The new levels, or the first mistake among them. `node_id` is the controller's, which messages name.

    A level that is the feature's already is written all the same, as Kafka does: it has an epoch of its own.
    """
    for name, update in updates.items():
        reason = _refusal(image, node_id, name, update)
        if reason is not None:
            message = f"Invalid update version {update.level} for feature {name}. {reason}"
            return Outcome(ApiError(ErrorCode.INVALID_UPDATE_VERSION, message))
    if validate_only:
        return Outcome(NO_ERROR)
    return Outcome(NO_ERROR, [m.feature_level_record(name, update.level) for name, update in updates.items()])


def _refusal(image: ClusterImage, node_id: int, name: str, update: FeatureUpdate) -> str | None:
    """Why a level is refused, in words; None if it is not."""
    level, kind = update
    if not UpgradeType.UPGRADE <= kind <= UpgradeType.UNSAFE_DOWNGRADE:
        return "The controller does not know this type of upgrade."
    if level < 0:
        return "A level is 0 or more."
    for who, (low, high) in _supported(image, node_id, name):
        if not low <= level <= high:
            return f"{who} has no such feature." if high == 0 else f"{who} has levels {low} to {high} only."
    if name not in SUPPORTED:
        return "There is no such feature."
    finalised = image.features.get(name, 0)
    if level < finalised and kind == UpgradeType.UPGRADE:
        return "To lower a level the type has to be a safe or an unsafe downgrade."
    if level > finalised and kind != UpgradeType.UPGRADE:
        return "No downgrade leads to a higher level."
    if name == METADATA_VERSION_FEATURE and any(level < change <= finalised for change in METADATA_CHANGES):
        return f"The records of level {finalised} might not be readable in that level."
    return None


def _supported(image: ClusterImage, node_id: int, name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Who has which levels of a feature: this controller, and every broker that is registered."""
    yield f"Controller {node_id}", SUPPORTED.get(name, (0, 0))
    for broker in image.brokers.values():
        ranges = {feature.name: (feature.min_level, feature.max_level) for feature in broker.features}
        yield f"Broker {broker.id}", ranges.get(name, (0, 0))
