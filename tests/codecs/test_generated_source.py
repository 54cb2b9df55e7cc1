"""The source of codecs can be read, and says what the rules of compile.py promise."""

from __future__ import annotations

import linecache
import os
import subprocess
import sys

import pytest
from kwire_codecs.__main__ import main
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.compile import decoder
from kwire_codecs.emit_decoder import decoder_source


def test_adjacent_fields_of_fixed_size_are_read_at_one_go() -> None:
    source, names, _ = decoder_source(Fetch.Request, 4)
    assert "v0.replica_id, v0.max_wait_ms, v0.min_bytes, v0.max_bytes, v0.isolation_level, n" in source
    assert ">iiiibi" in {
        value.__self__.format
        for name, value in names.items()
        if name.startswith("unpack") and name[6:].isdigit()
    }


def test_tracebacks_and_debuggers_find_the_source() -> None:
    decode = decoder(Fetch.Request, 4)
    assert linecache.getline(decode.__code__.co_filename, 1) == "def decode(b):\n"


def test_a_codec_is_compiled_once() -> None:
    assert decoder(Fetch.Request, 4) is decoder(Fetch.Request, 4)


def test_the_command_prints_both_directions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heartbeat", "4"]) == 0
    out = capsys.readouterr().out
    assert "# Heartbeat request v4" in out
    assert "# Heartbeat response v4" in out
    assert "def decode(b):" in out
    assert "def encode(v0, out, parts):" in out


def test_the_command_takes_a_key_and_a_direction(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["12", "response"]) == 0
    out = capsys.readouterr().out
    assert "# Heartbeat response v4" in out
    assert "request" not in out


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["heartbeat", "9"]])
def test_the_command_says_what_it_does_not_know(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.slow
def test_importing_the_index_imports_no_api() -> None:
    code = "import sys, kwire_codecs.framing; print([name for name in sys.modules if '.apis.' in name])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
