"""`python -m bench.heartbeats`: many consumer groups (KIP-848) whose members heartbeat, and what that costs.

The groups are brought to Stable first. Then every member heartbeats once in `--interval`, evenly spread, over
`--connections`, for `--seconds`. Told are the heartbeats a second, the share of a core that the broker took
(all its threads, from the kernel's clock), and the CPU time of one heartbeat. The exit code is 2 where the
share is above `--limit`, or an answer was an error.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.errors import ErrorCode
from kwire_codecs.framing import frame_request

from bench.brokers import BrokerError
from bench.brokers.python import ROOT, Kwire
from bench.machine import summary
from kwire.testing.client import ask

TOPIC = "heard"
OPTIONS = (
    "--set",
    "group.consumer.assignment.interval.ms=0",
    "--set",
    "group.consumer.max.session.timeout.ms=1800000",
    "--set",
    "group.consumer.session.timeout.ms=1800000",
)
"""Members that wait for the last ones to join need not be heard of meanwhile."""
VERSION = 1
SLICES = 100
"""So many times in an interval the next members heartbeat."""
ROUNDS = 4
"""Heartbeats after which a group that nobody joins is stable."""

Request = ConsumerGroupHeartbeat.Request


def main() -> int:
    options = _options()
    broker = Kwire(tree=options.tree, options=OPTIONS)
    with tempfile.TemporaryDirectory(prefix="kwire-heartbeats-") as directory:
        try:
            broker.build()
            broker.start(Path(directory))
            frames = _stable_groups(broker.address, options)
            found = _measured(broker, frames, options)
        except BrokerError as failure:
            print(f"bench.heartbeats: {failure}", file=sys.stderr)
            return 1
        finally:
            broker.stop()
    print(
        f"{found['members']} members of {options.groups} groups: {found['heartbeats_per_s']:.0f} "
        f"heartbeats/s take {found['share_of_a_core']:.1%} of a core, {found['cpu_us']:.0f} us each"
    )
    if options.json:
        kept = {"when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": summary(), **found}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 2 if found["share_of_a_core"] > options.limit else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.heartbeats", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="kwire of this checkout instead of ours")
    parser.add_argument("--groups", type=int, default=1_000, help="groups")
    parser.add_argument("--members", type=int, default=10, help="members of each")
    parser.add_argument("--interval", type=float, default=3.0, help="seconds from one heartbeat to the next")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long to measure")
    parser.add_argument("--connections", type=int, default=20, help="connections that members share")
    parser.add_argument("--limit", type=float, default=0.5, help="the share of a core that it may take")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    return parser.parse_args()


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def _stable_groups(address: str, options: argparse.Namespace) -> list[bytes]:
    """Every member's heartbeat, once its group is stable."""
    with _connected(address) as sock:
        topic = CreateTopics.Request.Topic(
            name=TOPIC, num_partitions=options.members, replication_factor=1, assignments=[], configs=[]
        )
        ask(sock, CreateTopics.Request(topics=[topic], timeout_ms=60_000), 2)
        ask(sock, FindCoordinator.Request(key="group-0"), 0)
        frames: list[bytes] = []
        for number in range(options.groups):
            frames += _stable(sock, f"group-{number}", options.members)
        return frames


def _stable(sock: socket.socket, group_id: str, count: int) -> list[bytes]:
    members = [f"{group_id}-member-{number}" for number in range(count)]
    epochs: dict[str, int] = {}
    owned: dict[str, list[Request.TopicPartitions]] = {}

    def beat(member_id: str, **fields: Any) -> None:
        request = Request(
            group_id=group_id, member_id=member_id, member_epoch=epochs.get(member_id, 0), **fields
        )
        answer: ConsumerGroupHeartbeat.Response = ask(sock, request, VERSION)
        if answer.error_code is not ErrorCode.NONE:
            raise BrokerError(f"{member_id}: {answer.error_code.message} {answer.error_message or ''}")
        epochs[member_id] = answer.member_epoch
        if answer.assignment is not None:
            owned[member_id] = [
                Request.TopicPartitions(topic_id=topic.topic_id, partitions=topic.partitions)
                for topic in answer.assignment.topic_partitions
            ]

    for member_id in members:
        beat(member_id, rebalance_timeout_ms=60_000, subscribed_topic_names=[TOPIC], topic_partitions=[])
    for _ in range(ROUNDS):
        for member_id in members:
            beat(member_id, topic_partitions=owned.get(member_id, []))
    if len(set(epochs.values())) > 1:
        raise BrokerError(f"{group_id} did not become stable: {sorted(set(epochs.values()))}")
    frames: list[bytes] = []
    for member_id in members:
        request = Request(group_id=group_id, member_id=member_id, member_epoch=epochs[member_id])
        parts, _ = frame_request(request, VERSION, 1, "bench")
        frames.append(b"".join(parts))
    return frames


def _measured(broker: Kwire, frames: list[bytes], options: argparse.Namespace) -> dict[str, Any]:
    sockets = [_connected(broker.address) for _ in range(options.connections)]
    try:
        _interval(sockets, frames, options.interval)
        before, began, sent = broker.cpu_seconds(), time.monotonic(), 0
        while time.monotonic() - began < options.seconds:
            sent += _interval(sockets, frames, options.interval)
        elapsed, after = time.monotonic() - began, broker.cpu_seconds()
    finally:
        for sock in sockets:
            sock.close()
    if before is None or after is None:
        raise BrokerError("the broker's CPU time is not known")
    return {
        "members": len(frames),
        "heartbeats_per_s": sent / elapsed,
        "share_of_a_core": (after - before) / elapsed,
        "cpu_us": (after - before) / sent * 1e6,
    }


def _interval(sockets: list[socket.socket], frames: list[bytes], seconds: float) -> int:
    """Everybody heartbeats once; says how many did."""
    began = time.monotonic()
    for number in range(SLICES):
        due = frames[number::SLICES]
        for place, sock in enumerate(sockets):
            mine = due[place :: len(sockets)]
            if mine:
                sock.sendall(b"".join(mine))
        for place, sock in enumerate(sockets):
            for _ in due[place :: len(sockets)]:
                _take_answer(sock)
        time.sleep(max(0.0, began + seconds * (number + 1) / SLICES - time.monotonic()))
    return len(frames)


def _take_answer(sock: socket.socket) -> None:
    """Length, correlation id, tags, throttle time, error code."""
    size = int.from_bytes(_exactly(sock, 4))
    answer = _exactly(sock, size)
    if int.from_bytes(answer[9:11]):
        raise BrokerError(f"a heartbeat was answered {ErrorCode(int.from_bytes(answer[9:11])).name}")


def _exactly(sock: socket.socket, size: int) -> bytes:
    taken = sock.recv(size, socket.MSG_WAITALL)
    if len(taken) < size:
        raise BrokerError("the broker closed the connection")
    return taken


if __name__ == "__main__":
    sys.exit(main())
