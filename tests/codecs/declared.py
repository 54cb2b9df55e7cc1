"""Every message that kwire declares, for the tests that go through them all."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from kwire_codecs import consumer_protocol
from kwire_codecs.apis import API_MODULES, api
from kwire_codecs.internal import (
    control_records,
    group_records,
    metadata_records,
    share_records,
    transaction_records,
)
from kwire_codecs.wire import Field, Message, Struct

MODULES: tuple[ModuleType, ...] = (
    consumer_protocol,
    control_records,
    group_records,
    metadata_records,
    share_records,
    transaction_records,
)


def messages() -> Iterator[tuple[str, type[Struct]]]:
    """Name (Kafka's, as in HeartbeatRequest) and class of every request, response and record."""
    for key in API_MODULES:
        found = api(key)
        yield f"{found.name}Request", found.Request
        yield f"{found.name}Response", found.Response
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, Message) and value is not Message:
                yield name, value


def messages_and_versions() -> Iterator[tuple[str, type[Struct], int]]:
    """The same, once a version."""
    for name, cls in messages():
        assert cls.__root__ is not None
        for version in range(cls.__root__.versions.first, cls.__root__.versions.last + 1):
            yield name, cls, version


def fields_in(cls: type[Struct], version: int) -> list[Field]:
    """The fields of a struct that a version has."""
    return [field for field in cls.__fields__ if version in field.versions]


def default_of(cls: type[Struct]) -> Struct:
    """An object with nothing but defaults, also where the constructor demands a value."""
    return cls(**{field.name: field.make_default() for field in cls.__fields__ if field.required})
