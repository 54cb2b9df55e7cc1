"""A second opinion: the package kio, made from Kafka's JSON by other people, for each message and version it
has.

Skipped where kio is not installed (`pip install kio`).
"""

from __future__ import annotations

import dataclasses
import datetime
import io
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import ErrorCode
from kwire_codecs.wire import Struct

from tests.codecs.declared import fields_in
from tests.codecs.test_golden import CASES

pytest.importorskip("kio", reason="kio is not installed: pip install kio")

from kio.index import UnknownAPIKey, UnknownEntity, load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def cases() -> Iterator[tuple[str, int, Any, Struct]]:
    """Every (message, version) that kio has, with an object that is filled and that kio can hold."""
    for file, name, cls, line in CASES:
        if line["variant"] != "full" or "clients" not in file:
            continue
        load = load_request_schema if name.endswith("Request") else load_response_schema
        try:
            theirs = load(line["key"], line["version"])
        except (UnknownAPIKey, UnknownEntity):
            continue
        filled = decoder(cls, line["version"])(bytes.fromhex(line["bytes"]))
        yield name, line["version"], theirs, tamed(filled, line["version"])


def tamed(value: Any, version: int) -> Any:
    """A copy without what kio refuses or drops: unknown tags, unknown error codes, times before 1970."""
    if isinstance(value, Struct):
        present = fields_in(type(value), version)
        return type(value)(**{field.name: tamed(getattr(value, field.name), version) for field in present})
    if isinstance(value, list):
        return [tamed(each, version) for each in value]
    if isinstance(value, ErrorCode):
        return ErrorCode.NOT_COORDINATOR
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value)
    return value


def test_kio_reads_the_same_values_and_writes_the_same_bytes() -> None:
    seen = 0
    for name, version, theirs, ours in cases():
        data = encode_bytes(ours, version)
        read, size = entity_reader(theirs)(data, 0)
        assert size == len(data), (name, version)
        assert plain(read) == plain(ours, version), (name, version)
        written = io.BytesIO()
        entity_writer(theirs)(written, read)
        assert written.getvalue() == data, (name, version)
        seen += 1
    assert seen > 400


def one_name(name: str) -> str:
    """kio leaves "_ms" out of the names of durations, and has some names of earlier releases."""
    known = {
        "generation_id_or_member_epoch": "generation_id",
        "enable_2pc": "enable2_pc",
        "acceptable_recovery_lag_legacy": "acceptable_recovery_lag",
    }
    return known.get(name, name.removesuffix("_ms"))


def plain(value: Any, version: int = -1) -> Any:
    """A value of either side in words that both have."""
    if isinstance(value, Struct):
        present = fields_in(type(value), version)
        return {one_name(f.name): plain(getattr(value, f.name), version) for f in present}
    if dataclasses.is_dataclass(value):
        return {one_name(f.name): plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(each, version) for each in value]
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, UUID):
        return value.bytes
    return int(value) if isinstance(value, ErrorCode) or hasattr(value, "retriable") else value
