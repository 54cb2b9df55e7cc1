"""server.properties files are read as Java's Properties reads them: known answers, and, where there is a JDK,
Java itself on generated texts.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kwire.config import load_properties
from kwire.config_def import InvalidValue

# What java.util.Properties (JDK 17) makes of them; None where it refuses.
KNOWN: list[tuple[str, dict[str, str] | None]] = [
    ("", {}),
    ("a=1\na=2", {"a": "2"}),
    ("a", {"a": ""}),
    ("a b", {"a": "b"}),
    ("a==b", {"a": "=b"}),
    ("a = : b", {"a": ": b"}),
    ("=b", {"": "b"}),
    ("a=1 \t", {"a": "1 \t"}),
    ("a\\=b=c", {"a=b": "c"}),
    ("a=b\\\n  c", {"a": "bc"}),
    ("a=b\\\n#c", {"a": "b#c"}),
    ("\\\n#c\na=b", {"a": "b"}),
    ("a=b\\\n\nc=d", {"a": "b", "c": "d"}),
    ("a=b\\\n  \nc=d", {"a": "b", "c": "d"}),
    ("a=b\\\r\n c", {"a": "bc"}),
    ("a=b\\", {"a": "b"}),
    ("a=b\\\\", {"a": "b\\"}),
    ("# a\\\nb=c", {"b": "c"}),
    (" ! a\nb=c", {"b": "c"}),
    ("a=\\u0041\\t\\z", {"a": "A\tz"}),
    ("a=\\U0041", {"a": "U0041"}),
    ("a=\\\\u12", {"a": "\\u12"}),
    ("a=\\u12", None),
    ("a=\\u 123", None),
    ("\\u003d=1", {"=": "1"}),
    ("\\ a=1", {" a": "1"}),
    ("a\x0bb=1", {"a\x0bb": "1"}),
    ("a=\u00e4\u0085b", {"a": "\u00e4\u0085b"}),
]


@pytest.fixture(scope="module")
def java() -> Iterator[subprocess.Popen[bytes]]:
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("there is no JDK on this machine")
    process = subprocess.Popen(
        ["java", "-Xmx64m", str(Path(__file__).with_name("ReadProperties.java"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield process
    process.communicate()


def read_by_java(java: subprocess.Popen[bytes], text: str) -> dict[str, str] | None:
    assert java.stdin is not None
    assert java.stdout is not None
    stdout = java.stdout
    data = text.encode("iso-8859-1")
    java.stdin.write(struct.pack(">i", len(data)) + data)
    java.stdin.flush()

    def number() -> int:
        return int(struct.unpack(">i", stdout.read(4))[0])

    def string() -> str:
        return stdout.read(number()).decode("utf-16-be", "surrogatepass")

    count = number()
    return None if count < 0 else {string(): string() for _ in range(count)}


def read(text: str) -> dict[str, str] | None:
    try:
        return load_properties(text)
    except InvalidValue:
        return None


@pytest.mark.parametrize(("text", "expected"), KNOWN)
def test_a_text_is_read_as_java_reads_it(text: str, expected: dict[str, str] | None) -> None:
    assert read(text) == expected


def test_java_reads_them_so(java: subprocess.Popen[bytes]) -> None:
    assert [(text, read_by_java(java, text)) for text, _ in KNOWN] == KNOWN


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(st.sampled_from('\\\\\\\\\n\r=: \t\f#!ab"u0041\x00\x0b\x1c\x85\xa0\xe4\xff'), max_size=24)
)
def test_any_text_is_read_as_java_reads_it(java: subprocess.Popen[bytes], text: str) -> None:
    assert read(text) == read_by_java(java, text)
