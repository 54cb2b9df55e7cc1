"""TxnOffsetCommit: what is refused by itself, what the group and the transaction are asked, and how a version
hears of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import trio
from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode

from kwire.config import BrokerConfig
from kwire.coordinators.groups.values import CommitResult, TransactionalCommitRequest
from kwire.coordinators.metadata.image import ClusterImage, PartitionImage, TopicImage
from kwire.handlers import txn_offset_commit
from kwire.handlers.context import Context
from kwire.runtime.transactions import ADD, VERIFY, VERIFY_AS_BEFORE

NONE = ErrorCode.NONE
VERIFICATION = "transaction.partition.verification.enable"
KNOWN, OTHER, UNKNOWN = UUID(int=1), UUID(int=2), UUID(int=3)
TOPICS = {
    name: TopicImage(name, topic_id, tuple(PartitionImage(n, (1,), (1,), 1) for n in range(2)))
    for name, topic_id in (("known", KNOWN), ("other", OTHER))
}
IMAGE = ClusterImage(topics=TOPICS, topic_names={topic.id: name for name, topic in TOPICS.items()})


class Groups:
    """A group that answers with one error for all, or takes even offsets."""

    def __init__(self, error_code: ErrorCode = NONE) -> None:
        self.error_code = error_code
        self.asked: list[tuple[TransactionalCommitRequest, bool]] = []
        self.admitted: ErrorCode | None = None

    async def commit_transactional_offsets(
        self,
        node_id: int,
        request: TransactionalCommitRequest,
        admitted: Callable[[int], Awaitable[ErrorCode]] | None,
        *,
        supports_epoch_bump: bool,
    ) -> CommitResult:
        self.asked.append((request, supports_epoch_bump))
        self.admitted = None if admitted is None else await admitted(33)
        if self.error_code:
            return CommitResult(self.error_code)
        too_large = ErrorCode.OFFSET_METADATA_TOO_LARGE
        return CommitResult(
            NONE,
            [
                [too_large if partition.offset % 2 else NONE for partition in topic.partitions]
                for topic in request.commit.topics
            ],
        )


class Transactions:
    """What is asked of the transaction coordinator."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def admit(self, *asked: Any) -> dict[Any, ErrorCode]:
        self.asked.append(asked)
        (partition,) = asked[4]
        return {partition: ErrorCode.CONCURRENT_TRANSACTIONS}


def answered(
    version: int,
    topics: Sequence[tuple[str, UUID, Sequence[tuple[int, int]]]],
    groups: Groups,
    *,
    verifies: bool = True,
) -> tuple[list[tuple[str | UUID, list[tuple[int, ErrorCode]]]], Transactions]:
    transactions = Transactions()
    cluster: Any = SimpleNamespace(
        controller=SimpleNamespace(image=IMAGE),
        image=IMAGE,
        config=BrokerConfig({VERIFICATION: str(verifies).lower()}),
        groups=groups,
        transactions=transactions,
    )
    node: Any = SimpleNamespace(id=4)
    peer: Any = None
    asked = TxnOffsetCommit.Request.Topic
    request = TxnOffsetCommit.Request(
        transactional_id="tx",
        group_id="g",
        producer_id=7,
        producer_epoch=5,
        generation_id_or_member_epoch=9,
        member_id="m",
        group_instance_id="i",
        topics=[
            asked(
                name="" if version >= 6 else name,
                topic_id=topic_id,
                partitions=[
                    asked.Partition(partition_index=index, committed_offset=offset, committed_metadata="x")
                    for index, offset in partitions
                ],
            )
            for name, topic_id, partitions in topics
        ],
    )
    response = trio.run(txn_offset_commit.handle, Context(cluster, node, peer, version, "test"), request)
    found = [
        (
            topic.topic_id if version >= 6 else topic.name,
            [(each.partition_index, each.error_code) for each in topic.partitions],
        )
        for topic in response.topics
    ]
    return found, transactions


@pytest.mark.parametrize("version", range(7))
def test_what_does_not_exist_is_refused_first_and_the_rest_committed(version: int) -> None:
    groups = Groups()
    found, _ = answered(
        version,
        [
            ("known", KNOWN, [(0, 10), (2, 10), (1, 11)]),
            ("nowhere", UNKNOWN, [(0, 10), (1, 10)]),
            ("other", OTHER, [(1, 10)]),
        ],
        groups,
    )
    missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    names: list[str | UUID] = [KNOWN, UNKNOWN, OTHER] if version >= 6 else ["known", "nowhere", "other"]
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if version >= 6 else missing
    assert found == [
        (names[0], [(2, missing), (0, NONE), (1, ErrorCode.OFFSET_METADATA_TOO_LARGE)]),
        (names[1], [(0, unknown), (1, unknown)]),
        (names[2], [(1, NONE)]),
    ]
    ((request, supports_epoch_bump),) = groups.asked
    assert supports_epoch_bump == (version >= 5)
    assert request[:2] == (7, 5)
    assert request.commit[:4] == ("g", 9, "m", "i")
    assert [(topic.topic, topic.partitions[0][:4]) for topic in request.commit.topics] == [
        ("known", (0, 10, -1, "x")),
        ("other", (1, 10, -1, "x")),
    ]


def test_nobody_is_asked_where_nothing_exists() -> None:
    groups = Groups(ErrorCode.ILLEGAL_GENERATION)
    found, transactions = answered(3, [("nowhere", UNKNOWN, [(0, 1)]), ("known", KNOWN, [(7, 1)])], groups)
    missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert found == [("nowhere", [(0, missing)]), ("known", [(7, missing)])]
    assert not groups.asked
    assert not transactions.asked


@pytest.mark.parametrize("version", range(7))
def test_the_transaction_is_asked_for_the_groups_own_partition(version: int) -> None:
    groups = Groups()
    _, transactions = answered(version, [("known", KNOWN, [(0, 2)])], groups)
    (asked,) = transactions.asked
    how = VERIFY_AS_BEFORE if version < 4 else VERIFY if version == 4 else ADD
    assert asked == (4, "tx", 7, 5, [("__consumer_offsets", 33)], how)
    assert groups.admitted is ErrorCode.CONCURRENT_TRANSACTIONS


@pytest.mark.parametrize("version", range(7))
def test_where_transactions_are_not_verified_only_clients_of_version_2_have_theirs_looked_at(
    version: int,
) -> None:
    groups = Groups()
    found, transactions = answered(version, [("known", KNOWN, [(0, 2)])], groups, verifies=False)
    assert [partitions for _, partitions in found] == [[(0, NONE)]]
    assert len(transactions.asked) == (1 if version >= 5 else 0)


@pytest.mark.parametrize(
    ("error_code", "version", "told"),
    [
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, 0, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, 1, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, 2, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
        (ErrorCode.TRANSACTION_ABORTABLE, 4, ErrorCode.TRANSACTION_ABORTABLE),
        (ErrorCode.TRANSACTION_ABORTABLE, 6, ErrorCode.TRANSACTION_ABORTABLE),
        (ErrorCode.NOT_ENOUGH_REPLICAS, 3, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.KAFKA_STORAGE_ERROR, 3, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.ILLEGAL_GENERATION, 0, ErrorCode.ILLEGAL_GENERATION),
        (ErrorCode.NOT_COORDINATOR, 6, ErrorCode.NOT_COORDINATOR),
    ],
)
def test_an_error_for_all_is_told_of_each_partition_in_words_of_the_version(
    error_code: ErrorCode, version: int, told: ErrorCode
) -> None:
    found, _ = answered(version, [("known", KNOWN, [(0, 1), (1, 2)])], Groups(error_code))
    assert [partitions for _, partitions in found] == [[(0, told), (1, told)]]
