"""The transaction coordinator as handlers see it: finds the shard of a transactional id, asks it, waits.

A transactional id lives on the partition of `__transaction_state` that its hash names, see `shards.py`. Where
an operation needs a new producer id this asks the controller for one and calls again. What the machines have
to be done is done by tasks: `transaction_markers.py` writes the markers.

`admit` is what a write into a transaction asks first; the other methods are an API each, and take the id of
the node that the request arrived at.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import StorageError

from kwire.coordinators.metadata.image import NO_LEADER, ClusterImage
from kwire.coordinators.metadata.producer_ids import ProducerIdsExhausted
from kwire.coordinators.metadata.topic_names import TRANSACTION_STATE
from kwire.coordinators.outcome import Outcome
from kwire.coordinators.transactions.state import NO_PRODUCER_ID, TopicPartition
from kwire.coordinators.transactions.values import (
    AbortTimedOut,
    DescribedTransaction,
    EndResult,
    InitResult,
    ListedTransaction,
    NeedsProducerId,
    ProducerIdAndEpoch,
    TransactionSettings,
    WriteMarkers,
)
from kwire.runtime.journal import RecordFormat
from kwire.runtime.shard import Refused, Status
from kwire.runtime.shards import Led, Shards
from kwire.runtime.soon import Soon, all_of, awaited, then
from kwire.runtime.transaction_host import Retries, TransactionHost, transaction_version

if TYPE_CHECKING:
    from kwire.coordinators.transactions.coordinator import TransactionCoordinator
    from kwire.runtime.transaction_markers import MarkerWriter

logger = logging.getLogger("kwire.runtime")

R = TypeVar("R")

VERIFY_AS_BEFORE = 0
VERIFY = 1
ADD = 2
"""What `admit` does for a client: ask whether the partitions are in the transaction, and say
INVALID_TXN_STATE where not, or TRANSACTION_ABORTABLE to one that knows it; or add them (KIP-890). Kafka:
TransactionSupportedOperation.
"""


class TransactionCoordinatorService:
    """All shards of one cluster. `start()` before the first request, `close()` when the cluster stops.

    Its tasks (loading, writes, markers) run in the nursery that `start` is given; none of them ends by an
    exception.
    """

    def __init__(self, host: TransactionHost, settings: TransactionSettings, retries: Retries) -> None:
        self._host = host
        self._settings = settings
        self._retries = retries
        self._shards = Shards["TransactionCoordinator"](
            host, TRANSACTION_STATE, "transaction coordinator", self._machinery, self._deliver
        )
        self._marker_writer: MarkerWriter | None = None
        self._waiting: dict[str, trio.Event] = {}
        """Transactional ids whose next transaction waits for the end of this one."""
        self._draining = False

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to load every partition that has something in it, and follow the cluster's metadata."""
        self._shards.start(nursery)
        self._host.controller.subscribe(self._image_changed)

    def drain(self) -> None:
        """The broker is about to stop: nobody is kept waiting from now on."""
        self._draining = True
        self._shards.drain()
        waiting, self._waiting = self._waiting, {}
        for event in waiting.values():
            event.set()

    def close(self) -> None:
        """Stop coordinating: whoever waits is told NOT_COORDINATOR."""
        self._shards.close()

    def coordinator_of(self, transactional_id: str) -> int:
        """The node that coordinates a transactional id; -1 while there is none."""
        return self._shards.coordinator_of(transactional_id)

    # Producers

    async def init_producer_id(
        self, node_id: int, transactional_id: str, timeout_ms: int, expected: ProducerIdAndEpoch | None
    ) -> InitResult:
        """InitProducerId of a transactional producer; `expected` is what one has that goes on."""

        def ask(new_producer_id: int) -> Soon[InitResult | NeedsProducerId]:
            return self._begin(
                node_id,
                transactional_id,
                lambda shard, now_ms: shard.init_producer_id(
                    transactional_id, timeout_ms, expected, now_ms, new_producer_id
                ),
                InitResult,
            )

        return await self._with_producer_id(node_id, ask, ask(NO_PRODUCER_ID), InitResult)

    async def _with_producer_id(
        self,
        node_id: int,
        ask: Callable[[int], Soon[R | NeedsProducerId]],
        asked: Soon[R | NeedsProducerId],
        refused: Callable[[ErrorCode], R],
    ) -> R:
        """The answer to what was asked, asked again with a new producer id if it takes one."""
        result: R | NeedsProducerId = await awaited(asked)
        while isinstance(result, NeedsProducerId):
            try:
                new_producer_id = await self._host.controller.next_producer_id(node_id)
            except (StorageError, ProducerIdsExhausted) as error:
                logger.error("there is no new producer id: %s", error)
                # As of a Kafka that waits for its block of ids: the client asks again.
                return refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
            result = await awaited(ask(new_producer_id))
        return result

    # Transactions

    def add_partitions(
        self,
        node_id: int,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
        transaction_version: int,
    ) -> Soon[ErrorCode]:
        """AddPartitionsToTxn and AddOffsetsToTxn, of partitions that exist."""
        return self._begin(
            node_id,
            transactional_id,
            lambda shard, now_ms: shard.add_partitions(
                transactional_id, producer, partitions, transaction_version, now_ms
            ),
            _same,
        )

    def verify_partitions(
        self,
        node_id: int,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
    ) -> Soon[dict[TopicPartition, ErrorCode]]:
        """AddPartitionsToTxn that only verifies."""
        return self._begin(
            node_id,
            transactional_id,
            lambda shard, _: shard.verify_partitions(transactional_id, producer, partitions),
            lambda error_code: {each: error_code for each in partitions},
        )

    def end_transaction(
        self,
        node_id: int,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        is_commit: bool,
        transaction_version: int,
    ) -> Soon[EndResult]:
        """EndTxn; `transaction_version` is what the client knows of."""

        def ask(new_producer_id: int) -> Soon[EndResult | NeedsProducerId]:
            return self._begin(
                node_id,
                transactional_id,
                lambda shard, now_ms: shard.end_transaction(
                    transactional_id, producer, is_commit, transaction_version, now_ms, new_producer_id
                ),
                EndResult,
            )

        asked = ask(NO_PRODUCER_ID)
        if type(asked) is EndResult:
            return asked
        return self._with_producer_id(node_id, ask, asked, EndResult)

    async def admit(
        self,
        node_id: int,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        asked: Iterable[tuple[str, int]],
        transaction_version: int,
    ) -> Mapping[tuple[str, int], ErrorCode]:
        """Whether a client may write to these partitions in its transaction: NONE, or why not, for each.

        :param node_id: where the write arrived; the coordinator may be another node.
        :param transaction_version: VERIFY_AS_BEFORE, VERIFY or ADD.
        """
        producer = ProducerIdAndEpoch(producer_id, producer_epoch)
        partitions = [TopicPartition(*each) for each in asked]
        coordinator = self.coordinator_of(transactional_id)
        if coordinator == NO_LEADER:
            return {each: ErrorCode.COORDINATOR_NOT_AVAILABLE for each in partitions}
        if transaction_version >= ADD:
            added = await self._add(coordinator, transactional_id, producer, partitions)
            return {each: _as_of_a_write(added, ADD) for each in partitions}
        verified = await awaited(self.verify_partitions(coordinator, transactional_id, producer, partitions))
        return {
            each: _as_of_a_write(error_code, transaction_version) for each, error_code in verified.items()
        }

    async def _add(
        self,
        coordinator: int,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: Collection[TopicPartition],
    ) -> ErrorCode:
        """Adds, again for a while if the producer's last transaction has not quite ended."""
        clock, (backoff_ms, longest_ms) = self._host.clock, self._retries
        started_ms = clock.now_ms()
        while True:
            added = await awaited(
                self.add_partitions(coordinator, transactional_id, producer, partitions, ADD)
            )
            if (
                added is not ErrorCode.CONCURRENT_TRANSACTIONS
                or self._draining
                or clock.now_ms() - started_ms >= longest_ms
            ):
                return added
            ended = self._waiting.setdefault(transactional_id, trio.Event())
            timer = clock.schedule(clock.now_ms() + backoff_ms, ended.set)
            try:
                await ended.wait()
            finally:
                timer.cancel()
                if ended.is_set() and self._waiting.get(transactional_id) is ended:
                    del self._waiting[transactional_id]

    def _completed(self, transactional_id: str) -> None:
        ended = self._waiting.pop(transactional_id, None)
        if ended is not None:
            ended.set()

    # Administration

    async def describe(self, node_id: int, transactional_ids: Iterable[str]) -> list[DescribedTransaction]:
        """DescribeTransactions, in the order asked."""
        described = []
        for number, transactional_id in enumerate(transactional_ids, 1):
            if not number % 100:
                await trio.lowlevel.checkpoint()
            described.append(
                await awaited(
                    self._begin(
                        node_id,
                        transactional_id,
                        _describe(transactional_id),
                        partial(_undescribed, transactional_id),
                    )
                )
            )
        return described

    def list_transactions(
        self,
        node_id: int,
        producer_ids: Collection[int],
        states: Collection[str] | None,
        duration_ms: int,
    ) -> Soon[tuple[ErrorCode, Sequence[ListedTransaction]]]:
        """ListTransactions: what this node coordinates, whatever its name. Nothing is listed while any of it
        is loading.
        """
        shards = self._shards.led_by(node_id)
        if any(shard.status is Status.LOADING for shard in shards):
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ()

        def ask(machine: TransactionCoordinator, now_ms: int) -> Outcome[list[ListedTransaction], Any]:
            return machine.list_transactions(producer_ids, states, duration_ms, now_ms)

        asked: list[Soon[list[ListedTransaction] | Refused]] = []
        for shard in shards:
            begun: Soon[list[ListedTransaction] | Refused] = shard.begin(ask)
            asked.append(begun)
        listed: Soon[list[list[ListedTransaction] | Refused]] = all_of(asked)
        return then(listed, _listed)

    # What machines have to be done

    def _machinery(self) -> tuple[Callable[[], TransactionCoordinator], RecordFormat[Any]]:
        # The coordinator comes with the first transactional id: a broker starts without it.
        from kwire.coordinators.transactions.coordinator import TransactionCoordinator
        from kwire.coordinators.transactions.records import TransactionsFormat

        def version() -> int:
            return transaction_version(self._host.controller.image)

        return lambda: TransactionCoordinator(self._settings, version), TransactionsFormat(version)

    def _deliver(self, led: Led, message: object) -> None:
        task: Callable[[], Awaitable[None]]
        if isinstance(message, WriteMarkers):
            task = partial(self._markers().write, led, message)
        else:
            assert isinstance(message, AbortTimedOut)
            task = partial(self._abort_timed_out, led, message)
        self._shards.spawn(task)

    def _markers(self) -> MarkerWriter:
        if self._marker_writer is None:
            from kwire.runtime.transaction_markers import MarkerWriter

            self._marker_writer = MarkerWriter(self._host, self._shards.shard_of, self._completed)
        return self._marker_writer

    async def _abort_timed_out(self, led: Led, overdue: AbortTimedOut) -> None:
        try:
            new_producer_id = await self._host.controller.next_producer_id(led.leader_id)
            shard = self._shards.shard_of(led)
            if shard is not None:
                await shard.run(
                    lambda machine, now_ms: machine.abort_timed_out(overdue, now_ms, new_producer_id)
                )
        except Exception:
            logger.exception("the overdue transaction of %r was not aborted", overdue.transactional_id)

    def _image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        if self._marker_writer is not None and old.topics is not new.topics:
            self._marker_writer.image_changed()

    def _begin(
        self,
        node_id: int,
        transactional_id: str,
        operation: Callable[[TransactionCoordinator, int], Outcome[R, Any]],
        refused: Callable[[ErrorCode], R],
    ) -> Soon[R]:
        """Have the id's shard carry out an operation; `refused` is what is answered where it does not."""
        shard = self._shards.shard(node_id, transactional_id)
        if isinstance(shard, Refused):
            return refused(shard.error_code)
        begun: Soon[R | Refused] = shard.begin(operation)
        if type(begun) is Refused:
            return refused(begun.error_code)
        if type(begun) is not CoroutineType:
            return begun  # type: ignore[return-value]  # a value

        def told(result: R | Refused) -> R:
            return refused(result.error_code) if isinstance(result, Refused) else result

        return then(begun, told)  # type: ignore[arg-type]  # R is inferred as object


def _same(error_code: ErrorCode) -> ErrorCode:
    return error_code


def _as_of_a_write(error_code: ErrorCode, transaction_version: int) -> ErrorCode:
    """What a coordinator's answer is to a client that writes (Kafka: AddPartitionsToTxnHandler)."""
    if error_code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if error_code is ErrorCode.TRANSACTION_ABORTABLE and transaction_version == VERIFY_AS_BEFORE:
        return ErrorCode.INVALID_TXN_STATE
    return error_code


def _describe(
    transactional_id: str,
) -> Callable[[TransactionCoordinator, int], Outcome[DescribedTransaction, Any]]:
    return lambda shard, _: shard.describe(transactional_id)


def _undescribed(transactional_id: str, error_code: ErrorCode) -> DescribedTransaction:
    return DescribedTransaction(error_code, transactional_id)


def _listed(
    results: list[list[ListedTransaction] | Refused],
) -> tuple[ErrorCode, Sequence[ListedTransaction]]:
    """Of a shard that cannot be loaded nothing is listed."""
    return ErrorCode.NONE, [each for found in results if not isinstance(found, Refused) for each in found]
