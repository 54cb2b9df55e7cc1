"""The steps of consumer groups (KIP-848), and of classic consumers that become members of such groups.

A member called `first` has the variables {first}, its id, {first_epoch} and {first_owned}, the partitions
that it was told to own, in the form of the request's field. Members choose their ids, so that a group's
assignment is the same on every broker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import requests
from .canonical import error_names
from .consumer_requests import (
    GROUP,
    LEAVING,
    LEAVING_FOR_NOW,
    Assignment,
    Subscription,
    beat,
    describe_consumer_groups,
    joining,
)
from .values import Fields

if TYPE_CHECKING:
    from .scene import Scene

GROUP_CONFIG = 8
ROUNDS = 12


def _consumer(
    scene: Scene, name: str = "first", topics: str = "topic", assignor: str = "", timeout_ms: str = "60000"
) -> None:
    """`consumer(name,topic+other,assignor,timeout_ms)`: a member joins and keeps what the first answer gives
    it; the time-out is that for giving partitions up.
    """
    named = [f"{{{topic}}}" for topic in topics.split("+") if topic]
    more = {"assignor": assignor or None, "rebalance_timeout_ms": int(timeout_ms)}
    _join(scene, name, joining(f"{{{name}}}", *named, **more))


def _matching(scene: Scene, name: str = "first", topics: str = "topic+other", is_first: str = "yes") -> None:
    """`matching(name,topic+other)`: a member joins by a regular expression over these names, and waits for
    what it matches; `matching(name,topic+other,no)` for an expression that another member has brought before.
    """
    _join(scene, name, joining(f"{{{name}}}", regex=f"{scene.name}-({topics.replace('+', '|')})"))
    if is_first == "yes":
        # The broker looks for matches on a thread of its own.
        _until_changed(scene, name)


def _instance(scene: Scene, name: str = "first", topics: str = "topic") -> None:
    """A static member, its instance {first_instance}."""
    scene.variables.setdefault(f"{name}_instance", f"{scene.name}-{name}-instance")
    named = [f"{{{topic}}}" for topic in topics.split("+") if topic]
    _join(scene, name, joining(f"{{{name}}}", *named, instance=f"{{{name}_instance}}"))


def _beats(scene: Scene, name: str = "first") -> None:
    """The member says what it owns, and keeps what the answer gives it."""
    owned, epoch = f"{{{name}_owned}}", f"{{{name}_epoch}}"
    _keep(scene, name, scene.must("ConsumerGroupHeartbeat", beat(epoch, f"{{{name}}}", owned=owned)))


def _settles(scene: Scene, *names: str) -> None:
    """`settles(first,second)`: members heartbeat in turn until the group is stable."""
    for _ in range(ROUNDS):
        for name in names or ("first",):
            _beats(scene, name)
        group = scene.must("ConsumerGroupDescribe", describe_consumer_groups())["groups"][0]
        if group["group_state"] == "Stable":
            return
    scene.until("ConsumerGroupDescribe", describe_consumer_groups(), _is_stable)


def _until_changed(scene: Scene, name: str) -> None:
    """Heartbeat until the member is told to own something else."""
    before = scene.variables[f"{name}_owned"]
    fields = beat(f"{{{name}_epoch}}", f"{{{name}}}", owned=f"{{{name}_owned}}")

    def has_changed(answer: Fields) -> bool:
        _keep(scene, name, answer)
        return bool(scene.variables[f"{name}_owned"] != before)

    scene.until("ConsumerGroupHeartbeat", fields, has_changed)


def _leaves(scene: Scene, name: str = "first") -> None:
    """The member leaves for good."""
    scene.must("ConsumerGroupHeartbeat", beat(LEAVING, f"{{{name}}}"))


def _pauses(scene: Scene, name: str = "first") -> None:
    """The static member leaves, to come back."""
    fields = beat(LEAVING_FOR_NOW, f"{{{name}}}", instance=f"{{{name}_instance}}")
    scene.must("ConsumerGroupHeartbeat", fields)


def _returns(scene: Scene, name: str = "first") -> None:
    """The static member's instance comes back with another member id; {old_first} is what it had."""
    scene.variables[f"old_{name}"] = scene.variables[name]
    scene.variables[name] = f"{scene.name}-{name}-again"
    _instance(scene, name)


def _grown(scene: Scene, count: str = "2", topic: str = "topic") -> None:
    """`grown(count,topic)`: more partitions for {topic}."""
    scene.must("CreatePartitions", requests.create_partitions(f"{{{topic}}}", int(count)))
    wanted = requests.list_offsets(-1, topic=f"{{{topic}}}", partition=int(count) - 1)
    scene.until("ListOffsets", wanted, lambda answer: not error_names(answer))


def _told(scene: Scene, name: str = "first") -> None:
    """Heartbeat until the member's assignment changes: the group has noticed what happened to its topics."""
    _until_changed(scene, name)


def _commits(scene: Scene, offset: str = "5", name: str = "first") -> None:
    """`commits(offset,name)`: the member commits an offset of {topic}, by its epoch."""
    epoch, member = f"{{{name}_epoch}}", f"{{{name}}}"
    fields = requests.commit("{group}", int(offset), generation=epoch, member=member)
    scene.must("OffsetCommit", fields, version=9)


def _group_set(scene: Scene, pairs: str) -> None:
    """`group_set(key=value;key=value)`: configs of {group}, known when this is done."""
    configs = dict(pair.split("=") for pair in pairs.split(";"))
    scene.must("IncrementalAlterConfigs", requests.incremental_alter("{group}", set_to=configs, kind=GROUP))
    wanted = requests.describe_configs("{group}", *configs, kind=GROUP)

    def is_known(answer: Fields) -> bool:
        return {each["name"]: each["value"] for each in answer["results"][0]["configs"]} == configs

    scene.until("DescribeConfigs", wanted, is_known)


def _group_unset(scene: Scene, key: str) -> None:
    """`group_unset(key)`: a config of {group} is taken back, and that is known when this is done."""
    scene.must("IncrementalAlterConfigs", requests.incremental_alter("{group}", deleted=[key], kind=GROUP))
    wanted = requests.describe_configs("{group}", key, kind=GROUP)

    def is_default(answer: Fields) -> bool:
        return all(each["config_source"] != GROUP_CONFIG for each in answer["results"][0]["configs"])

    scene.until("DescribeConfigs", wanted, is_default)


def _classic(scene: Scene, name: str = "member", partition: str = "0") -> None:
    """`classic(name,partition)`: a consumer of the classic protocol, alone in its group, with a partition."""
    _classic_joined(scene, name)
    mine = [(f"{{{name}}}", Assignment({"{topic}": [int(each) for each in partition.split("+")]}))]
    _sync_classic(scene, name, mine)


def _classic_joined(scene: Scene, name: str = "member") -> None:
    """A consumer of the classic protocol that has yet to bring an assignment."""
    scene.take("ready")
    scene.join(name, protocol_type="consumer", protocols=["range"], metadata=Subscription())


def _classic_joins(scene: Scene, name: str = "member") -> None:
    """A classic consumer joins a group of the new protocol, and takes what the broker gives it."""
    _classic_joined(scene, name)
    _sync_classic(scene, name, [])


def _sync_classic(scene: Scene, name: str, assignments: list[tuple[str, Any]]) -> None:
    fields = requests.sync(
        "{group}", "{generation}", f"{{{name}}}", assignments, kind="consumer", protocol="range"
    )
    scene.must("SyncGroup", fields, name)


def _expelled(scene: Scene, name: str = "first") -> None:
    """Heartbeat without giving anything up, until the group has had enough of the member."""
    fields = beat(f"{{{name}_epoch}}", f"{{{name}}}")
    scene.until("ConsumerGroupHeartbeat", fields, lambda answer: bool(error_names(answer)))


def _lost(scene: Scene) -> None:
    """Wait until the group is empty: its members' sessions ended."""
    scene.until(
        "ConsumerGroupDescribe",
        describe_consumer_groups(),
        lambda answer: answer["groups"][0]["group_state"] == "Empty",
    )


def _join(scene: Scene, name: str, fields: Fields) -> None:
    scene.take("ready")
    scene.variables.setdefault(name, f"{scene.name}-{name}")
    _keep(scene, name, scene.must("ConsumerGroupHeartbeat", fields))
    scene.variables.setdefault(f"{name}_owned", [])


def _keep(scene: Scene, name: str, answer: Fields) -> None:
    scene.variables[f"{name}_epoch"] = answer["member_epoch"]
    if answer["assignment"] is not None:
        scene.variables[f"{name}_owned"] = answer["assignment"]["topic_partitions"]


def _is_stable(answer: Fields) -> bool:
    return bool(answer["groups"][0]["group_state"] == "Stable")


STEPS: dict[str, Callable[..., None]] = {
    "consumer": _consumer, "matching": _matching, "instance": _instance, "beats": _beats,
    "settles": _settles, "leaves": _leaves, "pauses": _pauses, "returns": _returns, "grown": _grown,
    "told": _told, "commits": _commits, "group_set": _group_set,
    "group_unset": _group_unset, "classic": _classic,
    "classic_joined": _classic_joined, "classic_joins": _classic_joins, "lost": _lost, "expelled": _expelled,
}  # fmt: skip
