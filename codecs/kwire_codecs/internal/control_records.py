"""What control batches hold: keys and values of transaction markers and of the metadata log's own records.

A control record's key is a ControlRecordTypeSchema behind its int16 version, an EndTxnMarker likewise; the
values of the metadata log's are bare. AbortedTxn is an entry of a segment's `.txnindex`, again behind an
int16 version.
"""

from uuid import UUID

from .. import wire as w


class ControlRecordTypeSchema(w.Message, versions="0"):
    type: int = w.int16()


class EndTxnMarker(w.Message, versions="0"):
    coordinator_epoch: int = w.int32()


class LeaderChangeMessage(w.Message, versions="0-1", flexible="0+"):
    class Voter(w.Struct):
        voter_id: int = w.int32()
        voter_directory_id: UUID = w.uuid("1+", default=w.ZERO_UUID)

    version: int = w.int16()
    leader_id: int = w.int32()
    voters: list[Voter] = w.array(Voter)
    granting_voters: list[Voter] = w.array(Voter)


class SnapshotHeaderRecord(w.Message, versions="0", flexible="0+"):
    version: int = w.int16()
    last_contained_log_timestamp: int = w.int64()


class SnapshotFooterRecord(w.Message, versions="0", flexible="0+"):
    version: int = w.int16()


class KRaftVersionRecord(w.Message, versions="0", flexible="0+"):
    version: int = w.int16()
    kraft_version: int = w.int16()


class VotersRecord(w.Message, versions="0", flexible="0+"):
    class Voter(w.Struct):
        class Endpoint(w.Struct):
            name: str = w.string()
            host: str = w.string()
            port: int = w.uint16()

        class KRaftVersionFeature(w.Struct):
            min_supported_version: int = w.int16()
            max_supported_version: int = w.int16()

        voter_id: int = w.int32()
        voter_directory_id: UUID = w.uuid()
        endpoints: list[Endpoint] = w.array(Endpoint)
        kraft_version_feature: KRaftVersionFeature = w.struct(KRaftVersionFeature)

    version: int = w.int16()
    voters: list[Voter] = w.array(Voter)


class AbortedTxn(w.Message, versions="0"):
    producer_id: int = w.int64()
    first_offset: int = w.int64()
    last_offset: int = w.int64()
    last_stable_offset: int = w.int64()
