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

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar, dataclass_transform
from uuid import UUID

from .errors import ErrorCode

P = ParamSpec("P")
S = TypeVar("S")

Buffer = bytes | bytearray | memoryview
ZERO_UUID = UUID(int=0)
NEWEST = 0x7FFF


class _Required:
    """Marks a field that the constructor demands."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()


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
    """The value of an array whose elements were encoded before (`compile.encode_element`), in the version of
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
        constructor = _constructor(cls)
        cls.__init__ = constructor  # type: ignore[method-assign]
        constructor(self, **values)

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


def default_instance(cls: type[Struct]) -> Struct:
    """The object of `cls` with nothing but defaults: one for all, so it refuses to be changed."""
    found = _default_instances.get(cls)
    if found is None:
        values = {field.name: field.make_default() for field in cls.__fields__ if field.required}
        found = cls(**values)
        frozen = _StructType(cls.__name__, (cls,), {"__slots__": (), "__setattr__": _refuse_change})
        object.__setattr__(found, "__class__", frozen)
        _default_instances[cls] = found
    return found


_default_instances: dict[type[Struct], Struct] = {}


def _refuse_change(self: Struct, name: str, value: object) -> None:
    raise AttributeError(f"{self!r} is the shared default: build a new {type(self).__name__} to set {name}")


_NEW_LIST: Any = object()


def maker(cls: Callable[P, S]) -> Callable[P, S]:
    """A function that makes a struct as its class does when it is called, at a third of the price: for
    answers that are given very often.
    """
    assert isinstance(cls, type)
    made: Callable[P, S] = _build(cls, "make")
    return made


def _constructor(cls: type[Struct]) -> Callable[..., None]:
    """Build `__init__` for `cls`: keyword arguments only, one store a field."""
    return _build(cls, "__init__")


def _build(cls: type[Struct], function: str) -> Callable[..., Any]:
    names: dict[str, Any] = {"NEW": _NEW_LIST}
    parameters, stores = [], []
    for field in cls.__fields__:
        if field.required:
            parameters.append(field.name)
        else:
            default = field.make_default()
            names[f"default_{field.name}"] = _NEW_LIST if isinstance(default, list) else default
            parameters.append(f"{field.name}=default_{field.name}")
            if isinstance(default, list):
                stores.append(f"    self.{field.name} = [] if {field.name} is NEW else {field.name}")
                continue
        stores.append(f"    self.{field.name} = {field.name}")
    parameters.append("unknown_tags=None")
    stores.append("    self.unknown_tags = unknown_tags")
    given = ", ".join(parameters)
    if function == "make":
        names.update(new=object.__new__, cls=cls)
        first, stores = f"def make(*, {given}):", ["    self = new(cls)", *stores, "    return self"]
    else:
        first = f"def __init__(self, *, {given}):"
    exec("\n".join([first, *stores]), names)
    built: Callable[..., Any] = names[function]
    built.__qualname__ = f"{cls.__qualname__}.{function}"
    return built
