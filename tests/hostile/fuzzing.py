"""Fuzzing of whole connections: many peers at once send a broker streams of requests with something wrong in
them, and a client that behaves must not notice.

After every round: the broker lives, the client's data and offsets are what it wrote, the log holds no error
and no traceback, and no task, connection, waiter, descriptor or memory is left over. `scripts/fuzz` runs it.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import Counter
from pathlib import Path
from typing import Any

import trio
from kwire_codecs.apis import api
from kwire_codecs.apis.add_offsets_to_txn import AddOffsetsToTxn
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.compile import decoder
from kwire_codecs.errors import ErrorCode
from kwire_codecs.headers import read_response_header

from kwire.handlers import registry
from tests.broker_client import Client, fetch_request, one_partition, produce_request
from tests.handlers.data import records, values_in
from tests.handlers.group_requests import heartbeat_request, join_request, leave_request, sync_request
from tests.hostile.generator import ASSIGNORS, EXPRESSIONS, GROUPS, TOPICS, TRANSACTIONS, Frame, Maker, Words
from tests.hostile.watched_broker import WatchedBroker

PEERS = 16
FRAMES = 12
ROUND_SECONDS = 20.0
SETTLE_SECONDS = 30.0
KEPT = "the-data-of-a-client-that-behaves"
KEPT_GROUP = "the-group-of-a-client-that-behaves"
API_VERSIONS = 18
JOIN_GROUP, METADATA, FETCH, INIT_PRODUCER_ID, CONSUMER_HEARTBEAT = 11, 3, 1, 22, 68
ALTERS = frozenset((33, 44))
"""Not mutated: a flipped bit in them may rightly change the broker's settings for everybody."""
MEMORY_GROWTH = 200 << 20
DESCRIPTOR_GROWTH = 400


class Found(AssertionError):
    """Something that must not happen."""


class Behaving:
    """The client that must not notice: what it wrote, it reads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._written: list[bytes] = []

    async def begin(self) -> None:
        asked = Metadata.Request.Topic
        await self._client.ask(Metadata.Request(topics=[asked(name=KEPT)], allow_auto_topic_creation=True), 9)

    async def works(self, number: int) -> None:
        """Writes, reads all of it back, commits, and reads the commit."""
        client = self._client
        value = b"%d" % number
        produced = one_partition(await client.ask(produce_request(KEPT, records(value)), 9))
        _check(produced.error_code == ErrorCode.NONE, f"a produce that is right: {produced.error_code.name}")
        _check(produced.base_offset == len(self._written), f"it went to offset {produced.base_offset}")
        self._written.append(value)
        start = max(0, len(self._written) - 50)
        read = one_partition(await client.ask(fetch_request(KEPT, start), 11))
        _check(values_in(read.records) == self._written[start:], "what was written is not what is read")
        topic = OffsetCommit.Request.Topic
        partition = topic.Partition(partition_index=0, committed_offset=number, committed_metadata="")
        commit = OffsetCommit.Request(
            group_id=KEPT_GROUP,
            generation_id_or_member_epoch=-1,
            topics=[topic(name=KEPT, partitions=[partition])],
        )
        committed = await client.ask(commit, 8)
        _check(
            committed.topics[0].partitions[0].error_code == ErrorCode.NONE, "a commit that is right failed"
        )
        asked = [OffsetFetch.Request.Topic(name=KEPT, partition_indexes=[0])]
        fetched = await client.ask(OffsetFetch.Request(group_id=KEPT_GROUP, topics=asked), 7)
        _check(fetched.topics[0].partitions[0].committed_offset == number, "another offset was committed")

    async def tidy(self) -> None:
        """Deletes what fuzzing made beside its own topics."""
        listed = await self._client.ask(Metadata.Request(topics=None), 9)
        names = [
            topic.name
            for topic in listed.topics
            if topic.name not in TOPICS and topic.name != KEPT and not topic.is_internal
        ]
        if names:
            await self._client.ask(DeleteTopics.Request(topic_names=names, timeout_ms=1000), 5)


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Found(otherwise)


def _innermost(problem: BaseException) -> BaseException:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


class Fuzzing:
    """One run against one broker."""

    def __init__(self, broker: WatchedBroker, log: Path, seed: int) -> None:
        self._broker = broker
        self._log = log
        self._seed = seed
        self._read_log = 0
        self.words = Words()
        self.counts: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def run(self, seconds: float, first_round: int = 0, rounds: int | None = None) -> int:
        """Rounds until the time is over; gives how many. Raises Found, which names the round."""
        host, port = self._broker.address
        deadline = time.monotonic() + seconds
        number = first_round
        async with await trio.open_tcp_stream(host, port) as stream:
            behaving = Behaving(Client(stream, "behaves"))
            await behaving.begin()
            await behaving.works(0)
            base = self._broker.counts()
            memory = self._broker.memory()
            while time.monotonic() < deadline and (rounds is None or number - first_round < rounds):
                try:
                    await self._round(number, behaving)
                    await self._settled(base)
                    if number == first_round + 20:
                        memory = self._broker.memory()
                    _check(
                        self._broker.memory() - memory < MEMORY_GROWTH,
                        f"memory grew from {memory >> 20} to {self._broker.memory() >> 20} MiB",
                    )
                    self._log_is_clean()
                except Exception as problem:
                    where = f"round {number} of seed {self._seed}"
                    try:
                        self._log_is_clean()
                    except Found as logged:
                        raise Found(f"{where}: {logged}") from problem
                    raise Found(f"{where}: {_innermost(problem)!r}") from problem
                number += 1
        return number - first_round

    async def _round(self, number: int, behaving: Behaving) -> None:
        with trio.fail_after(ROUND_SECONDS * 3):
            async with trio.open_nursery() as nursery:
                for peer in range(PEERS):
                    nursery.start_soon(self._peer, random.Random(f"{self._seed}/{number}/{peer}"))
                await behaving.works(2 * number + 1)
            await behaving.works(2 * number + 2)
            await behaving.tidy()

    async def _peer(self, rng: random.Random) -> None:
        """One hostile connection, or a client in a hurry; ends in one of several ways."""
        maker = Maker(rng, self.words)
        made = [maker.frame() for _ in range(rng.randint(1, FRAMES))]
        host, port = self._broker.address
        self.counts["connections"] += 1
        with trio.move_on_after(ROUND_SECONDS):
            try:
                async with await trio.open_tcp_stream(host, port) as stream:
                    chance = rng.random()
                    if chance < 0.08:
                        await self._belongs(Client(stream), rng)
                    elif chance < 0.16:
                        await self._consumes(Client(stream), rng)
                    elif chance < 0.24:
                        await self._transacts(Client(stream), rng)
                    elif chance < 0.5:
                        await self._asks(Client(stream), made)
                    else:
                        await self._misbehaves(stream, rng, maker, made)
            except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                self.counts["cut"] += 1

    async def _asks(self, client: Client, made: list[tuple[int, int, Frame]]) -> None:
        """Valid requests, however senseless: each is answered, and the answer can be read."""
        for key, version, frame in made:
            await client.send_bytes(frame)
            self.counts["requests"] += 1
            if key == 0 and _acks(frame, version) == 0:
                continue
            answer = await client.receive_frame()
            if answer is None:
                # A Produce without an answer failed, or the request asked for too much.
                self.counts["closed"] += 1
                return
            declared = api(key)
            correlation_id, _, position = read_response_header(
                answer, declared.response_header_version(version)
            )
            _check(
                correlation_id == struct.unpack_from(">i", frame, 8)[0], f"{declared.__name__}: out of order"
            )
            self._learn(key, decoder(declared.Response, version)(answer[position:]))
            self.counts["answers"] += 1

    async def _belongs(self, client: Client, rng: random.Random) -> None:
        """A member of a group that others fuzz, who goes through its life, and may leave anywhere in it."""
        group_id = rng.choice(GROUPS)
        version = rng.randint(4, 9)
        asked = join_request(group_id, version, session_timeout_ms=6_000)
        asked.rebalance_timeout_ms = 500
        given = await client.ask(asked, version)
        self._learn(JOIN_GROUP, given)
        if rng.random() < 0.1:
            return
        asked.member_id = given.member_id
        joined = await client.ask(asked, version)
        self._learn(JOIN_GROUP, joined)
        self.counts[f"joins {joined.error_code.name}"] += 1
        if joined.error_code or rng.random() < 0.1:
            return
        shares = {member.member_id: b"share" for member in joined.members}
        generation_id = joined.generation_id
        synced = await client.ask(sync_request(group_id, 3, generation_id, given.member_id, shares), 3)
        self.counts[f"syncs {synced.error_code.name}"] += 1
        for _ in range(rng.randrange(5)):
            await client.ask(heartbeat_request(group_id, generation_id, given.member_id), 3)
            await client.ask(fetch_request(rng.choice(TOPICS), 0, max_wait_ms=rng.choice((0, 30))), 11)
        if rng.random() < 0.5:
            await client.ask(leave_request(group_id, 3, given.member_id), 3)

    async def _consumes(self, client: Client, rng: random.Random) -> None:
        """A member of a group of the consumer protocol, which may stay away anywhere in its life."""
        request = ConsumerGroupHeartbeat.Request(
            group_id=rng.choice(GROUPS),
            member_id=f"fuzz-member-{rng.randrange(40)}",
            member_epoch=0,
            rebalance_timeout_ms=rng.choice((1, 500, 60_000)),
            subscribed_topic_names=rng.sample(TOPICS, rng.randrange(4)),
            subscribed_topic_regex=rng.choice(EXPRESSIONS) if rng.random() < 0.5 else None,
            server_assignor=rng.choice(ASSIGNORS) if rng.random() < 0.3 else None,
            topic_partitions=[],
        )
        for _ in range(rng.randint(1, 6)):
            answer = await client.ask(request, 1)
            self.counts[f"heartbeats {answer.error_code.name}"] += 1
            self._learn(CONSUMER_HEARTBEAT, answer)
            if answer.error_code:
                break
            request.member_epoch = answer.member_epoch
            if answer.assignment is not None:
                owned = ConsumerGroupHeartbeat.Request.TopicPartitions
                request.topic_partitions = [
                    owned(topic_id=each.topic_id, partitions=each.partitions)
                    for each in answer.assignment.topic_partitions
                ]
        if rng.random() < 0.6:
            request.member_epoch = -1
            await client.ask(request, 1)

    async def _transacts(self, client: Client, rng: random.Random) -> None:
        """A transactional producer, which others fence, and which may die anywhere in its life."""
        name, group_id = rng.choice(TRANSACTIONS), rng.choice(GROUPS)
        await client.ask(FindCoordinator.Request(key=name, key_type=1), 3)
        begin = InitProducerId.Request(
            transactional_id=name, transaction_timeout_ms=rng.choice((100, 1_000, 60_000))
        )
        begun = await client.ask(begin, 4)
        self.counts[f"begins {begun.error_code.name}"] += 1
        if begun.error_code:
            return
        self._learn(INIT_PRODUCER_ID, begun)
        identity = {
            "transactional_id": name,
            "producer_id": begun.producer_id,
            "producer_epoch": begun.producer_epoch,
        }
        written = records(
            b"in a transaction",
            producer_id=begun.producer_id,
            producer_epoch=begun.producer_epoch,
            base_sequence=0,
            is_transactional=True,
        )
        produced = produce_request(rng.choice(TOPICS), written)
        produced.transactional_id = name
        await client.ask(produced, 12)
        if rng.random() < 0.2:
            return
        if rng.random() < 0.5:
            await client.ask(AddOffsetsToTxn.Request(**identity, group_id=group_id), 3)
            topic = TxnOffsetCommit.Request.Topic
            offset = topic.Partition(partition_index=0, committed_offset=1, committed_metadata="")
            commit = TxnOffsetCommit.Request(
                **identity, group_id=group_id, topics=[topic(name=rng.choice(TOPICS), partitions=[offset])]
            )
            await client.ask(commit, 3)
        if rng.random() < 0.8:
            end = EndTxn.Request(**identity, committed=rng.random() < 0.5)
            ended = await client.ask(end, rng.choice((4, 5)))
            self.counts[f"ends {ended.error_code.name}"] += 1

    async def _misbehaves(
        self, stream: trio.SocketStream, rng: random.Random, maker: Maker, made: list[tuple[int, int, Frame]]
    ) -> None:
        frames = [frame for key, _, frame in made if key not in ALTERS]
        if not frames:
            return
        data = maker.mutated(frames)
        self.counts["mutated bytes"] += len(data)
        size = rng.choice((len(data), 1000, 7))
        for at in range(0, len(data), size):
            await stream.send_all(data[at : at + size])
        match rng.randrange(4):
            case 0:  # says no more, and reads what is left
                await stream.send_eof()
                with trio.move_on_after(2):
                    while await stream.receive_some():
                        pass
            case 1:  # reset in the middle of it
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case 2:  # reads a little
                with trio.move_on_after(0.2):
                    await stream.receive_some(rng.randrange(1, 100))
            case _:  # just goes
                pass

    def _learn(self, key: int, response: Any) -> None:
        words = self.words
        if key == JOIN_GROUP and response.member_id:
            words.member_ids = [*words.member_ids[-20:], response.member_id]
            words.generation = max(1, response.generation_id)
        elif key == METADATA:
            # Others' topics are not named: deleting them by id would be no fault of the broker.
            ids = (topic.topic_id for topic in response.topics if topic.name in TOPICS)
            words.topic_ids = [*words.topic_ids, *ids][-30:]
        elif key == FETCH and response.session_id:
            words.session_ids = [*words.session_ids[-10:], response.session_id]
        elif key == INIT_PRODUCER_ID and response.producer_id >= 0:
            words.producer_ids = [*words.producer_ids[-10:], response.producer_id]
            words.epochs = [*words.epochs[:3], *words.epochs[3:][-5:], response.producer_epoch]
        elif key == CONSUMER_HEARTBEAT and response.member_id:
            words.member_ids = [*words.member_ids[-20:], response.member_id]
            words.epochs = [*words.epochs[:3], *words.epochs[3:][-5:], response.member_epoch]

    async def _settled(self, base: dict[str, int]) -> None:
        """Waits until everybody's traces are gone."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            _check(self._broker.alive, "the broker is dead")
            counts = self._broker.counts()
            left = {
                name: counts[name]
                for name in ("connections", "waiters", "waiting members", "tasks")
                if counts[name] > base[name]
            }
            if counts["descriptors"] > base["descriptors"] + DESCRIPTOR_GROWTH:
                left["descriptors"] = counts["descriptors"]
            for name, count in counts.items():
                self.most[name] = max(self.most[name], count)
            if not left:
                return
            _check(time.monotonic() < deadline, f"left behind: {left}, at first {base}")
            await trio.sleep(0.1)

    def _log_is_clean(self) -> None:
        with self._log.open() as log:
            log.seek(self._read_log)
            new = log.read()
            self._read_log = log.tell()
        for number, line in enumerate(lines := new.splitlines()):
            if " ERROR " in line or "Traceback" in line or " CRITICAL " in line:
                raise Found("the log has an error:\n" + "\n".join(lines[number : number + 60]))
        self.counts["log lines"] += len(lines)


def _acks(frame: Frame, version: int) -> int:
    """The acks of a Produce request."""
    from kwire_codecs.compile import decoder_at
    from kwire_codecs.headers import read_request_header

    view = memoryview(bytearray(frame[4:]))
    _, position = read_request_header(view)
    request, _ = decoder_at(registry.handler(0).api.Request, version)(view, position)
    acks: int = request.acks
    return acks
