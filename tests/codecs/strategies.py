"""Hypothesis strategies made from the declarations."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Field, Struct

BOUNDS = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.just(
    "long enough for two bytes " * 6
)
UNKNOWN_TAGS = st.none() | st.dictionaries(
    st.integers(1000, 2**31 - 1), st.binary(max_size=4), min_size=1, max_size=2
)


def values(field: Field, version: int, flexible: bool) -> st.SearchStrategy[Any]:
    """Values that a field may have in a version."""
    made: st.SearchStrategy[Any]
    if field.kind in BOUNDS:
        made = st.integers(*BOUNDS[field.kind])
    elif field.kind == "boolean":
        made = st.booleans()
    elif field.kind == "float64":
        made = st.floats(allow_nan=False)
    elif field.kind == "uuid":
        made = st.uuids()
    elif field.kind == "error_code":
        made = st.sampled_from(ErrorCode) | st.integers(-(2**15), 2**15 - 1).map(ErrorCode)
    elif field.kind == "string":
        made = TEXT
    elif field.kind in ("bytes", "records"):
        made = st.binary(max_size=5) | st.just(b"x" * 200)
    elif field.kind == "struct":
        assert isinstance(field.element, type)
        made = structs(field.element, version, flexible)
    elif isinstance(field.element, type):
        made = st.lists(structs(field.element, version, flexible), max_size=2)
    else:
        assert field.element is not None
        made = st.lists(values(field.element, version, flexible), max_size=3)
    return st.none() | made if version in field.null else made


def structs(cls: type[Struct], version: int, flexible: bool) -> st.SearchStrategy[Struct]:
    """Objects that a version can carry."""
    given = {
        field.name: values(field, version, flexible)
        if version in field.versions
        else st.just(field.make_default())
        for field in cls.__fields__
    }
    if flexible:
        given["unknown_tags"] = UNKNOWN_TAGS
    return st.builds(cls, **given)


def messages(cls: type[Struct], version: int) -> st.SearchStrategy[Struct]:
    """Whole messages of a version."""
    assert cls.__root__ is not None
    return structs(cls, version, version in cls.__root__.flexible)
