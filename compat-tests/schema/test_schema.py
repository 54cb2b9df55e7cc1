"""Every declaration against Kafka's message JSON: 4.4.0's, and 3.9.2's for the versions that 4.x dropped."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from kwire_codecs.apis import API_MODULES, api
from kwire_codecs.wire import Struct, Versions

from schema.flatten import Fact, Kafkas, absent, in_range, kwires, snake_case
from schema.kafka_json import JARS, Unavailable, definitions
from tests.codecs.declared import messages

# Keys that brokers of ZooKeeper's time and KRaft controllers send each other, and forwarding: not for clients
# or admin tools. kwire serves none of them.
NOT_FOR_CLIENTS = {4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82}
# 3.9.2's early access to share groups was withdrawn: only 4.4.0's messages count.
EARLY_ACCESS = {76, 77, 78, 79, 83, 84, 85, 86, 87}
# Headers are read and written by hand (headers.py); principals travel between Kafka's own brokers only.
BY_HAND = {"RequestHeader", "ResponseHeader", "DefaultPrincipalData"}
# What Kafka 4 renamed without changing a byte.
RENAMED = {("TxnOffsetCommitRequest", "GenerationId"): "GenerationIdOrMemberEpoch"}

DECLARED = dict(messages())


def kafka(release: str) -> dict[str, dict[str, Any]]:
    try:
        return definitions(release)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module", autouse=True)
def _schemas_or_skip() -> None:
    for release in JARS:
        kafka(release)


def wanted(definition: dict[str, Any]) -> bool:
    return definition.get("apiKey") not in NOT_FOR_CLIENTS or definition["type"] not in (
        "request",
        "response",
    )


def source(name: str, version: int) -> tuple[str, dict[str, Any]] | None:
    """The release that says what `version` of a message is, and what it says."""
    for release in ("4.4.0", "3.9.2"):
        definition = kafka(release).get(name)
        if definition is not None and in_range(definition["validVersions"], version):
            early = release == "3.9.2" and definition.get("apiKey") in EARLY_ACCESS
            return None if early and definition["type"] in ("request", "response") else (release, definition)
    return None


def versions_of(cls: type[Struct]) -> range:
    assert cls.__root__ is not None
    first, last = cls.__root__.versions
    return range(first, last + 1)


def test_every_message_of_kafkas_is_declared_and_no_other() -> None:
    theirs = {name for name, definition in kafka("4.4.0").items() if wanted(definition)} - BY_HAND
    assert {name for name in theirs if "none" not in kafka("4.4.0")[name]["validVersions"]} == set(DECLARED)
    dropped = {
        name
        for name, definition in kafka("3.9.2").items()
        if wanted(definition) and name not in kafka("4.4.0") and definition["validVersions"] != "none"
    }
    assert dropped == {
        "ListClientMetricsResourcesRequest",
        "ListClientMetricsResourcesResponse",
    }  # renamed: key 74


def test_every_api_has_kafkas_key_and_name() -> None:
    theirs = {
        definition["apiKey"]: name.removesuffix("Request")
        for name, definition in kafka("4.4.0").items()
        if definition["type"] == "request" and wanted(definition)
    }
    assert {key: api(key).name for key in API_MODULES} == theirs


def test_records_have_kafkas_keys() -> None:
    for name, cls in DECLARED.items():
        assert cls.__root__ is not None
        assert cls.__root__.key == kafka("4.4.0")[name].get("apiKey"), name


def test_the_versions_are_those_of_both_releases_together() -> None:
    for name, cls in DECLARED.items():
        theirs = {version for version in range(100) if source(name, version)}
        assert theirs == set(versions_of(cls)), name


def test_unstable_versions_are_marked() -> None:
    for key in API_MODULES:
        definition = kafka("4.4.0")[f"{api(key).name}Request"]
        newest = api(key).max_version
        expected = (
            Versions(newest, newest) if definition.get("latestVersionUnstable") else Versions.parse("none")
        )
        assert api(key).unstable == expected, api(key).name


def test_every_field_of_every_version_is_as_kafka_says() -> None:
    for name, cls in DECLARED.items():
        for version in versions_of(cls):
            found = source(name, version)
            assert found is not None
            assert kwires(cls, version) == settled(Kafkas(found[1], version).facts(), name), (name, version)


def test_fields_that_a_version_lacks_have_kafkas_defaults() -> None:
    for name, cls in DECLARED.items():
        everywhere = all_fields(name)
        for version in versions_of(cls):
            for field in absent(cls, version):
                default, ignorable = everywhere[field.path]
                if field.path.endswith("error_message"):
                    default = field.default
                assert (field.default, field.ignorable) == (default, ignorable), (name, version, field.path)


def test_kafka_3_9_and_4_mean_the_same_bytes_where_they_overlap() -> None:
    for name, cls in DECLARED.items():
        definition = kafka("3.9.2").get(name)
        early = definition is not None and definition.get("apiKey") in EARLY_ACCESS and "Share" in name
        if definition is None or early:
            continue
        for version in versions_of(cls):
            if in_range(definition["validVersions"], version):
                ours = [on_the_wire(fact) for fact in kwires(cls, version)]
                theirs = [on_the_wire(fact) for fact in Kafkas(definition, version).facts()]
                assert ours == theirs, (name, version)


def test_null_is_never_the_default_of_a_field_that_cannot_be_null() -> None:
    for name, cls in DECLARED.items():
        for version in versions_of(cls):
            for fact in kwires(cls, version):
                if fact.default is None and fact.tag is not None:
                    assert fact.nullable, (name, version, fact.path)


def settled(facts: list[Fact], name: str) -> list[Fact]:
    """Facts as Kafka's newest release has them, without what kwire settles otherwise on purpose.

    Whether a field is ignorable is a fact about the field, not about a version: 4.4.0 has the last word.
    kwire leaves an error_message null unless one is given: Kafka's classes say "" where the JSON says
    nothing, and its handlers set null.
    """
    everywhere = all_fields(name)
    return [
        replace(
            fact,
            default=None if fact.nullable and fact.path.endswith("error_message") else fact.default,
            ignorable=everywhere[fact.path][1],
        )
        for fact in facts
    ]


def on_the_wire(fact: Fact) -> tuple[str, bool, int | None, bool]:
    return fact.kind, fact.nullable, fact.tag, fact.compact


@cache
def all_fields(name: str) -> dict[str, tuple[Any, bool]]:
    """Default and ignorability of every field that any version of a message has: the newest release's word
    counts.
    """
    found: dict[str, tuple[Any, bool]] = {}
    for release in ("4.4.0", "3.9.2"):
        definition = kafka(release).get(name)
        if definition is None:
            continue
        reader = Kafkas(definition, 0)

        def collect(fields: list[dict[str, Any]], prefix: str, reader: Kafkas = reader) -> None:
            for field in fields:
                path = prefix + snake_case(RENAMED.get((name, field["name"]), field["name"]))
                found.setdefault(path, (reader.default(field), bool(field.get("ignorable"))))
                element = field["type"].removeprefix("[]")
                if element[0].isupper():
                    array = "[]" if field["type"].startswith("[]") else ""
                    collect(field.get("fields") or reader.common[element], f"{path}{array}.")

        collect(definition.get("fields", []), "")
    return found
