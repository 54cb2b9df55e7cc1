"""The life of two transactional producers and of readers of what they commit, over three partitions.

Producers follow the protocol mostly, and now and then use an identity that is not theirs any more, another's,
or none yet; a sequence that was, or is not due. Nothing is drawn while a transaction is being ended, since
what a broker answers then depends on its threads.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

from . import transaction_requests as txn
from .batches import Batch
from .canonical import error_names
from .lives import Exchange, Move
from .requests import commit, fetch, list_offsets, offset_fetch, produce
from .scene import Scene
from .values import Fields, resolve

PARTITIONS = 3
WHO = ("", "second")


class TransactionLife:
    """What is drawn, and from what weights."""

    steps = f"lasting({PARTITIONS}) ready transactions initialised initialised(60000,second)"
    weights: ClassVar = {
        "produce": 12, "end": 6, "add": 4, "init": 2, "offsets": 3, "add_offsets": 2, "plain": 2,
        "fetch": 8, "list": 2, "describe": 3, "producers": 2, "offset_fetch": 3, "plain_commit": 1,
        "marker": 1,
    }  # fmt: skip

    def __init__(self, random: Random) -> None:
        self._random = random

    def draw(self) -> Move:
        random = self._random
        word = random.choices(list(self.weights), list(self.weights.values()))[0]
        who = random.choice(WHO)
        partition = random.randrange(PARTITIONS)
        identity = random.choice([*["own"] * 12, "old", "other", "future", "nobody"])
        match word:
            case "produce":
                sequence = random.choice([*["next"] * 10, "zero", "again", "gap"])
                version = random.choice([*range(3, 14), 12, 13, 12, 13, 12, 13])
                return word, version, who, identity, partition, random.randint(1, 3), sequence
            case "end":
                return word, random.choice([0, 1, 2, 3, 4, 5, 5, 5]), who, identity, random.random() < 0.6
            case "add":
                chosen = random.sample(range(PARTITIONS), random.randint(1, PARTITIONS))
                return word, random.randint(0, 5), who, identity, tuple(chosen), random.random() < 0.1
            case "init":
                return word, random.randint(3, 5), who, random.choice(["", "", "own", "old", "other"])
            case "offsets":
                return word, random.randint(0, 6), who, identity, partition, random.randrange(100)
            case "add_offsets":
                return word, random.randint(0, 4), who, identity
            case "plain":
                return word, random.randint(3, 13), partition, random.randint(1, 3)
            case "fetch":
                limit = random.choice([1, 150, 400, 1_000_000, 1_000_000])
                isolation = random.choice([1, 1, 1, 0])
                return word, random.randint(4, 18), partition, random.randrange(25), isolation, limit
            case "list":
                isolation = random.choice([0, 1])
                return word, random.randint(2, 11), partition, random.choice([-1, -1, -2]), isolation
            case "offset_fetch":
                return word, random.randint(7, 10), random.random() < 0.6
            case "plain_commit":
                return word, random.randint(2, 10), partition, random.randrange(100)
            case "producers":
                return word, 0, partition
            case "marker":
                return (
                    word,
                    random.randint(1, 2),
                    who,
                    partition,
                    random.random() < 0.5,
                    random.choice([0, 0, 1]),
                )
            case _:
                return word, 0, who

    def life(self, scene: Scene) -> Producers:
        return Producers(scene)


class Producers:
    """Two producers on one broker."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._sequences: dict[tuple[object, ...], int] = {}

    def play(self, move: Move) -> Exchange:
        word, version, *rest = move
        match word, *rest:
            case "produce", who, identity, partition, count, sequence:
                return self._produce(version, who, identity, partition, count, sequence)
            case "end", who, identity, is_commit:
                return self._end(version, who, identity, is_commit)
            case "add", who, identity, chosen, verify_only:
                fields = txn.add_partitions(
                    {"{topic}": chosen}, who=who, verify_only=verify_only, **self._identity(who, identity)
                )
                return self._ask("AddPartitionsToTxn", version, fields)
            case "init", who, identity:
                return self._init(version, who, identity)
            case "offsets", who, identity, partition, offset:
                more = self._identity(who, identity)
                fields = txn.commit_offsets(offset, partition=partition, who=who, **more)
                return self._ask("TxnOffsetCommit", version, fields)
            case "add_offsets", who, identity:
                fields = txn.add_offsets(who=who, **self._identity(who, identity))
                return self._ask("AddOffsetsToTxn", version, fields)
            case "plain", partition, count:
                batch = Batch(tuple(f"plain-{index}".encode() for index in range(count)))
                return self._ask("Produce", version, produce(batch, partition=partition))
            case "fetch", partition, offset, isolation, limit:
                fields = fetch(
                    offset,
                    partition=partition,
                    isolation_level=isolation,
                    partition_max_bytes=limit,
                    max_wait_ms=0,
                )
                return self._ask("Fetch", version, fields)
            case "list", partition, timestamp, isolation:
                fields = list_offsets(timestamp, partition=partition, isolation_level=isolation)
                return self._ask("ListOffsets", version, fields)
            case "offset_fetch", is_stable:
                every = range(PARTITIONS)
                fields = offset_fetch("{group}", "{topic}", partitions=every, require_stable=is_stable)
                return self._ask("OffsetFetch", version, fields)
            case "plain_commit", partition, offset:
                return self._ask("OffsetCommit", version, commit("{group}", offset, partition=partition))
            case "producers", partition:
                return self._ask("DescribeProducers", version, txn.describe_producers("{topic}", partition))
            case "marker", who, partition, is_commit, transaction_version:
                fields = txn.write_marker(
                    partition, commit=is_commit, who=who, transaction_version=transaction_version
                )
                return self._ask("WriteTxnMarkers", version, fields)
            case _, who:
                wanted = txn.describe_transactions(txn.placeholder("transaction", who))
                return self._ask("DescribeTransactions", version, wanted)
            case _:
                raise AssertionError(move)

    def _produce(
        self, version: int, who: str, identity: str, partition: int, count: int, how: str
    ) -> Exchange:
        more = self._identity(who, identity)
        producer = more.get("producer", txn.placeholder("producer", who))
        epoch = more.get("epoch", txn.placeholder("epoch", who))
        key = (resolve(producer, self._scene.variables), resolve(epoch, self._scene.variables), partition)
        due = self._sequences.get(key, 0)
        sequence = {"next": due, "zero": 0, "again": max(due - count, 0), "gap": due + 3}[how]
        fields = txn.produce_in_transaction(
            sequence, values=count, who=who, partition=partition, producer_id=producer, producer_epoch=epoch
        )
        exchange = self._ask("Produce", version, fields)
        if not error_names(exchange[2]):
            self._sequences[key] = max(due, sequence + count)
        return exchange

    def _end(self, version: int, who: str, identity: str, is_commit: bool) -> Exchange:
        fields = txn.end(commit=is_commit, who=who, **self._identity(who, identity))
        exchange = self._ask("EndTxn", version, fields)
        if version >= 5 and not error_names(exchange[2]):
            self._take(exchange[2], who)
        self._scene.take("completed completed(second)")
        return exchange

    def _init(self, version: int, who: str, identity: str) -> Exchange:
        more = self._identity(who, identity) if identity else {}
        if identity and "producer" not in more:
            more = {"producer": txn.placeholder("producer", who), "epoch": txn.placeholder("epoch", who)}
        elif identity and "epoch" not in more:
            more["epoch"] = txn.placeholder("epoch", who)
        exchange = self._ask("InitProducerId", version, txn.init(who=who, **more))
        if not error_names(exchange[2]):
            self._take(exchange[2], who)
        self._scene.take("completed completed(second)")
        return exchange

    def _identity(self, who: str, identity: str) -> Fields:
        other = WHO[1 - WHO.index(who)]
        match identity:
            case "old":
                known = txn.name("old_producer", who) in self._scene.variables
                before = {
                    "producer": txn.placeholder("old_producer", who),
                    "epoch": txn.placeholder("old_epoch", who),
                }
                return before if known else {}
            case "other":
                return {"producer": txn.placeholder("producer", other)}
            case "future":
                return {"epoch": self._scene.variables[txn.name("epoch", who)] + 3}
            case "nobody":
                return {"producer": 987_654_321}
            case _:
                return {}

    def _take(self, answer: Fields, who: str) -> None:
        variables = self._scene.variables
        for what, new in (("producer", answer["producer_id"]), ("epoch", answer["producer_epoch"])):
            variables[txn.name(f"old_{what}", who)] = variables[txn.name(what, who)]
            variables[txn.name(what, who)] = new

    def _ask(self, api: str, version: int, fields: Fields) -> Exchange:
        scene = self._scene
        return api, version, scene.connection().ask(api, version, resolve(fields, scene.variables))
