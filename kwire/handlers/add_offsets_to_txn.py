"""AddOffsetsToTxn (key 25): a transaction is to include offsets of this group (KIP-98).

v1 throttling moves to the client (KIP-219) · v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4
TRANSACTION_ABORTABLE (KIP-890)

What is added is the group's partition of `__consumer_offsets`. Clients that know transaction.version 2 do not
ask for it: their offsets are added as they are committed.
"""

from __future__ import annotations

from kwire_codecs.apis.add_offsets_to_txn import AddOffsetsToTxn
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.topic_names import CONSUMER_OFFSETS
from kwire.coordinators.transactions.state import TopicPartition
from kwire.coordinators.transactions.values import ProducerIdAndEpoch
from kwire.handlers.context import Context
from kwire.runtime.soon import Soon, awaited, then

API = AddOffsetsToTxn
VERSIONS = (0, 4)


def at_once(ctx: Context, request: AddOffsetsToTxn.Request) -> Soon[AddOffsetsToTxn.Response]:
    """Asks the coordinator of the transactional id."""
    hides_fencing = ctx.version < 2
    index = ctx.cluster.groups.partition_of(request.group_id)
    if index is None:  # the topic was deleted, and is about to be made again
        return AddOffsetsToTxn.Response(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    added = ctx.cluster.transactions.add_partitions(
        ctx.node.id,
        request.transactional_id,
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        (TopicPartition(CONSUMER_OFFSETS, index),),
        0,
    )

    def answer(error_code: ErrorCode) -> AddOffsetsToTxn.Response:
        if error_code is ErrorCode.PRODUCER_FENCED and hides_fencing:
            error_code = ErrorCode.INVALID_PRODUCER_EPOCH
        return AddOffsetsToTxn.Response(error_code=error_code)

    return then(added, answer)


async def handle(ctx: Context, request: AddOffsetsToTxn.Request) -> AddOffsetsToTxn.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))
