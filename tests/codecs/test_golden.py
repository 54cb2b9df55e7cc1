"""Bytes that Kafka's own classes wrote, in every version of every message (see compat-tests/golden)."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Struct

from tests.codecs.declared import default_of, fields_in, messages, messages_and_versions

GOLDEN = Path(__file__).parents[1] / "vectors" / "golden"
UNKNOWN_TAG = 5000

# What the golden files hold and kwire has no declaration for: headers.py reads the headers (test_headers.py),
# and principals travel only between Kafka's own brokers.
NOT_DECLARED = {"RequestHeader", "ResponseHeader", "DefaultPrincipal"}
# Kafka 3.9.2's early access to share groups: never stable, and other messages than those of today.
EARLY_ACCESS = {76, 77, 78, 79, 83, 84, 85, 86, 87}
# What Kafka 4 calls otherwise than Kafka 3.9, in the messages and in the values.
RENAMED_MESSAGES = {"ListClientMetricsResources": "ListConfigResources"}
RENAMED_FIELDS = {
    "TxnOffsetCommitRequest": {"generationId": "generationIdOrMemberEpoch"},
    "ListConfigResourcesResponse": {"clientMetricsResources": "configResources", "name": "resourceName"},
}

CLASSES = dict(messages())


def lines(file: str) -> Iterator[dict[str, Any]]:
    with gzip.open(GOLDEN / file, "rt", encoding="utf-8") as opened:
        for line in opened:
            yield json.loads(line)


def cases() -> Iterator[tuple[str, str, type[Struct], dict[str, Any]]]:
    for file in ("clients-3.9.2.jsonl.gz", "clients-4.4.0.jsonl.gz", "records-4.4.0.jsonl.gz"):
        for line in lines(file):
            name = line["name"].removesuffix("Data")
            for old, new in RENAMED_MESSAGES.items():
                name = name.replace(old, new)
            for old, new in RENAMED_FIELDS.get(name, {}).items():
                line["values"] = renamed(line.get("values"), old, new)
            if name in NOT_DECLARED or ("3.9.2" in file and line["key"] in EARLY_ACCESS):
                continue
            yield file, name, CLASSES[name], line


def renamed(values: Any, old: str, new: str) -> Any:
    if isinstance(values, dict):
        return {new if name == old else name: renamed(value, old, new) for name, value in values.items()}
    return [renamed(value, old, new) for value in values] if isinstance(values, list) else values


CASES = list(cases())


@pytest.mark.parametrize("variant", ["full", "nulls", "default"])
def test_kafkas_bytes_come_back_as_they_were(variant: str) -> None:
    for file, name, cls, line in CASES:
        if line["variant"] == variant:
            data, version = bytes.fromhex(line["bytes"]), line["version"]
            assert encode_bytes(decoder(cls, version)(data), version) == data, (file, name, version)


@pytest.mark.parametrize("variant", ["full", "nulls"])
def test_every_value_arrives_in_the_field_that_kafka_put_it_into(variant: str) -> None:
    for file, name, cls, line in CASES:
        if line["variant"] == variant:
            version = line["version"]
            decoded = decoder(cls, version)(bytes.fromhex(line["bytes"]))
            assert described(decoded, version) == by_our_names(line["values"]), (file, name, version)


def test_every_field_of_every_version_is_there_with_a_value_that_is_not_its_default() -> None:
    for file, name, cls, line in CASES:
        if line["variant"] == "full":
            decoded = decoder(cls, line["version"])(bytes.fromhex(line["bytes"]))
            assert list(defaults_in(decoded, line["version"])) == [], (file, name, line["version"])


def test_an_object_of_defaults_has_the_bytes_of_kafkas() -> None:
    for file, name, cls, line in CASES:
        if line["variant"] == "default":
            version = line["version"]
            ours = with_kafkas_error_message(
                decoder(cls, version)(bytes.fromhex(line["bytes"])), default_of(cls)
            )
            assert encode_bytes(ours, version).hex() == line["bytes"], (file, name, version)


def test_every_declared_message_and_version_is_among_the_golden_ones() -> None:
    covered = {(name, line["version"]) for _, name, _, line in CASES if line["variant"] == "full"}
    assert {(name, version) for name, _, version in messages_and_versions()} == covered


def described(value: Any, version: int) -> Any:
    """A decoded value in the words of the golden files."""
    if isinstance(value, Struct):
        shown = {
            field.name: described(getattr(value, field.name), version)
            for field in fields_in(type(value), version)
        }
        if value.unknown_tags:
            assert value.unknown_tags.keys() == {UNKNOWN_TAG}
            shown["_unknown"] = value.unknown_tags[UNKNOWN_TAG].hex()
        return shown
    if isinstance(value, list):
        return [described(each, version) for each in value]
    if isinstance(value, bytes | memoryview | UUID):
        return (value.bytes if isinstance(value, UUID) else value).hex()
    return int(value) if isinstance(value, ErrorCode) else value


def by_our_names(values: Any) -> Any:
    """Kafka's names in the spelling of ours."""
    if isinstance(values, dict):
        return {our_name(name): by_our_names(value) for name, value in values.items()}
    return [by_our_names(value) for value in values] if isinstance(values, list) else values


def our_name(name: str) -> str:
    known = {
        "_unknown": "_unknown",
        "kRaftVersion": "kraft_version",
        "kRaftVersionFeature": "kraft_version_feature",
        "enable2Pc": "enable_2pc",
    }
    if name in known:
        return known[name]
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def defaults_in(value: Struct, version: int, path: str = "") -> Iterator[str]:
    for field in fields_in(type(value), version):
        found = getattr(value, field.name)
        if isinstance(found, Struct):
            yield from defaults_in(found, version, f"{path}{field.name}.")
        elif found == field.make_default():
            yield f"{path}{field.name}"
        elif isinstance(found, list):
            for element in found:
                if isinstance(element, Struct):
                    yield from defaults_in(element, version, f"{path}{field.name}.")


def with_kafkas_error_message(kafkas: Struct, ours: Struct) -> Struct:
    """kwire's error_message is null unless one is given; Kafka's is empty, and its handlers set null."""
    if getattr(kafkas, "error_message", None) == "":
        ours.error_message = ""  # type: ignore[attr-defined]
    return ours
