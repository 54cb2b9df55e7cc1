"""What must be true when everything has calmed down, asked over the wire.

- Every input that was acknowledged is there, and none is there twice.
- Every input that is there has exactly one output in every pipeline, read with read_committed; none has two,
  and there is none without an input.
- A group's committed offsets are the ends of the inputs: no more and no less than what its outputs say.
- No transaction is open: no producer has one in any partition, no transactional id is in one, and the last
  stable offset of every partition is its high watermark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio
from kwire_codecs.apis.describe_producers import DescribeProducers
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.list_transactions import ListTransactions
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.records import batch

from tests.broker_client import Client, fetch_request, one_partition

LATEST = -1
COMMITTED, UNCOMMITTED = 1, 0
SETTLED = frozenset(("Empty", "CompleteCommit", "CompleteAbort"))
SOURCE = "in"
PARTITIONS = {"in": 4}
TARGET_PARTITIONS = 3


class Broken(Exception):
    """A promise is."""


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[Client]:
    """A client of the broker on that port."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Client(stream, "checker")


async def partitions_of(client: Client) -> dict[str, int]:
    """How many partitions each topic has, internal ones too."""
    response = await client.ask(Metadata.Request(topics=None), 9)
    return {topic.name: len(topic.partitions) for topic in response.topics}


async def ends(client: Client, topic: str, count: int, isolation_level: int = UNCOMMITTED) -> list[int]:
    """High watermarks, or last stable offsets."""
    asked = ListOffsets.Request.Topic
    request = ListOffsets.Request(
        replica_id=-1,
        isolation_level=isolation_level,
        topics=[
            asked(
                name=topic,
                partitions=[
                    asked.Partition(partition_index=index, timestamp=LATEST) for index in range(count)
                ],
            )
        ],
    )
    [answer] = (await client.ask(request, 7)).topics
    if any(each.error_code for each in answer.partitions):
        raise Broken(f"the ends of {topic} are not told: {answer.partitions[0].error_code.name}")
    return [each.offset for each in sorted(answer.partitions, key=lambda each: each.partition_index)]


async def committed_offsets(client: Client, group_id: str) -> dict[int, int] | None:
    """A group's offsets in the inputs; None while they are not told."""
    asked = OffsetFetch.Request.Group
    count = PARTITIONS[SOURCE]
    request = OffsetFetch.Request(
        groups=[
            asked(group_id=group_id, topics=[asked.Topic(name=SOURCE, partition_indexes=list(range(count)))])
        ],
        require_stable=True,
    )
    [group] = (await client.ask(request, 8)).groups
    if group.error_code or any(each.error_code for topic in group.topics for each in topic.partitions):
        return None
    return {each.partition_index: each.committed_offset for each in group.topics[0].partitions}


async def ids_in(client: Client, topic: str, count: int, *, committed: bool) -> Counter[str]:
    """The ids of all records of a topic."""
    found: Counter[str] = Counter()
    for index in range(count):
        position = 0
        [*_, end] = await ends(client, topic, index + 1, COMMITTED if committed else UNCOMMITTED)
        while position < end:
            request = fetch_request(
                topic, position, partition=index, isolation_level=COMMITTED if committed else UNCOMMITTED
            )
            answer: Fetch.Response.Topic.Partition = one_partition(await client.ask(request, 12))
            if answer.error_code:
                raise Broken(f"{topic}-{index} cannot be read at {position}: {answer.error_code.name}")
            position = _gather(answer, position, found)
    return found


def _gather(answer: Fetch.Response.Topic.Partition, position: int, found: Counter[str]) -> int:
    """Counts the ids that one Fetch shows; gives the next offset."""
    aborted = sorted((each.first_offset, each.producer_id) for each in answer.aborted_transactions or [])
    hidden: set[int] = set()
    buffer = memoryview(bytes(answer.records or b""))  # type: ignore[arg-type]
    before = position
    for at, header in batch.walk(buffer):
        while aborted and aborted[0][0] <= header.last_offset:
            hidden.add(aborted.pop(0)[1])
        if header.is_control:
            hidden.discard(header.producer_id)
        elif not (header.is_transactional and header.producer_id in hidden):
            for offset, record in enumerate(batch.records(buffer, at, header, 1 << 24), header.base_offset):
                if offset >= before and record.value is not None:
                    found[record.value.split(b" ")[0].decode()] += 1
        position = max(position, header.next_offset)
    if position == before:
        raise Broken(f"a Fetch at {before}, below the end, gives nothing")
    return position


async def check_inputs(client: Client, acknowledged: Iterable[str]) -> Counter[str]:
    """The inputs; raises Broken."""
    inputs = await ids_in(client, SOURCE, PARTITIONS[SOURCE], committed=False)
    lost = [each for each in acknowledged if each not in inputs]
    if lost:
        raise Broken(f"{len(lost)} acknowledged inputs are lost: {_some(lost)}")
    doubled = [each for each, times in inputs.items() if times > 1]
    if doubled:
        raise Broken(f"{len(doubled)} inputs are there more than once: {_some(doubled)}")
    return inputs


async def check_outputs(client: Client, target: str, inputs: Counter[str]) -> int:
    """How many outputs there are; raises Broken if not one an input."""
    outputs = await ids_in(client, target, TARGET_PARTITIONS, committed=True)
    if outputs != inputs:
        doubled = [each for each, times in outputs.items() if times > 1]
        missing = [each for each in inputs if each not in outputs]
        invented = [each for each in outputs if each not in inputs]
        raise Broken(
            f"{target}: of {len(inputs)} inputs {len(missing)} are missing ({_some(missing)}), "
            f"{len(doubled)} are there more than once ({_some(doubled)}), {len(invented)} are invented"
        )
    return outputs.total()


async def open_transactions(client: Client) -> list[str]:
    """Whatever is not over: in words; empty when all is."""
    left: list[str] = []
    listed = await client.ask(ListTransactions.Request(state_filters=[], producer_id_filters=[]), 1)
    if listed.error_code:
        return [f"ListTransactions: {listed.error_code.name}"]
    left += [
        f"{each.transactional_id} is {each.transaction_state}"
        for each in listed.transaction_states
        if each.transaction_state not in SETTLED
    ]
    topics = await partitions_of(client)
    asked = DescribeProducers.Request.Topic
    described = await client.ask(
        DescribeProducers.Request(
            topics=[asked(name=name, partition_indexes=list(range(count))) for name, count in topics.items()]
        ),
        0,
    )
    for topic in described.topics:
        for partition in topic.partitions:
            if partition.error_code:
                left.append(f"{topic.name}-{partition.partition_index}: {partition.error_code.name}")
            left += [
                f"{topic.name}-{partition.partition_index}: producer {producer.producer_id} in epoch "
                f"{producer.producer_epoch} has a transaction since {producer.current_txn_start_offset}"
                for producer in partition.active_producers
                if producer.current_txn_start_offset != -1
            ]
    for name, count in topics.items():
        high, stable = await ends(client, name, count), await ends(client, name, count, COMMITTED)
        left += [
            f"{name}-{index}: the last stable offset is {stable[index]}, the high watermark {high[index]}"
            for index in range(count)
            if stable[index] != high[index]
        ]
    return left


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:5]) or "none"
