"""A scene on three nodes: topics placed by hand, records at their leaders, nodes that stop and come back.

Steps here leave the cluster settled: all running nodes tell the same, and every replica whose node runs is in
sync where there is a leader. What Kafka chooses at random (placement, the order in which replicas came into
an ISR, which node is called the controller) is never compared.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from . import requests
from . import transaction_requests as txn
from .batches import Batch
from .canonical import Canonical, error_names
from .client import Connection
from .nodes import NODES, Nodes
from .scene import PATIENCE_S, STEP_VERSIONS, STEPS, Scene, StepFailed, _configs
from .values import Fields, resolve

STEP_VERSIONS |= {"AlterPartitionReassignments": 0, "ElectLeaders": 2, "ListPartitionReassignments": 0}


class ClusterScene(Scene):
    """The state of one stage: what `given` has made, shared by the trials that ask for it."""

    def __init__(self, nodes: Nodes, given: str, own: str) -> None:
        self.nodes = nodes
        self.down: set[int] = set()
        self.topics = 0
        super().__init__(nodes.addresses[0], f"{given} {own} {time.monotonic()}")
        self._given = given

    def __enter__(self) -> Self:
        try:
            self.take(self._given)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__(None, None, None)
        for node_id in sorted(self.down):
            self.nodes.start_node(node_id)
        self.down.clear()

    def fresh_canonical(self) -> Canonical:
        """Labels for one trial."""
        ports = {int(each.rpartition(":")[2]): node for node, each in enumerate(self.nodes.addresses, 1)}
        return Canonical(self.name, "127.0.0.1", ports)

    def at(self, node_id: int | str) -> Connection:
        """A new connection to a node, or to the one that a variable names."""
        found = self.variables[node_id] if isinstance(node_id, str) else node_id
        return Connection(self.nodes.addresses[found - 1])

    def on(self, node_id: int, api: str, fields: Fields) -> Fields:
        """One exchange with a node, outside of what is compared."""
        with self.at(node_id) as connection:
            return connection.ask(api, STEP_VERSIONS[api], resolve(fields, self.variables))

    def partitions(self, node_id: int) -> list[Fields]:
        """What a node tells of {topic}."""
        answer = self.on(node_id, "Metadata", requests.metadata("{topic}", auto_create=False))
        [topic] = answer["topics"]
        return sorted(topic["partitions"], key=lambda one: int(one["partition_index"]))

    def settle(self) -> None:
        """Wait until all running nodes tell the same of {topic} and nothing is under way."""
        deadline = time.monotonic() + 2 * PATIENCE_S
        while not self._is_settled():
            if time.monotonic() > deadline:
                told = {node: self.partitions(node) for node in self.up()}
                raise StepFailed(f"the cluster does not settle: {told}")
            time.sleep(0.05)

    def up(self) -> list[int]:
        """The nodes that run."""
        return [node for node in NODES if node not in self.down]

    def _is_settled(self) -> bool:
        if not self.topics:
            return True
        told = [self.partitions(node) for node in self.up()]
        if any(_comparable(each) != _comparable(told[0]) for each in told[1:]):
            return False
        for partition in told[0]:
            in_sync, alive = set(partition["isr_nodes"]), set(partition["replica_nodes"]) - self.down
            leader = partition["leader_id"]
            if leader < 0:
                if in_sync & alive:
                    return False
                continue
            if leader in self.down or in_sync != alive:
                return False
            index = partition["partition_index"]
            wanted = requests.list_offsets(-1, partition=index)
            answer = self.on(leader, "ListOffsets", wanted)
            if error_names(answer):
                return False
            end = answer["topics"][0]["partitions"][0]["offset"]
            for follower in in_sync - {leader}:
                answer = self.on(follower, "Fetch", requests.fetch(end, partition=index, max_wait_ms=0))
                [one] = answer["responses"][0]["partitions"]
                if one["error_code"] or one["high_watermark"] != end:
                    return False
        return True


def _comparable(partitions: list[Fields]) -> list[Any]:
    return [
        (one["leader_id"], one["leader_epoch"], sorted(one["isr_nodes"]), sorted(one["replica_nodes"]))
        for one in partitions
    ]


def _placed(scene: ClusterScene, assignment: str, configs: str = "") -> None:
    """`placed(1+2;2+3,key=value)`: {topic} with a partition on nodes 1 and 2 and another on 2 and 3."""
    nodes = [tuple(map(int, part.split("+"))) for part in assignment.split(";")]
    fields = requests.create_topics(
        "{topic}", -1, replication=-1, assignments=list(enumerate(nodes)), configs=_configs(configs)
    )
    answer = scene.must("CreateTopics", fields)
    scene.variables["topic_id"] = answer["topics"][0]["topic_id"]
    _known_everywhere(scene)


def _known_everywhere(scene: ClusterScene) -> None:
    wanted = requests.metadata("{topic}", auto_create=False)
    deadline = time.monotonic() + PATIENCE_S
    for node in scene.up():
        while "UNKNOWN_TOPIC_OR_PARTITION" in error_names(scene.on(node, "Metadata", wanted)):
            if time.monotonic() > deadline:
                raise StepFailed("a new topic is not known everywhere")
            time.sleep(0.02)
    scene.topics += 1
    scene.settle()


def _spread(scene: ClusterScene, partitions: str, replicas: str) -> None:
    """`spread(6,3)`: {topic} with so many partitions and replicas, wherever the cluster puts them."""
    fields = requests.create_topics("{topic}", int(partitions), replication=int(replicas))
    answer = scene.must("CreateTopics", fields)
    scene.variables["topic_id"] = answer["topics"][0]["topic_id"]
    _known_everywhere(scene)


def _written(scene: ClusterScene, count: str, partition: str = "0") -> None:
    """`written(3,1)`: a batch of three records at the leader of partition 1."""
    values = tuple(f"value-{index}".encode() for index in range(int(count)))
    leader = scene.partitions(scene.up()[0])[int(partition)]["leader_id"]
    answer = scene.on(leader, "Produce", requests.produce(Batch(values), partition=int(partition)))
    if error_names(answer):
        raise StepFailed(f"Produce: {error_names(answer)}")
    scene.settle()


def _stop(scene: ClusterScene, node: str, controlled: bool = True) -> None:
    scene.nodes.stop_node(int(node), controlled=controlled)
    scene.down.add(int(node))
    scene.settle()


def _down(scene: ClusterScene, node: str) -> None:
    """`down(3)`: the node stops, its leaders moving first."""
    _stop(scene, node)


def _crashed(scene: ClusterScene, node: str) -> None:
    """`crashed(3)`: the node ends without a word."""
    _stop(scene, node, controlled=False)


def _back(scene: ClusterScene, node: str) -> None:
    """`back(3)`: the node starts again, and its replicas are in sync."""
    scene.nodes.start_node(int(node))
    scene.down.discard(int(node))
    scene.settle()


def _moving(scene: ClusterScene, partition: str, nodes: str) -> None:
    """`moving(0,3+2)`: a reassignment of a partition, begun."""
    move = ("{topic}", int(partition), [int(node) for node in nodes.split("+")])
    answer = scene.on(1, "AlterPartitionReassignments", requests.reassign(move))
    if error_names(answer):
        raise StepFailed(f"AlterPartitionReassignments: {error_names(answer)}")
    scene.settle()


def _reassigned(scene: ClusterScene) -> None:
    """Wait until no partition of {topic} moves."""
    deadline = time.monotonic() + PATIENCE_S
    wanted = requests.list_reassignments(("{topic}", range(10)))
    while moving := scene.on(1, "ListPartitionReassignments", wanted)["topics"]:
        if time.monotonic() > deadline:
            raise StepFailed(f"the reassignment does not end: {moving}")
        time.sleep(0.02)
    scene.settle()


def _coordinated(scene: ClusterScene) -> None:
    """{coordinator} is the node of {group}'s coordinator, loaded; {elsewhere} another."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = scene.on(1, "FindCoordinator", requests.find_coordinator("{group}"))
        node = answer["node_id"]
        if node > 0:
            loaded = scene.on(node, "Heartbeat", requests.heartbeat("{group}", -1, "nobody"))
            if error_names(loaded) == {"UNKNOWN_MEMBER_ID"}:
                break
        if time.monotonic() > deadline:
            raise StepFailed(f"the coordinator does not load: {answer}")
        time.sleep(0.02)
    for each in scene.up():
        while error_names(scene.on(each, "InitProducerId", requests.init_producer_id(None))):
            if time.monotonic() > deadline:
                raise StepFailed(f"node {each} gives out no producer ids")
            time.sleep(0.02)
    scene.variables["coordinator"] = node
    scene.variables["elsewhere"] = next(other for other in scene.up() if other != node)


_NUMBERS = itertools.count()
"""Of names that are looked for: what another trial has found may still be there."""


def _coordinated_on(scene: ClusterScene, node: str) -> None:
    """`coordinated_on(3)`, before any other step: names for which node 3 is the coordinator, of {group} and
    {transaction}. (Node 1 of the Kafkas can't be stopped: the controller lives there.)
    """
    deadline = time.monotonic() + 2 * PATIENCE_S
    wanted = [
        requests.find_coordinator("{group}"),
        requests.find_coordinator("{transaction}", kind=1),
    ]
    for attempt in itertools.count():
        if attempt % 50 == 20:
            # A node that was stopped in an earlier trial leads nothing until it is elected again.
            scene.on(1, "ElectLeaders", requests.elect())
        told = [scene.on(1, "FindCoordinator", fields) for fields in wanted]
        if all(answer["node_id"] == int(node) for answer in told):
            return
        if time.monotonic() > deadline:
            raise StepFailed(f"node {node} coordinates nothing: {told}")
        if any(answer["node_id"] < 0 for answer in told):
            time.sleep(0.05)
        known, scene.name = scene.name, f"d-{next(_NUMBERS):010}"
        for name, value in scene.variables.items():
            if isinstance(value, str):
                scene.variables[name] = value.replace(known, scene.name)


def _transacting(scene: ClusterScene) -> None:
    """{transaction} has its {producer} and {epoch}; {transactor} is the node of its coordinator, and
    {bystander} another.
    """
    _find_transactor(scene)
    answer = _asked(scene, "transactor", "InitProducerId", txn.init())
    scene.variables["producer"], scene.variables["epoch"] = answer["producer_id"], answer["producer_epoch"]


def _find_transactor(scene: ClusterScene) -> None:
    """Find the node of {transaction}'s coordinator, and wait until it has loaded and all is carried out."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while True:
        asked = scene.up()[0]
        answer = scene.on(asked, "FindCoordinator", requests.find_coordinator("{transaction}", kind=1))
        node = answer["node_id"]
        if node in scene.up():
            told = scene.on(node, "DescribeTransactions", txn.describe_transactions())
            [state] = told["transaction_states"]
            if error_names(told) <= {"TRANSACTIONAL_ID_NOT_FOUND"} and not state[
                "transaction_state"
            ].startswith("Prepare"):
                break
        if time.monotonic() > deadline:
            raise StepFailed(f"no coordinator for {scene.variables['transaction']}: {answer}")
        time.sleep(0.05)
    scene.variables["transactor"] = node
    scene.variables["bystander"] = next(other for other in scene.up() if other != node)


def _asked(scene: ClusterScene, who: str, api: str, fields: Fields) -> Fields:
    """One exchange with the node that a variable names, again while that is loading or busy."""
    deadline = time.monotonic() + PATIENCE_S
    passing = {
        "COORDINATOR_LOAD_IN_PROGRESS", "CONCURRENT_TRANSACTIONS", "COORDINATOR_NOT_AVAILABLE",
        "NOT_COORDINATOR", "NOT_ENOUGH_REPLICAS",
    }  # fmt: skip
    while True:
        answer = scene.on(scene.variables[who], api, fields)
        errors = error_names(answer)
        if not errors:
            return answer
        if not errors <= passing or time.monotonic() > deadline:
            raise StepFailed(f"{api}: {errors}")
        time.sleep(0.05)


def _transacted(scene: ClusterScene, partitions: str) -> None:
    """`transacted(0+1)`: partitions of {topic} with a record each in {transaction}, which stays open."""
    indexes = [int(each) for each in partitions.split("+")]
    _asked(scene, "transactor", "AddPartitionsToTxn", txn.add_partitions({"{topic}": indexes}))
    for index in indexes:
        leader = scene.partitions(scene.up()[0])[index]["leader_id"]
        scene.variables["leader"] = leader
        _asked(scene, "leader", "Produce", txn.produce_in_transaction(values=1, partition=index))


def _offsets_transacted(scene: ClusterScene) -> None:
    """An offset of {group} in {transaction}, not yet committed; needs `coordinated`."""
    _asked(scene, "transactor", "AddOffsetsToTxn", txn.add_offsets())
    _asked(scene, "coordinator", "TxnOffsetCommit", txn.commit_offsets())


def _transactor_down(scene: ClusterScene) -> None:
    """The node of {transaction}'s coordinator stops; {transactor} is its next one."""
    _stop(scene, str(scene.variables["transactor"]))
    _find_transactor(scene)


def _transactor_crashed(scene: ClusterScene) -> None:
    """As `transactor_down`, but without a word."""
    _stop(scene, str(scene.variables["transactor"]), controlled=False)
    _find_transactor(scene)


def _completed_somewhere(scene: ClusterScene) -> None:
    """Wait until {transaction} is complete, with all its markers."""
    _find_transactor(scene)
    scene.settle()


def _settle(scene: ClusterScene) -> None:
    """Wait until the cluster has settled."""
    scene.settle()


CLUSTER_STEPS: Mapping[str, Callable[..., None]] = {
    "coordinated_on": _coordinated_on, "transacting": _transacting, "transacted": _transacted,
    "offsets_transacted": _offsets_transacted,
    "transactor_down": _transactor_down, "transactor_crashed": _transactor_crashed,
    "carried_out": _completed_somewhere,
    "back": _back, "coordinated": _coordinated, "crashed": _crashed, "down": _down, "moving": _moving,
    "placed": _placed, "reassigned": _reassigned, "settle": _settle, "spread": _spread, "written": _written,
}  # fmt: skip
STEPS.update(CLUSTER_STEPS)
