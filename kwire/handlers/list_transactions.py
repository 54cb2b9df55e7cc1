"""ListTransactions (key 66): the transactional ids that this node coordinates (KIP-664).

v1 those open for longer than (KIP-994) · v2 those whose id matches a pattern (KIP-1152)

Patterns are RE2's, which takes linear time, where Kafka's are Java's. (Those have more to them: back
references, look-around, possessive quantifiers. They are refused here.)
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire_codecs.apis.list_transactions import ListTransactions
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.transactions.state import STATE_NAMES
from kwire.coordinators.transactions.values import ListedTransaction
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size, slices
from kwire.runtime.soon import awaited

API = ListTransactions
VERSIONS = (0, 2)

State = ListTransactions.Response.TransactionState
_KNOWN = frozenset(STATE_NAMES.values())


async def handle(ctx: Context, request: ListTransactions.Request) -> ListTransactions.Response:
    """Asks every shard of this node."""
    check_size(len(request.state_filters), len(request.producer_id_filters))
    turns = Turns(ctx)
    states: dict[str, None] = {}
    for names in slices(request.state_filters):
        await turns.one_more(len(names))
        states.update(dict.fromkeys(names))
    producer_ids: set[int] = set()
    for ids in slices(request.producer_id_filters):
        await turns.one_more(len(ids))
        producer_ids.update(ids)
    error_code, listed = await awaited(
        ctx.cluster.transactions.list_transactions(
            ctx.node.id,
            producer_ids,
            states.keys() or None,
            request.duration_filter,
        )
    )
    pattern = request.transactional_id_pattern
    if pattern and not error_code:
        from kwire.coordinators import regular_expressions

        if regular_expressions.problem_with(pattern) is not None:
            error_code = ErrorCode.INVALID_REGULAR_EXPRESSION
    if error_code:
        return ListTransactions.Response(
            error_code=error_code, unknown_state_filters=[], transaction_states=[]
        )
    return ListTransactions.Response(
        unknown_state_filters=[name for name in states if name not in _KNOWN],
        transaction_states=await _answers(turns, listed, pattern),
    )


async def _answers(turns: Turns, listed: Sequence[ListedTransaction], pattern: str | None) -> list[State]:
    """All of them, or those whose id matches the pattern as a whole."""
    answers: list[State] = []
    for some in slices(listed):
        await turns.one_more(len(some))
        if pattern:
            from kwire.coordinators.regular_expressions import resolve

            matched = resolve([pattern], [each.transactional_id for each in some])[pattern]
            some = [each for each in some if each.transactional_id in matched]
        answers += [
            State(transactional_id=transactional_id, producer_id=producer_id, transaction_state=state)
            for transactional_id, producer_id, state in some
        ]
    return answers
