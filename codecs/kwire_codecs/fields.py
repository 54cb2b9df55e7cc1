"""The fields of a message, and how each travels: the words of `wire`, where it says how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .constructors import default_instance
from .errors import ErrorCode
from .values import ALL_VERSIONS, ZERO_UUID, Versions

if TYPE_CHECKING:
    from .wire import Struct


class _Required:
    """Marks a field that the constructor demands."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()


class Field:
    """How one field travels. Made by the functions below, read by compile.py and by the schema tests."""

    __slots__ = (
        "default",
        "element",
        "factory",
        "ignorable",
        "kind",
        "name",
        "never_compact",
        "null",
        "reusable",
        "tag",
        "versions",
    )

    def __init__(
        self,
        kind: str,
        versions: str,
        default: Any = REQUIRED,
        *,
        null: str = "none",
        tag: int | None = None,
        ignorable: bool = False,
        element: Field | type[Struct] | None = None,
        factory: type[Struct] | None = None,
        never_compact: bool = False,
        reusable: bool = False,
    ) -> None:
        self.name = ""
        self.kind = kind
        self.versions = Versions.parse(versions) if versions else ALL_VERSIONS
        self.null = Versions.parse(null)
        self.default = default
        self.factory = factory
        self.tag = tag
        self.ignorable = ignorable
        self.element = element
        self.never_compact = never_compact
        self.reusable = reusable

    @property
    def required(self) -> bool:
        """Whether the constructor demands a value."""
        return self.default is REQUIRED and self.factory is None

    def make_default(self) -> Any:
        """The value that stands for "not given": the declared default, else the one that Kafka takes then."""
        if self.factory is not None:
            return default_instance(self.factory)
        if self.default is not REQUIRED:
            return [] if isinstance(self.default, list) else self.default
        if self.kind == "struct":
            assert isinstance(self.element, type)
            return default_instance(self.element)
        return [] if self.kind == "array" else _ZEROS[self.kind]


_ZEROS: dict[str, Any] = {
    "int8": 0,
    "int16": 0,
    "int32": 0,
    "int64": 0,
    "uint16": 0,
    "uint32": 0,
    "float64": 0.0,
    "boolean": False,
    "string": "",
    "bytes": b"",
    "records": None,
    "uuid": ZERO_UUID,
    "error_code": ErrorCode.NONE,
}


def int8(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """A signed byte."""
    return Field("int8", versions, default, tag=tag, ignorable=ignorable)


def int16(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """Two bytes, signed. (Error codes have a word of their own.)"""
    return Field("int16", versions, default, tag=tag, ignorable=ignorable)


def int32(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """Four bytes, signed."""
    return Field("int32", versions, default, tag=tag, ignorable=ignorable)


def int64(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """Eight bytes, signed."""
    return Field("int64", versions, default, tag=tag, ignorable=ignorable)


def uint16(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """Two bytes, unsigned."""
    return Field("uint16", versions, default, tag=tag, ignorable=ignorable)


def uint32(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """Four bytes, unsigned."""
    return Field("uint32", versions, default, tag=tag, ignorable=ignorable)


def float64(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """An IEEE 754 double."""
    return Field("float64", versions, default, tag=tag, ignorable=ignorable)


def boolean(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """One byte; anything but zero reads as true."""
    return Field("boolean", versions, default, tag=tag, ignorable=ignorable)


def uuid(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """Sixteen bytes; all zeros mean "none" in most messages."""
    return Field("uuid", versions, default, tag=tag, ignorable=ignorable)


def error_code(
    versions: str = "", *, default: Any = REQUIRED, tag: int | None = None, ignorable: bool = False
) -> Any:
    """An int16 read as an ErrorCode. A code that nobody has heard of is kept, as a nameless member."""
    return Field("error_code", versions, default, tag=tag, ignorable=ignorable)


def string(
    versions: str = "",
    *,
    null: str = "none",
    default: Any = REQUIRED,
    tag: int | None = None,
    ignorable: bool = False,
    never_compact: bool = False,
) -> Any:
    """UTF-8 of at most 32767 bytes. Its length is an int16, in flexible versions an unsigned varint."""
    return Field(
        "string", versions, default, null=null, tag=tag, ignorable=ignorable, never_compact=never_compact
    )


def bytes_(
    versions: str = "",
    *,
    null: str = "none",
    default: Any = REQUIRED,
    tag: int | None = None,
    ignorable: bool = False,
) -> Any:
    """Bytes, copied out of the message when it is read."""
    return Field("bytes", versions, default, null=null, tag=tag, ignorable=ignorable)


def records(
    versions: str = "", *, null: str = "none", default: Any = REQUIRED, ignorable: bool = False
) -> Any:
    """Record batches: read as a memoryview on the message, written by reference, never copied."""
    return Field("records", versions, default, null=null, ignorable=ignorable)


def array(
    element: Any,
    versions: str = "",
    *,
    null: str = "none",
    default: Any = REQUIRED,
    tag: int | None = None,
    ignorable: bool = False,
    reusable: bool = False,
) -> Any:
    """A list of structs, `array(Topic)`, or of plain values, `array(w.int32())`. A `reusable` list of structs
    may be given as `Encoded`, too.
    """
    return Field(
        "array",
        versions,
        default,
        null=null,
        tag=tag,
        ignorable=ignorable,
        element=element,
        reusable=reusable,
    )


def struct(
    element: type[Struct],
    versions: str = "",
    *,
    null: str = "none",
    default: Any = REQUIRED,
    default_factory: Any = None,
    tag: int | None = None,
    ignorable: bool = False,
) -> Any:
    """One struct inside another. `default_factory=` names its class if all its defaults are the default."""
    return Field(
        "struct",
        versions,
        default,
        null=null,
        tag=tag,
        ignorable=ignorable,
        element=element,
        factory=default_factory,
    )


def unknown_tags_field(*, default: Any) -> Any:
    """The one field that is no field: tagged fields nobody declared."""
    return Field("unknown", "", default)
