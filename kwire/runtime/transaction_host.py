"""What the transaction coordinator service needs of its cluster, and of the configuration."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.image import TRANSACTION_VERSION_FEATURE, ClusterImage
from kwire.coordinators.outcome import TransactionEnd
from kwire.coordinators.transactions.values import TransactionSettings
from kwire.runtime.group_host import Images, Settings
from kwire.runtime.shards import Host
from kwire.runtime.soon import Soon


class ProducerIds(Images, Protocol):
    """Where the cluster's metadata and new producer ids come from."""

    async def next_producer_id(self, node_id: int | None = None) -> int:
        """An id that no producer has had. StorageError and ProducerIdsExhausted where there is none."""
        ...


class GroupTransactions(Protocol):
    """The group coordinator, as far as transactions end in it."""

    def end_transaction(
        self, index: int, marker: TransactionEnd, transaction_version: int
    ) -> Soon[ErrorCode]:
        """Write a marker into a partition of `__consumer_offsets`, in one order with its records."""
        ...


class TransactionHost(Host, Protocol):
    """What the service needs of the cluster that it belongs to."""

    @property
    def controller(self) -> ProducerIds: ...

    @property
    def groups(self) -> GroupTransactions: ...


class Retries(NamedTuple):
    """How adding to a transaction is tried again while the one before it ends."""

    backoff_ms: int = 20
    """add.partitions.to.txn.retry.backoff.ms"""
    longest_ms: int = 100
    """add.partitions.to.txn.retry.backoff.max.ms, and no longer than request.timeout.ms"""


def transaction_version(image: ClusterImage) -> int:
    """The level that the cluster has finalised."""
    return image.features.get(TRANSACTION_VERSION_FEATURE, 0)


def transaction_settings(config: Settings) -> TransactionSettings:
    """The coordinator's settings out of a broker's configuration."""
    return TransactionSettings(
        max_timeout_ms=config.integer("transaction.max.timeout.ms"),
        id_expiration_ms=config.integer("transactional.id.expiration.ms"),
        abort_timed_out_interval_ms=config.integer(
            "transaction.abort.timed.out.transaction.cleanup.interval.ms"
        ),
        remove_expired_interval_ms=config.integer(
            "transaction.remove.expired.transaction.cleanup.interval.ms"
        ),
    )


def retries(config: Settings) -> Retries:
    """How long a produce waits for the transaction before its own to end."""
    return Retries(
        config.integer("add.partitions.to.txn.retry.backoff.ms"),
        min(
            config.integer("add.partitions.to.txn.retry.backoff.max.ms"), config.integer("request.timeout.ms")
        ),
    )
