"""What is made ready ahead of the first client: nothing is left to compile, and nothing depends on it."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from kwire_codecs import compile as codecs

from kwire.coordinators.groups.records import (
    GroupsFormat,
    GroupValue,
    OffsetKey,
    OffsetValue,
    group_record,
    offset_record,
)
from kwire.handlers import registry
from kwire.server import warm_up


@pytest.mark.parametrize("key", warm_up.AWAITED)
def test_a_warm_broker_has_nothing_left_to_compile(key: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in warm_up.pieces():
        pass

    def compiles(*_: object) -> object:
        raise AssertionError("compiled when it was asked for")

    monkeypatch.setattr(codecs, "_compile", compiles)
    api = registry.handler(key).api
    version = registry.SERVED[key].high
    codecs.decoder_at(api.Request, version)
    codecs.writer(api.Response, version)
    records = GroupsFormat()
    assert records.to_bytes(group_record("g", GroupValue("consumer", 1, None, None, 0)))[1]
    assert records.to_bytes(offset_record(OffsetKey("g", "t", 0), OffsetValue(0)))[1]


def test_starting_imports_no_handler() -> None:
    code = (
        "import sys, kwire.cli.serve, kwire.server.launch, kwire.server.warm_up; "
        "print([name for name in sys.modules if name.startswith('kwire_codecs.apis.')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_a_piece_that_fails_is_told_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(key: int) -> object:
        raise ImportError(str(key))

    monkeypatch.setattr(registry, "handler", broken)
    with caplog.at_level(logging.ERROR, "kwire.server"):
        await warm_up.warm_up()
    assert "not everything was made ready" in caplog.text
