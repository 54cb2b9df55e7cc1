"""Kafka's command-line tools say about kwire what they say about Kafka."""

from __future__ import annotations

import difflib
import re
import shlex
import time
from pathlib import Path

import pytest
from cases import CASES, Case
from normal import normalised
from tools import RELEASES, Bench

KAFKA_SETTLES_S = 0.3  # Kafka's brokers learn of changes after these are answered


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize(
        ("bench", "case"),
        [
            pytest.param(release, case, id=f"{release}-{case.name.replace(' ', '_')}")
            for release in RELEASES
            for case in CASES
            if release in case.releases
        ],
        indirect=["bench"],
        scope="session",
    )


def test_tools_see_no_difference(bench: Bench, case: Case, tmp_path: Path) -> None:
    for name, text in case.files.items():
        (tmp_path / name).write_text(text)
    log_start = bench.broker.log_size()
    on_kafka = _transcript(bench, case, bench.kafka, tmp_path)
    on_kwire = _transcript(bench, case, bench.kwire, tmp_path)
    print("\n".join(on_kafka))
    differences = list(difflib.unified_diff(on_kafka, on_kwire, "Kafka", "kwire", lineterm=""))
    assert not differences, "\n".join(differences)
    logged = bench.broker.tail(log_start)
    assert "Traceback" not in logged, logged


def _transcript(bench: Bench, case: Case, bootstrap: str, files: Path) -> list[str]:
    told = []
    for step in case.steps(bench.release):
        line, _, typed = step.partition(" << ")
        words = [str(files / word[1:]) if word.startswith("@") else word for word in shlex.split(line)]
        lines = [f"{each}\n" for each in typed.split("|")] if typed else []
        done = bench.tools.run(bootstrap, words, "".join(lines))
        told.append(f"$ {line} -> {done.status}")
        if bootstrap == bench.kafka and re.search("--(create|alter|delete|execute)", line):
            time.sleep(KAFKA_SETTLES_S)
        for text in (done.output, done.errors):
            told += normalised(words[0], text.replace(str(files), "FILES"), bootstrap, case.only)
    return told
