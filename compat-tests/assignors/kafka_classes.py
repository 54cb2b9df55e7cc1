"""Kafka's own classes as a function: a case goes in, its answer comes out. Java runs Oracle.java for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from oracle.jars import fetch, java  # noqa: E402

VERSION = "4.4.0"


@contextmanager
def kafka() -> Iterator[Callable[[Any], Any]]:
    """Ask Kafka's classes for as long as this lasts."""
    class_path = ":".join(map(str, fetch(VERSION)))
    command = [java(), "-Xmx256m", "-cp", class_path, str(HERE / "Oracle.java")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, of = process.stdin, process.stdout

        def ask(case: Any) -> Any:
            print(json.dumps(case), file=to, flush=True)
            line = of.readline()
            if not line:
                raise SystemExit(f"Kafka's classes gave up on {json.dumps(case)}")
            return json.loads(line)

        yield ask
        to.close()
