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
from .fields import (
    Field,
    array,
    boolean,
    bytes_,
    error_code,
    float64,
    int8,
    int16,
    int32,
    int64,
    records,
    string,
    struct,
    uint16,
    uint32,
    unknown_tags_field,
    uuid,
)
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


@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(
        int8, int16, int32, int64, uint16, uint32, float64, boolean, uuid, error_code,
        string, bytes_, records, array, struct, unknown_tags_field,
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
    unknown_tags: dict[int, bytes] | None = unknown_tags_field(default=None)

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
