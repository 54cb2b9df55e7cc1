"""InitProducerId (key 22): a new producer id, or the next epoch of a transactional id's (KIP-98).

v2 flexible · v3 the producer's old id and epoch (KIP-360) · v4 PRODUCER_FENCED (KIP-588) · v5 (KIP-890)

Without a transactional id every request gets a new id, whatever it had before. Version 6 (KIP-939) is
unstable in Kafka and not served.
"""

from __future__ import annotations

from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.values import InitResult, ProducerIdAndEpoch
from kwire.handlers.context import Context

API = InitProducerId
VERSIONS = (0, 5)

_NONE = -1


async def handle(ctx: Context, request: InitProducerId.Request) -> InitProducerId.Response:
    """A new producer id from the node's block, or what the coordinator of the transactional id says."""
    knows_fencing = ctx.version >= 4
    if (request.producer_id == _NONE) != (request.producer_epoch == _NONE):
        return _answer(InitResult(ErrorCode.INVALID_REQUEST))
    if request.transactional_id is None:
        return _answer(
            InitResult(ErrorCode.NONE, await ctx.cluster.controller.next_producer_id(ctx.node.id), 0)
        )
    transactional_id, timeout_ms = request.transactional_id, request.transaction_timeout_ms
    if not transactional_id:
        return _answer(InitResult(ErrorCode.INVALID_REQUEST))
    if not 0 < timeout_ms <= ctx.cluster.config.integer("transaction.max.timeout.ms"):
        # Whether this node coordinates the id comes second.
        return _answer(InitResult(ErrorCode.INVALID_TRANSACTION_TIMEOUT))
    expected = None
    if request.producer_id != _NONE:
        expected = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    result = await ctx.cluster.transactions.init_producer_id(
        ctx.node.id, transactional_id, timeout_ms, expected
    )
    if result.error_code is ErrorCode.PRODUCER_FENCED and not knows_fencing:
        result = InitResult(ErrorCode.INVALID_PRODUCER_EPOCH)
    return _answer(result)


def _answer(result: InitResult) -> InitProducerId.Response:
    error_code, producer_id, producer_epoch = result
    return InitProducerId.Response(
        error_code=error_code, producer_id=producer_id, producer_epoch=producer_epoch
    )
