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
    (re.compile(r'(?<="log_dirs":\[)[^\]]*'), "DIRS"),
    (re.compile(r"(?<=\(isolated\): )\d+|(?<=\bFinalizedVersionLevel: )\S+"), "N"),
    (re.compile(r"(?<=Epoch: )\d+"), "EPOCH"),
]
_PRODUCER_ID = re.compile(r"^\d+(?= \d+ -?\d+ -?\d+ TIME )")
_STATE = r"(?:Empty|Ongoing|Prepare\w+|Complete\w+|Dead)"
_TRANSACTIONS = [
    (_PRODUCER_ID, "PRODUCER"),  # describe-producers
    (re.compile(rf"^(\S+ \d+) \d+ ({_STATE})$"), r"\1 PRODUCER \2"),  # list
    (
        re.compile(rf"^(\d+ \S+) \d+ (\d+ {_STATE} \d+) (\S+) (?:\d+|None)\b"),
        r"\1 PRODUCER \2 \3 LONG",
    ),  # describe
]
_IN_SYNC = re.compile(r"(?<=Isr: )[\d,]+")
_SPEED = re.compile(r"-?\d+\.\d+(E-?\d+)?|(?<=, )\d+(?= ms)|(?<=, )\d+\b")


_HOST, _PORT = r"/?(?:\b127\.0\.0\.1|\blocalhost|\[::1\])", r"\d{4,5}\b"


def normalised(tool: str, text: str, only: str) -> list[str]:
    """The lines to compare, sorted unless their order means something."""
    text = "\n".join(line for line in text.splitlines() if not _is_noise(line))
    text = re.sub(rf"{_HOST}:{_PORT}", "BROKER", text)
    text = re.sub(rf"{_HOST}([ /:]+){_PORT}", r"HOST\1PORT", text)
    text = re.sub(rf"{_HOST}(\s+){_PORT}", "HOST PORT", text)
    text = text.replace("/127.0.0.1", "HOST").replace("/[::1]", "HOST")
    for pattern, word in _REPLACED:
        text = pattern.sub(word, text)
    # An ISR is a set: who joined it first comes first in Kafka's hash set or not.
    text = _IN_SYNC.sub(lambda found: ",".join(sorted(found[0].split(","))), text)
    if tool.endswith("-perf-test"):
        text = _SPEED.sub("N", text)
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines()]
    if tool == "transactions":
        for pattern, words in _TRANSACTIONS:
            lines = [pattern.sub(words, line) for line in lines]
    if only:
        lines = [line for line in lines if only in line]
    return lines if tool in _ORDERED else sorted(lines)


def _is_noise(line: str) -> bool:
    return not line.strip() or bool(_LOGGED.match(line) or _TRACE.match(line))
