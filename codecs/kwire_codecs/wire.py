"""The vocabulary that message declarations are written in.

    class Heartbeat(w.Api, key=12, versions="0-4", flexible="4+"):
        class Request(w.Struct):
            group_id: str = w.string()
            group_instance_id: str | None = w.string("3+", null="3+", default=None)

Left stands the Python type, right how it travels. The first argument of a field is the versions of the
message that carry it (all of them if none is given); `null=` the versions in which null may be sent; `tag=`
makes a tagged field; `ignorable=True` lets a value be dropped silently where a version can't carry it. A
field that some version lacks must state a default, and a field without one must be given to the constructor.
Structs are nested classes.

Nothing here reads or writes bytes: compile.py turns a class and a version into functions when they are first
wanted.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, dataclass_transform

from .constructors import constructor, default_instance, maker
from .errors import ErrorCode
from .values import ALL_VERSIONS, NEWEST, NO_VERSIONS, ZERO_UUID, Buffer, Chunks, Encoded, Records, Versions

__all__ = [
    "ALL_VERSIONS",
    "NEWEST",
    "NO_VERSIONS",
    "ZERO_UUID",
    "Api",
    "Buffer",
    "Chunks",
    "Encoded",
    "Field",
    "Message",
    "Records",
    "Root",
    "Struct",
    "Versions",
    "array",
    "boolean",
    "bytes_",
    "default_instance",
    "error_code",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "maker",
    "records",
    "string",
    "struct",
    "uint16",
    "uint32",
    "uuid",
]


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


def _unknown_tags(*, default: Any) -> Any:
    """The one field that is no field: tagged fields nobody declared."""
    return Field("unknown", "", default)


@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(
        int8, int16, int32, int64, uint16, uint32, float64, boolean, uuid, error_code,
        string, bytes_, records, array, struct, _unknown_tags,
    ),
)  # fmt: skip
class _StructType(type):
    """Turns fields into slots. The one metaclass: slots must be known before the class exists."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> _StructType:
        fields = [(key, value) for key, value in body.items() if isinstance(value, Field)]
        for key, field in fields:
            field.name = key
            if field.required and (field.versions != ALL_VERSIONS or field.tag is not None):
                raise TypeError(f"{name}.{key}: a field that some versions lack needs a default")
            del body[key]
        body.setdefault("__slots__", tuple(key for key, _ in fields))
        if fields or not any(getattr(base, "__fields__", ()) for base in bases):
            body["__fields__"] = tuple(field for _, field in fields if field.kind != "unknown")
        return super().__new__(mcs, name, bases, body, **options)


class Root(NamedTuple):
    """What a message as a whole knows: the structs inside it take their versions from here."""

    label: str
    versions: Versions
    flexible: Versions
    key: int | None


class Struct(metaclass=_StructType):
    """A message or a part of one: plain data, compared by value, not to be changed once built.

    `unknown_tags` holds, by number, the tagged fields that nobody declared; they are written back.
    """

    __fields__: ClassVar[tuple[Field, ...]]
    __root__: ClassVar[Root | None] = None
    unknown_tags: dict[int, bytes] | None = _unknown_tags(default=None)

    def __init__(self, **values: Any) -> None:
        # The first object of a class builds the class's own constructor; most classes never get that far.
        cls = type(self)
        build = constructor(cls)
        cls.__init__ = build  # type: ignore[method-assign]
        build(self, **values)

    def __eq__(self, other: object) -> bool:
        # A shared default is of a subclass of its class.
        if not isinstance(other, Struct) or not (
            isinstance(other, type(self)) or isinstance(self, type(other))
        ):
            return NotImplemented
        return self.unknown_tags == other.unknown_tags and all(
            getattr(self, field.name) == getattr(other, field.name) for field in self.__fields__
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [f"{field.name}={getattr(self, field.name)!r}" for field in self.__fields__]
        if self.unknown_tags:
            shown.append(f"unknown_tags={self.unknown_tags!r}")
        return f"{type(self).__qualname__}({', '.join(shown)})"


class Message(Struct):
    """A struct that travels by itself, with versions of its own, and is neither request nor response.

    `versions` are those it exists in; `flexible` those with compact lengths and tagged fields; `key` its
    number where a family of records has numbers.
    """

    def __init_subclass__(cls, *, versions: str, flexible: str = "none", key: int | None = None) -> None:
        cls.__root__ = Root(cls.__name__, Versions.parse(versions), Versions.parse(flexible), key)


class Api:
    """A request and its response, in all their versions.

    `versions` is what the schema knows. `unstable` are versions that Kafka has not released: they can be
    encoded and decoded, and nobody advertises them.
    """

    key: ClassVar[int]
    name: ClassVar[str]
    min_version: ClassVar[int]
    max_version: ClassVar[int]
    versions: ClassVar[Versions]
    flexible: ClassVar[Versions]
    unstable: ClassVar[Versions]
    Request: ClassVar[type[Struct]]
    Response: ClassVar[type[Struct]]

    def __init_subclass__(
        cls, *, key: int, versions: str, flexible: str = "none", unstable: str = "none"
    ) -> None:
        cls.key = key
        cls.name = cls.__name__
        cls.versions = Versions.parse(versions)
        cls.flexible = Versions.parse(flexible)
        cls.unstable = Versions.parse(unstable)
        cls.min_version, cls.max_version = cls.versions
        cls.Request.__root__ = Root(f"{cls.name} request", cls.versions, cls.flexible, key)
        cls.Response.__root__ = Root(f"{cls.name} response", cls.versions, cls.flexible, key)

    @classmethod
    def request_header_version(cls, version: int) -> int:
        """2 in flexible versions, else 1; ControlledShutdown v0 alone has no client id (version 0)."""
        if cls.key == 7 and version == 0:
            return 0
        return 2 if version in cls.flexible else 1

    @classmethod
    def response_header_version(cls, version: int) -> int:
        """1 in flexible versions, else 0; ApiVersions always 0, so that any client can read it (KIP-511)."""
        if cls.key == 18:
            return 0
        return 1 if version in cls.flexible else 0
