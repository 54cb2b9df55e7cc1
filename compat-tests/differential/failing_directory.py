"""The lives of a broker with several directories of which one fails: `live` fills all, then the disk of one
fails, and the broker is asked things; `live_again` has it stop in between, and start without that one.

Where a broker puts a log is its own affair, so a life looks for what it needs: {lost} and {lost_too} are
topics with one partition in the directory that will fail, {kept} is one in another; {lost_group},
{kept_group}, {lost_transaction} and {kept_transaction} are called after where their coordinator's log is.
{lost_path} and {kept_path} are the directories of the first and the last, {spare_path} is one more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from . import requests
from .canonical import error_names
from .case import Case, Outcome, Trial
from .client import Closed
from .failing_disk import FailingDisk
from .scene import Scene
from .values import resolve

CANDIDATES = 8

Outcomes = dict[str, tuple[Outcome, str]]


def live(bootstrap: str, disk: FailingDisk, questions: Iterable[Case]) -> Outcomes:
    """The outcome and the verdict of each question, by its `key`, in their order on one broker."""
    with Scene(bootstrap, "failing directory") as scene:
        _fill(scene, str(disk.path))
        disk.fail()
        return _answers(scene, questions)


def live_again(
    start: Callable[[], AbstractContextManager[str]],
    lost: Path,
    lose: Callable[[Path], None],
    questions: Iterable[Case],
) -> Outcomes:
    """The same of a broker that has stopped, and found that directory lost when it started again."""
    with start() as bootstrap, Scene(bootstrap, "offline directory") as scene:
        _fill(scene, str(lost))
        known, canonical = scene.variables, scene.canonical.names
    lose(lost)
    with start() as bootstrap, Scene(bootstrap, "offline directory") as scene:
        scene.variables.update(known)
        scene.canonical.names.update(canonical)
        return {
            asked: (_without_epochs(outcome), verdict)
            for asked, (outcome, verdict) in _answers(scene, questions).items()
        }


def _without_epochs(value: Any) -> Any:
    """Kafka elects a leader anew at every start, kwire after a kill only."""
    if isinstance(value, list):
        return [_without_epochs(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "<epoch>" if name.endswith("leader_epoch") and each != -1 else _without_epochs(each)
        for name, each in value.items()
    }


def _answers(scene: Scene, questions: Iterable[Case]) -> Outcomes:
    found = {key(question): _ask(scene, question) for question in questions}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def key(question: Case) -> str:
    return f"{question.api}, {question.name}"


def trial(question: Case) -> Trial:
    """The only one: a life has each question once."""
    (only,) = question.trials()
    return only


def _ask(scene: Scene, question: Case) -> tuple[Outcome, str]:
    scene.take(question.given)
    fields = resolve(question.fields, scene.variables)
    try:
        with scene.another_connection() as connection:
            answer = connection.ask(question.api, trial(question).version, fields)
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
    for number in range(CANDIDATES):
        scene.variables["group"] = f"{scene.name}-group-{number}"
        scene.take("committed(5,common)")
    for number in range(CANDIDATES):
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
        _name(scene, f"kept_{kind}", [name for name in names if homes[name] not in lost])


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
    (scene.variables["kept_path"], kept), *others = logs.items()
    for scene.variables["spare_path"], _ in others:
        scene.canonical.names[scene.variables["spare_path"]] = "<spare directory>"
    return lost, kept


def _hash(key: str) -> int:
    """The size of Java's hash of a string: which partition of an internal topic keeps what is called so."""
    total = 0
    for character in key:
        total = (31 * total + ord(character)) & 0xFFFF_FFFF
    return min(total, 0x1_0000_0000 - total)  # as a signed number, without its sign
