"""A process of the pipeline by a small client of our own: `feed` makes inputs, the others transform them.

    python -m tests.crashes.workers.wire BOOTSTRAP NAME MODE GROUP TRANSACTIONAL_ID SOURCE TARGET

Lines as in librdkafka.py, and `broken WORDS` where a promise is. Groups are KIP-848's. `classic` has its
transactions by AddPartitionsToTxn, AddOffsetsToTxn and EndTxn 4, `newest` by Produce 12, TxnOffsetCommit 5
and EndTxn 5 (KIP-890); neither client library here does the latter. One request at a time, so that nothing
may ever be out of order: a producer that is told so has found a defect.
"""

from __future__ import annotations

import select
import sys
import time
import uuid
from typing import Any, NoReturn

from kwire_codecs.apis.add_offsets_to_txn import AddOffsetsToTxn
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic
from kwire_codecs.apis.consumer_group_heartbeat import ConsumerGroupHeartbeat
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.apis.produce import Produce
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from tests.crashes.workers.connection import Connection, Disconnected

BATCH = 20
PADDING = b"." * 200
HEARTBEAT_SECONDS = 0.25
SESSION_SECONDS = 3.0
TRANSACTION_TIMEOUT_MS = 8000
BACKOFF_SECONDS = 0.02

NONE = ErrorCode.NONE
COME_BACK = frozenset(
    (
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNSTABLE_OFFSET_COMMIT,
    )
)
"""The broker is about to be able to; ask again."""
LOST_MEMBERSHIP = frozenset(
    (
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.FENCED_MEMBER_EPOCH,
    )
)


class Abortable(Exception):
    """The transaction cannot be committed, the next one may."""


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def fatal(*words: object) -> NoReturn:
    tell("fatal", *words)
    sys.exit(3)


def is_wanted() -> bool:
    """Whether standard input is still open."""
    return not select.select([sys.stdin], [], [], 0)[0]


def encoded(producer: tuple[int, int], sequence: int, values: list[bytes], **fields: Any) -> memoryview:
    made = [Record(None, value, timestamp=time.time_ns() // 1_000_000) for value in values]
    return memoryview(
        batch.build(
            made, producer_id=producer[0], producer_epoch=producer[1], base_sequence=sequence, **fields
        )
    )


def feed(connection: Connection, name: str, source: str, partitions: int) -> None:
    """Idempotent records, each until it is acknowledged."""
    found = connection.ask_until_answered(
        InitProducerId.Request(transactional_id=None, transaction_timeout_ms=0), 4
    )
    while found.error_code in COME_BACK:
        time.sleep(BACKOFF_SECONDS)
        found = connection.ask_until_answered(
            InitProducerId.Request(transactional_id=None, transaction_timeout_ms=0), 4
        )
    producer = found.producer_id, found.producer_epoch
    sequences = [0] * partitions
    life, number = time.time_ns(), 0
    asked = Produce.Request.Topic
    while is_wanted():
        partition = number % partitions
        ids = [f"{name}-{life}-{number + each}" for each in range(3)]
        values = [each.encode() + b" " + PADDING for each in ids]
        data = encoded(producer, sequences[partition], values)
        request = Produce.Request(
            acks=-1,
            timeout_ms=10_000,
            topic_data=[asked(name=source, partition_data=[asked.Partition(index=partition, records=data)])],
        )
        while True:
            answer = connection.ask_until_answered(request, 11)
            error_code = answer.responses[0].partition_responses[0].error_code
            if error_code in (NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
                break
            if error_code not in COME_BACK:
                tell(
                    "broken", "an idempotent record with one request on the way is refused:", error_code.name
                )
                sys.exit(3)
            time.sleep(BACKOFF_SECONDS)
        for each in ids:
            tell("fed", each)
        number += len(ids)
        sequences[partition] += len(ids)
        time.sleep(0.15)


class Pipeline:
    """A member of a group and a transactional producer in one."""

    def __init__(
        self,
        connection: Connection,
        group: str,
        transactional_id: str,
        source: str,
        target: str,
        newest: bool,
    ) -> None:
        self.connection = connection
        self.group = group
        self.transactional_id = transactional_id
        self.source = source
        self.target = target
        self.newest = newest
        self.producer = (-1, -1)
        self.sequences: dict[int, int] = {}
        self.member_id = str(uuid.uuid4())
        self.member_epoch = 0
        self.owned: list[int] = []
        self.said: list[int] | None = None
        self.positions: dict[int, int] = {}
        self.beaten_at = 0.0
        [source_id, _], [_, self.target_partitions] = self.described(source), self.described(target)
        self.source_id = source_id

    def described(self, topic: str) -> tuple[uuid.UUID, int]:
        request = Metadata.Request(
            topics=[Metadata.Request.Topic(name=topic)], allow_auto_topic_creation=False
        )
        while True:
            [found] = self.connection.ask_until_answered(request, 12).topics
            if not found.error_code:
                return found.topic_id, len(found.partitions)
            time.sleep(BACKOFF_SECONDS)

    def run(self) -> None:
        for kind, key in enumerate((self.group, self.transactional_id)):
            self.connection.ask_until_answered(FindCoordinator.Request(key=key, key_type=kind), 3)
        self.init()
        while is_wanted():
            self.beat()
            values = self.read()
            if not values:
                continue
            try:
                self.transform(values)
                self.end(commit=True)
            except Abortable as reason:
                tell("note", "aborts:", reason)
                self.end(commit=False)
                self.positions.clear()
            else:
                tell("committed", len(values))
        self.leave()

    # Membership

    def beat(self) -> None:
        """Says that it is there, and gives and takes partitions."""
        if (
            self.member_epoch
            and time.monotonic() - self.beaten_at < HEARTBEAT_SECONDS
            and self.said == self.owned
        ):
            return
        joining = not self.member_epoch
        asked = ConsumerGroupHeartbeat.Request
        request = asked(group_id=self.group, member_id=self.member_id, member_epoch=self.member_epoch)
        if joining:
            self.owned, self.positions = [], {}
        if joining or self.said is None:
            # Everything, as a client says after an answer that it has not seen.
            request.rebalance_timeout_ms = 10_000
            request.subscribed_topic_names = [self.source]
        if joining or self.said != self.owned:
            request.topic_partitions = (
                [asked.TopicPartitions(topic_id=self.source_id, partitions=self.owned)] if self.owned else []
            )
        said = list(self.owned)
        try:
            answer = self.connection.ask(request, 1)
        except Disconnected:
            self.said = None  # all of it again
            return
        self.beaten_at = time.monotonic()
        if answer.error_code in COME_BACK:
            time.sleep(BACKOFF_SECONDS)
        elif answer.error_code in LOST_MEMBERSHIP:
            tell("note", "is out of the group:", answer.error_code.name)
            self.member_epoch = 0
        elif answer.error_code:
            fatal("ConsumerGroupHeartbeat", answer.error_code.name, answer.error_message)
        else:
            self.member_epoch, self.said = answer.member_epoch, said
            if answer.assignment is not None:
                self.owned = [
                    index for topic in answer.assignment.topic_partitions for index in topic.partitions
                ]
                for index in [index for index in self.positions if index not in self.owned]:
                    del self.positions[index]

    def leave(self) -> None:
        asked = ConsumerGroupHeartbeat.Request
        self.connection.ask_until_answered(
            asked(group_id=self.group, member_id=self.member_id, member_epoch=-1), 1
        )

    # Reading

    def find_positions(self, missing: list[int]) -> None:
        """Where the group goes on in these partitions; they stay unknown where it cannot be told now."""
        group = OffsetFetch.Request.Group
        request = OffsetFetch.Request(
            groups=[
                group(
                    group_id=self.group,
                    member_id=self.member_id,
                    member_epoch=self.member_epoch,
                    topics=[group.Topic(name=self.source, partition_indexes=missing)],
                )
            ],
            require_stable=True,
        )
        try:
            [answer] = self.connection.ask(request, 9).groups
        except Disconnected:
            return
        if answer.error_code in LOST_MEMBERSHIP:
            self.beaten_at = 0.0
        elif answer.error_code and answer.error_code not in COME_BACK:
            fatal("OffsetFetch", answer.error_code.name)
        if answer.error_code:
            time.sleep(BACKOFF_SECONDS)
            return
        for found in answer.topics[0].partitions:
            if not found.error_code:
                self.positions[found.partition_index] = max(found.committed_offset, 0)
            elif found.error_code in COME_BACK:
                time.sleep(BACKOFF_SECONDS)
            else:
                fatal("OffsetFetch", found.error_code.name)

    def read(self) -> list[tuple[int, int, bytes]]:
        """Partition, offset and value of what is next."""
        missing = [index for index in self.owned if index not in self.positions]
        if missing and self.member_epoch:
            self.find_positions(missing)
        if not self.positions:
            time.sleep(BACKOFF_SECONDS)
            return []
        asked = Fetch.Request.Topic
        request = Fetch.Request(
            max_wait_ms=50,
            min_bytes=1,
            max_bytes=1 << 20,
            isolation_level=1,
            topics=[
                asked(
                    topic=self.source,
                    partitions=[
                        asked.Partition(partition=index, fetch_offset=offset, partition_max_bytes=1 << 16)
                        for index, offset in self.positions.items()
                    ],
                )
            ],
        )
        try:
            answer = self.connection.ask(request, 12)
        except Disconnected:
            return []
        values: list[tuple[int, int, bytes]] = []
        for topic in answer.responses:
            for partition in topic.partitions:
                if partition.error_code in COME_BACK:
                    continue
                if partition.error_code:
                    tell("broken", "a Fetch of what is there is refused:", partition.error_code.name)
                    sys.exit(3)
                values += [
                    (partition.partition_index, offset, value)
                    for offset, value in _records(partition.records)
                    if offset >= self.positions[partition.partition_index]
                ][: BATCH // 2]
        return values

    # Transactions

    def init(self) -> None:
        """A new epoch; whatever was open under this name is aborted."""
        request = InitProducerId.Request(
            transactional_id=self.transactional_id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
        )
        found = self.again_while_not_ready(
            request, 5 if self.newest else 4, lambda answer: [answer.error_code]
        )
        if found.error_code:
            fatal("InitProducerId", found.error_code.name)
        self.producer = found.producer_id, found.producer_epoch
        self.sequences.clear()

    def again_while_not_ready(self, request: Any, version: int, errors: Any) -> Any:
        """The answer, asked for again while the broker is away or about to be able to."""
        while True:
            answer = self.connection.ask_until_answered(request, version)
            if not any(error in COME_BACK for error in errors(answer)):
                return answer
            time.sleep(BACKOFF_SECONDS)

    def expect(self, what: str, errors: list[ErrorCode]) -> None:
        for error in errors:
            if error in LOST_MEMBERSHIP:
                self.beaten_at = 0.0
                raise Abortable(f"{what}: {error.name}")
            if error is ErrorCode.TRANSACTION_ABORTABLE:
                raise Abortable(f"{what}: {error.name}")
            if error:
                fatal(what, error.name)

    def transform(self, values: list[tuple[int, int, bytes]]) -> None:
        by_partition: dict[int, list[bytes]] = {}
        offsets: dict[int, int] = {}
        for partition, offset, value in values:
            by_partition.setdefault(hash(value) % self.target_partitions, []).append(value)
            offsets[partition] = offset + 1
        if not self.newest:
            self.add(sorted(by_partition))
        self.produce(by_partition)
        self.send_offsets(offsets)
        self.positions.update(offsets)

    def add(self, partitions: list[int]) -> None:
        request = AddPartitionsToTxn.Request(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.producer[0],
            v3_and_below_producer_epoch=self.producer[1],
            v3_and_below_topics=[Topic(name=self.target, partitions=partitions)],
        )

        def errors(answer: AddPartitionsToTxn.Response) -> list[ErrorCode]:
            [topic] = answer.results_by_topic_v3_and_below
            return [each.partition_error_code for each in topic.results_by_partition]

        self.expect("AddPartitionsToTxn", errors(self.again_while_not_ready(request, 3, errors)))

    def produce(self, by_partition: dict[int, list[bytes]]) -> None:
        asked = Produce.Request.Topic
        for index, values in by_partition.items():
            sequence = self.sequences.get(index, 0)
            data = encoded(self.producer, sequence, values, is_transactional=True)
            request = Produce.Request(
                transactional_id=self.transactional_id,
                acks=-1,
                timeout_ms=10_000,
                topic_data=[
                    asked(name=self.target, partition_data=[asked.Partition(index=index, records=data)])
                ],
            )

            def errors(answer: Produce.Response) -> list[ErrorCode]:
                return [answer.responses[0].partition_responses[0].error_code]

            [error] = errors(self.again_while_not_ready(request, 12 if self.newest else 11, errors))
            if error in (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.INVALID_TXN_STATE):
                tell("broken", "a transactional record with one request on the way is refused:", error.name)
                sys.exit(3)
            if error is not ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
                self.expect("Produce", [error])
            self.sequences[index] = sequence + len(values)

    def send_offsets(self, offsets: dict[int, int]) -> None:
        if not self.newest:
            added = self.again_while_not_ready(
                AddOffsetsToTxn.Request(
                    transactional_id=self.transactional_id,
                    producer_id=self.producer[0],
                    producer_epoch=self.producer[1],
                    group_id=self.group,
                ),
                3,
                lambda answer: [answer.error_code],
            )
            self.expect("AddOffsetsToTxn", [added.error_code])
        topic = TxnOffsetCommit.Request.Topic
        request = TxnOffsetCommit.Request(
            transactional_id=self.transactional_id,
            group_id=self.group,
            producer_id=self.producer[0],
            producer_epoch=self.producer[1],
            generation_id_or_member_epoch=self.member_epoch,
            member_id=self.member_id,
            topics=[
                topic(
                    name=self.source,
                    partitions=[
                        topic.Partition(partition_index=index, committed_offset=offset, committed_metadata="")
                        for index, offset in offsets.items()
                    ],
                )
            ],
        )

        def errors(answer: TxnOffsetCommit.Response) -> list[ErrorCode]:
            return [each.error_code for topic in answer.topics for each in topic.partitions]

        self.expect(
            "TxnOffsetCommit", errors(self.again_while_not_ready(request, 5 if self.newest else 3, errors))
        )

    def end(self, *, commit: bool) -> None:
        request = EndTxn.Request(
            transactional_id=self.transactional_id,
            producer_id=self.producer[0],
            producer_epoch=self.producer[1],
            committed=commit,
        )
        answer = self.again_while_not_ready(
            request, 5 if self.newest else 4, lambda answer: [answer.error_code]
        )
        if answer.error_code:
            fatal("EndTxn", answer.error_code.name)
        if self.newest:
            self.producer = answer.producer_id, answer.producer_epoch
            self.sequences.clear()


def _records(data: Any) -> list[tuple[int, bytes]]:
    buffer = memoryview(bytes(data or b""))
    return [
        (header.base_offset + at, record.value)
        for position, header in batch.walk(buffer)
        if not header.is_control
        for at, record in enumerate(batch.records(buffer, position, header, 1 << 20))
        if record.value is not None
    ]


def main(
    bootstrap: str, name: str, mode: str, group: str, transactional_id: str, source: str, target: str
) -> None:
    connection = Connection(bootstrap, name)
    if mode == "feed":
        asked = Metadata.Request(
            topics=[Metadata.Request.Topic(name=source)], allow_auto_topic_creation=False
        )
        [topic] = connection.ask_until_answered(asked, 9).topics
        feed(connection, name, source, len(topic.partitions))
    else:
        Pipeline(connection, group, transactional_id, source, target, mode == "newest").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
