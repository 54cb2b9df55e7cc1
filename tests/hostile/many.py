"""Requests that name very many things, made from the declarations: one of their arrays is filled, the others
have one element each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from kwire_codecs import wire as w
from kwire_codecs.errors import ErrorCode

Path = tuple[str, ...]


def array_paths(cls: type[w.Struct], version: int) -> Iterator[Path]:
    """Where a message of this version has arrays, by the names of fields."""
    for declared in cls.__fields__:
        if version not in declared.versions:
            continue
        if declared.kind == "array":
            yield (declared.name,)
        if isinstance(declared.element, type):
            for inner in array_paths(declared.element, version):
                yield (declared.name, *inner)


def filled(cls: type[w.Struct], version: int, path: Path, count: int, number: int = 0) -> Any:
    """A message in which the array at `path` has `count` elements, no two the same."""
    given: dict[str, Any] = {}
    for declared in cls.__fields__:
        if version not in declared.versions:
            given[declared.name] = declared.make_default()
            continue
        here = path[:1] == (declared.name,)
        inner = path[1:] if here else ("",)
        given[declared.name] = _value(
            declared, version, inner, count if here and not inner else 1, number, count
        )
    return cls(**given)


def _value(declared: w.Field, version: int, inner: Path, length: int, number: int, count: int) -> Any:
    element = declared.element
    if declared.kind == "struct":
        assert isinstance(element, type)
        return filled(element, version, inner, count, number)
    if declared.kind == "array":
        if isinstance(element, type):
            return [filled(element, version, inner, count, each) for each in range(length)]
        assert element is not None
        return [_value(element, version, (), 1, each, count) for each in range(length)]
    return plain(declared.kind, declared.name, number)


def plain(kind: str, name: str, number: int) -> Any:
    """A number, a text, or whatever a field takes, that differs from its neighbours'."""
    if kind == "string":
        return f"n{number}"
    if kind == "bytes":
        return b"b"
    if kind == "records":
        return memoryview(bytearray(b""))
    if kind == "uuid":
        return UUID(int=0x0123456789ABCDEF0123456789ABCDEF + number)
    if kind == "boolean":
        return False
    if kind == "float64":
        return 1.0
    if kind == "error_code":
        return ErrorCode.NONE
    if name in ("session_id", "session_epoch", "acks", "max_wait_ms", "error_code"):
        return -1 if name in ("session_epoch", "acks") else 0
    if kind == "int8":
        return 2
    if name == "response_partition_limit":
        return 2_000
    return min(number, 2**15 - 1) if kind in ("int16", "uint16") else number


def lies(data: bytes, *, flexible: bool) -> Iterator[bytes]:
    """The bytes of a message with a huge number wherever a length could be."""
    for at in range(len(data)):
        if flexible:
            yield data[:at] + b"\xff\xff\xff\xff\x07" + data[at + 1 :]
        for lie in (b"\x7f\xff\xff\xff", b"\x00\x7f\xff\xff", b"\x7f\xff"):
            yield data[:at] + lie + data[at + len(lie) :]
