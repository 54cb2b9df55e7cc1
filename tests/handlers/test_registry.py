"""The list of what is served, held against the handlers and the declarations."""

import pytest
from kwire_codecs.apis import api
from kwire_codecs.compile import encode_bytes
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Field, Struct

from kwire.handlers import registry
from kwire.handlers.failures import failed_response


@pytest.mark.parametrize("key", registry.SERVED)
def test_a_handler_serves_the_versions_that_the_registry_lists(key: int) -> None:
    module = __import__(f"kwire.handlers.{registry.SERVED[key].module}", fromlist=["API"])
    assert module.API is api(key)
    assert (registry.SERVED[key].low, registry.SERVED[key].high) == module.VERSIONS


@pytest.mark.parametrize("key", registry.SERVED)
def test_only_versions_that_are_declared_and_released_are_served(key: int) -> None:
    declared = api(key)
    for version in range(registry.SERVED[key].low, registry.SERVED[key].high + 1):
        assert version in declared.versions
        assert version not in declared.unstable


@pytest.mark.parametrize("key", registry.SERVED)
def test_what_is_served_is_served_from_version_0_to_the_newest(key: int) -> None:
    declared = api(key)
    newest = max(v for v in range(declared.max_version + 1) if v not in declared.unstable)
    assert (registry.SERVED[key].low, registry.SERVED[key].high) == (0, newest)


def _sample(field: Field) -> object:
    if field.kind == "array":
        return [_filled(field.element)] if isinstance(field.element, type) else [_sample(field.element)]  # type: ignore[arg-type]
    return {"string": "x", "int32": 3}.get(field.kind, field.make_default())


def _filled(struct: type[Struct]) -> Struct:
    return struct(**{field.name: _sample(field) for field in struct.__fields__})


@pytest.mark.parametrize("key", registry.SERVED)
def test_a_failed_request_has_an_answer_that_says_so_in_every_version(key: int) -> None:
    declared = api(key)
    request = _filled(declared.Request)
    for version in range(registry.SERVED[key].low, registry.SERVED[key].high + 1):
        response = failed_response(declared, version, request, ErrorCode.UNKNOWN_SERVER_ERROR)
        assert response is not None
        assert ErrorCode.UNKNOWN_SERVER_ERROR.to_bytes(2, "big", signed=True) in encode_bytes(
            response, version
        )
