"""WriteTxnMarkers (key 27): the end of a producer's transaction in these partitions (KIP-98).

v1 flexible · v2 transaction version (KIP-1228)

Between brokers this is how transactions end; kwire's own do without it. `kafka-transactions abort` asks for
it, to get rid of a transaction that hangs. Answers are by producer id: what a request says of one in several
markers is answered in one place, the last answer for a partition counts.
"""

from __future__ import annotations

from kwire_codecs.apis.write_txn_markers import WriteTxnMarkers
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.topic_names import CONSUMER_OFFSETS
from kwire.coordinators.outcome import TransactionEnd
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size
from kwire.partitions.flushing import flush_to
from kwire.runtime.soon import awaited

API = WriteTxnMarkers
VERSIONS = (0, 2)

Marker = WriteTxnMarkers.Request.Marker
Answer = WriteTxnMarkers.Response.Marker

_NOT_READY = frozenset(
    (
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.NOT_COORDINATOR,
    )
)


async def handle(ctx: Context, request: WriteTxnMarkers.Request) -> WriteTxnMarkers.Response:
    """Writes each marker to each of its partitions that this node leads."""
    check_size(*(1 + len(topic.partition_indexes) for marker in request.markers for topic in marker.topics))
    turns = Turns(ctx)
    errors: dict[int, dict[str, dict[int, ErrorCode]]] = {}
    for marker in request.markers:
        by_topic = errors.setdefault(marker.producer_id, {})
        for topic in marker.topics:
            by_index = by_topic.setdefault(topic.name, {})
            for index in topic.partition_indexes:
                await turns.one_more()
                by_index[index] = await _write(ctx, marker, topic.name, index)
    return WriteTxnMarkers.Response(
        markers=[
            Answer(
                producer_id=producer_id,
                topics=[
                    Answer.Topic(
                        name=name,
                        partitions=[
                            Answer.Topic.Partition(partition_index=index, error_code=error_code)
                            for index, error_code in by_index.items()
                        ],
                    )
                    for name, by_index in by_topic.items()
                ],
            )
            for producer_id, by_topic in errors.items()
        ]
    )


async def _write(ctx: Context, marker: Marker, topic: str, index: int) -> ErrorCode:
    cluster, node_id = ctx.cluster, ctx.node.id
    partition = cluster.reach(topic, index)
    if isinstance(partition, ErrorCode):
        return partition
    if node_id not in partition.replicas:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if partition.leader_id != node_id:
        return ErrorCode.NOT_LEADER_OR_FOLLOWER
    if topic == CONSUMER_OFFSETS:
        end = TransactionEnd(
            marker.producer_id, marker.producer_epoch, marker.coordinator_epoch, marker.transaction_result
        )
        error_code = await awaited(cluster.groups.end_transaction(index, end, marker.transaction_version))
        return ErrorCode.NOT_LEADER_OR_FOLLOWER if error_code in _NOT_READY else error_code
    error_code = partition.end_transaction(
        marker.producer_id,
        marker.producer_epoch,
        marker.coordinator_epoch,
        is_commit=marker.transaction_result,
        transaction_version=marker.transaction_version,
    )
    if not error_code and partition.must_flush:
        return await flush_to(partition, partition.log_end_offset)
    return error_code
