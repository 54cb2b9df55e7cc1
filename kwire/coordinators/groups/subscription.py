"""Which topics a consumer's metadata subscribes to (ConsumerProtocolSubscription).

    version int16 | topics: count int32, each: length int16, UTF-8 | ... (later versions append)

Every version begins as version 0 does, so only that prefix is read, as Kafka does: the coordinator need not
know the versions of the future. Members send what they like, so anything that does not parse is None: the
group is then taken to be subscribed to everything it might be.
"""

from __future__ import annotations

import struct

_HEAD = struct.Struct(">hi")
_LENGTH = struct.Struct(">h")


def subscribed_topics(metadata: bytes) -> list[str] | None:
    """The topics named in the metadata, or None if it is no consumer's."""
    if len(metadata) < _HEAD.size:
        return None
    version, count = _HEAD.unpack_from(metadata)
    position = _HEAD.size
    if version < 0 or not 0 <= count <= (len(metadata) - position) // _LENGTH.size:
        return None
    topics: list[str] = []
    for _ in range(count):
        if position + _LENGTH.size > len(metadata):
            return None
        (length,) = _LENGTH.unpack_from(metadata, position)
        position += _LENGTH.size
        if not 0 <= length <= len(metadata) - position:
            return None
        try:
            topics.append(str(metadata[position : position + length], "utf-8"))
        except UnicodeDecodeError:
            return None
        position += length
    return topics
