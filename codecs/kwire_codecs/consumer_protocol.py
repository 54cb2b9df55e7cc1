"""What classic consumers put into JoinGroup and SyncGroup: the protocol type "consumer".

For a broker these are opaque bytes; it looks into them where a group changes its kind (KIP-848), and to tell
which topics a group subscribes to. Both begin with their version as an int16. A version above the newest is
read as the newest: Kafka promises that newer ones only append.
"""

from typing import TypeVar

from . import wire as w
from .compile import decoder_at, writer
from .errors import Malformed


class ConsumerProtocolSubscription(w.Message, versions="0-3"):
    class TopicPartitions(w.Struct):
        topic: str = w.string()
        partitions: list[int] = w.array(w.int32())

    topics: list[str] = w.array(w.string())
    user_data: bytes | None = w.bytes_(null="0+", default=None)
    owned_partitions: list[TopicPartitions] = w.array(TopicPartitions, "1+", default=[], ignorable=True)
    generation_id: int = w.int32("2+", default=-1, ignorable=True)
    rack_id: str | None = w.string("3+", null="3+", default=None, ignorable=True)


class ConsumerProtocolAssignment(w.Message, versions="0-3"):
    class TopicPartitions(w.Struct):
        topic: str = w.string()
        partitions: list[int] = w.array(w.int32())

    assigned_partitions: list[TopicPartitions] = w.array(TopicPartitions)
    user_data: bytes | None = w.bytes_(null="0+", default=None)


M = TypeVar("M", ConsumerProtocolSubscription, ConsumerProtocolAssignment)


def encode_prefixed(
    message: ConsumerProtocolSubscription | ConsumerProtocolAssignment, version: int
) -> bytes:
    """`message` in `version` behind the version. Raises NotEncodable."""
    out = bytearray(version.to_bytes(2))
    writer(type(message), version)(message, out, [out])
    return bytes(out)


def decode_subscription(data: w.Buffer) -> ConsumerProtocolSubscription:
    """What a member said in JoinGroup. Raises Malformed."""
    return _decode(ConsumerProtocolSubscription, data)


def decode_assignment(data: w.Buffer) -> ConsumerProtocolAssignment:
    """What a member got in SyncGroup. Raises Malformed."""
    return _decode(ConsumerProtocolAssignment, data)


def _decode(cls: type[M], data: w.Buffer) -> M:
    if len(data) < 2:
        raise Malformed(cls.__name__, -1, "", "the version is missing")
    version = int.from_bytes(data[:2], signed=True)
    if version < 0:
        raise Malformed(cls.__name__, version, "", "the version is negative")
    newest = cls.__root__.versions.last if cls.__root__ else 0
    message, _ = decoder_at(cls, min(version, newest))(data, 2)
    return message
