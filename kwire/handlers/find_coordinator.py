"""FindCoordinator (key 10): which node coordinates a group, or a transactional id.

v1 key type, throttle time, error message (KIP-98) · v2 throttling moves to the client (KIP-219) · v3
flexible · v4 several keys (KIP-699) · v5 TRANSACTION_ABORTABLE (KIP-890) · v6 share groups (KIP-932)

The first that asks for a transactional id's coordinator has `__transaction_state` made, and is answered when
it is there. (Kafka answers COORDINATOR_NOT_AVAILABLE meanwhile.) Share groups have no coordinator:
INVALID_REQUEST, as of a Kafka that does not run them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kwire_codecs.apis.find_coordinator import FindCoordinator
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata import internal_topics
from kwire.coordinators.metadata.topic_names import TRANSACTION_STATE
from kwire.handlers.context import Context
from kwire.handlers.topic_creation import create
from kwire.handlers.turns import Turns, slices
from kwire.runtime.soon import Soon, awaited

API = FindCoordinator
VERSIONS = (0, 6)

GROUP, TRANSACTION, SHARE = 0, 1, 2
NO_NODE = -1
MOST_AT_ONCE = 100
"""So many coordinators are looked up without giving others a turn."""

Answer = FindCoordinator.Response.Coordinator


class _Found(NamedTuple):
    error_code: ErrorCode
    message: str = ""
    node_id: int = NO_NODE
    host: str = ""
    port: int = -1


def at_once(ctx: Context, request: FindCoordinator.Request) -> Soon[FindCoordinator.Response]:
    """Looks up each key; waits for the others' turns, and once for the transactions' topic."""
    if request.key_type == TRANSACTION and TRANSACTION_STATE not in ctx.cluster.image.topics:
        return _with_topic(ctx, request)
    return _look_up(ctx, request)


async def handle(ctx: Context, request: FindCoordinator.Request) -> FindCoordinator.Response:
    """What `at_once` gives, waited for."""
    return await awaited(at_once(ctx, request))


async def _with_topic(ctx: Context, request: FindCoordinator.Request) -> FindCoordinator.Response:
    await create(ctx, [internal_topics.transaction_state(ctx.cluster.image, ctx.cluster.config)])
    return await awaited(_look_up(ctx, request))


def _look_up(ctx: Context, request: FindCoordinator.Request) -> Soon[FindCoordinator.Response]:
    if ctx.version < 4:
        found = _find(ctx, request.key_type, request.key)
        return FindCoordinator.Response(
            error_code=found.error_code,
            # Kafka says "NONE" where all is well, but from v4 on "".
            error_message=found.message or found.error_code.message if found.error_code else "NONE",
            node_id=found.node_id,
            host=found.host,
            port=found.port,
        )
    if len(request.coordinator_keys) > MOST_AT_ONCE:
        return _in_turns(ctx, request)
    return FindCoordinator.Response(coordinators=_answers(ctx, request.key_type, request.coordinator_keys))


async def _in_turns(ctx: Context, request: FindCoordinator.Request) -> FindCoordinator.Response:
    answers: list[Answer] = []
    turns = Turns(ctx)
    for some in slices(request.coordinator_keys):
        await turns.one_more(len(some))
        answers += _answers(ctx, request.key_type, some)
    return FindCoordinator.Response(coordinators=answers)


def _answers(ctx: Context, key_type: int, keys: Sequence[str]) -> list[Answer]:
    answers = []
    for key in keys:
        error_code, message, node_id, host, port = _find(ctx, key_type, key)
        answers.append(
            Answer(
                key=key,
                node_id=node_id,
                host=host,
                port=port,
                error_code=error_code,
                error_message=message,
            )
        )
    return answers


def _find(ctx: Context, key_type: int, key: str) -> _Found:
    if key_type == GROUP:
        node_id = ctx.cluster.groups.coordinator_of(key)
    elif key_type == TRANSACTION:
        node_id = ctx.cluster.transactions.coordinator_of(key)
    else:
        return _Found(
            ErrorCode.INVALID_REQUEST, "" if key_type == SHARE else ErrorCode.INVALID_REQUEST.message
        )
    address = None if node_id == NO_NODE else ctx.advertised(node_id)
    if address is None:
        error = ErrorCode.COORDINATOR_NOT_AVAILABLE
        return _Found(error, error.message)
    return _Found(ErrorCode.NONE, "", node_id, *address)
