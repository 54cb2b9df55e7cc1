"""What can go wrong: the error codes that travel, and the two exceptions that leave this package.

`ErrorCode` is the table of Apache Kafka 4.4.0 (its Errors class): code, whether a client may try again, what
it means. `Malformed` says that the peer's bytes are wrong, `NotEncodable` that we tried to send what can't be
sent: the first is the peer's fault and closes its connection, the second is a bug.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """An error code as it travels. `retriable`: a client may try the same again; `message`: what it means."""

    retriable: bool
    message: str

    def __new__(cls, code: int, retriable: bool = False, message: str = "") -> ErrorCode:
        """Make the member of one row of the table."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.retriable = retriable
        member.message = message
        return member

    @classmethod
    def _missing_(cls, value: object) -> ErrorCode | None:
        # A newer peer may send a code that this table lacks: keep the number, and let nobody stumble.
        if not isinstance(value, int) or not -0x8000 <= value < 0x8000:
            return None
        member = int.__new__(cls, value)
        member._value_ = value
        member._name_ = f"CODE_{value}"
        member.retriable = False
        member.message = "an error code that is not in Kafka 4.4.0"
        return member

    UNKNOWN_SERVER_ERROR = -1, False, "the broker failed in an unforeseen way while handling the request"
    NONE = 0, False, "no error"
    OFFSET_OUT_OF_RANGE = 1, False, "the offset lies outside what the log holds"
    CORRUPT_MESSAGE = (
        2,
        True,
        "the message's checksum, size or shape is wrong, or it lacks the key that a compacted topic needs",
    )
    UNKNOWN_TOPIC_OR_PARTITION = 3, True, "no such topic or partition here"
    INVALID_FETCH_SIZE = 4, False, "the fetch size makes no sense"
    LEADER_NOT_AVAILABLE = 5, True, "the partition has no leader at the moment"
    NOT_LEADER_OR_FOLLOWER = 6, True, "this broker neither leads nor follows that partition"
    REQUEST_TIMED_OUT = 7, True, "the request did not finish in its time"
    BROKER_NOT_AVAILABLE = 8, False, "the broker is not available"
    REPLICA_NOT_AVAILABLE = 9, True, "the replica is not available"
    MESSAGE_TOO_LARGE = 10, False, "the message is larger than the broker or topic allows"
    STALE_CONTROLLER_EPOCH = 11, False, "the controller has moved on since this request was made"
    OFFSET_METADATA_TOO_LARGE = 12, False, "the metadata given with the offset is too long"
    NETWORK_EXCEPTION = 13, True, "the connection broke before an answer came"
    COORDINATOR_LOAD_IN_PROGRESS = 14, True, "the coordinator is still loading"
    COORDINATOR_NOT_AVAILABLE = 15, True, "the coordinator is not available"
    NOT_COORDINATOR = 16, True, "this broker does not coordinate that group or transaction"
    INVALID_TOPIC_EXCEPTION = (
        17,
        False,
        "the topic's name is not allowed, or the topic may not be used this way",
    )
    RECORD_LIST_TOO_LARGE = 18, False, "the batch is larger than a segment may be"
    NOT_ENOUGH_REPLICAS = 19, True, "fewer replicas in sync than min.insync.replicas"
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = (
        20,
        True,
        "written, but by fewer replicas in sync than min.insync.replicas",
    )
    INVALID_REQUIRED_ACKS = 21, False, "acks must be 0, 1 or -1"
    ILLEGAL_GENERATION = 22, False, "the generation is not the group's present one"
    INCONSISTENT_GROUP_PROTOCOL = (
        23,
        False,
        "the member's protocols have nothing in common with the group's, or it named none",
    )
    INVALID_GROUP_ID = 24, False, "the group id is not allowed"
    UNKNOWN_MEMBER_ID = 25, False, "the coordinator does not know this member"
    INVALID_SESSION_TIMEOUT = 26, False, "the session time-out is outside what the broker allows"
    REBALANCE_IN_PROGRESS = 27, False, "the group is rebalancing: join again"
    INVALID_COMMIT_OFFSET_SIZE = 28, False, "the offset commit is too large"
    TOPIC_AUTHORIZATION_FAILED = 29, False, "not authorised for the topic"
    GROUP_AUTHORIZATION_FAILED = 30, False, "not authorised for the group"
    CLUSTER_AUTHORIZATION_FAILED = 31, False, "not authorised for the cluster"
    INVALID_TIMESTAMP = 32, False, "the message's timestamp is out of bounds"
    UNSUPPORTED_SASL_MECHANISM = 33, False, "the SASL mechanism is not enabled here"
    ILLEGAL_SASL_STATE = 34, False, "the request does not fit the state of the SASL exchange"
    UNSUPPORTED_VERSION = 35, False, "the API's version is not supported"
    TOPIC_ALREADY_EXISTS = 36, False, "a topic of that name exists already"
    INVALID_PARTITIONS = 37, False, "the number of partitions is not allowed"
    INVALID_REPLICATION_FACTOR = 38, False, "the replication factor is below 1 or above the number of brokers"
    INVALID_REPLICA_ASSIGNMENT = 39, False, "the replica assignment is not valid"
    INVALID_CONFIG = 40, False, "the configuration is not valid"
    NOT_CONTROLLER = 41, True, "this broker is not the controller"
    INVALID_REQUEST = 42, False, "the request is malformed or contradicts itself"
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, False, "the topic's message format can't do that"
    POLICY_VIOLATION = 44, False, "a policy of this cluster forbids it"
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, False, "the producer's sequence number leaves a gap"
    DUPLICATE_SEQUENCE_NUMBER = 46, False, "the producer's sequence number was seen before"
    INVALID_PRODUCER_EPOCH = 47, False, "the producer's epoch is old"
    INVALID_TXN_STATE = 48, False, "the transaction's state does not allow that"
    INVALID_PRODUCER_ID_MAPPING = 49, False, "the producer id does not belong to that transactional id"
    INVALID_TRANSACTION_TIMEOUT = 50, False, "the transaction time-out is above transaction.max.timeout.ms"
    CONCURRENT_TRANSACTIONS = 51, True, "another operation on this transaction is under way"
    TRANSACTION_COORDINATOR_FENCED = (
        52,
        False,
        "the sender no longer coordinates this producer's transactions",
    )
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, False, "not authorised for the transactional id"
    SECURITY_DISABLED = 54, False, "security is switched off"
    OPERATION_NOT_ATTEMPTED = 55, False, "not tried, since something else in the request failed"
    KAFKA_STORAGE_ERROR = 56, True, "the disk failed"
    LOG_DIR_NOT_FOUND = 57, False, "the broker has no such log directory"
    SASL_AUTHENTICATION_FAILED = 58, False, "authentication failed"
    UNKNOWN_PRODUCER_ID = (
        59,
        False,
        "the broker knows nothing of this producer id, perhaps because its records are gone",
    )
    REASSIGNMENT_IN_PROGRESS = 60, False, "a reassignment of the partition is under way"
    DELEGATION_TOKEN_AUTH_DISABLED = 61, False, "delegation tokens are switched off"
    DELEGATION_TOKEN_NOT_FOUND = 62, False, "no such delegation token"
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, False, "neither owner nor renewer of the token"
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = (
        64,
        False,
        "a token can't be asked for over this kind of connection",
    )
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, False, "not authorised for delegation tokens"
    DELEGATION_TOKEN_EXPIRED = 66, False, "the delegation token has expired"
    INVALID_PRINCIPAL_TYPE = 67, False, "the type of principal is not supported"
    NON_EMPTY_GROUP = 68, False, "the group is not empty"
    GROUP_ID_NOT_FOUND = 69, False, "no such group"
    FETCH_SESSION_ID_NOT_FOUND = 70, True, "no such fetch session"
    INVALID_FETCH_SESSION_EPOCH = 71, True, "the fetch session's epoch is not the expected one"
    LISTENER_NOT_FOUND = 72, True, "the leader has no listener of the name that this request came in by"
    TOPIC_DELETION_DISABLED = 73, False, "deleting topics is switched off"
    FENCED_LEADER_EPOCH = 74, True, "the leader epoch in the request is older than the broker's"
    UNKNOWN_LEADER_EPOCH = 75, True, "the leader epoch in the request is newer than the broker's"
    UNSUPPORTED_COMPRESSION_TYPE = 76, False, "the client can't read the partition's compression"
    STALE_BROKER_EPOCH = 77, False, "the broker's epoch is old"
    OFFSET_NOT_AVAILABLE = 78, True, "a new leader has not yet caught up: offsets can't be told yet"
    MEMBER_ID_REQUIRED = 79, False, "join again with the member id given here"
    PREFERRED_LEADER_NOT_AVAILABLE = 80, True, "the preferred leader is not available"
    GROUP_MAX_SIZE_REACHED = 81, False, "the group is full"
    FENCED_INSTANCE_ID = 82, False, "another member has taken over this group.instance.id"
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, True, "no replica may become leader"
    ELECTION_NOT_NEEDED = 84, True, "the partition has the right leader already"
    NO_REASSIGNMENT_IN_PROGRESS = 85, False, "no reassignment of the partition is under way"
    GROUP_SUBSCRIBED_TO_TOPIC = 86, False, "the group still subscribes to the topic"
    INVALID_RECORD = 87, False, "the broker refuses the record as invalid"
    UNSTABLE_OFFSET_COMMIT = 88, True, "offsets of an open transaction are pending"
    THROTTLING_QUOTA_EXCEEDED = 89, True, "the quota is used up for now"
    PRODUCER_FENCED = 90, False, "a newer producer with this transactional id is at work"
    RESOURCE_NOT_FOUND = 91, False, "the request names something that does not exist"
    DUPLICATE_RESOURCE = 92, False, "the request names the same thing twice"
    UNACCEPTABLE_CREDENTIAL = 93, False, "the credential is not acceptable"
    INCONSISTENT_VOTER_SET = 94, False, "sender or receiver is not one of the voters"
    INVALID_UPDATE_VERSION = 95, False, "the version to update to is not valid"
    FEATURE_UPDATE_FAILED = 96, False, "the features could not be updated"
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, False, "the forwarded principal could not be read"
    SNAPSHOT_NOT_FOUND = 98, False, "no such snapshot"
    POSITION_OUT_OF_RANGE = 99, False, "the position lies outside the snapshot"
    UNKNOWN_TOPIC_ID = 100, True, "this broker has no topic of that id"
    DUPLICATE_BROKER_REGISTRATION = 101, False, "the broker id is taken"
    BROKER_ID_NOT_REGISTERED = 102, False, "no broker is registered by that id"
    INCONSISTENT_TOPIC_ID = 103, True, "the topic id in the request is not the log's"
    INCONSISTENT_CLUSTER_ID = 104, False, "the cluster id in the request is not this cluster's"
    TRANSACTIONAL_ID_NOT_FOUND = 105, False, "no such transactional id"
    FETCH_SESSION_TOPIC_ID_ERROR = 106, True, "the fetch session mixes topic ids and names"
    INELIGIBLE_REPLICA = 107, False, "a replica in the new ISR may not be there"
    NEW_LEADER_ELECTED = 108, False, "the partition was changed as asked, and has another leader now"
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, False, "the offset has moved to tiered storage"
    FENCED_MEMBER_EPOCH = 110, False, "the member's epoch is fenced: give up all partitions and join again"
    UNRELEASED_INSTANCE_ID = 111, False, "another member still uses this group.instance.id"
    UNSUPPORTED_ASSIGNOR = 112, False, "the assignor, or its version, is not supported"
    STALE_MEMBER_EPOCH = 113, False, "the member's epoch is old: heartbeat, then try again"
    MISMATCHED_ENDPOINT_TYPE = 114, False, "the request went to the wrong kind of endpoint"
    UNSUPPORTED_ENDPOINT_TYPE = 115, False, "this kind of endpoint is not supported"
    UNKNOWN_CONTROLLER_ID = 116, False, "no such controller"
    UNKNOWN_SUBSCRIPTION_ID = 117, False, "the telemetry subscription id is wrong or old"
    TELEMETRY_TOO_LARGE = 118, False, "the telemetry is larger than the broker accepts"
    INVALID_REGISTRATION = 119, False, "the controller refuses the broker's registration"
    TRANSACTION_ABORTABLE = (
        120,
        False,
        "the transaction met an error: abort it, and the transactional id can go on",
    )
    INVALID_RECORD_STATE = 121, False, "the record is not in a state that can be acknowledged like this"
    SHARE_SESSION_NOT_FOUND = 122, True, "no such share session"
    INVALID_SHARE_SESSION_EPOCH = 123, True, "the share session's epoch is not the expected one"
    FENCED_STATE_EPOCH = 124, False, "the state epoch is not the coordinator's"
    INVALID_VOTER_KEY = 125, False, "the voter's key is not the receiver's"
    DUPLICATE_VOTER = 126, False, "the voter is one of the voters already"
    VOTER_NOT_FOUND = 127, False, "no such voter"
    INVALID_REGULAR_EXPRESSION = 128, False, "the regular expression is not valid"
    REBOOTSTRAP_REQUIRED = 129, False, "the client's metadata is stale: bootstrap again"
    STREAMS_INVALID_TOPOLOGY = 130, False, "the topology is not valid"
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, False, "the topology's epoch is not valid"
    STREAMS_TOPOLOGY_FENCED = 132, False, "the topology's epoch is old"
    SHARE_SESSION_LIMIT_REACHED = 133, True, "no room for one more share session"
    GROUP_DELETION_FAILED = 134, False, "the group could not be deleted"
    STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135, False, "the topology's description could not be updated"
    CONTROLLER_ID_NOT_REGISTERED = 136, False, "no controller is registered by that id"


class Malformed(Exception):
    """The bytes are not what they should be.

    `message` names the API or struct ("Heartbeat request"), `version` its version (-1 if not known), `path`
    the field ("topics[2].partitions[0].index", empty for the whole), `reason` what is wrong with it.
    """

    def __init__(self, message: str, version: int, path: str, reason: str) -> None:
        super().__init__(message, version, path, reason)
        self.message = message
        self.version = version
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        version = f" v{self.version}" if self.version >= 0 else ""
        return f"{self.message}{version}{', ' + self.path if self.path else ''}: {self.reason}"


class NotEncodable(ValueError):
    """A value that can't be sent in this version, a bug on this side. Its fields are those of Malformed."""

    def __init__(self, message: str, version: int, path: str, reason: str) -> None:
        super().__init__(message, version, path, reason)
        self.message = message
        self.version = version
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.message} v{self.version}, {self.path or 'whole'}: {self.reason}"
