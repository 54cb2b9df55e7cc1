"""What files hold, as values that JSON has."""

from collections.abc import Mapping
from enum import IntEnum
from uuid import UUID

from kwire_codecs.wire import Struct

from .. import uuids

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
Row = dict[str, Plain]

_LAYOUT = str.maketrans("", "", "\t\r\n")


def plain(value: object) -> Plain:
    """A message, or a part of one, with the names that its fields have in Kafka's schemas, in snake case.

    Bytes that are text are a string, others {"hex": ...}.
    """
    if isinstance(value, Struct):
        row: dict[str, Plain] = {field.name: plain(getattr(value, field.name)) for field in value.__fields__}
        if value.unknown_tags:
            row["unknown_tags"] = {str(tag): plain(data) for tag, data in value.unknown_tags.items()}
        return row
    if isinstance(value, UUID):
        return uuids.to_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return text_of(bytes(value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, IntEnum):
        return int(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def text_of(data: bytes | None) -> Plain:
    """Bytes for a person: the text that they are, else {"hex": ...}; None stays."""
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}
    is_text = text.translate(_LAYOUT).isprintable()
    return text if is_text else {"hex": data.hex()}
