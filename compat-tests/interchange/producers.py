"""Transactional producers by hand, and asking until a broker is ready to answer."""

from __future__ import annotations

from typing import Any, Final

import trio
from kwire_codecs.apis.add_partitions_to_txn import AddPartitionsToTxn, Topic
from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record

from tests.broker_client import Client, one_partition, produce_request

NOT_YET: Final = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.LEADER_NOT_AVAILABLE,
}


class Producer:
    """One transactional id. It goes on with another `client` when the broker was started again."""

    def __init__(
        self,
        client: Client,
        transactional_id: str,
        *,
        knows_version_2: bool,
        topic: str = "topic",
        timeout_ms: int = 600_000,
    ) -> None:
        self.client = client
        self.id = transactional_id
        self.knows_version_2 = knows_version_2
        self.topic = topic
        self.timeout_ms = timeout_ms
        self.is_open = False
        self.producer_id = -1
        self.epoch = -1
        self.sequence = 0

    async def begin_life(self) -> None:
        await until_done(
            self.client, FindCoordinator.Request(key_type=1, key=self.id), 3, lambda answer: answer.error_code
        )
        init = InitProducerId.Request(transactional_id=self.id, transaction_timeout_ms=self.timeout_ms)
        answer = await until_done(self.client, init, 4, lambda answer: answer.error_code)
        self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch

    async def write(self, size: int) -> None:
        if not self.is_open and not self.knows_version_2:
            request = AddPartitionsToTxn.Request(
                v3_and_below_transactional_id=self.id,
                v3_and_below_producer_id=self.producer_id,
                v3_and_below_producer_epoch=self.epoch,
                v3_and_below_topics=[Topic(name=self.topic, partitions=[0])],
            )
            await until_done(self.client, request, 3, first_of_added)
        self.is_open = True
        data = batch.build(
            [Record(None, bytes(size), 1000 + self.sequence)],
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.sequence,
            is_transactional=True,
        )
        request = produce_request(self.topic, data)
        request.transactional_id = self.id
        version = 12 if self.knows_version_2 else 11
        await until_done(self.client, request, version, lambda answer: one_partition(answer).error_code)
        self.sequence += 1

    async def end(self, *, commit: bool) -> None:
        request = EndTxn.Request(
            transactional_id=self.id,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            committed=commit,
        )
        version = 5 if self.knows_version_2 else 4
        answer = await until_done(self.client, request, version, lambda answer: answer.error_code)
        self.is_open = False
        if self.knows_version_2:
            self.producer_id, self.epoch, self.sequence = answer.producer_id, answer.producer_epoch, 0


def first_of_added(answer: Any) -> ErrorCode:
    """The error of the only partition that an AddPartitionsToTxn was about."""
    [topic] = answer.results_by_topic_v3_and_below
    [partition] = topic.results_by_partition
    code: ErrorCode = partition.partition_error_code
    return code


async def until_done(client: Client, request: Any, version: int, error_of: Any) -> Any:
    """The answer without error; asked again as long as the broker says that it will be able to."""
    for _ in range(200):
        answer = await client.ask(request, version)
        error_code = error_of(answer)
        if error_code not in NOT_YET:
            assert error_code == ErrorCode.NONE, (request, error_code)
            return answer
        await trio.sleep(0.05)
    raise AssertionError(f"{request} is never answered")
