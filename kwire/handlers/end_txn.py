"""EndTxn (key 26): commit or abort a transaction (KIP-98).

v1 throttling moves to the client (KIP-219) · v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4
TRANSACTION_ABORTABLE (KIP-890) · v5 the epoch, or the id, that the producer goes on with (KIP-890)

The answer comes when the outcome is in the log; the markers are written afterwards.
"""

from __future__ import annotations

from kwire_codecs.apis.end_txn import EndTxn
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.values import EndResult, ProducerIdAndEpoch
from kwire.handlers.context import Context
from kwire.runtime.soon import Soon, awaited, then

API = EndTxn
VERSIONS = (0, 5)


def at_once(ctx: Context, request: EndTxn.Request) -> Soon[EndTxn.Response]:
    """Asks the coordinator of the transactional id."""
    transaction_version = 2 if ctx.version >= 5 else 0
    hides_fencing = ctx.version < 2
    ended = ctx.cluster.transactions.end_transaction(
        ctx.node.id,
        request.transactional_id,
        ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
        request.committed,
        transaction_version,
    )

    def answer(result: EndResult) -> EndTxn.Response:
        error_code, producer_id, producer_epoch = result
        if error_code is ErrorCode.PRODUCER_FENCED and hides_fencing:
            error_code = ErrorCode.INVALID_PRODUCER_EPOCH
        return EndTxn.Response(error_code=error_code, producer_id=producer_id, producer_epoch=producer_epoch)

    return then(ended, answer)


async def handle(ctx: Context, request: EndTxn.Request) -> EndTxn.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))
