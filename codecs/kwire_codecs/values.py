"""What a field's value may be besides Python's own types, and the versions of a message that have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

Buffer = bytes | bytearray | memoryview
ZERO_UUID = UUID(int=0)
NEWEST = 0x7FFF


class Versions(NamedTuple):
    """An unbroken range of versions, both ends included; `first > last` is the empty range."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Versions:
        """Read `"3"`, `"0-4"`, `"3+"` or `"none"`."""
        if text == "none":
            return NO_VERSIONS
        if text.endswith("+"):
            return cls(int(text[:-1]), NEWEST)
        first, dash, last = text.partition("-")
        return cls(int(first), int(last if dash else first))

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.first <= version <= self.last

    def __str__(self) -> str:
        if self.first > self.last:
            return "none"
        if self.last == NEWEST:
            return f"{self.first}+"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


NO_VERSIONS = Versions(0, -1)
ALL_VERSIONS = Versions(0, NEWEST)


class Chunks:
    """The value of a `records` field that is sent from several places: its parts travel in order, as they
    are.

    `size` is the sum of the parts' sizes in bytes and is believed. A part may be any object that the
    connection knows how to send (a buffer, a slice of a file).
    """

    __slots__ = ("parts", "size")

    def __init__(self, size: int, parts: Sequence[object]) -> None:
        self.size = size
        self.parts = parts

    def __repr__(self) -> str:
        return f"Chunks({self.size} bytes in {len(self.parts)} parts)"


Records = Buffer | Chunks


class Encoded:
    """The value of an array whose elements were encoded before (`compile.element_encoder`), in the version of
    the message that they go into. Only for arrays that are declared `reusable`.
    """

    __slots__ = ("count", "data")

    def __init__(self, count: int, data: bytes | bytearray) -> None:
        self.count = count
        self.data = data

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"Encoded({self.count} elements in {len(self.data)} bytes)"
