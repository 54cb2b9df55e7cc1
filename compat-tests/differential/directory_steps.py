"""The steps of replicas that move between a broker's directories (AlterReplicaLogDirs, DescribeLogDirs).

Which directory Kafka begins a log in depends on how many others there are, so a case says what it means by
the log's own place: {here} is where it lies, {there} and {elsewhere} the two other directories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import requests
from .batches import Batch
from .canonical import error_names
from .values import Fields

if TYPE_CHECKING:
    from .scene import Scene

BROKER = 4
CORDONED = "cordoned.log.dirs"
THROTTLE = "replica.alter.log.dirs.io.max.bytes.per.second"


def _directories(scene: Scene) -> None:
    """{first_dir}, {second_dir} and {third_dir}: the broker's, in the order of its settings."""
    for name, path in zip(("first", "second", "third"), _paths(scene), strict=True):
        scene.variables[f"{name}_dir"] = path
        scene.canonical.names[path] = f"<{name} directory>"


def _lies(scene: Scene, topic: str = "topic", partition: str = "0") -> None:
    """`lies(topic,partition)`: the partition is {here}, and not {there} nor {elsewhere}."""
    scene.variables.setdefault("offsets", "__consumer_offsets")
    (here,) = (path for path, _ in _places(scene, scene.variables[topic], int(partition)))
    others = [path for path in _paths(scene) if path != here]
    for name, path in zip(("here", "there", "elsewhere"), (here, *others), strict=False):
        scene.variables[name] = path
        scene.canonical.names[path] = f"<{name}>"


def _named(scene: Scene, length: str) -> None:
    """`named(n)`: a topic with a name of n characters, {named}."""
    scene.variables["named"] = f"{scene.name}-named-".ljust(int(length), "n")
    scene.take("topic(1,,named)")


def _moves(scene: Scene, where: str = "there", topic: str = "topic", partition: str = "0") -> None:
    """`moves(there,topic,partition)`: the broker is told to move it, and begins."""
    move = (f"{{{where}}}", f"{{{topic}}}", [int(partition)])
    scene.must("AlterReplicaLogDirs", requests.move_replicas(move))


def _moved(scene: Scene, where: str = "there", topic: str = "topic", partition: str = "0") -> None:
    """`moved(there,topic,partition)`: it moves, and arrives."""
    _moves(scene, where, topic, partition)
    _arrives(scene, where, topic, partition)


def _arrives(scene: Scene, where: str = "there", topic: str = "topic", partition: str = "0") -> None:
    """`arrives(there,topic,partition)`: wait until it is there alone."""
    path = scene.variables[where]
    wanted = requests.log_dirs((f"{{{topic}}}", [int(partition)]))
    scene.until("DescribeLogDirs", wanted, lambda answer: list(_found(answer)) == [(path, False)])


def _is_moving(scene: Scene, where: str = "there", topic: str = "topic", partition: str = "0") -> None:
    """`is_moving(there,topic,partition)`: wait until a future log is there."""
    path = scene.variables[where]
    wanted = requests.log_dirs((f"{{{topic}}}", [int(partition)]))
    scene.until("DescribeLogDirs", wanted, lambda answer: (path, True) in _found(answer))


def _vanishes(scene: Scene, topic: str = "topic", partition: str = "0") -> None:
    """`vanishes(topic,partition)`: wait until no directory has it any more."""
    wanted = requests.log_dirs((f"{{{topic}}}", [int(partition)]))
    scene.until("DescribeLogDirs", wanted, lambda answer: not list(_found(answer)))


def _bulky(scene: Scene) -> None:
    """A batch of 600 kB."""
    scene.must("Produce", requests.produce(Batch((b"x" * 600_000,))))


def _throttled(scene: Scene, bytes_a_second: str = "1") -> None:
    """`throttled(bytes)`: so much may be copied between directories each second."""
    node = str(scene.variables["node"])
    change = requests.incremental_alter(node, set_to={THROTTLE: bytes_a_second}, kind=BROKER)
    scene.must("IncrementalAlterConfigs", change)
    scene.take("settled")


def _cordoned(scene: Scene, *names: str) -> None:
    """`cordoned(first,second)`: these directories get no new partitions, and the others do; the whole broker
    knows.
    """
    _directories(scene)
    node = str(scene.variables["node"])
    paths = ",".join(scene.variables[f"{name}_dir"] for name in names)
    change = requests.incremental_alter(node, set_to={CORDONED: paths}, kind=BROKER)
    scene.must("IncrementalAlterConfigs", change)
    _cordons(scene, *names)


def _uncordoned(scene: Scene) -> None:
    """All directories get new partitions."""
    _directories(scene)
    node = str(scene.variables["node"])
    scene.must("IncrementalAlterConfigs", requests.incremental_alter(node, deleted=[CORDONED], kind=BROKER))
    _cordons(scene)


def _cordons(scene: Scene, *names: str) -> None:
    """`cordons(first,second)`: wait until these directories and no others are told to be cordoned, and the
    controller knows whether all of them are.
    """
    wanted = {scene.variables[f"{name}_dir"] for name in names}

    def are_cordoned(answer: Fields) -> bool:
        return {each["log_dir"] for each in answer["results"] if each["is_cordoned"]} == wanted

    scene.until("DescribeLogDirs", requests.log_dirs(("{missing}", [0])), are_cordoned, version=5)
    attempt = requests.create_topics(f"{scene.name}-attempt", 1, validate_only=True)
    refused = len(names) == len(_paths(scene))
    scene.until("CreateTopics", attempt, lambda answer: bool(error_names(answer)) is refused)


def _refused(scene: Scene, topic: str = "topic") -> None:
    """`refused(topic)`: a write that finds out that the disk fails. How it is refused is Kafka's luck: with
    UNKNOWN_SERVER_ERROR where it is an index, which is mapped into memory, that finds out.
    """
    answer = scene.ask("Produce", requests.produce(topic=f"{{{topic}}}"))
    if not error_names(answer):
        raise AssertionError("the disk has not failed")


def _unled(scene: Scene, topic: str = "topic", partition: str = "0") -> None:
    """`unled(topic,partition)`: wait until the cluster knows that nobody leads it."""
    wanted = requests.metadata(f"{{{topic}}}", auto_create=False)

    def is_so(answer: Fields) -> bool:
        found = {each["partition_index"]: each["leader_id"] for each in answer["topics"][0]["partitions"]}
        return found[int(partition)] == -1

    scene.until("Metadata", wanted, is_so)


def _led(scene: Scene, topic: str = "topic", partition: str = "0") -> None:
    """`led(topic,partition)`: wait until its leader answers."""
    wanted = requests.list_offsets(-1, topic=f"{{{topic}}}", partition=int(partition))
    scene.until("ListOffsets", wanted, lambda answer: not error_names(answer))


def _known(scene: Scene, group: str = "group") -> None:
    """`known(group)`: wait until its coordinator answers."""
    scene.must("DescribeGroups", requests.describe_groups(f"{{{group}}}"))


def _undone(scene: Scene, topic: str = "topic") -> None:
    """`undone(topic)`: wait until a topic that was deleted is unknown."""
    wanted = requests.metadata(f"{{{topic}}}", auto_create=False)
    scene.until("Metadata", wanted, lambda answer: "UNKNOWN_TOPIC_OR_PARTITION" in error_names(answer))


def _identity(scene: Scene, name: str) -> None:
    """`identity(name)`: {producer} and {epoch} of the transactional id {name}."""
    answer = scene.must("InitProducerId", requests.init_producer_id(f"{{{name}}}"))
    scene.variables["producer"], scene.variables["epoch"] = answer["producer_id"], answer["producer_epoch"]


def _paths(scene: Scene) -> list[str]:
    answer = scene.must("DescribeLogDirs", {"topics": []})
    return [result["log_dir"] for result in answer["results"]]


def _places(scene: Scene, topic: str, partition: int) -> Iterator[tuple[str, bool]]:
    return _found(scene.must("DescribeLogDirs", requests.log_dirs((topic, [partition]))))


def _found(answer: Fields) -> Iterator[tuple[str, bool]]:
    """Path, and whether a future log is there, of all partitions in a DescribeLogDirs answer."""
    for result in answer["results"]:
        for topic in result["topics"]:
            for partition in topic["partitions"]:
                yield result["log_dir"], partition["is_future_key"]


STEPS: dict[str, Callable[..., Any]] = {
    "directories": _directories, "lies": _lies, "moves": _moves, "moved": _moved, "arrives": _arrives,
    "is_moving": _is_moving, "named": _named, "bulky": _bulky, "vanishes": _vanishes,
    "refused": _refused,
    "cordoned": _cordoned, "uncordoned": _uncordoned, "cordons": _cordons,
    "unled": _unled, "led": _led, "known": _known, "undone": _undone,
    "identity": _identity, "throttled": _throttled,
}  # fmt: skip
