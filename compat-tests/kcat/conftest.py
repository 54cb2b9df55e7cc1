"""Running kcat: a process for each step, as in a shell."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable

import pytest
from compat.broker import Broker
from compat.raw import create_topic

PATIENCE_S = 30.0
Kcat = Callable[..., str]


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


class KcatFailed(AssertionError):
    """kcat ended with an error; the text is what it said."""


@pytest.fixture
def kcat(broker: Broker) -> Kcat:
    """`kcat(*options, given="")`: run it to its end with `given` on standard input, return what it prints."""

    def run(*options: str, given: str | bytes = b"") -> str:
        words = [os.environ.get("KCAT", "kcat"), "-b", broker.bootstrap, *options]
        data = given.encode() if isinstance(given, str) else given
        done = subprocess.run(words, input=data, capture_output=True, timeout=PATIENCE_S, check=False)
        if done.returncode:
            raise KcatFailed(f"{words} ended with {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode()

    return run


@pytest.fixture
def make_topic(broker: Broker) -> Callable[..., str]:
    def make(partitions: int = 1) -> str:
        name = unique("topic")
        create_topic(broker, name, partitions)
        return name

    return make


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    return make_topic()
