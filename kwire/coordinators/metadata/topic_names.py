"""Which names a topic may have (Kafka: Topic.validate), and which topics are the broker's own."""

from __future__ import annotations

import re
from typing import Final

MAX_NAME_LENGTH: Final = 249
CONSUMER_OFFSETS: Final = "__consumer_offsets"
TRANSACTION_STATE: Final = "__transaction_state"
SHARE_GROUP_STATE: Final = "__share_group_state"
CLUSTER_METADATA: Final = "__cluster_metadata"

INTERNAL_TOPICS: Final = frozenset((CONSUMER_OFFSETS, TRANSACTION_STATE, SHARE_GROUP_STATE))
"""Topics that Metadata marks as internal."""

_LEGAL: Final = re.compile(r"[a-zA-Z0-9._-]+")


def is_internal(name: str) -> bool:
    """Whether the topic is one of the broker's own."""
    return name in INTERNAL_TOPICS


def problem_with(name: str) -> str | None:
    """Why no topic may have this name, or None where one may."""
    if not name:
        reason = "the empty string is not allowed"
    elif name in (".", ".."):
        reason = f"'{name}' is not allowed"
    elif len(name) > MAX_NAME_LENGTH:
        reason = f"the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"
    elif not _LEGAL.fullmatch(name):
        reason = f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    else:
        return None
    return f"Topic name is invalid: {reason}"


def is_valid(name: str) -> bool:
    """Whether a topic may have this name."""
    return problem_with(name) is None


def collision_key(name: str) -> str | None:
    """What two names must not share: names that differ in `.` and `_` alone collide in metric names."""
    return name.replace(".", "_") if "." in name or "_" in name else None
