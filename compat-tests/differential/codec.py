"""Between plain dicts and bytes, by kwire's schemas.

The schemas are proved against Kafka's own elsewhere; here they only have to be the same for both brokers. A
request gives the fields of every version at once: those that the version in hand lacks are left out, those
that are not given take their defaults, and so does a null where the version can't say null. A name that no
version has is a mistake in the case. Answers hold the fields of their version only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from kwire_codecs.apis import API_MODULES
from kwire_codecs.apis import api as api_by_key
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Api, Field, Struct

from .values import Fields


def key(api: str) -> int:
    """The number of an API."""
    return _by_name(api).key


def name(api_key: int) -> str:
    """The name of an API, or its number in words where the schemas have none."""
    return api_by_key(api_key).name if api_key in API_MODULES else f"key {api_key}"


def flexible(api: str, version: int) -> bool:
    """Whether an API's version has compact lengths and tagged fields."""
    return version in _by_name(api).flexible


def error_name(code: int) -> str:
    """The name of an error code; one that nobody knows is CODE_n."""
    return ErrorCode(code).name


def encode_request(api: str, version: int, fields: Fields) -> bytes:
    """The body of a request."""
    return encode_bytes(_struct(_by_name(api).Request, version, fields), version)


def decode_response(api: str, version: int, body: bytes) -> Fields:
    """The fields of an answer's body, all of it."""
    return _fields(decoder(_by_name(api).Response, version)(body), version)


@cache
def _by_name(api: str) -> type[Api]:
    for api_key in API_MODULES:
        found = api_by_key(api_key)
        if found.name == api:
            return found
    raise KeyError(f"no API is called {api}")


def _struct(cls: type[Struct], version: int, given: Mapping[str, Any]) -> Struct:
    unknown = set(given) - {field.name for field in cls.__fields__}
    if unknown:
        raise KeyError(f"{cls.__qualname__} has no {', '.join(sorted(unknown))}")
    values = {
        field.name: _value(field, version, given[field.name])
        if field.name in given and version in field.versions
        else field.make_default()
        for field in cls.__fields__
    }
    return cls(**values)


def _value(field: Field, version: int, given: Any) -> Any:
    if given is None:
        return None if version in field.null or field.kind == "records" else field.make_default()
    if field.kind == "array":
        assert field.element is not None
        return [_element(field.element, version, item) for item in given]
    if field.kind == "struct":
        assert field.element is not None
        return _element(field.element, version, given)
    return given


def _element(element: Field | type[Struct], version: int, given: Any) -> Any:
    return _value(element, version, given) if isinstance(element, Field) else _struct(element, version, given)


def _fields(message: Struct, version: int) -> Fields:
    found = {
        field.name: _plain(getattr(message, field.name), version)
        for field in message.__fields__
        if version in field.versions
    }
    if message.unknown_tags:
        found["unknown_tags"] = {str(tag): data for tag, data in message.unknown_tags.items()}
    return found


def _plain(value: Any, version: int) -> Any:
    if isinstance(value, Struct):
        return _fields(value, version)
    if isinstance(value, list):
        return [_plain(item, version) for item in value]
    return bytes(value) if isinstance(value, memoryview) else value
