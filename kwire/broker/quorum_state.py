"""What KRaft itself knows, beside the cluster's metadata: the epoch that was voted for, and the voters.

`quorum-state`, in the directory of the metadata log, is one line of JSON. Version 0 (static voters,
kraft.version 0) has `clusterId`, `leaderId`, `leaderEpoch`, `votedId`, `appliedOffset`, `currentVoters`;
version 1 has `leaderId`, `leaderEpoch`, `votedId`, `votedDirectoryId`; both have `data_version` (Kafka:
FileQuorumStateStore). A Kafka may have voted for an epoch of which its log has nothing yet, so a new epoch is
above both. kraft.version and voters travel in control records; a reader that finds none is in version 0.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from kwire_codecs.compile import decoder
from kwire_codecs.errors import Malformed
from kwire_codecs.internal.control_records import KRaftVersionRecord
from kwire_codecs.records.control import ControlType
from kwire_codecs.records.corrupt import CorruptBatch, Reason

QUORUM_STATE: Final = "quorum-state"
_NOBODY: Final = "AAAAAAAAAAAAAAAAAAAAAA"
"""The directory id of a vote that was not cast."""


class BadQuorumState(Exception):
    """A quorum-state file's text is not what it should be."""


class KRaftState(NamedTuple):
    """The newest kraft.version, and the newest VotersRecord as it was found."""

    version: int = 0
    voters: bytes | None = None

    def after(self, control_type: ControlType | None, value: bytes | None) -> KRaftState:
        """The state behind a control record; most change nothing.

        :raises CorruptBatch: the record can't be read.
        """
        if value is None:
            return self
        if control_type is ControlType.KRAFT_VERSION:
            try:
                return self._replace(version=decoder(KRaftVersionRecord, 0)(memoryview(value)).kraft_version)
            except Malformed as malformed:
                raise CorruptBatch(Reason.RECORD, f"KRaftVersionRecord: {malformed}") from None
        if control_type is ControlType.KRAFT_VOTERS:
            return self._replace(voters=value)
        return self


def encode_quorum_state(leader_id: int, leader_epoch: int, kraft_version: int) -> bytes:
    """The file's text for a leader that all voters have elected."""
    text: dict[str, object]
    if kraft_version == 0:
        text = {
            "clusterId": "",
            "leaderId": leader_id,
            "leaderEpoch": leader_epoch,
            "votedId": -1,
            "appliedOffset": 0,
            "currentVoters": [{"voterId": leader_id}],
            "data_version": 0,
        }
    else:
        text = {
            "leaderId": leader_id,
            "leaderEpoch": leader_epoch,
            "votedId": -1,
            "votedDirectoryId": _NOBODY,
            "data_version": 1,
        }
    return json.dumps(text, separators=(",", ":")).encode()


def decode_quorum_epoch(data: bytes) -> int:
    """The epoch in a file of either version, or of a later one.

    :raises BadQuorumState: it has none.
    """
    try:
        epoch = json.loads(data)["leaderEpoch"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadQuorumState("it has no leaderEpoch") from None
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not -1 <= epoch < 1 << 31:
        raise BadQuorumState(f"its leaderEpoch is {epoch!r}")
    return epoch
