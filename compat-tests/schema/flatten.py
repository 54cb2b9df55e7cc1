"""Both kinds of schema, unrolled into what one version of a message is: a list of facts about fields, in wire
order.

Kafka's JSON and kwire's declarations are read by separate code here that shares nothing with the compiler;
what they unroll to must be equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Field, Struct

SPELT_OTHERWISE = {"Enable2Pc": "enable_2pc"}


@dataclass(frozen=True)
class Fact:
    """One field in one version. `kind` is Kafka's name of the type; a struct's is "struct", an array's is in
    brackets.
    """

    path: str
    kind: str
    nullable: bool
    tag: int | None
    compact: bool
    default: Any
    ignorable: bool


@dataclass(frozen=True)
class Absent:
    """A field that a version lacks: what a decoded message has there, whether a value may be dropped."""

    path: str
    default: Any
    ignorable: bool


def in_range(text: str | None, version: int) -> bool:
    """Whether Kafka's notation ("3+", "0-4", "2", "none") includes a version."""
    if text is None or text == "none":
        return False
    if text.endswith("+"):
        return version >= int(text[:-1])
    first, _, last = text.partition("-")
    return int(first) <= version <= int(last or first)


def snake_case(name: str) -> str:
    """Kafka's name as kwire spells it."""
    if name in SPELT_OTHERWISE:
        return SPELT_OTHERWISE[name]
    split = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name.replace("KRaft", "Kraft"))
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", split).lower()


class Kafkas:
    """Unrolls a definition of Kafka's."""

    def __init__(self, definition: dict[str, Any], version: int) -> None:
        self.definition = definition
        self.version = version
        self.flexible = in_range(definition["flexibleVersions"], version)
        self.common = {each["name"]: each["fields"] for each in definition.get("commonStructs", [])}

    def facts(self) -> list[Fact]:
        """Fields of the version, in the order in which they travel."""
        return self._facts(self.definition.get("fields", []), "")

    def _facts(self, fields: list[dict[str, Any]], prefix: str) -> list[Fact]:
        found = []
        for field in fields:
            if not in_range(field.get("versions", field.get("taggedVersions")), self.version):
                continue
            path = prefix + snake_case(field["name"])
            array = field["type"].startswith("[]")
            element = field["type"].removeprefix("[]")
            struct = element[0].isupper()
            kind = "struct" if struct else element
            found.append(
                Fact(
                    path=path,
                    kind=f"[{kind}]" if array else kind,
                    nullable=in_range(field.get("nullableVersions"), self.version),
                    tag=field["tag"] if in_range(field.get("taggedVersions"), self.version) else None,
                    compact=self.flexible and field.get("flexibleVersions") != "none",
                    default=self.default(field),
                    ignorable=bool(field.get("ignorable")),
                )
            )
            if struct:
                inner = field.get("fields") or self.common[element]
                found += self._facts(inner, f"{path}{'[]' if array else ''}.")
        return found

    def default(self, field: dict[str, Any]) -> Any:
        """What Kafka's generator makes of a field's default, FieldSpec.fieldDefault."""
        given = "" if field.get("default") is None else str(field["default"])
        kind = field["type"]
        if kind.startswith("[]"):
            return None if given == "null" else []
        if kind[0].isupper():
            return None if given == "null" else "struct"
        if kind == "records" or given == "null":
            return None
        if kind == "string":
            return given
        if kind == "bytes":
            return b""
        if kind == "bool":
            return given.lower() == "true"
        if kind == "uuid":
            return UUID(int=0)
        return float(given or 0) if kind == "float64" else int(given or "0", 0)


def kwires(cls: type[Struct], version: int) -> list[Fact]:
    """The same of one of kwire's declarations."""
    assert cls.__root__ is not None
    return _kwires(cls, version, version in cls.__root__.flexible, "")


def _kwires(cls: type[Struct], version: int, flexible: bool, prefix: str) -> list[Fact]:
    found = []
    for field in cls.__fields__:
        if version not in field.versions:
            continue
        path = prefix + field.name
        array = field.kind == "array"
        element = field.element if array else field
        inner = field.element if isinstance(field.element, type) else None
        kind = "struct" if inner else _kafka_kind(element)
        found.append(
            Fact(
                path=path,
                kind=f"[{kind}]" if array else kind,
                nullable=version in field.null,
                tag=field.tag,
                compact=flexible and not field.never_compact,
                default=_plain_default(field),
                ignorable=field.ignorable,
            )
        )
        if inner:
            found += _kwires(inner, version, flexible, f"{path}{'[]' if array else ''}.")
    return found


def absent(cls: type[Struct], version: int, prefix: str = "") -> list[Absent]:
    """The fields that a version lacks but others have, in structs that the version has."""
    found = []
    for field in cls.__fields__:
        if version not in field.versions:
            found.append(Absent(prefix + field.name, _plain_default(field), field.ignorable))
        elif isinstance(field.element, type):
            array = "[]" if field.kind == "array" else ""
            found += absent(field.element, version, f"{prefix}{field.name}{array}.")
    return found


def _kafka_kind(field: object) -> str:
    assert isinstance(field, Field)
    return {"boolean": "bool", "error_code": "int16"}.get(field.kind, field.kind)


def _plain_default(field: Field) -> Any:
    value = field.make_default()
    if isinstance(value, Struct):
        return "struct"
    return int(value) if isinstance(value, ErrorCode) else value
