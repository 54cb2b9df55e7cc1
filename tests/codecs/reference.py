"""The plain codec: what compile.py generates, written down once, slowly, field by field.

It is the truth that the compiled codecs are held to (test_parity.py). It shares only the declarations with
them.
"""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Field, Struct

FIXED = {
    "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q", "uint16": ">H", "uint32": ">I",
    "float64": ">d", "boolean": ">?", "error_code": ">h",
}  # fmt: skip


class Wrong(Exception):
    """These bytes are not a message."""


class Reader:
    """Reads from `data`, of which nothing is ever taken that isn't there."""

    def __init__(self, data: bytes, version: int, flexible: bool) -> None:
        self.data, self.at, self.version, self.flexible = data, 0, version, flexible

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise Wrong
        self.at += count
        return self.data[self.at - count : self.at]

    def uvarint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value > 0x7FFFFFFF:
                    raise Wrong
                return value
        raise Wrong

    def struct(self, cls: type[Struct]) -> Struct:
        values: dict[str, Any] = {field.name: field.make_default() for field in cls.__fields__}
        present = [field for field in cls.__fields__ if self.version in field.versions]
        for field in present:
            if field.tag is None:
                values[field.name] = self.field(field)
        unknown: dict[int, bytes] = {}
        tagged = {field.tag: field for field in present if field.tag is not None}
        for _ in range(self.uvarint() if self.flexible else 0):
            tag, size = self.uvarint(), self.uvarint()
            end = self.at + size
            if end > len(self.data):
                raise Wrong
            if tag in tagged:
                values[tagged[tag].name] = self.field(tagged[tag], tagged=True)
                if self.at != end:
                    raise Wrong
            elif any(field.tag == tag for field in cls.__fields__):
                raise Wrong
            else:
                unknown[tag] = self.take(size)
        return cls(**values, unknown_tags=unknown or None)

    def field(self, field: Field, tagged: bool = False) -> Any:
        null = self.version in field.null
        if field.kind in FIXED:
            layout = struct.Struct(FIXED[field.kind])
            (value,) = layout.unpack(self.take(layout.size))
            return ErrorCode(value) if field.kind == "error_code" else value
        if field.kind == "uuid":
            return UUID(bytes=self.take(16))
        if field.kind == "struct":
            assert isinstance(field.element, type)
            if null and (self.uvarint() == 0 if tagged else self.take(1)[0] > 127):
                return None
            return self.struct(field.element)
        length = self.length(field)
        if length == -1 and null:
            return None
        if length < 0:
            raise Wrong
        if field.kind == "array":
            if length > len(self.data) - self.at:
                raise Wrong
            return [self.element(field.element) for _ in range(length)]
        data = self.take(length)
        if field.kind != "string":
            return data
        if length > 0x7FFF:
            raise Wrong
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Wrong from None

    def element(self, element: Field | type[Struct] | None) -> Any:
        assert element is not None
        return self.field(element) if isinstance(element, Field) else self.struct(element)

    def length(self, field: Field) -> int:
        if self.flexible and not field.never_compact:
            return self.uvarint() - 1
        size = 2 if field.kind == "string" else 4
        return int.from_bytes(self.take(size), signed=True)


def decode(cls: type[Struct], version: int, data: bytes) -> Struct:
    """Read a whole message; raises Wrong."""
    assert cls.__root__ is not None
    reader = Reader(data, version, version in cls.__root__.flexible)
    message = reader.struct(cls)
    if reader.at != len(data):
        raise Wrong
    return message


def uvarint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + uvarint(value >> 7)


def encode(message: Struct, version: int) -> bytes:
    """Write a message of which every value fits the version."""
    assert message.__root__ is not None
    return _struct(message, version, version in message.__root__.flexible)


def _struct(message: Struct, version: int, flexible: bool) -> bytes:
    out, tags = b"", dict(message.unknown_tags or {})
    for field in message.__fields__:
        value = getattr(message, field.name)
        if version not in field.versions:
            assert field.ignorable or value == field.make_default()
        elif field.tag is None:
            out += _field(field, value, version, flexible)
        elif value != field.make_default():
            tags[field.tag] = _field(field, value, version, flexible, tagged=True)
    if flexible:
        out += uvarint(len(tags))
        for tag in sorted(tags):
            out += uvarint(tag) + uvarint(len(tags[tag])) + tags[tag]
    return out


def _field(field: Field, value: Any, version: int, flexible: bool, tagged: bool = False) -> bytes:
    if field.kind in FIXED:
        return struct.pack(FIXED[field.kind], value)
    if field.kind == "uuid":
        return bytes(value.bytes)
    if field.kind == "struct":
        if version not in field.null:
            return _struct(value, version, flexible)
        if value is None:
            return b"\0" if tagged else b"\xff"
        return b"\1" + _struct(value, version, flexible)
    if value is None:
        assert version in field.null
        length, body = -1, b""
    elif field.kind == "array":
        length, body = len(value), b"".join(_element(field, each, version, flexible) for each in value)
    else:
        body = value.encode() if isinstance(value, str) else bytes(value)
        length = len(body)
    if flexible and not field.never_compact:
        return uvarint(length + 1) + body
    return length.to_bytes(2 if field.kind == "string" else 4, signed=True) + body


def _element(array: Field, value: Any, version: int, flexible: bool) -> bytes:
    if isinstance(array.element, Field):
        return _field(array.element, value, version, flexible)
    return _struct(value, version, flexible)
