"""A run takes every turn once, keeps what it found, and goes on after a crash, a failure or a break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.brokers import Broker, Child, Given, Started
from bench.figures import FIGURES, Scale
from bench.report import Results, load, turn_name
from bench.run import measure

pytestmark = pytest.mark.slow  # some twenty programs a test

SCALE = Scale(megabytes=8, side_megabytes=8, records=5, seconds=0, beside_seconds=0, warm_s=0, is_quick=True)
SAYS = (
    '{"seconds": 2, "records": 100, "requests": 10, "batches": 5, "p50_ms": 1, "p99_ms": 2,'
    ' "milliseconds": 3, "broker_cpu_seconds": 1}'
)


class Cat(Broker):
    """A broker that starts, can be looked at and can be killed, and answers nothing."""

    starts = 0

    def start(self, directory: Path) -> Started:
        self.starts += 1
        self.child = Child(["cat"], directory / "log")
        return Started(0.5)


class Clients:
    """A client program that says the same of everything, and counts how often; `script` comes before."""

    def __init__(self, folder: Path, script: str = "true") -> None:
        self.log = folder / "calls"
        self.log.touch()
        self._line = ["sh", "-c", f"echo \"$@\" >> {self.log}; {script} && echo '{SAYS}'", "sh"]

    def __call__(self, client: str, /) -> Sequence[str]:
        return [*self._line, client]

    def calls(self, workload: str) -> int:
        return sum(line.split()[1] == workload for line in self.log.read_text().splitlines())


def run(
    brokers: Sequence[Broker],
    clients: Clients,
    chosen: Sequence[str] = ("group",),
    *,
    rounds: int = 1,
    keep: Callable[[Results], None] = lambda results: None,
    earlier: Results | None = None,
    minutes: float = 1.0,
) -> Results:
    """Without a look at the limits of the machine, which takes seconds."""
    if earlier is None:
        earlier = Results("now", "a machine", True, rounds, {}, limits={"round_trips_per_second": 1.0})
    return measure(brokers, clients, chosen, SCALE, rounds, keep, earlier, minutes)


def test_a_full_run_gives_every_row_of_a_broker_that_it_starts(tmp_path: Path) -> None:
    found = run([Cat("kwire")], Clients(tmp_path), list(FIGURES))
    for figure in FIGURES.values():
        for step in figure.steps(SCALE):
            assert turn_name(0, "kwire", step.title) in found.done
            for row in step.rows:
                assert found.middle(row.key, "kwire") is not None, row.key
    assert found.of("start", "kwire") == [500.0]
    assert not found.absent


def test_a_broker_by_address_is_neither_started_nor_looked_at(tmp_path: Path) -> None:
    found = run([Given("theirs", "127.0.0.1:1")], Clients(tmp_path))
    assert found.of("group/1", "theirs") == [3.0]
    assert found.absent["memory/idle"]["theirs"] == "not our process"


def test_every_round_starts_its_brokers_afresh(tmp_path: Path) -> None:
    brokers = [Cat("a"), Cat("b")]
    found = run(brokers, Clients(tmp_path), rounds=2)
    assert [broker.starts for broker in brokers] == [2, 2]
    assert found.of("group/1", "b") == [3.0, 3.0]
    assert all(broker.child is None for broker in brokers)


def test_what_is_kept_is_not_measured_again(tmp_path: Path) -> None:
    clients, kept = Clients(tmp_path), tmp_path / "run.json"
    run([Cat("kwire")], clients, keep=lambda results: results.save(kept))
    assert clients.calls("group") == 10
    again = Cat("kwire")
    run([again], clients, earlier=load(kept))
    assert (clients.calls("group"), again.starts) == (10, 0)


def test_figures_measured_apart_are_joined_in_one_file(tmp_path: Path) -> None:
    clients = Clients(tmp_path)
    first = run([Cat("kwire")], clients, ["group"])
    joined = run([Cat("kwire")], clients, ["end-to-end"], earlier=first)
    assert joined.of("group/1", "kwire") == [3.0]
    assert joined.of("end-to-end/p50", "kwire") == [1.0]
    assert clients.calls("group") == 10


def test_rounds_can_be_added_to_what_is_kept(tmp_path: Path) -> None:
    first = run([Cat("kwire")], Clients(tmp_path))
    more = run([Cat("kwire")], Clients(tmp_path), rounds=3, earlier=first)
    assert more.of("group/1", "kwire") == [3.0, 3.0, 3.0]
    assert more.rounds == 3


def test_a_turn_that_failed_is_told_and_taken_again(tmp_path: Path) -> None:
    first = run([Cat("kwire")], Clients(tmp_path, 'if [ "$2" = group ]; then echo no >&2; exit 1; fi'))
    assert first.absent["group/1"]["kwire"] == "no"
    assert first.middle("group/1", "kwire") is None
    again = run([Cat("kwire")], Clients(tmp_path), earlier=first)
    assert again.of("group/1", "kwire") == [3.0]


def test_what_a_broker_is_known_to_lack_is_not_asked_and_not_a_failure(tmp_path: Path) -> None:
    broker, clients = Cat("kwire"), Clients(tmp_path)
    broker.lacks = {"end-to-end": "no clock", "client kafka": "no Java", "group/10": "no room"}
    found = run([broker], clients, ["end-to-end", "throughput", "group"])
    assert found.absent["end-to-end/p50"]["kwire"] == "no clock"
    assert found.absent["group/10"]["kwire"] == "no room"
    assert turn_name(0, "kwire", "group of 10") in found.done
    assert clients.calls("end-to-end") == 0


def test_what_a_client_says_wrongly_costs_one_figure(tmp_path: Path) -> None:
    wrong = 'if [ "$2" = end-to-end ]; then echo \'{"p50_ms": "x"}\'; exit 0; fi'
    found = run([Cat("kwire")], Clients(tmp_path, wrong), ["group", "end-to-end"])
    assert "ValueError" in found.absent["end-to-end/p50"]["kwire"]
    assert found.of("group/1", "kwire") == [3.0]


def test_a_broker_that_ended_costs_one_turn(tmp_path: Path) -> None:
    broker = Cat("kwire")

    def kill_once(results: Results) -> None:
        if broker.starts == 1 and turn_name(0, "kwire", "group of 1") in results.done:
            assert broker.child is not None
            broker.child.stop(patience_s=0)

    found = run([broker], Clients(tmp_path), ["group", "end-to-end"], keep=kill_once)
    assert found.of("group/10", "kwire") == [3.0]
    assert broker.starts == 2


def test_after_its_time_a_run_begins_nothing(tmp_path: Path) -> None:
    clients = Clients(tmp_path)
    found = run([Cat("kwire")], clients, minutes=0)
    assert clients.calls("group") == 0
    assert not found.done


def test_results_of_another_scale_are_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another scale"):
        run([Cat("kwire")], Clients(tmp_path), earlier=Results("now", "", False, 1, {}))
