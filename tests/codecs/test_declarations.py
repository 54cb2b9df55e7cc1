"""What declarations must keep to: annotations that tell the truth, defaults where they are needed."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import pytest
from kwire_codecs import wire as w
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import ALL_VERSIONS, Encoded, Field, Struct, Versions

from tests.codecs.declared import messages

PYTHON_TYPES: dict[str, type] = {
    "int8": int,
    "int16": int,
    "int32": int,
    "int64": int,
    "uint16": int,
    "uint32": int,
    "float64": float,
    "boolean": bool,
    "string": str,
    "bytes": bytes,
    "uuid": UUID,
    "error_code": ErrorCode,
}


def structs(cls: type[Struct]) -> Iterator[type[Struct]]:
    yield cls
    for field in cls.__fields__:
        if isinstance(field.element, type):
            yield from structs(field.element)


def annotated() -> Iterator[tuple[str, Field, Any]]:
    for name, cls in messages():
        for struct in structs(cls):
            for field in struct.__fields__:
                yield f"{name}: {struct.__qualname__}.{field.name}", field, struct.__annotations__[field.name]


def without_none(annotation: Any) -> tuple[set[Any], bool]:
    if get_origin(annotation) in (types.UnionType, Union):
        members = set(get_args(annotation))
        return members - {type(None)}, type(None) in members
    return {annotation}, False


def test_a_field_that_may_be_null_says_none_in_its_annotation_and_no_other_does() -> None:
    for where, field, annotation in annotated():
        may_be_null = field.null.first <= field.null.last or field.kind == "records"
        assert without_none(annotation)[1] == may_be_null, where


def test_annotations_are_the_types_that_decoders_give() -> None:
    for where, field, annotation in annotated():
        types_left, _ = without_none(annotation)
        assert (Encoded in types_left) == field.reusable, where
        types_left -= {Encoded}
        if field.kind == "records":
            assert memoryview in types_left, where
        elif field.kind == "struct":
            assert types_left == {field.element}, where
        elif field.kind == "array":
            (found,) = types_left
            assert field.element is not None, where
            element = field.element if isinstance(field.element, type) else PYTHON_TYPES[field.element.kind]
            assert (get_origin(found), get_args(found)) == (list, (element,)), where
        else:
            assert types_left == {PYTHON_TYPES[field.kind]}, where


def test_tags_of_a_struct_differ_and_need_flexible_versions() -> None:
    for name, cls in messages():
        assert cls.__root__ is not None
        for struct in structs(cls):
            tagged = [field for field in struct.__fields__ if field.tag is not None]
            assert len({field.tag for field in tagged}) == len(tagged), name
            for field in tagged:
                first = max(field.versions.first, cls.__root__.versions.first)
                assert first in cls.__root__.flexible, (name, field.name)


def test_a_field_that_some_versions_lack_needs_a_default() -> None:
    with pytest.raises(TypeError, match=r"Lacking\.late: a field that some versions lack needs a default"):

        class Lacking(w.Struct):
            late: int = w.int32("3+")


def test_a_field_without_default_must_be_given() -> None:
    class Demanding(w.Struct):
        wanted: int = w.int32()
        offered: int = w.int32(default=3)

    assert Demanding(wanted=1).offered == 3
    with pytest.raises(TypeError, match="wanted"):
        Demanding()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Demanding(wanted=1).mistyped = 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "versions"),
    [("3", Versions(3, 3)), ("0-4", Versions(0, 4)), ("2+", Versions(2, 32767)), ("none", Versions(0, -1))],
)
def test_ranges_of_versions_are_read_and_shown(text: str, versions: Versions) -> None:
    assert Versions.parse(text) == versions
    assert str(versions) == text


def test_a_range_knows_its_members() -> None:
    assert 3 in Versions.parse("0-4")
    assert 5 not in Versions.parse("0-4")
    assert 0 not in Versions.parse("none")
    assert 0 in ALL_VERSIONS


def test_structs_are_equal_by_value_and_can_be_read_in_a_log() -> None:
    class Pair(w.Struct):
        left: int = w.int32()
        right: list[int] = w.array(w.int32(), default=[])

    class Nothing(w.Struct):
        pass

    class Void(w.Struct):
        pass

    assert Nothing() == Nothing()
    assert Nothing() != Void()
    assert Pair(left=1) == Pair(left=1, right=[])
    assert Pair(left=1) != Pair(left=2)
    assert Pair(left=1) != Pair(left=1, unknown_tags={1: b""})
    assert Pair(left=1) != 1
    assert repr(Pair(left=1, unknown_tags={1: b"x"})).endswith(
        "Pair(left=1, right=[], unknown_tags={1: b'x'})"
    )
