"""How the classes of `wire.py` make their objects: a function a class, made when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from .wire import Struct

P = ParamSpec("P")
S = TypeVar("S")


def default_instance(cls: type[Struct]) -> Struct:
    """The object of `cls` with nothing but defaults: one for all, so it refuses to be changed."""
    found = _default_instances.get(cls)
    if found is None:
        values = {field.name: field.make_default() for field in cls.__fields__ if field.required}
        found = cls(**values)
        frozen = type(cls.__name__, (cls,), {"__slots__": (), "__setattr__": _refuse_change})
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


def constructor(cls: type[Struct]) -> Callable[..., None]:
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
