"""Three nodes of kwire answer as three Apache Kafka brokers do, with all running and with one stopped."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from differential import requests
from differential.cases.three_nodes import TRIALS
from differential.cluster_case import ClusterTrial, Stages
from differential.compare import unexpected
from differential.recording import Recording

each_trial = pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)


@each_trial
def test_three_kafkas_answer_as_the_table_says(
    trial: ClusterTrial, request: pytest.FixtureRequest, recording_of_three: Recording
) -> None:
    if not request.config.getoption("--three"):
        pytest.skip("needs three running Kafkas: --three")
    kafkas: Stages = request.getfixturevalue("three_kafkas")
    outcome, verdict = trial.play_on(kafkas)
    outcome = json.loads(json.dumps(outcome))
    assert verdict == trial.case.expect, outcome
    if request.config.getoption("--record"):
        recording_of_three.keep(trial, outcome)
    else:
        assert recording_of_three.outcome(trial) == outcome, "the recording is stale: --record --three"


@each_trial
def test_three_nodes_of_kwire_answer_as_kafka_does(
    trial: ClusterTrial, request: pytest.FixtureRequest, recording_of_three: Recording
) -> None:
    if request.config.getoption("--record"):
        pytest.skip("recording asks Kafka alone")
    kafka = recording_of_three.outcome(trial)
    assert kafka is not None, "Kafka's answer is not recorded: run with --record --three"
    kwires: Stages = request.getfixturevalue("three_kwires")
    kwire, _ = trial.play_on(kwires)
    found = unexpected(trial, kafka, json.loads(json.dumps(kwire)))
    assert not found, "\n".join(map(str, found))


# What is chosen at random in both, and has to have the same properties.


@pytest.fixture(params=["three_kafkas", "three_kwires"])
def stages(request: pytest.FixtureRequest) -> Stages:
    if request.param == "three_kafkas" and not request.config.getoption("--three"):
        pytest.skip("needs three running Kafkas: --three")
    found: Stages = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_leaders_and_replicas_are_spread(stages: Stages, replicas: int) -> None:
    scene = stages.stage(f"spread(12,{replicas})", "")
    partitions = scene.partitions(1)
    # With racks of one node each Kafka is not exact about it.
    leaders = Counter(one["leader_id"] for one in partitions)
    assert {*leaders} == {1, 2, 3}
    assert all(2 <= count <= 7 for count in leaders.values()), leaders
    held = Counter(node for one in partitions for node in one["replica_nodes"])
    assert all(abs(held[node] - 4 * replicas) <= 3 for node in (1, 2, 3)), held
    assert all(one["leader_id"] == one["replica_nodes"][0] for one in partitions)
    assert all(len({*one["replica_nodes"]}) == replicas for one in partitions)


def test_coordinators_are_spread_and_every_node_names_the_same(stages: Stages) -> None:
    scene = stages.stage("coordinated", "")
    scene.on(1, "ElectLeaders", requests.elect())  # earlier stages have moved leaders
    groups = [f"{scene.name}-{index}" for index in range(40)]
    fields = {**requests.find_coordinator(*groups), "key_type": 0}
    told = []
    for node in scene.up():
        with scene.at(node) as connection:
            answer = connection.ask("FindCoordinator", 4, fields)
        told.append([(one["key"], one["node_id"]) for one in answer["coordinators"]])
    assert told[0] == told[1] == told[2]
    assert {node for _, node in told[0]} == {1, 2, 3}


def test_no_trial_is_there_twice() -> None:
    assert [each for each, count in Counter(trial.id for trial in TRIALS).items() if count > 1] == []
