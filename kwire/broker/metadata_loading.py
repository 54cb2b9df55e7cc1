"""What a controller begins with: the image that the metadata log and its newest snapshot come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kwire_codecs.internal.metadata_records import FeatureLevelRecord

from kwire.broker.metadata_log import MetadataLog
from kwire.coordinators.metadata import features
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.replay import Replayer

_LOADED_AT_ONCE: Final = 100_000


class ClusterError(Exception):
    """The metadata log and this process do not fit together; the message says what to do."""


def replay_log(log: MetadataLog, replayer: Replayer) -> None:
    """Replay the newest snapshot, and the log behind it, many batches at a time: each new image costs a
    copy of the maps that it changes.

    :raises ClusterError: the cluster is of a newer Kafka than kwire knows.
    :raises StorageError: the log can't be read.
    :raises ReplayError: the log contradicts itself.
    """
    records: list[m.Record] = []
    position, epoch = -1, 0
    found = log.read_snapshot()
    if found is not None:
        (offset, epoch), snapshot = found
        position = offset - 1
        records = list(snapshot.records)
        refuse_newer(records)
    for batch in log.read(position + 1):
        position, epoch = batch.last_offset, batch.epoch
        records += batch.records
        refuse_newer(batch.records)
        if len(records) >= _LOADED_AT_ONCE:
            replayer.replay(records, last_offset=position, epoch=epoch)
            records = []
    if position >= 0:
        replayer.replay(records, last_offset=position, epoch=epoch)


def refuse_newer(records: Sequence[m.Record]) -> None:
    """Stop at the record that says that what follows may not be readable, by ClusterError."""
    for record in records:
        if isinstance(record, FeatureLevelRecord) and features.is_newer(record.name, record.feature_level):
            raise ClusterError(
                f"this cluster has metadata.version {record.feature_level}, but kwire knows up "
                f"to {features.METADATA_VERSION}: open it with the Kafka that wrote it, or a newer kwire"
            )
