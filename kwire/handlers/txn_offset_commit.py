"""TxnOffsetCommit (key 28): offsets that become visible when their transaction is committed.

v1 throttling moves to the client (KIP-219) · v2 committed leader epoch (KIP-320) · v3 member id, generation
and instance id, flexible (KIP-447) · v4 TRANSACTION_ABORTABLE (KIP-890) · v5 the group's partition joins the
transaction by itself (KIP-890) · v6 topic ids (KIP-1319)

Before v5 the group was added to the transaction by AddOffsetsToTxn, which is verified here. Clients before v2
cannot do with COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296), nor those before v4 with TRANSACTION_ABORTABLE, nor
those before v6 with GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH, which are ILLEGAL_GENERATION to them.
"""

from __future__ import annotations

from functools import partial

from kwire_codecs.apis.txn_offset_commit import TxnOffsetCommit
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.groups.values import CommitRequest, CommitResult, TransactionalCommitRequest
from kwire.handlers.context import Context
from kwire.handlers.sorted_commits import SortedCommits
from kwire.handlers.transactional_produce import verifies
from kwire.handlers.turns import Turns, check_size, slices
from kwire.runtime.groups import OFFSETS_TOPIC
from kwire.runtime.transactions import ADD, VERIFY, VERIFY_AS_BEFORE

API = TxnOffsetCommit
VERSIONS = (0, 6)

FIRST_WITH_LOADING = 2
FIRST_WITH_ABORTABLE = 4
FIRST_OF_VERSION_2 = 5
FIRST_WITH_IDS = 6


async def handle(ctx: Context, request: TxnOffsetCommit.Request) -> TxnOffsetCommit.Response:
    """Sorts out what does not exist, and has the rest committed with the transaction."""
    check_size(*(1 + len(topic.partitions) for topic in request.topics))
    sorting = _Sorting(ctx.cluster.controller.image, ctx.version >= FIRST_WITH_IDS)
    turns = Turns(ctx)
    for topic in request.topics:
        for some in slices(topic.partitions):
            await turns.one_more(1 + len(some))
            sorting.sort(topic, some)
    if sorting.commits:
        result = _told(await _committed(ctx, request, sorting), ctx.version)
        for index, commit in enumerate(sorting.commits):
            await turns.one_more(len(commit.partitions))
            sorting.answer(index, result)
    return TxnOffsetCommit.Response(topics=sorting.topics())


class _Sorting(SortedCommits):
    __slots__ = ()

    topic_answer = TxnOffsetCommit.Response.Topic
    partition_answer = TxnOffsetCommit.Response.Topic.Partition
    with_timestamps = False


async def _committed(ctx: Context, request: TxnOffsetCommit.Request, sorting: SortedCommits) -> CommitResult:
    adds = ctx.version >= FIRST_OF_VERSION_2
    commit = CommitRequest(
        request.group_id,
        request.generation_id_or_member_epoch,
        request.member_id,
        request.group_instance_id,
        sorting.commits,
        knows_group_id_not_found=ctx.version >= FIRST_WITH_IDS,
    )
    return await ctx.cluster.groups.commit_transactional_offsets(
        ctx.node.id,
        TransactionalCommitRequest(request.producer_id, request.producer_epoch, commit),
        partial(_admitted, ctx, request) if adds or verifies(ctx) else None,
        supports_epoch_bump=adds,
    )


async def _admitted(ctx: Context, request: TxnOffsetCommit.Request, index: int) -> ErrorCode:
    """Whether the producer's transaction covers the group's partition; from v5 on it is made to."""
    partition = (OFFSETS_TOPIC, index)
    errors = await ctx.cluster.transactions.admit(
        ctx.node.id,
        request.transactional_id,
        request.producer_id,
        request.producer_epoch,
        [partition],
        _admission(ctx.version),
    )
    return errors[partition]


def _admission(version: int) -> int:
    if version >= FIRST_OF_VERSION_2:
        return ADD
    return VERIFY if version >= FIRST_WITH_ABORTABLE else VERIFY_AS_BEFORE


def _told(result: CommitResult, version: int) -> CommitResult:
    """The result in words of this API, and of the client's version: some are the log's. (Kafka:
    CoordinatorOperationExceptionHelper.)
    """
    match result.error_code:
        case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if version < FIRST_WITH_LOADING:
            return CommitResult(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        case (
            ErrorCode.NOT_ENOUGH_REPLICAS | ErrorCode.UNKNOWN_TOPIC_OR_PARTITION | ErrorCode.REQUEST_TIMED_OUT
        ):
            return CommitResult(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        case ErrorCode.NOT_LEADER_OR_FOLLOWER | ErrorCode.KAFKA_STORAGE_ERROR:
            return CommitResult(ErrorCode.NOT_COORDINATOR)
        case _:
            return result
