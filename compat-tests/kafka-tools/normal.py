"""A tool's output without what differs from run to run: ports, ids, times, paths, speeds, log lines."""

from __future__ import annotations

import re

_LOGGED = re.compile(r"(\[\d{4}-\d\d-\d\d [\d:,]+\] [A-Z]+ |\d\d:\d\d:\d\d\.\d+ \[)")
_TRACE = re.compile(
    r"\s+at |\t\.\.\. \d+ more|Caused by: |javax\.management\.|\s*\((kafka|org\.apache)\.[\w.$]+\)$"
)
# Most tools print in an order of their own making; what is read from a partition has one.
_ORDERED = {"console-consumer"}
_REPLACED = [
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"(?<=TopicId: )\S{22}"), "ID"),
    (re.compile(r"(?<=Cluster ID: )\S+"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[:,.]\d+"), "DATE"),
    (re.compile(r'(?<="avg_throughput":)[0-9.E]+'), "SPEED"),
    (re.compile(r"\b1\d{12}\b"), "TIME"),
    (re.compile(r'(?<="logDir":")[^"]*'), "DIR"),
    (re.compile(r'(?<="log_dirs":\[")(?!any")[^"]*'), "DIR"),
    (re.compile(r"(?<=\(isolated\): )\d+|(?<=\bFinalizedVersionLevel: )\S+"), "N"),
    (re.compile(r"(?<=Epoch: )\d+"), "EPOCH"),
]
_SPEED = re.compile(r"-?\d+\.\d+(E-?\d+)?|(?<=, )\d+(?= ms)|(?<=, )\d+\b")


def normalised(tool: str, text: str, bootstrap: str, only: str) -> list[str]:
    """The lines to compare, sorted unless their order means something."""
    port = bootstrap.rsplit(":", 1)[1]
    text = "\n".join(line for line in text.splitlines() if not _is_noise(line))
    text = re.sub(rf"/?(127\.0\.0\.1|localhost|\[::1\]):{port}\b", "BROKER", text)
    text = re.sub(rf"\b(127\.0\.0\.1|localhost)\b([ /:]+)({port})\b", r"HOST\2PORT", text)
    text = re.sub(rf"\b(127\.0\.0\.1|localhost)\b(\s+){port}\b", "HOST PORT", text)
    for pattern, word in _REPLACED:
        text = pattern.sub(word, text)
    if tool.endswith("-perf-test"):
        text = _SPEED.sub("N", text)
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines()]
    if only:
        lines = [line for line in lines if only in line]
    return lines if tool in _ORDERED else sorted(lines)


def _is_noise(line: str) -> bool:
    return not line.strip() or bool(_LOGGED.match(line) or _TRACE.match(line))
