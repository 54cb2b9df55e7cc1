"""What the two emitters share: lines of source, the names that they use, and sizes.

Used by emit_decoder.py and emit_encoder.py only; see compile.py for the rules of what is generated.
"""

from __future__ import annotations

from typing import Any

from .errors import ErrorCode
from .wire import Field, Root, Struct

# A line of the source -> the fields it reads or writes, each with its end counted from the line's start.
Paths = dict[int, list[tuple[int, str]]]

FIXED = {
    "int8": ("b", 1),
    "int16": ("h", 2),
    "int32": ("i", 4),
    "int64": ("q", 8),
    "uint16": ("H", 2),
    "uint32": ("I", 4),
    "float64": ("d", 8),
    "boolean": ("?", 1),
    "uuid": ("16s", 16),
    "error_code": ("h", 2),
}
MAX_DEPTH = 12  # of structs in structs; Kafka's own deepest is 5


def root_of(cls: type[Struct]) -> Root:
    if cls.__root__ is None:
        raise ValueError(f"{cls.__qualname__} is a part of a message: only whole messages have versions")
    return cls.__root__


def smallest(field: Field, version: int, flexible: bool) -> int:
    """The fewest bytes that `field` can take on the wire."""
    if field.kind in FIXED:
        return FIXED[field.kind][1]
    if field.kind == "struct":
        return 1 if version in field.null else smallest_struct(struct_of(field), version, flexible)
    if flexible and not field.never_compact:
        return 1
    return 2 if field.kind == "string" else 4


def smallest_struct(cls: type[Struct], version: int, flexible: bool) -> int:
    """The fewest bytes that a `cls` can take on the wire."""
    present = (f for f in cls.__fields__ if version in f.versions and f.tag is None)
    return sum(smallest(field, version, flexible) for field in present) + flexible


def struct_of(field: Field) -> type[Struct]:
    assert isinstance(field.element, type)
    return field.element


def has_records(cls: type[Struct], version: int) -> bool:
    for field in cls.__fields__:
        if version in field.versions and (
            field.kind == "records"
            or (isinstance(field.element, type) and has_records(field.element, version))
        ):
            return True
    return False


class Emitter:
    """Lines of source, the names they use, and which line is about which field."""

    def __init__(self, version: int, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.paths: Paths = {}
        self.layouts: dict[str, str] = {}
        self.indent = 1
        self.count = 0
        self.depth = 0

    def line(self, text: str, path: str | None = None) -> None:
        self.lines.append("    " * self.indent + text)
        if path is not None:
            self.paths[len(self.lines)] = [(0, path)]

    def unique(self) -> int:
        self.count += 1
        return self.count

    def name(self, prefix: str, value: Any) -> str:
        """A global name of the generated code for `value`."""
        for name, known in self.names.items():
            if known is value:
                return name
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def compact(self, field: Field) -> bool:
        return self.flexible and not field.never_compact

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"structs nested more than {MAX_DEPTH} deep")

    def default(self, field: Field) -> str:
        value = field.make_default()
        if isinstance(value, list):
            return "[]"
        if isinstance(value, ErrorCode):
            return "NO_ERROR"
        if isinstance(value, int | float | str | bytes) or value is None:
            return repr(value)
        return self.name("default", value)
