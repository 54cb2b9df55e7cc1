"""One case on one broker: its names, its connections, and the steps that lead up to its request.

Steps are the words of a case's `given`, like `topic records(3)`; each does something to the broker and leaves
variables behind for placeholders. They use one version of each API that all brokers here speak, and they must
succeed: a step that fails raises StepFailed, which is not a difference but a broken case or broker.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from . import consumer_steps, directory_steps, requests, transaction_steps
from .batches import Batch, MessageSet, Raw
from .canonical import Canonical, error_names
from .client import Connection
from .values import Fields, resolve

# Spoken by 3.9.2, 4.4.0 and kwire alike; none newer than 3.9.2's.
STEP_VERSIONS = {
    "AddOffsetsToTxn": 3, "AddPartitionsToTxn": 3, "ApiVersions": 3, "CreatePartitions": 3,
    "CreateTopics": 7, "DeleteGroups": 2, "DeleteRecords": 2, "DeleteTopics": 5, "DescribeConfigs": 4,
    "DescribeGroups": 5, "DescribeTransactions": 0, "EndTxn": 4, "Fetch": 12, "FindCoordinator": 3,
    "Heartbeat": 4, "IncrementalAlterConfigs": 1, "InitProducerId": 4, "JoinGroup": 7, "LeaveGroup": 4,
    "ListGroups": 4, "ListOffsets": 7, "Metadata": 12, "OffsetCommit": 8, "OffsetFetch": 7, "Produce": 9,
    "SyncGroup": 5, "TxnOffsetCommit": 3, "UpdateFeatures": 1, "WriteTxnMarkers": 1,
    "AlterReplicaLogDirs": 2, "DescribeLogDirs": 4,
    # Not asked of 3.9.2.
    "ConsumerGroupDescribe": 1, "ConsumerGroupHeartbeat": 1,
}  # fmt: skip

# What a coordinator says until it has loaded.
_NOT_YET = {"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"}
# And while it ends a producer's last transaction; older clients hear it in another word.
_BUSY = {"CONCURRENT_TRANSACTIONS", "NOT_ENOUGH_REPLICAS"}
PATIENCE_S = 15.0


class StepFailed(Exception):
    """A step did not get the answer that it needs to go on."""


class Scene:
    """The state of one case on one broker. Use it in a `with`: leaving closes its connections."""

    def __init__(self, bootstrap: str, case_id: str) -> None:
        tag = hashlib.sha256(case_id.encode()).hexdigest()[:10]
        self.name = f"d-{tag}"
        self.bootstrap = bootstrap
        self._connections: dict[str, Connection] = {}
        self.forget_labels()
        self.variables: dict[str, Any] = {
            "topic": f"{self.name}-topic",
            "other": f"{self.name}-other",
            "third": f"{self.name}-third",
            "dotted": f"{self.name}.x",
            "underscored": f"{self.name}_x",
            "missing": f"{self.name}-missing",
            "group": f"{self.name}-group",
            "other_group": f"{self.name}-other-group",
            "missing_group": f"{self.name}-missing-group",
            "transaction": f"{self.name}-transaction",
            "second_transaction": f"{self.name}-second-transaction",
            "missing_transaction": f"{self.name}-missing-transaction",
            "missing_id": UUID(int=0x1234_5678_9ABC_4DEF_8123_4567_89AB_CDEF),
            "zero_id": UUID(int=0),
            "node": 1,
            "now": int(time.time() * 1000),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections.values():
            connection.close()

    def connection(self, name: str = "main") -> Connection:
        """The connection of that name, opened at its first use."""
        if name not in self._connections:
            self._connections[name] = Connection(self.bootstrap)
        return self._connections[name]

    def forget_labels(self) -> None:
        """Number ids from 1 again, as if nothing had been answered yet."""
        main = self.connection()
        self.canonical = Canonical(self.name, main.host, {main.port: 0})

    def take(self, given: str) -> None:
        """Do the steps of `given`, in order."""
        for word in given.split():
            found = re.fullmatch(r"(\w+)(?:\((.*)\))?", word)
            if not found or found[1] not in STEPS:
                raise StepFailed(f"no step {word!r}")
            STEPS[found[1]](self, *(found[2].split(",") if found[2] else ()))

    def another_connection(self) -> Connection:
        """A connection of the caller's, who closes it."""
        return Connection(self.bootstrap)

    def version_of(self, api: str) -> int:
        """The version in which steps speak an API."""
        return STEP_VERSIONS[api]

    def ask(
        self, api: str, fields: Fields, connection: str = "main", *, version: int | None = None
    ) -> Fields:
        """One exchange of a step. Its answer counts for the numbering of ids, as the case's own does."""
        filled = resolve(fields, self.variables)
        answer = self.connection(connection).ask(
            api, STEP_VERSIONS[api] if version is None else version, filled
        )
        self.canonical.of(api, answer)
        return answer

    def must(
        self, api: str, fields: Fields, connection: str = "main", *, version: int | None = None
    ) -> Fields:
        """`ask`, and insist on an answer without errors; waits for a coordinator that is loading or busy."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self.ask(api, fields, connection, version=version)
            errors = error_names(answer)
            if not errors:
                return answer
            if not errors <= _NOT_YET | _BUSY or time.monotonic() > deadline:
                raise StepFailed(f"{api}: {', '.join(sorted(errors))}")
            time.sleep(0.02)

    def until(
        self,
        api: str,
        fields: Fields,
        is_so: Callable[[Fields], bool],
        connection: str = "main",
        *,
        version: int | None = None,
    ) -> Fields:
        """`ask` again and again until the answer is as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self.ask(api, fields, connection, version=version)
            if is_so(answer):
                return answer
            if time.monotonic() > deadline:
                raise StepFailed(f"{api} does not become as wanted: {answer}")
            time.sleep(0.02)

    def join(self, name: str, instance: str | None = None, **how: Any) -> None:
        """A classic member joins {group}, as {name}; {generation} is the group's then."""
        fields = requests.join("{group}", f"{{{name}}}" if name in self.variables else "", instance, **how)
        answer = self.ask("JoinGroup", fields, name)
        if error_names(answer) == {"MEMBER_ID_REQUIRED"}:
            fields["member_id"] = answer["member_id"]
            answer = self.must("JoinGroup", fields, name)
        elif error_names(answer):
            raise StepFailed(f"JoinGroup: {error_names(answer)}")
        self.variables[name] = answer["member_id"]
        self.variables["generation"] = answer["generation_id"]


def _topic(scene: Scene, partitions: str = "1", configs: str = "", name: str = "topic") -> None:
    """`topic(partitions,key=value;key=value)`: create {topic}, and wait until it can be used."""
    pairs = _configs(configs)
    answer = scene.must("CreateTopics", requests.create_topics(f"{{{name}}}", int(partitions), configs=pairs))
    scene.variables[f"{name}_id"] = answer["topics"][0]["topic_id"]
    # A broker that has heard of a topic need not lead its partitions yet.
    for partition in range(int(partitions)):
        wanted = requests.list_offsets(-1, topic=f"{{{name}}}", partition=partition)
        scene.until("ListOffsets", wanted, lambda answer: not error_names(answer))


def _configs(text: str) -> dict[str, str]:
    """`key=value;key=value`, a plus sign in a value standing for the comma that lists need."""
    pairs = (pair.split("=") for pair in text.split(";") if pair)
    return {key: value.replace("+", ",") for key, value in pairs}


def _other(scene: Scene, partitions: str = "1", configs: str = "") -> None:
    _topic(scene, partitions, configs, "other")


def _deleted(scene: Scene) -> None:
    """Delete {topic} and wait until it is gone."""
    scene.must("DeleteTopics", requests.delete_topics("{topic}"))
    wanted = requests.metadata("{topic}", auto_create=False)
    scene.until("Metadata", wanted, lambda answer: "UNKNOWN_TOPIC_OR_PARTITION" in error_names(answer))


def _settled(scene: Scene) -> None:
    """Wait until the broker has applied what its controller has accepted so far: a new topic shows it."""
    name = f"{scene.name}-settled-{len(scene.variables)}"
    scene.variables[name] = name
    scene.must("CreateTopics", requests.create_topics(name, 1))
    wanted = requests.metadata(name, auto_create=False)
    scene.until("Metadata", wanted, lambda answer: not error_names(answer))


def _configured(scene: Scene, pairs: str) -> None:
    """`configured(key=value;key=value)`: set configs of {topic}."""
    configs = _configs(pairs)
    scene.must("IncrementalAlterConfigs", requests.incremental_alter("{topic}", set_to=configs))
    _settled(scene)


def _records(scene: Scene, count: str = "3", topic: str = "topic", partition: str = "0") -> None:
    """`records(n,topic,partition)`: append one batch of n records."""
    values = tuple(f"value-{index}".encode() for index in range(int(count)))
    fields = requests.produce(Batch(values), topic=f"{{{topic}}}", partition=int(partition))
    answer = scene.must("Produce", fields)
    scene.variables["base_offset"] = answer["responses"][0]["partition_responses"][0]["base_offset"]


def _compressed(scene: Scene, name: str = "gzip") -> None:
    scene.must("Produce", requests.produce(Batch(codec=name)))


def _legacy(scene: Scene, magic: str = "1", name: str = "none") -> None:
    """`legacy(magic,codec)`: append a message set as old producers do."""
    data = MessageSet(magic=int(magic), codec=name)
    fields = resolve(requests.produce(data), scene.variables)
    answer = scene.connection().ask("Produce", 2, fields)
    if error_names(answer):
        raise StepFailed(f"Produce v2: {error_names(answer)}")


def _batch(scene: Scene, **how: Any) -> None:
    scene.must("Produce", requests.produce(Batch(**how)))


def _late(scene: Scene) -> None:
    """A batch whose timestamps are a minute after those of the others."""
    _batch(scene, timestamp=1_700_000_060_000)


def _trimmed(scene: Scene, offset: str = "2") -> None:
    """Delete the records of {topic} before an offset."""
    scene.must("DeleteRecords", requests.delete_records(int(offset)))


def _producer(scene: Scene) -> None:
    """An idempotent producer: {producer}, {epoch}."""
    answer = scene.must("InitProducerId", requests.init_producer_id(None))
    scene.variables["producer"] = answer["producer_id"]
    scene.variables["epoch"] = answer["producer_epoch"]


def _sequence(scene: Scene, base: str = "0", epoch: str = "") -> None:
    """`sequence(n,epoch)`: the producer appends three records whose sequences start at n."""
    who = int(epoch) if epoch else "{epoch}"
    fields = Batch(producer_id="{producer}", producer_epoch=who, base_sequence=int(base))
    scene.must("Produce", requests.produce(fields))


def _session(scene: Scene, version: str = "12") -> None:
    """`session(version)`: a fetch session over {topic}, by its name or from 13 its id: {session}."""
    fields = resolve(requests.fetch(0, session_epoch=0, max_wait_ms=0), scene.variables)
    answer = scene.connection().ask("Fetch", int(version), fields)
    if error_names(answer):
        raise StepFailed(f"Fetch: {error_names(answer)}")
    scene.canonical.of("Fetch", answer)
    scene.variables["session"] = answer["session_id"]


def _ready(scene: Scene) -> None:
    """Wait until the coordinator of {group} has loaded."""
    fields = requests.heartbeat("{group}", -1, "nobody")
    scene.until("Heartbeat", fields, lambda answer: not error_names(answer) & _NOT_YET)


def _joined(scene: Scene) -> None:
    """{member} is in the group and has yet to bring an assignment."""
    _ready(scene)
    scene.join("member")


def _member(scene: Scene) -> None:
    """{member} is the group's only one and stable."""
    _joined(scene)
    _synced(scene)


def _static(scene: Scene) -> None:
    """{member} is a stable static member, its instance {instance}."""
    _ready(scene)
    scene.variables["instance"] = f"{scene.name}-instance"
    scene.join("member", scene.variables["instance"])
    _synced(scene)


def _synced(scene: Scene) -> None:
    assignments = [("{member}", b"assigned")]
    scene.must("SyncGroup", requests.sync("{group}", "{generation}", "{member}", assignments), "member")


def _replaced(scene: Scene) -> None:
    """Another process takes the instance of {member}; {old_member} is what it was."""
    scene.variables["old_member"] = scene.variables.pop("member")
    scene.join("member", scene.variables["instance"])


def _rebalancing(scene: Scene) -> None:
    """Somebody else joins and waits, so that {member} has to join again."""
    fields = requests.join("{group}", "", None)
    answer = scene.ask("JoinGroup", fields, "second")
    fields["member_id"] = scene.variables["second"] = answer["member_id"]
    scene.connection("second").send("JoinGroup", STEP_VERSIONS["JoinGroup"], resolve(fields, scene.variables))
    _until_rebalancing(scene)


def _until_rebalancing(scene: Scene) -> None:
    fields = requests.heartbeat("{group}", "{generation}", "{member}")
    scene.until("Heartbeat", fields, lambda answer: error_names(answer) == {"REBALANCE_IN_PROGRESS"}, "watch")


def _rejoined(scene: Scene) -> None:
    """{member} joins again, without waiting for the answer; the case's own request is under way."""
    _until_rebalancing(scene)
    fields = requests.join("{group}", "{member}", scene.variables.get("instance"))
    connection = scene.connection("member")
    connection.send("JoinGroup", STEP_VERSIONS["JoinGroup"], resolve(fields, scene.variables))


def _two(scene: Scene) -> None:
    """{member} and {second} are in the group; {member} leads, nobody has an assignment yet."""
    _member(scene)
    _rebalancing(scene)
    _rejoined(scene)
    answer = scene.connection("member").receive()
    scene.connection("second").receive()
    scene.variables["generation"] = answer["generation_id"]


def _pending(scene: Scene) -> None:
    """{pending} is a member id given out with MEMBER_ID_REQUIRED and not used yet."""
    answer = scene.ask("JoinGroup", requests.join("{group}", "", None), "second")
    scene.variables["pending"] = answer["member_id"]
    _listed(scene)


def _listed(scene: Scene) -> None:
    """{group} is listed: Kafka may answer before it has committed the record of a new group, and lists only
    what is committed.
    """
    mine = scene.variables["group"]
    listed = requests.list_groups()
    scene.until("ListGroups", listed, lambda found: mine in {each["group_id"] for each in found["groups"]})


def _left(scene: Scene) -> None:
    """{member} has left: the group is empty."""
    scene.must("LeaveGroup", requests.leave("{group}", "{member}"))


def _is_found(answer: Fields) -> bool:
    return not error_names(answer) & _NOT_YET


def _transactions(scene: Scene) -> None:
    """Wait until the coordinator of the transactional id {group} has loaded, where there are transactions."""
    # Who is asked for a coordinator makes the topic that it needs.
    scene.until("FindCoordinator", requests.find_coordinator("{transaction}", kind=1), _is_found)
    fields = requests.init_producer_id("{group}-first")
    scene.until("InitProducerId", fields, lambda answer: not error_names(answer) & _NOT_YET)


def _erased(scene: Scene) -> None:
    """Delete {group}."""
    scene.must("DeleteGroups", {"groups_names": ["{group}"]})


def _committed(scene: Scene, offset: str = "5", topic: str = "topic", group: str = "group") -> None:
    """`committed(offset,topic,group)`: an offset committed from outside any generation."""
    if group == "group":
        _ready(scene)
    scene.must("OffsetCommit", requests.commit(f"{{{group}}}", int(offset), topic=f"{{{topic}}}"))


def _own_commit(scene: Scene, offset: str = "5") -> None:
    """{member} commits an offset of {topic}."""
    fields = requests.commit("{group}", int(offset), generation="{generation}", member="{member}")
    scene.must("OffsetCommit", fields)


def _subscribed(scene: Scene) -> None:
    """{member} speaks the consumer protocol and subscribes to {topic}."""
    _ready(scene)
    name = scene.variables["topic"].encode()
    subscription = b"\0\0" + b"\0\0\0\1" + len(name).to_bytes(2, "big") + name + b"\xff\xff\xff\xff"
    scene.join("member", protocol_type="consumer", metadata=subscription)
    fields = requests.sync("{group}", "{generation}", "{member}", [("{member}", b"")], kind="consumer")
    scene.must("SyncGroup", fields, "member")


def _version_probe(scene: Scene) -> None:
    """An ApiVersions exchange before the case's request, as clients do."""
    scene.must("ApiVersions", requests.api_versions())


def _feature(scene: Scene, name: str, level: str) -> None:
    """`feature(name,level)`: finalise a level, whatever it was, and wait until clients are told."""
    _shows(scene, name)
    kind = 1 if scene.variables[name] <= int(level) else 2
    scene.must("UpdateFeatures", requests.update_features((name, int(level)), kind=kind))
    _shows(scene, name, level)


def _shows(scene: Scene, name: str, level: str = "") -> None:
    """`shows(name,level)`: wait until clients are told of that level. Without one, {name} is what they are
    told.
    """

    def is_so(answer: Fields) -> bool:
        levels = {each["name"]: each["max_version_level"] for each in answer["finalized_features"]}
        scene.variables[name] = levels.get(name, 0)
        return level in ("", str(scene.variables[name]))

    scene.until("ApiVersions", requests.api_versions(), is_so)


def _garbage(scene: Scene) -> None:
    """Bytes that are no record batch, refused."""
    scene.ask("Produce", requests.produce(Raw(b"\0" * 80)))


STEPS: dict[str, Callable[..., None]] = {
    "synced": _synced, "topic": _topic, "transactions": _transactions, "other": _other,
    "deleted": _deleted, "settled": _settled,
    "configured": _configured,
    "records": _records, "compressed": _compressed, "legacy": _legacy, "late": _late, "trimmed": _trimmed,
    "producer": _producer, "sequence": _sequence, "session": _session, "ready": _ready, "joined": _joined,
    "member": _member, "static": _static, "replaced": _replaced, "rebalancing": _rebalancing,
    "rejoined": _rejoined, "two": _two, "pending": _pending, "listed": _listed, "left": _left,
    "committed": _committed, "erased": _erased,
    "own_commit": _own_commit, "subscribed": _subscribed, "probe": _version_probe, "garbage": _garbage,
    "feature": _feature, "shows": _shows,
    **transaction_steps.STEPS, **consumer_steps.STEPS, **directory_steps.STEPS,
}  # fmt: skip
