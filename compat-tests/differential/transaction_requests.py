"""Short ways to write the requests of transactions; as in requests.py, the fields of all versions at once.

A producer is named by the variables that its steps leave behind: `""` is {producer} and {epoch} of the
transactional id {transaction}, `"second"` is {second_producer} and {second_epoch} of {second_transaction}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .batches import Batch
from .requests import id_of, init_producer_id, produce
from .values import Fields


def name(what: str, who: str = "") -> str:
    """The variable of a producer: `transaction`, `producer`, `epoch` or `sequence`."""
    return f"{who}_{what}" if who else what


def placeholder(what: str, who: str = "") -> str:
    return f"{{{name(what, who)}}}"


def init(*, who: str = "", timeout_ms: int = 60_000, **more: Any) -> Fields:
    return init_producer_id(placeholder("transaction", who), timeout_ms=timeout_ms, **more)


def add_partitions(
    partitions: Mapping[str, Sequence[int]] | None = None,
    *,
    who: str = "",
    transactional_id: str | None = None,
    producer: int | str | None = None,
    epoch: int | str | None = None,
    verify_only: bool = False,
) -> Fields:
    """AddPartitionsToTxn of one transaction, partitions by topic ({topic}-0 unless said)."""
    wanted = {"{topic}": [0]} if partitions is None else partitions
    topics = [{"name": topic, "partitions": list(indexes)} for topic, indexes in wanted.items()]
    identity = _identity(who, transactional_id, producer, epoch)
    old = {f"v3_and_below_{key}": value for key, value in {**identity, "topics": topics}.items()}
    return {**old, "transactions": [{**identity, "verify_only": verify_only, "topics": topics}]}


def several_transactions(*requests: Fields) -> Fields:
    """AddPartitionsToTxn 4 and later, of several transactions."""
    return {"transactions": [transaction for each in requests for transaction in each["transactions"]]}


def add_offsets(group: str = "{group}", *, who: str = "", **identity: Any) -> Fields:
    return {**_identity(who, **identity), "group_id": group}


def end(*, commit: bool = True, who: str = "", **identity: Any) -> Fields:
    """EndTxn."""
    return {**_identity(who, **identity), "committed": commit}


def commit_offsets(
    offset: int = 5,
    *,
    group: str = "{group}",
    topic: str = "{topic}",
    partition: int = 0,
    metadata: str | None = "note",
    leader_epoch: int = -1,
    generation: int | str = -1,
    member: str = "",
    instance: str | None = None,
    who: str = "",
    **identity: Any,
) -> Fields:
    """TxnOffsetCommit of one partition."""
    one = {"partition_index": partition, "committed_offset": offset, "committed_metadata": metadata}
    one["committed_leader_epoch"] = leader_epoch
    return {
        **_identity(who, **identity),
        "group_id": group,
        "generation_id_or_member_epoch": generation,
        "member_id": member,
        "group_instance_id": instance,
        "topics": [{"name": topic, "topic_id": id_of(topic), "partitions": [one]}],
    }


def write_marker(
    *partitions: int | str,
    commit: bool = True,
    topic: str = "{topic}",
    who: str = "",
    producer: int | str | None = None,
    epoch: int | str | None = None,
    coordinator_epoch: int = 0,
    transaction_version: int = 0,
) -> Fields:
    """WriteTxnMarkers with one marker, for {topic}-0 unless other partitions are named."""
    indexes = list(partitions) or [0]
    return {
        "markers": [
            {
                "producer_id": placeholder("producer", who) if producer is None else producer,
                "producer_epoch": placeholder("epoch", who) if epoch is None else epoch,
                "transaction_result": commit,
                "topics": [{"name": topic, "partition_indexes": indexes}],
                "coordinator_epoch": coordinator_epoch,
                "transaction_version": transaction_version,
            }
        ]
    }


def several_markers(*requests: Fields) -> Fields:
    return {"markers": [marker for each in requests for marker in each["markers"]]}


def describe_transactions(*ids: str) -> Fields:
    """Of {transaction} unless others are named."""
    return {"transactional_ids": list(ids or ("{transaction}",))}


def list_transactions(
    states: Sequence[str] = (),
    producers: Sequence[int | str] = (),
    *,
    duration_ms: int = -1,
    pattern: str | None = None,
) -> Fields:
    more = {"duration_filter": duration_ms, "transactional_id_pattern": pattern}
    return {"state_filters": list(states), "producer_id_filters": list(producers), **more}


def describe_producers(topic: str = "{topic}", *partitions: int) -> Fields:
    return {"topics": [{"name": topic, "partition_indexes": list(partitions) or [0]}]}


def transactional(sequence: int = 0, *, values: int = 2, who: str = "", **how: Any) -> Batch:
    """A transactional batch of so many records, `producer_id` and `producer_epoch` unless said."""
    identity = {"producer_id": placeholder("producer", who), "producer_epoch": placeholder("epoch", who)}
    content = tuple(f"{who or 'first'}-{sequence + index}".encode() for index in range(values))
    return Batch(content, base_sequence=sequence, **{"transactional": True, **identity, **how})


def produce_in_transaction(
    sequence: int = 0,
    *,
    values: int = 2,
    who: str = "",
    topic: str = "{topic}",
    partition: int = 0,
    acks: int = -1,
    transactional_id: str | None = None,
    **how: Any,
) -> Fields:
    return produce(
        transactional(sequence, values=values, who=who, **how),
        topic=topic,
        partition=partition,
        acks=acks,
        transactional_id=placeholder("transaction", who) if transactional_id is None else transactional_id,
    )


def _identity(
    who: str,
    transactional_id: str | None = None,
    producer: int | str | None = None,
    epoch: int | str | None = None,
) -> Fields:
    return {
        "transactional_id": placeholder("transaction", who) if transactional_id is None else transactional_id,
        "producer_id": placeholder("producer", who) if producer is None else producer,
        "producer_epoch": placeholder("epoch", who) if epoch is None else epoch,
    }
