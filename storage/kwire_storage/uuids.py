"""Kafka's Uuid as text: URL-safe base64 of 16 bytes without padding, 22 characters
(org.apache.kafka.common.Uuid).
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from uuid import UUID

RESERVED = 100  # Kafka keeps the first hundred ids for itself (the metadata topic, lost directories, ...)


def to_text(uuid: UUID) -> str:
    """`uuid` as Kafka writes it."""
    return b64encode(uuid.bytes, altchars=b"-_").decode().rstrip("=")


def from_text(text: str) -> UUID:
    """The Uuid that Kafka writes as `text`; ValueError when it is none."""
    try:
        raw = b64decode(text + "==", altchars=b"-_", validate=True)
    except ValueError as wrong:
        raise ValueError(f"{text!r} is no Kafka uuid: {wrong}") from None
    if len(raw) != 16:
        raise ValueError(f"{text!r} is no Kafka uuid: it has {len(raw)} bytes, not 16")
    return UUID(bytes=raw)


def usable(new_uuid: Callable[[], UUID]) -> UUID:
    """A fresh id from `new_uuid` that Kafka would have made too: not a reserved one, and no text that looks
    like an option.
    """
    while True:
        uuid = new_uuid()
        if uuid.int >= RESERVED and not to_text(uuid).startswith("-"):
            return uuid
