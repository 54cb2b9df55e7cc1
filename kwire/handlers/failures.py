"""The answer to a request whose handler has a bug: the error code wherever the API has a place for one.

Kafka's `AbstractRequest.getErrorResponse`, derived from the declarations instead of written once an API: a
response's arrays are filled with one element for each element of the request's array that stands at the same
place, copying the fields of the same name (names, ids, indexes) and setting each `error_code`.
"""

from __future__ import annotations

from typing import Any

from kwire_codecs import wire as w
from kwire_codecs.errors import ErrorCode

_COUNTERPARTS = {
    "replica_election_results": ("topic_partitions",),
    "partition_result": ("partitions",),
    "responses": ("topics", "topic_data", "resources"),
    "results": ("resources", "topics", "groups_names", "mechanisms"),
    "topics": ("topic_names", "topics", "topic_data"),
    "coordinators": ("coordinator_keys",),
    "groups": ("groups", "group_ids"),
    "partition_responses": ("partition_data", "partitions"),
    "partitions": ("partitions", "partition_indexes", "partition_data"),
    "results_by_topic_v3_and_below": ("v3_and_below_topics",),
    "results_by_transaction": ("transactions",),
    "topic_results": ("topics",),
    "results_by_partition": ("partitions",),
    "transaction_states": ("transactional_ids",),
}
"""A response array's name -> the request arrays that it answers, the likeliest first."""

_IDENTITY = frozenset(
    ("name", "topic", "topic_id", "partition", "partition_id", "partition_index", "index", "key", "group_id",
     "member_id", "group_instance_id", "resource_type", "resource_name", "topic_name", "transactional_id")
)  # fmt: skip
"""Fields that say which element is meant: copied from the request, or set to a plain value of its array."""

_SYNONYMS = {"topic_name": "name"}


def failed_response(api: type[w.Api], version: int, request: Any, error_code: ErrorCode) -> Any | None:
    """A response of `api` for `version` that says `error_code` wherever it can; None if it has no place."""
    response, said = _fill(api.Response, version, request, error_code)
    return response if said else None


def _fill(struct: type[w.Struct], version: int, source: Any, error_code: ErrorCode) -> tuple[w.Struct, bool]:
    values: dict[str, Any] = {}
    said = False
    for field in struct.__fields__:
        if version not in field.versions:
            values[field.name] = field.make_default()
        elif field.kind == "error_code":
            values[field.name] = error_code
            said = True
        elif field.kind == "array" and isinstance(field.element, type):
            elements = []
            for item in _counterpart(field.name, source):
                element, element_said = _fill(field.element, version, item, error_code)
                elements.append(element)
                said = said or element_said
            values[field.name] = elements
        else:
            values[field.name] = _copied(field, source)
    return struct(**values), said


def _counterpart(name: str, source: Any) -> Any:
    for candidate in (name, *_COUNTERPARTS.get(name, ())):
        found = getattr(source, candidate, None)
        if isinstance(found, list):
            return found
    # AlterReplicaLogDirs asks directory by directory, and is answered topic by topic.
    return [topic for each in getattr(source, "dirs", ()) for topic in each.topics]


def _copied(field: w.Field, source: Any) -> Any:
    default = field.make_default()
    if field.name not in _IDENTITY or source is None:
        return default
    value = source
    if isinstance(source, w.Struct):
        value = getattr(source, field.name, getattr(source, _SYNONYMS.get(field.name, ""), default))
    return value if default is None or type(value) is type(default) else default
