"""The one life of a broker with two directories that test_failing_directory.py compares: it fills both, the
disk of the second one fails, and then it is asked things.

Where a broker puts a log is its own affair, so the life looks for what it needs: {lost} and {lost_too} are
topics with one partition in the directory that will fail, {kept} is one in the other; {lost_group},
{kept_group}, {lost_transaction} and {kept_transaction} are called after where their coordinator's log is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from . import requests
from .canonical import error_names
from .case import Case, Outcome
from .client import Closed
from .failing_disk import FailingDisk
from .scene import Scene
from .values import resolve

CANDIDATES = 8


def live(bootstrap: str, disk: FailingDisk, questions: Iterable[Case]) -> dict[str, tuple[Outcome, str]]:
    """The outcome and the verdict of each question, by its `key`, in their order on one broker."""
    found: dict[str, tuple[Outcome, str]] = {}
    with Scene(bootstrap, "failing directory") as scene:
        _fill(scene, str(disk.path))
        disk.fail()
        for question in questions:
            found[key(question)] = _ask(scene, question)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def key(question: Case) -> str:
    return f"{question.api}, {question.name}"


def _ask(scene: Scene, question: Case) -> tuple[Outcome, str]:
    scene.take(question.given)
    (trial,) = question.trials()
    fields = resolve(question.fields, scene.variables)
    try:
        with scene.another_connection() as connection:
            answer = connection.ask(question.api, trial.version, fields)
    except Closed:
        return {"closed": True}, "CLOSED"
    outcome = {"answer": scene.canonical.of(question.api, answer)}
    return outcome, " ".join(sorted(error_names(answer))) or "OK"


def _fill(scene: Scene, path: str) -> None:
    scene.variables["lost_path"] = path
    scene.variables["common"] = f"{scene.name}-common"
    scene.take("topic(1,,common) producer")  # the id 0, which is in answers about nobody too
    for number in range(CANDIDATES):
        scene.variables[f"topic_{number}"] = f"{scene.name}-topic-{number}"
        scene.take(f"topic(1,,topic_{number}) records(3,topic_{number})")
        scene.variables["group"] = f"{scene.name}-group-{number}"
        scene.take("committed(5,common)")
        scene.variables["transaction"] = f"{scene.name}-transaction-{number}"
        scene.take("initialised")
    scene.forget_labels()  # of what not every broker has made in the same order
    scene.canonical.names[path] = "<lost directory>"
    lost, kept = _places(scene, path)
    topics = [f"{scene.name}-topic-{number}" for number in range(CANDIDATES)]
    _name(scene, "lost", [name for name in topics if (name, 0) in lost])
    _name(scene, "lost_too", [name for name in topics if (name, 0) in lost][1:])
    _name(scene, "kept", [name for name in topics if (name, 0) in kept])
    for label in ("lost", "lost_too", "kept"):
        number = topics.index(scene.variables[label])
        scene.variables[f"{label}_id"] = topic_id = scene.variables[f"topic_{number}_id"]
        scene.canonical.names[topic_id] = f"<id of {label}>"
    for kind, log in (("group", "__consumer_offsets"), ("transaction", "__transaction_state")):
        names = [f"{scene.name}-{kind}-{number}" for number in range(CANDIDATES)]
        answer = scene.must("Metadata", requests.metadata(log))
        homes = {name: (log, _hash(name) % len(answer["topics"][0]["partitions"])) for name in names}
        _name(scene, f"lost_{kind}", [name for name in names if homes[name] in lost])
        _name(scene, f"kept_{kind}", [name for name in names if homes[name] in kept])


def _name(scene: Scene, label: str, found: list[str]) -> None:
    assert found, f"nothing can be called {label}: the broker has put everything into one directory"
    scene.variables[label] = found[0]
    scene.canonical.names[found[0]] = f"<{label}>"


def _places(scene: Scene, path: str) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """The partitions in the directory, and those in the other."""
    answer = scene.must("DescribeLogDirs", requests.log_dirs())
    logs = {
        result["log_dir"]: {
            (topic["name"], partition["partition_index"])
            for topic in result["topics"]
            for partition in topic["partitions"]
        }
        for result in answer["results"]
    }
    lost = logs.pop(path)
    ((scene.variables["kept_path"], kept),) = logs.items()
    return lost, kept


def _hash(key: str) -> int:
    """Java's hash of a string: which partition of an internal topic keeps what is called so."""
    total = 0
    for character in key:
        total = (31 * total + ord(character)) & 0xFFFF_FFFF
    return total & 0x7FFF_FFFF
