"""WriteTxnMarkers: the transaction coordinator has markers written to the transaction's partitions.

v1 flexible · v2 transaction version (KIP-1228)
"""

from .. import wire as w
from ..errors import ErrorCode


class WriteTxnMarkers(w.Api, key=27, versions="0-2", flexible="1+"):
    class Request(w.Struct):
        class Marker(w.Struct):
            class Topic(w.Struct):
                name: str = w.string()
                partition_indexes: list[int] = w.array(w.int32())

            producer_id: int = w.int64()
            producer_epoch: int = w.int16()
            transaction_result: bool = w.boolean()
            topics: list[Topic] = w.array(Topic)
            coordinator_epoch: int = w.int32()
            transaction_version: int = w.int8("2+", default=0, ignorable=True)

        markers: list[Marker] = w.array(Marker)

    class Response(w.Struct):
        class Marker(w.Struct):
            class Topic(w.Struct):
                class Partition(w.Struct):
                    partition_index: int = w.int32()
                    error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)

                name: str = w.string()
                partitions: list[Partition] = w.array(Partition)

            producer_id: int = w.int64()
            topics: list[Topic] = w.array(Topic)

        markers: list[Marker] = w.array(Marker)
