"""InitProducerId (key 22): an id that no producer has had, with epoch 0 (KIP-98).

v2 flexible · v3 the producer's old id and epoch (KIP-360) · v4 PRODUCER_FENCED (KIP-588) · v5 (KIP-890)

Without a transactional id every request gets a new id, whatever it had before. A transactional id is refused:
see transactional_ids.py. Version 6 (KIP-939) is unstable in Kafka and not served.
"""

from __future__ import annotations

from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.errors import ErrorCode

from kwire.handlers.context import Context
from kwire.handlers.transactional_ids import NO_TRANSACTIONS

API = InitProducerId
VERSIONS = (0, 5)

_NONE = -1


async def handle(ctx: Context, request: InitProducerId.Request) -> InitProducerId.Response:
    """A new producer id from the node's block."""
    if (request.producer_id == _NONE) != (request.producer_epoch == _NONE):
        return _refused(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        if not request.transactional_id:
            return _refused(ErrorCode.INVALID_REQUEST)
        longest = ctx.cluster.config.integer("transaction.max.timeout.ms")
        if not 0 < request.transaction_timeout_ms <= longest:
            return _refused(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        return _refused(NO_TRANSACTIONS)
    producer_id = await ctx.cluster.controller.next_producer_id(ctx.node.id)
    return InitProducerId.Response(producer_id=producer_id, producer_epoch=0)


def _refused(code: ErrorCode) -> InitProducerId.Response:
    return InitProducerId.Response(error_code=code, producer_id=_NONE, producer_epoch=_NONE)
