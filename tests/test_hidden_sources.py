"""Time, randomness, ids and threads are handed in: code that takes them from the machine is named here, file
by file, so that a whole broker can run in one loop from a seed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("kwire", "codecs/kwire_codecs", "storage/kwire_storage")

MODULES = {
    "time",
    "random",
    "secrets",
    "threading",
    "asyncio",
    "datetime",
    "multiprocessing",
    "socket",
    "select",
}
HARMLESS = {
    ("random", "Random"),
    ("datetime", "timedelta"),
    ("socket", "inet_pton"),
    ("socket", "AF_INET"),
    ("socket", "AF_INET6"),
}
"""Types, a length of time and the spelling of addresses: nothing asks the machine for anything."""
NAMES = {"uuid1", "uuid4", "urandom", "getrandom", "to_thread", "from_thread", "SystemRandom"}

OUTSIDE = ("kwire/cli/", "kwire/testing/", "kwire/pytest_plugin.py", "kwire/__main__.py")
"""The faces: processes of their own, which a simulation does not run."""

ALLOWED = {
    "kwire/broker/cleaning_worker.py": {"threading", "time"},  # a process of its own, for real files only
    "kwire/partitions/clock.py": {"time"},
    "kwire/partitions/threads.py": {"to_thread", "threading"},
    "kwire/server/listening.py": {"time", "socket"},
    "kwire/server/transport.py": {"socket", "select"},
    "kwire/server/launch.py": {"SystemRandom"},
    "kwire/server/readiness.py": {"time", "select"},
    "kwire/server/request_log.py": {"time"},  # told to people; decides nothing
    "storage/kwire_storage/files.py": {"time"},
    "storage/kwire_storage/segments/append_job.py": {"threading"},
}


def uses(tree: ast.AST) -> Iterator[str]:
    """The hidden sources that a module names."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name in MODULES:
                    aliases[name.asname or name.name] = name.name
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield from (node.module for name in node.names if (node.module, name.name) not in HARMLESS)
        elif isinstance(node, ast.ImportFrom):
            yield from (name.name for name in node.names if name.name in NAMES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in NAMES:
                yield node.attr
            elif isinstance(node.value, ast.Name) and node.value.id in aliases:
                module = aliases[node.value.id]
                if (module, node.attr) not in HARMLESS:
                    yield module


def modules() -> list[str]:
    """Every module of the broker, by its path in the repository."""
    found = [
        path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    ]
    return sorted(name for name in found if not name.startswith(OUTSIDE))


@pytest.mark.parametrize("name", modules())
def test_a_module_takes_only_the_sources_that_it_may(name: str) -> None:
    hidden = set(uses(ast.parse((ROOT / name).read_text())))
    assert hidden - ALLOWED.get(name, set()) == set()


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("import time\ntime.monotonic()", "time"),
        ("import time as t\nt.sleep(1)", "time"),
        ("from time import perf_counter", "time"),
        ("import random\nrandom.shuffle([])", "random"),
        ("from random import randrange", "random"),
        ("import random\nrandom.SystemRandom()", "SystemRandom"),
        ("import uuid\nuuid.uuid4()", "uuid4"),
        ("from uuid import uuid4", "uuid4"),
        ("import os\nos.urandom(4)", "urandom"),
        ("import trio\ntrio.to_thread.run_sync(print)", "to_thread"),
        ("from trio import to_thread", "to_thread"),
        ("import threading\nthreading.Thread()", "threading"),
        ("from datetime import datetime\ndatetime.now()", "datetime"),
    ],
)
def test_a_hidden_source_is_noticed(code: str, source: str) -> None:
    assert source in set(uses(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["import random\nrng: random.Random", "import time", "from random import Random", "self.random.random()"],
)
def test_what_only_names_a_type_is_none(code: str) -> None:
    assert set(uses(ast.parse(code))) == set()
