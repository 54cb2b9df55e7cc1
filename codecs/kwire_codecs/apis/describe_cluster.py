"""DescribeCluster: the cluster's id, its controller and its brokers.

flexible from the start · v1 endpoint type (KIP-919) · v2 include fenced brokers, is fenced (KIP-1073)
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeCluster(w.Api, key=60, versions="0-2", flexible="0+"):
    class Request(w.Struct):
        include_cluster_authorized_operations: bool = w.boolean()
        endpoint_type: int = w.int8("1+", default=1)
        include_fenced_brokers: bool = w.boolean("2+", default=False)

    class Response(w.Struct):
        class Broker(w.Struct):
            broker_id: int = w.int32()
            host: str = w.string()
            port: int = w.int32()
            rack: str | None = w.string(null="0+", default=None)
            is_fenced: bool = w.boolean("2+", default=False)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        endpoint_type: int = w.int8("1+", default=1)
        cluster_id: str = w.string()
        controller_id: int = w.int32(default=-1)
        brokers: list[Broker] = w.array(Broker)
        cluster_authorized_operations: int = w.int32(default=-2147483648)
