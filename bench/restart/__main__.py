"""`python -m bench.restart`: a broker is filled with groups and their offsets, ended, and started again.

Told are: the seconds from the start to the first answer, and to the moment when every group answers an
OffsetFetch (until then it is COORDINATOR_LOAD_IN_PROGRESS); the broker's CPU time up to there; and the
longest that one client waited meanwhile which only asks for API versions, again and again. `--kill` ends the
broker by SIGKILL, so that it reads its logs twice: to see whether they are whole, and to load them. With
`--ids` it is transactional ids that are loaded, in the place of groups. The exit code is 2 where something is
missing, or all of it took longer than `--limit`.

Nothing here may be stopped (SIGSTOP) for longer than a client waits: its time goes on meanwhile, and it gives
up on an answer that was about to come. So that is told where a wait was in vain.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.describe_transactions import DescribeTransactions
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.join_group import JoinGroup
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.sync_group import SyncGroup
from kwire_codecs.errors import ErrorCode

from bench.brokers import BrokerError
from bench.brokers.python import ROOT, Kwire
from bench.machine import summary
from kwire.testing.client import ask

TOPIC = "loaded"
OPTIONS = ("--set", "group.initial.rebalance.delay.ms=0", "--set", "group.max.session.timeout.ms=1800000")


def main() -> int:
    options = _options()
    _WATCH.start()
    broker = Kwire(tree=options.tree, options=OPTIONS)
    with tempfile.TemporaryDirectory(prefix="kwire-restart-") as directory:
        try:
            broker.build()
            broker.start(Path(directory))
            _fill(broker.address, options)
            _end(broker, kill=options.kill)
            found = _restarted(broker, Path(directory), options)
        except (BrokerError, TimeoutError) as failure:
            print(f"bench.restart: {failure}; {_away()}", file=sys.stderr)
            return 1
        finally:
            broker.stop()
    print(_told(found, options))
    if options.json:
        kept = {"when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": summary(), **found}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 2 if found["missing"] or found["loaded_s"] > options.limit else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.restart", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="kwire of this checkout instead of ours")
    parser.add_argument("--groups", type=int, default=1_000, help="groups with a member and offsets")
    parser.add_argument("--partitions", type=int, default=100, help="offsets that each of them commits")
    parser.add_argument("--at-once", type=int, default=1, help="partitions a commit, a batch of the log")
    parser.add_argument("--ids", type=int, default=0, help="transactional ids to load, and no groups")
    parser.add_argument("--kill", action="store_true", help="end the broker by SIGKILL")
    parser.add_argument("--limit", type=float, default=3.0, help="how long it may take, in seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    return parser.parse_args()


# Before


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def _names(options: argparse.Namespace) -> Iterator[str]:
    return (f"group-{number}" for number in range(options.groups))


def _fill(address: str, options: argparse.Namespace) -> None:
    with _connected(address) as sock:
        if options.ids:
            _initialise(sock, options.ids)
            return
        topic = CreateTopics.Request.Topic(
            name=TOPIC, num_partitions=options.partitions, replication_factor=1, assignments=[], configs=[]
        )
        ask(sock, CreateTopics.Request(topics=[topic], timeout_ms=60_000), 2)
        ask(sock, FindCoordinator.Request(key="group-0"), 0)
        for name in _names(options):
            member_id, generation_id = _joined(sock, name)
            partitions = range(options.partitions)
            for first in partitions[:: options.at_once]:
                _commit(sock, name, member_id, generation_id, partitions[first : first + options.at_once])


def _initialise(sock: socket.socket, count: int) -> None:
    """So many transactional ids."""
    ask(sock, FindCoordinator.Request(key="id-0", key_type=1), 1)
    for number in range(count):
        request = InitProducerId.Request(
            transactional_id=f"id-{number}", transaction_timeout_ms=60_000, producer_id=-1, producer_epoch=-1
        )
        if (error_code := ask(sock, request, 4).error_code) is not ErrorCode.NONE:
            raise BrokerError(f"id-{number} was not initialised: {error_code.message}")


def _joined(sock: socket.socket, group_id: str) -> tuple[str, int]:
    """A new member of a new group, stable."""
    offered = JoinGroup.Request.Protocol(name="range", metadata=b"\0\0\0\0\0\1\0\6loaded\xff\xff\xff\xff")
    request = JoinGroup.Request(
        group_id=group_id, session_timeout_ms=1_800_000, rebalance_timeout_ms=60_000, member_id="",
        protocol_type="consumer", protocols=[offered],
    )  # fmt: skip
    joined = ask(sock, request, 3)
    member_id, generation_id = joined.member_id, joined.generation_id
    given = SyncGroup.Request.Assignment(member_id=member_id, assignment=b"\0\0\0\0\0\0\xff\xff\xff\xff")
    synced = SyncGroup.Request(
        group_id=group_id, generation_id=generation_id, member_id=member_id, assignments=[given]
    )
    if (error_code := ask(sock, synced, 2).error_code) is not ErrorCode.NONE:
        raise BrokerError(f"{group_id} did not become stable: {error_code.message}")
    return member_id, generation_id


def _commit(
    sock: socket.socket, group_id: str, member_id: str, generation_id: int, partitions: range
) -> None:
    asked = OffsetCommit.Request.Topic
    committed = [
        asked.Partition(partition_index=index, committed_offset=index, committed_leader_epoch=0,
                        committed_metadata="")
        for index in partitions
    ]  # fmt: skip
    request = OffsetCommit.Request(
        group_id=group_id,
        generation_id_or_member_epoch=generation_id,
        member_id=member_id,
        topics=[asked(name=TOPIC, partitions=committed)],
    )
    [topic] = ask(sock, request, 7).topics
    if any(partition.error_code for partition in topic.partitions):
        raise BrokerError(f"{group_id} could not commit: {topic.partitions[0].error_code.message}")


def _end(broker: Kwire, *, kill: bool) -> None:
    assert broker.child is not None
    if kill:
        os.kill(broker.child.pid, signal.SIGKILL)
    broker.child.stop(patience_s=60)
    broker.child = None


# After


class _Beside(threading.Thread):
    """One client that asks for API versions, again and again; `longest_s` is what it waited at most."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self.ended = threading.Event()
        self.longest_s = 0.0
        self.count = 0

    def run(self) -> None:
        with _connected(self._address) as sock:
            while not self.ended.is_set():
                began = time.perf_counter()
                ask(sock, ApiVersions.Request(), 0)
                self.longest_s = max(self.longest_s, time.perf_counter() - began)
                self.count += 1
                time.sleep(0.001)


def _restarted(broker: Kwire, directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    began = time.perf_counter()
    broker.start(directory)
    answered_s = time.perf_counter() - began
    assert broker.child is not None
    beside = _Beside(broker.address)
    beside.start()
    waited = missing = 0
    loaded_s = cpu_s = 0.0
    count = options.ids or options.groups
    expected = 1 if options.ids else options.partitions
    with _connected(broker.address) as sock:
        for number in range(count):
            # The first few hundred are on all partitions; the rest is there when these are.
            while (found := _found(sock, number, options)) is None:
                waited += 1
                time.sleep(0.002)
            missing += expected - found
            if number == min(count, 500) - 1:
                loaded_s = time.perf_counter() - began
                cpu_s = broker.child.cpu_seconds()
                beside.ended.set()
    beside.join()
    return {
        "ids": options.ids,
        "groups": 0 if options.ids else options.groups,
        "offsets": 0 if options.ids else options.groups * options.partitions,
        "partitions_a_commit": options.at_once,
        "killed": options.kill,
        "answered_s": answered_s,
        "loaded_s": loaded_s,
        "cpu_s": cpu_s,
        "told_to_wait": waited,
        "longest_beside_s": beside.longest_s,
        "asked_beside": beside.count,
        "missing": missing,
    }


def _found(sock: socket.socket, number: int, options: argparse.Namespace) -> int | None:
    """How much of what a group or an id had is there; None while it loads."""
    if not options.ids:
        return _offsets(sock, f"group-{number}", options.partitions)
    request = DescribeTransactions.Request(transactional_ids=[f"id-{number}"])
    [state] = ask(sock, request, 0).transaction_states
    if state.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        return None
    return int(state.error_code is ErrorCode.NONE and state.transaction_state == "Empty")


def _offsets(sock: socket.socket, group_id: str, partitions: int) -> int | None:
    """How many offsets of a group are as they were committed; None while it loads."""
    request = OffsetFetch.Request(
        group_id=group_id,
        topics=[OffsetFetch.Request.Topic(name=TOPIC, partition_indexes=list(range(partitions)))],
    )
    response = ask(sock, request, 5)
    if response.error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        return None
    if response.error_code is not ErrorCode.NONE:
        raise BrokerError(f"{group_id} cannot be asked: {response.error_code.message}")
    [topic] = response.topics
    found: int = sum(each.committed_offset == each.partition_index for each in topic.partitions)
    return found


class _Watch(threading.Thread):
    """Notices when this program was stopped: nobody else can run then, but time goes on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest_s = 0.0

    def run(self) -> None:
        while True:
            began = time.monotonic()
            time.sleep(0.25)
            self.longest_s = max(self.longest_s, time.monotonic() - began - 0.25)


_WATCH = _Watch()


def _away() -> str:
    """For how long at a time this program could not run: a machine that is too busy, or a SIGSTOP."""
    return f"this program itself was kept from running for up to {_WATCH.longest_s:.1f} s"


def _told(found: dict[str, Any], options: argparse.Namespace) -> str:
    what = (
        f"{found['offsets']:,} offsets of {found['groups']:,} groups, {found['partitions_a_commit']} a commit"
    )
    if found["ids"]:
        what = f"{found['ids']:,} transactional ids"
    return (
        f"{what}"
        f"{', after a kill' if found['killed'] else ''}: first answer {found['answered_s']:.2f} s,"
        f" all loaded {found['loaded_s']:.2f} s (limit {options.limit:.1f}), CPU {found['cpu_s']:.2f} s;"
        f" told to wait {found['told_to_wait']} times; beside it the longest of {found['asked_beside']:,}"
        f" answers took {found['longest_beside_s'] * 1e3:.0f} ms; missing {found['missing']}"
    )


if __name__ == "__main__":
    sys.exit(main())
