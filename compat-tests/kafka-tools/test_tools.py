"""Kafka's command-line tools say about kwire what they say about Kafka."""

from __future__ import annotations

import difflib
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from cases import CASES, Case
from normal import normalised
from tools import RELEASES, Bench

FAST_RELEASES = ("2.6.2", "4.4.0")
AWAITED_S = 30
KAFKA_SETTLES_S = 0.3  # Kafka's brokers learn of changes after these are answered


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize(
        ("bench", "case"),
        [
            pytest.param(
                (release, case.brokers),
                case,
                id=f"{release}-{case.name.replace(' ', '_')}",
                marks=[pytest.mark.fast] if case.is_fast and release in FAST_RELEASES else [],
            )
            for brokers in (1, 3)
            for release in RELEASES
            for case in CASES
            if release in case.releases and case.brokers == brokers
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
    told: list[str] = []
    running: list[subprocess.Popen[bytes]] = []
    try:
        for step in case.steps(bench.release):
            if step.startswith("& "):
                log = files / f"background-{len(running)}.log"
                running.append(bench.tools.in_background(bootstrap, _words(step[2:], files), log))
                continue
            told += _step(bench, case, bootstrap, files, step)
    finally:
        for each in running:
            each.kill()
            each.wait()
    return told


def _words(line: str, files: Path) -> list[str]:
    return [str(files / word[1:]) if word.startswith("@") else word for word in shlex.split(line)]


def _step(bench: Bench, case: Case, bootstrap: str, files: Path, step: str) -> list[str]:
    awaited = re.match("until (.+?): ", step)
    line, _, typed = step[awaited.end() if awaited else 0 :].partition(" << ")
    words = _words(line, files)
    lines = [f"{each}\n" for each in typed.split("|")] if typed else []
    deadline = time.monotonic() + AWAITED_S
    while True:
        done = bench.tools.run(bootstrap, words, "".join(lines))
        told = [f"$ {line} -> {done.status}"]
        for text in (done.output, done.errors):
            told += normalised(words[0], text.replace(str(files), "FILES"), case.only)
        if awaited is None or awaited[1] in "\n".join(told[1:]) or time.monotonic() > deadline:
            break
    if bootstrap == bench.kafka and re.search("--(create|alter|delete|execute)", line):
        time.sleep(KAFKA_SETTLES_S)
    return told
