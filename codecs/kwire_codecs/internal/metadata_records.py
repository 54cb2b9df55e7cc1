"""The records of `__cluster_metadata`: everything that the controller knows, change by change.

A record has no key. Its value is a frame: unsigned varints for the frame's version (1), the record's type and
its version, then the record. The log's control records (leader changes, snapshot headers) are in
control_records.py.
"""

from uuid import UUID

from .. import wire as w
from ..compile import decoder, writer
from ..errors import Malformed
from ..runtime import Bad, put_uvarint, short_uvarint
from .coordinator import UnknownRecord as UnknownRecord

FRAME_VERSION = 1


class RegisterBrokerRecord(w.Message, key=0, versions="0-4", flexible="0+"):
    class Endpoint(w.Struct):
        name: str = w.string()
        host: str = w.string()
        port: int = w.uint16()
        security_protocol: int = w.int16()

    class Feature(w.Struct):
        name: str = w.string()
        min_supported_version: int = w.int16()
        max_supported_version: int = w.int16()

    broker_id: int = w.int32()
    is_migrating_zk_broker: bool = w.boolean("2+", default=False)
    incarnation_id: UUID = w.uuid()
    broker_epoch: int = w.int64()
    end_points: list[Endpoint] = w.array(Endpoint)
    features: list[Feature] = w.array(Feature)
    rack: str | None = w.string(null="0+")
    fenced: bool = w.boolean(default=True)
    in_controlled_shutdown: bool = w.boolean("1+", default=False)
    log_dirs: list[UUID] = w.array(w.uuid(), "3+", default=[], tag=0)
    cordoned_log_dirs: list[UUID] | None = w.array(w.uuid(), "4+", null="4+", default=None, tag=1)


class UnregisterBrokerRecord(w.Message, key=1, versions="0", flexible="0+"):
    broker_id: int = w.int32()
    broker_epoch: int = w.int64()


class TopicRecord(w.Message, key=2, versions="0", flexible="0+"):
    name: str = w.string()
    topic_id: UUID = w.uuid()


class PartitionRecord(w.Message, key=3, versions="0-2", flexible="0+"):
    partition_id: int = w.int32(default=-1)
    topic_id: UUID = w.uuid()
    replicas: list[int] = w.array(w.int32())
    isr: list[int] = w.array(w.int32())
    removing_replicas: list[int] = w.array(w.int32())
    adding_replicas: list[int] = w.array(w.int32())
    leader: int = w.int32(default=-1)
    leader_recovery_state: int = w.int8(default=0, tag=0)
    leader_epoch: int = w.int32(default=-1)
    partition_epoch: int = w.int32(default=-1)
    directories: list[UUID] = w.array(w.uuid(), "1+", default=[])
    eligible_leader_replicas: list[int] | None = w.array(w.int32(), "2+", null="2+", default=None, tag=1)
    last_known_elr: list[int] | None = w.array(w.int32(), "2+", null="2+", default=None, tag=2)


class ConfigRecord(w.Message, key=4, versions="0", flexible="0+"):
    resource_type: int = w.int8()
    resource_name: str = w.string()
    name: str = w.string()
    value: str | None = w.string(null="0+")


class PartitionChangeRecord(w.Message, key=5, versions="0-2", flexible="0+"):
    partition_id: int = w.int32(default=-1)
    topic_id: UUID = w.uuid()
    isr: list[int] | None = w.array(w.int32(), null="0+", default=None, tag=0)
    leader: int = w.int32(default=-2, tag=1)
    replicas: list[int] | None = w.array(w.int32(), null="0+", default=None, tag=2)
    removing_replicas: list[int] | None = w.array(w.int32(), null="0+", default=None, tag=3)
    adding_replicas: list[int] | None = w.array(w.int32(), null="0+", default=None, tag=4)
    leader_recovery_state: int = w.int8(default=-1, tag=5)
    directories: list[UUID] | None = w.array(w.uuid(), "1+", null="1+", default=None, tag=8)
    eligible_leader_replicas: list[int] | None = w.array(w.int32(), "2+", null="2+", default=None, tag=6)
    last_known_elr: list[int] | None = w.array(w.int32(), "2+", null="2+", default=None, tag=7)


class FenceBrokerRecord(w.Message, key=7, versions="0", flexible="0+"):
    id: int = w.int32()
    epoch: int = w.int64()


class UnfenceBrokerRecord(w.Message, key=8, versions="0", flexible="0+"):
    id: int = w.int32()
    epoch: int = w.int64()


class RemoveTopicRecord(w.Message, key=9, versions="0", flexible="0+"):
    topic_id: UUID = w.uuid()


class DelegationTokenRecord(w.Message, key=10, versions="0", flexible="0+"):
    owner: str = w.string()
    requester: str = w.string()
    renewers: list[str] = w.array(w.string())
    issue_timestamp: int = w.int64()
    max_timestamp: int = w.int64()
    expiration_timestamp: int = w.int64()
    token_id: str = w.string()


class UserScramCredentialRecord(w.Message, key=11, versions="0", flexible="0+"):
    name: str = w.string()
    mechanism: int = w.int8()
    salt: bytes = w.bytes_()
    stored_key: bytes = w.bytes_()
    server_key: bytes = w.bytes_()
    iterations: int = w.int32()


class FeatureLevelRecord(w.Message, key=12, versions="0", flexible="0+"):
    name: str = w.string()
    feature_level: int = w.int16()


class ClientQuotaRecord(w.Message, key=14, versions="0", flexible="0+"):
    class Entity(w.Struct):
        entity_type: str = w.string()
        entity_name: str | None = w.string(null="0+")

    entity: list[Entity] = w.array(Entity)
    key: str = w.string()
    value: float = w.float64()
    remove: bool = w.boolean()


class ProducerIdsRecord(w.Message, key=15, versions="0", flexible="0+"):
    broker_id: int = w.int32()
    broker_epoch: int = w.int64(default=-1)
    next_producer_id: int = w.int64()


class BrokerRegistrationChangeRecord(w.Message, key=17, versions="0-3", flexible="0+"):
    broker_id: int = w.int32()
    broker_epoch: int = w.int64()
    fenced: int = w.int8(default=0, tag=0)
    in_controlled_shutdown: int = w.int8("1+", default=0, tag=1)
    log_dirs: list[UUID] = w.array(w.uuid(), "2+", default=[], tag=2)
    cordoned_log_dirs: list[UUID] | None = w.array(w.uuid(), "3+", null="3+", default=None, tag=3)


class AccessControlEntryRecord(w.Message, key=18, versions="0", flexible="0+"):
    id: UUID = w.uuid()
    resource_type: int = w.int8()
    resource_name: str = w.string()
    pattern_type: int = w.int8()
    principal: str = w.string()
    host: str = w.string()
    operation: int = w.int8()
    permission_type: int = w.int8()


class RemoveAccessControlEntryRecord(w.Message, key=19, versions="0", flexible="0+"):
    id: UUID = w.uuid()


class NoOpRecord(w.Message, key=20, versions="0", flexible="0+"):
    pass


class ZkMigrationStateRecord(w.Message, key=21, versions="0", flexible="0+"):
    zk_migration_state: int = w.int8()


class RemoveUserScramCredentialRecord(w.Message, key=22, versions="0", flexible="0+"):
    name: str = w.string()
    mechanism: int = w.int8()


class BeginTransactionRecord(w.Message, key=23, versions="0", flexible="0+"):
    name: str | None = w.string(null="0+", default=None, tag=0)


class EndTransactionRecord(w.Message, key=24, versions="0", flexible="0+"):
    pass


class AbortTransactionRecord(w.Message, key=25, versions="0", flexible="0+"):
    reason: str | None = w.string(null="0+", default=None, tag=0)


class RemoveDelegationTokenRecord(w.Message, key=26, versions="0", flexible="0+"):
    token_id: str = w.string()


class RegisterControllerRecord(w.Message, key=27, versions="0", flexible="0+"):
    class Endpoint(w.Struct):
        name: str = w.string()
        host: str = w.string()
        port: int = w.uint16()
        security_protocol: int = w.int16()

    class Feature(w.Struct):
        name: str = w.string()
        min_supported_version: int = w.int16()
        max_supported_version: int = w.int16()

    controller_id: int = w.int32()
    incarnation_id: UUID = w.uuid()
    zk_migration_ready: bool = w.boolean()
    end_points: list[Endpoint] = w.array(Endpoint)
    features: list[Feature] = w.array(Feature)


class ClearElrRecord(w.Message, key=28, versions="0", flexible="0+"):
    topic_name: str = w.string()


class UnregisterControllerRecord(w.Message, key=29, versions="0", flexible="0+"):
    controller_id: int = w.int32()


RECORD_TYPES: dict[int, type[w.Message]] = {
    0: RegisterBrokerRecord,
    1: UnregisterBrokerRecord,
    2: TopicRecord,
    3: PartitionRecord,
    4: ConfigRecord,
    5: PartitionChangeRecord,
    7: FenceBrokerRecord,
    8: UnfenceBrokerRecord,
    9: RemoveTopicRecord,
    10: DelegationTokenRecord,
    11: UserScramCredentialRecord,
    12: FeatureLevelRecord,
    14: ClientQuotaRecord,
    15: ProducerIdsRecord,
    17: BrokerRegistrationChangeRecord,
    18: AccessControlEntryRecord,
    19: RemoveAccessControlEntryRecord,
    20: NoOpRecord,
    21: ZkMigrationStateRecord,
    22: RemoveUserScramCredentialRecord,
    23: BeginTransactionRecord,
    24: EndTransactionRecord,
    25: AbortTransactionRecord,
    26: RemoveDelegationTokenRecord,
    27: RegisterControllerRecord,
    28: ClearElrRecord,
    29: UnregisterControllerRecord,
}


def encode_value(record: w.Message, version: int) -> bytes:
    """The value of the record that holds `record` in `version`. Raises NotEncodable."""
    root = record.__root__
    assert root is not None
    assert root.key is not None
    out = bytearray()
    for number in (FRAME_VERSION, root.key, version):
        put_uvarint(out, number)
    writer(type(record), version)(record, out, [out])
    return bytes(out)


def decode_value(value: w.Buffer) -> tuple[w.Message, int] | UnknownRecord:
    """Read a value: the record and its version. One of a type or version that isn't known comes back as it
    is.

    Raises Malformed if a known one can't be read.
    """
    try:
        frame_version, position = short_uvarint(value, 0)
        key, position = short_uvarint(value, position)
        version, position = short_uvarint(value, position)
    except (Bad, IndexError):
        raise Malformed("metadata record", -1, "", "its frame ends early") from None
    if frame_version != FRAME_VERSION:
        raise Malformed("metadata record", -1, "", f"its frame has version {frame_version}")
    record_type = RECORD_TYPES.get(key)
    if record_type is None or record_type.__root__ is None or version not in record_type.__root__.versions:
        return UnknownRecord(b"", bytes(value))
    return decoder(record_type, version)(memoryview(value)[position:]), version
