"""The cluster's metadata in a data directory that nobody has open, read and left as it is.

Rules: nothing is written, renamed or removed. A log that ends in half a batch (its writer was killed) is read
as far as it is whole, as recovery would leave it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from kwire_codecs.errors import Malformed
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.corrupt import CorruptBatch
from kwire_storage.engine import StorageError
from kwire_storage.folder import Folder

from kwire.broker.metadata_log import logged
from kwire.broker.metadata_snapshots import SnapshotFolder
from kwire.broker.quorum_state import KRaftState
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.replay import Replayer

_SEGMENT: Final = re.compile(r"(\d{20})\.log")


class OfflineMetadata(NamedTuple):
    """What the directory's cluster is, and what KRaft's own records say."""

    image: ClusterImage
    kraft: KRaftState


def read_offline(folder: Folder, above: Folder, cluster_id: str) -> OfflineMetadata:
    """Read the newest whole snapshot in `folder`, a metadata log's, and the log behind it.

    :raises StorageError: a file can't be read.
    :raises ReplayError: the log contradicts itself.
    """
    snapshots = SnapshotFolder(folder, above)
    segments = sorted((int(found[1]), name) for name in folder.names() if (found := _SEGMENT.fullmatch(name)))
    newest = snapshots.newest_whole(segments[0][0] if segments else 0)
    kraft, records, offset, epoch = KRaftState(), list[m.Record](), 0, 0
    if newest is not None:
        (offset, epoch), snapshot = newest
        kraft, records = snapshot.kraft, list(snapshot.records)
    else:
        bootstrap = snapshots.bootstrap()
        if bootstrap is not None:
            kraft = bootstrap.kraft
            records = [] if segments else list(bootstrap.records)
    for at, (_, name) in enumerate(segments):
        if at + 1 < len(segments) and segments[at + 1][0] <= offset:
            continue
        data = memoryview(folder.read(name) or b"")
        position = 0
        try:
            for position, header in record_batch.walk(data, allow_partial_end=True):
                if header.next_offset <= offset or header.partition_leader_epoch < epoch:
                    continue
                batch, kraft = logged(data, position, header, offset, kraft)
                records += batch.records
                offset, epoch = header.next_offset, batch.epoch
        except (CorruptBatch, Malformed, StorageError) as wrong:
            if at + 1 < len(segments):
                raise StorageError(
                    f"{folder.path}/{name} can't be read at byte {position}: {wrong}"
                ) from None
            break  # what comes is not whole, and goes when the directory is opened
    replayer = Replayer(ClusterImage(cluster_id=cluster_id))
    return OfflineMetadata(replayer.replay(records, last_offset=offset - 1, epoch=epoch), kraft)
