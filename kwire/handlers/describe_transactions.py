"""DescribeTransactions (key 65): what is known of transactional ids (KIP-664)."""

from __future__ import annotations

from kwire_codecs.apis.describe_transactions import DescribeTransactions

from kwire.coordinators.transactions.values import DescribedTransaction
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, slices

API = DescribeTransactions
VERSIONS = (0, 0)

State = DescribeTransactions.Response.TransactionState


async def handle(ctx: Context, request: DescribeTransactions.Request) -> DescribeTransactions.Response:
    """Asks the coordinator of each transactional id."""
    turns = Turns(ctx)
    states = []
    for some in slices(request.transactional_ids):
        for described in await ctx.cluster.transactions.describe(ctx.node.id, some):
            await turns.one_more(1 + len(described.partitions))
            states.append(_answer(described))
    return DescribeTransactions.Response(transaction_states=states)


def _answer(described: DescribedTransaction) -> State:
    topics: dict[str, list[int]] = {}
    for topic, index in described.partitions:
        topics.setdefault(topic, []).append(index)
    return State(
        error_code=described.error_code,
        transactional_id=described.transactional_id,
        transaction_state=described.state,
        transaction_timeout_ms=described.timeout_ms,
        transaction_start_time_ms=described.start_timestamp_ms,
        producer_id=described.producer_id,
        producer_epoch=described.producer_epoch,
        topics=[State.Topic(topic=topic, partitions=indexes) for topic, indexes in topics.items()],
    )
