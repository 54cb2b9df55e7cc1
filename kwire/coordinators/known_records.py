"""Reading a record of a coordinator's log that its own code has no shorter way for."""

from __future__ import annotations

from collections.abc import Callable

from kwire_codecs.errors import Malformed
from kwire_codecs.internal.coordinator import CoordinatorRecord, UnknownRecord


def known_record(
    decode: Callable[[bytes, bytes | None], CoordinatorRecord | UnknownRecord],
    key: bytes,
    value: bytes | None,
) -> CoordinatorRecord | None:
    """What `decode` makes of a record; None for one of an unknown type or version. ValueError if it can't be
    read.
    """
    try:
        found = decode(key, value)
    except Malformed as error:
        raise ValueError(str(error)) from error
    return None if isinstance(found, UnknownRecord) else found
