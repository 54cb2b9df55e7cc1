"""The steps of transactions. Each ends when the coordinator has done all that follows from it.

A producer keeps its variables under its name (transaction_requests.py) and counts its own sequences, so
that steps can be put one after the other. `old_producer` and `old_epoch` are what it had before it was
initialised or bumped once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import transaction_requests as txn
from .canonical import error_names
from .requests import find_coordinator, offset_fetch
from .values import Fields, resolve

if TYPE_CHECKING:
    from .scene import Scene

# The last version before the one in which the epoch is bumped and partitions are added on the way.
CLASSIC = {"EndTxn": 4, "Produce": 9, "TxnOffsetCommit": 4}
NEW = {"EndTxn": 5, "Produce": 12, "TxnOffsetCommit": 5}
MAX_EPOCH = 32_766
"""The last epoch of a producer id that a producer gets; the next one would be the fencing epoch."""


def _lasting(scene: Scene, partitions: str = "1") -> None:
    """`lasting(partitions)`: {topic} with segments that no time ends. In another, a marker, which is of now,
    begins a segment behind the records, which are of 2023; and a fetch ends where a segment does.
    """
    scene.take(f"topic({partitions},segment.ms=9999999999999)")


def _initialised(scene: Scene, timeout_ms: str = "60000", who: str = "") -> None:
    """`initialised(timeout_ms,who)`: InitProducerId until the transactional id is free; as clients do, after
    they have found its coordinator.
    """
    scene.must("FindCoordinator", find_coordinator(txn.placeholder("transaction", who), kind=1))
    _remember(scene, who)
    answer = scene.must("InitProducerId", txn.init(who=who, timeout_ms=int(timeout_ms)))
    _take_identity(scene, answer, who)


def _fenced(scene: Scene, who: str = "") -> None:
    """Another process initialises the same transactional id; {old_producer} and {old_epoch} are fenced."""
    _initialised(scene, who=who)


def _added(scene: Scene, partitions: str = "0", who: str = "", topic: str = "topic") -> None:
    """`added(0+1,who,topic)`: partitions of {topic} added to the transaction, as old clients do."""
    wanted = {f"{{{topic}}}": [int(each) for each in partitions.split("+")]}
    scene.must("AddPartitionsToTxn", txn.add_partitions(wanted, who=who))


def _written(
    scene: Scene,
    count: str = "2",
    partition: str = "0",
    who: str = "",
    version: str = "9",
    topic: str = "topic",
) -> None:
    """`appended(count,partition,who)`: a transactional batch to a partition that was added."""
    slot = f"{txn.name('sequence', who)}_{scene.variables[txn.name('epoch', who)]}_{topic}_{partition}"
    sequence = int(scene.variables.get(slot, 0))
    fields = txn.produce_in_transaction(
        sequence, values=int(count), who=who, topic=f"{{{topic}}}", partition=int(partition)
    )
    scene.must("Produce", fields, version=int(version))
    scene.variables[slot] = sequence + int(count)


def _implicit(
    scene: Scene, count: str = "2", partition: str = "0", who: str = "", topic: str = "topic"
) -> None:
    """`implicit(count,partition,who)`: a batch that adds its partition itself, by Produce 12."""
    _written(scene, count, partition, who, str(NEW["Produce"]), topic)


def _ongoing(scene: Scene, who: str = "") -> None:
    """A transaction of an old client with two records in {topic}-0."""
    _initialised(scene, who=who)
    _added(scene, who=who)
    _written(scene, who=who)


def _offsets_added(scene: Scene, who: str = "", group: str = "group") -> None:
    """AddOffsetsToTxn of {group}."""
    scene.must("AddOffsetsToTxn", txn.add_offsets(f"{{{group}}}", who=who))


def _offsets_written(
    scene: Scene, offset: str = "5", who: str = "", version: str = "4", partition: str = "0"
) -> None:
    """`offsets_written(offset,who)`: an offset of {topic} for {group} within the transaction."""
    fields = txn.commit_offsets(int(offset), who=who, partition=int(partition))
    scene.must("TxnOffsetCommit", fields, version=int(version))


def _offsets_implicit(scene: Scene, offset: str = "5", who: str = "") -> None:
    """As `offsets_written`, without AddOffsetsToTxn before it."""
    _offsets_written(scene, offset, who, str(NEW["TxnOffsetCommit"]))


def _offsets_pending(scene: Scene, offset: str = "5", who: str = "") -> None:
    """A transaction of an old client that has an offset of {group} in it, not yet committed."""
    _initialised(scene, who=who)
    _offsets_added(scene, who)
    _offsets_written(scene, offset, who)


def _ended(scene: Scene, how: str, who: str = "") -> None:
    scene.must("EndTxn", txn.end(commit=how == "commit", who=who), version=CLASSIC["EndTxn"])
    _completed(scene, who)


def _committed_transaction(scene: Scene, who: str = "") -> None:
    """Commit as old clients do: the epoch stays. Every marker is written when this is done."""
    _ended(scene, "commit", who)


def _aborted(scene: Scene, who: str = "") -> None:
    """Abort as old clients do."""
    _ended(scene, "abort", who)


def _bumped(scene: Scene, how: str = "commit", who: str = "") -> None:
    """`bumped(commit,who)` or `bumped(abort,who)`: end by EndTxn 5, and take the epoch that it gives."""
    _remember(scene, who)
    fields = txn.end(commit=how == "commit", who=who)
    answer = scene.must("EndTxn", fields, version=NEW["EndTxn"])
    _take_identity(scene, answer, who)
    _completed(scene, who)


def _completed(scene: Scene, who: str = "") -> None:
    """Wait until nothing of the transaction is under way: all markers are written."""
    wanted = txn.describe_transactions(txn.placeholder("transaction", who))
    scene.until("DescribeTransactions", wanted, _is_at_rest)


def _timed_out(scene: Scene, who: str = "") -> None:
    """Wait until the coordinator has aborted the transaction, whose time-out was short."""
    wanted = txn.describe_transactions(txn.placeholder("transaction", who))
    scene.until("DescribeTransactions", wanted, lambda answer: _state(answer) == "CompleteAbort")


def _worn(scene: Scene, epoch: str = str(MAX_EPOCH), who: str = "") -> None:
    """`worn(epoch)`: initialise again and again, until the producer's epoch is that one."""
    missing = int(epoch) - int(scene.variables[txn.name("epoch", who)])
    fields = resolve(txn.init(who=who), scene.variables)
    version = scene.version_of("InitProducerId")
    with scene.another_connection() as connection:
        asked = done = 0
        while done < missing:
            while asked < min(missing, done + 20):
                connection.send("InitProducerId", version, fields)
                asked += 1
            answer = connection.receive()
            assert not error_names(answer), answer
            done += 1
    _take_identity(scene, answer, who)


def _marked(scene: Scene, how: str = "abort", who: str = "") -> None:
    """A marker written behind the coordinator's back, as kafka-transactions does."""
    scene.must("WriteTxnMarkers", txn.write_marker(commit=how == "commit", who=who))


def _offsets_partition(scene: Scene, who: str = "") -> None:
    """{offsets_partition} is the one of `__consumer_offsets` that is in the transaction."""
    wanted = txn.describe_transactions(txn.placeholder("transaction", who))
    topics = scene.must("DescribeTransactions", wanted)["transaction_states"][0]["topics"]
    (index,) = next(each["partitions"] for each in topics if each["topic"] == "__consumer_offsets")
    scene.variables["offsets_partition"] = index


def _forgotten(scene: Scene) -> None:
    """Wait until {group} has no offset any more: those of a deleted topic go after it."""
    wanted = offset_fetch("{group}")
    scene.until("OffsetFetch", wanted, lambda answer: not answer["topics"])


def _is_at_rest(answer: Fields) -> bool:
    return not _state(answer).startswith("Prepare") and not error_names(answer)


def _state(answer: Fields) -> str:
    state: str = answer["transaction_states"][0]["transaction_state"]
    return state


def _remember(scene: Scene, who: str) -> None:
    for what in ("producer", "epoch"):
        known = scene.variables.get(txn.name(what, who))
        if known is not None:
            scene.variables[txn.name(f"old_{what}", who)] = known


def _take_identity(scene: Scene, answer: Fields, who: str) -> None:
    scene.variables[txn.name("producer", who)] = answer["producer_id"]
    scene.variables[txn.name("epoch", who)] = answer["producer_epoch"]


STEPS: dict[str, Callable[..., None]] = {
    "lasting": _lasting, "initialised": _initialised, "fenced": _fenced, "added": _added,
    "appended": _written, "implicit": _implicit, "ongoing": _ongoing, "offsets_added": _offsets_added,
    "offsets_written": _offsets_written, "offsets_implicit": _offsets_implicit,
    "offsets_pending": _offsets_pending, "commit": _committed_transaction, "aborted": _aborted,
    "bumped": _bumped, "completed": _completed, "timed_out": _timed_out, "worn": _worn, "marked": _marked,
    "offsets_partition": _offsets_partition, "forgotten": _forgotten,
}  # fmt: skip
