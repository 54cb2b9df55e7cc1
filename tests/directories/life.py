"""What a broker, kwire or Kafka, is made to write into a sample directory, and what clients then see of it.

`lead` is done once, to a fresh broker; `see` is asked of that broker before it stops, and of whatever opens
the directory later: the answers must be equal. Everything that depends on the day (retention, expiry of
offsets) is switched off, so that a directory from years ago holds what it held.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn
from kwire_codecs.apis.add_partitions_to_txn import Topic as AddedTopic
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_records import DeleteRecords
from kwire_codecs.apis.describe_configs import DescribeConfigs
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.list_offsets import ListOffsets
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.apis.offset_commit import OffsetCommit
from kwire_codecs.apis.offset_fetch import OffsetFetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records import control
from kwire_codecs.records.batch import Record
from kwire_codecs.records.control import ControlType

from kwire.testing.client import ask, connect
from tests.broker_client import fetch_request, one_partition, produce_request

BROKER = {
    "offsets.topic.num.partitions": "1",
    "offsets.retention.minutes": "2147483647",
    "transaction.state.log.num.partitions": "1",
    "transactional.id.expiration.ms": "2147483647",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "2147483647",
    "log.retention.ms": "-1",
}
"""Settings of the broker that writes, and of those that open the directory."""
KEPT = {"retention.ms": "-1"}
SPARSE = {**KEPT, "index.interval.bytes": "100"}
TOPICS: dict[str, dict[str, str]] = {
    "plain": SPARSE,
    "segments": {**SPARSE, "segment.ms": "60000"},
    "codecs": SPARSE,
    "idempotent": KEPT,
    "transactions": SPARSE,
    "trimmed": {**SPARSE, "segment.ms": "60000"},
    "broker-time": {**KEPT, "message.timestamp.type": "LogAppendTime"},
    "configured": {**KEPT, "cleanup.policy": "compact", "max.message.bytes": "54321"},
    "empty": KEPT,
}
GROUP = "readers"
BASE_MS = 1_700_000_000_000
_LATEST, _EARLIEST, _NEWEST = -1, -2, -3
_NOT_YET = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
}

Seen = dict[str, Any]


def lead(address: str) -> None:
    """Everything that a sample directory shall hold."""
    with connect(address) as broker:
        _create_topics(broker)
        _plain_records(broker)
        _transactions(broker)
        trim = DeleteRecords.Request.Topic
        request = DeleteRecords.Request(
            topics=[trim(name="trimmed", partitions=[trim.Partition(partition_index=0, offset=5)])],
            timeout_ms=10_000,
        )
        _done(broker, request, 1, lambda answer: answer.topics[0].partitions[0].error_code)
        _coordinated(broker, GROUP, 0)
        for topic, offset in (("plain", 2), ("codecs", 5), ("plain", 3)):
            commit = OffsetCommit.Request.Topic
            part = commit.Partition(
                partition_index=0, committed_offset=offset, committed_metadata=f"at {offset}"
            )
            committed = OffsetCommit.Request(group_id=GROUP, topics=[commit(name=topic, partitions=[part])])
            _done(broker, committed, 6, lambda answer: answer.topics[0].partitions[0].error_code)


def _done(broker: socket.socket, request: Any, version: int, code_of: Any) -> Any:
    """The answer without error; asked again as long as the broker says that it will be able to."""
    for _ in range(200):
        answer = ask(broker, request, version)
        if code_of(answer) not in _NOT_YET:
            assert code_of(answer) == ErrorCode.NONE, (request, answer)
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{request} is never answered")


def _create_topics(broker: socket.socket) -> None:
    topic = CreateTopics.Request.Topic
    wanted = [
        topic(
            name=name,
            num_partitions=2 if name == "plain" else 1,
            replication_factor=1,
            assignments=[],
            configs=[topic.Config(name=key, value=value) for key, value in configs.items()],
        )
        for name, configs in TOPICS.items()
    ]
    answer = ask(broker, CreateTopics.Request(topics=wanted), 5)
    assert {each.error_code for each in answer.topics} == {ErrorCode.NONE}, answer


def _produce(
    broker: socket.socket, topic: str, records: list[Record], *, partition: int = 0, **fields: Any
) -> None:
    transactional_id = fields.pop("transactional_id", None)
    data = record_batch.build(records, **fields)
    request = produce_request(topic, data, partition=partition)
    request.transactional_id = transactional_id
    _done(broker, request, 9, lambda answer: one_partition(answer).error_code)


def _plain_records(broker: socket.socket) -> None:
    for partition in (0, 1):
        for at in range(6):
            record = Record(b"k%d" % at, b"v%d" % at, BASE_MS + at, ((b"h", b"%d" % at), (b"n", None)))
            _produce(broker, "plain", [record, Record(None, None, BASE_MS - at)], partition=partition)
    for at in range(8):
        for topic in ("segments", "trimmed"):
            _produce(broker, topic, [Record(b"k", b"%d" % at, BASE_MS + at * 40_000)])
    for codec in range(5):
        times = (BASE_MS + 50 - codec, BASE_MS + codec)
        _produce(broker, "codecs", [Record(b"k", b"text " * 40, time) for time in times], compression=codec)
    answer = _done(
        broker,
        InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1000),
        4,
        lambda answer: answer.error_code,
    )
    for at in range(4):
        _produce(
            broker,
            "idempotent",
            [Record(b"k", b"%d" % at, BASE_MS + at)],
            producer_id=answer.producer_id,
            producer_epoch=answer.producer_epoch,
            base_sequence=at,
        )
    for topic in ("broker-time", "configured"):
        _produce(broker, topic, [Record(b"k%d" % at, b"v", BASE_MS + at) for at in range(3)])


def _coordinated(broker: socket.socket, key: str, key_type: int) -> None:
    request = FindCoordinator.Request(key=key, key_type=key_type)
    _done(broker, request, 3, lambda answer: answer.error_code)


def _transactions(broker: socket.socket) -> None:
    for name, end in (("commits", True), ("aborts", False), ("stays-open", None)):
        _coordinated(broker, name, 1)
        init = InitProducerId.Request(transactional_id=name, transaction_timeout_ms=900_000)
        producer = _done(broker, init, 4, lambda answer: answer.error_code)
        request = AddPartitionsToTxn.Request(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=producer.producer_id,
            v3_and_below_producer_epoch=producer.producer_epoch,
            v3_and_below_topics=[AddedTopic(name="transactions", partitions=[0])],
        )
        _done(broker, request, 3, _added)
        for at in range(2):
            _produce(
                broker,
                "transactions",
                [Record(name.encode(), b"%d" % at, BASE_MS + at)],
                transactional_id=name,
                producer_id=producer.producer_id,
                producer_epoch=producer.producer_epoch,
                base_sequence=at,
                is_transactional=True,
            )
        if end is not None:
            ended = EndTxn.Request(
                transactional_id=name,
                producer_id=producer.producer_id,
                producer_epoch=producer.producer_epoch,
                committed=end,
            )
            _done(broker, ended, 3, lambda answer: answer.error_code)
            # Its next life begins when the markers of this one are written.
            _done(broker, init, 4, lambda answer: answer.error_code)
            _produce(broker, "transactions", [Record(b"between", name.encode(), BASE_MS)])


def _added(answer: Any) -> ErrorCode:
    code: ErrorCode = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    return code


# What clients see


def see(address: str) -> Seen:
    """Topics with their configs, records and offsets, as JSON has them; the group's offsets."""
    with connect(address) as broker:
        names = sorted(topic.name for topic in ask(broker, Metadata.Request(topics=None), 9).topics)
        seen: Seen = {
            "topics": {
                name: {"configs": _configs(broker, name), "partitions": _partitions(broker, name)}
                for name in names
                if not name.startswith("__")
            }
        }
        _coordinated(broker, GROUP, 0)
        answer = _done(
            broker, OffsetFetch.Request(group_id=GROUP, topics=None), 5, lambda answer: answer.error_code
        )
        seen["offsets"] = sorted(
            [topic.name, each.partition_index, each.committed_offset, each.metadata]
            for topic in answer.topics
            for each in topic.partitions
        )
        return seen


def _configs(broker: socket.socket, name: str) -> dict[str, str | None]:
    """Those that were set for the topic."""
    asked = DescribeConfigs.Request.Resource(resource_type=2, resource_name=name, configuration_keys=None)
    [result] = ask(broker, DescribeConfigs.Request(resources=[asked]), 3).results
    assert result.error_code == ErrorCode.NONE, result
    return {each.name: each.value for each in result.configs if each.config_source == 1}


def _partitions(broker: socket.socket, name: str) -> dict[str, Any]:
    [topic] = [each for each in ask(broker, Metadata.Request(topics=None), 9).topics if each.name == name]
    return {
        str(index): {
            "start": _offset(broker, name, index, _EARLIEST)[1],
            "newest": _offset(broker, name, index, _NEWEST),
            "later": _offset(broker, name, index, BASE_MS + 170_000),
            "records": _records(broker, name, index, committed=False),
            "committed": [record[0] for record in _records(broker, name, index, committed=True)],
        }
        for index in sorted(each.partition_index for each in topic.partitions)
    }


def _offset(broker: socket.socket, name: str, index: int, timestamp: int) -> tuple[int, int]:
    asked = ListOffsets.Request.Topic
    part = asked.Partition(partition_index=index, timestamp=timestamp)
    request = ListOffsets.Request(replica_id=-1, topics=[asked(name=name, partitions=[part])])
    answer = _done(broker, request, 7, lambda answer: answer.topics[0].partitions[0].error_code)
    [found] = answer.topics[0].partitions
    return found.timestamp, found.offset


def _records(broker: socket.socket, name: str, index: int, *, committed: bool) -> list[list[Any]]:
    """Each record: offset, timestamp, key, value, headers; without control records and, where only committed
    ones are asked for, without aborted ones (as Kafka's own consumer leaves them out).
    """
    offset = _offset(broker, name, index, _EARLIEST)[1]
    found: list[list[Any]] = []
    while True:
        request: Fetch.Request = fetch_request(
            name, offset, partition=index, isolation_level=1 if committed else 0
        )
        answer = one_partition(_done(broker, request, 11, lambda each: one_partition(each).error_code))
        data = bytes(answer.records or b"")
        aborted = sorted(answer.aborted_transactions or [], key=lambda each: each.first_offset)
        left_out: set[int] = set()
        headers = list(record_batch.walk(data, allow_partial_end=True))
        if not headers:
            return found
        for position, header in headers:
            records = record_batch.records(data, position, header, 1 << 24)
            while aborted and aborted[0].first_offset <= header.last_offset:
                left_out.add(aborted.pop(0).producer_id)
            offset = header.next_offset
            if header.is_control:
                if control.decode_key(records[0].key) is ControlType.ABORT:
                    left_out.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in left_out):
                found += [_shown(record) for record in records if record.offset >= request_offset(request)]


def request_offset(request: Fetch.Request) -> int:
    offset: int = request.topics[0].partitions[0].fetch_offset
    return offset


def _shown(record: Record) -> list[Any]:
    return [
        record.offset,
        record.timestamp,
        None if record.key is None else record.key.decode(),
        None if record.value is None else record.value.decode(),
        [[name.decode(), None if value is None else value.decode()] for name, value in record.headers],
    ]
