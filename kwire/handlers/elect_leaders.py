"""ElectLeaders (key 43): let the preferred replica lead, or, where nobody can, one from outside the ISR.

v0 preferred elections only (KIP-183) · v1 election type and an error for the whole (KIP-460) · v2 flexible

When all are asked for, the answer has every topic, but only those partitions whose leader moved or could not.
"""

from __future__ import annotations

from kwire_codecs.apis.elect_leaders import ElectLeaders
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.api_error import ApiError
from kwire.coordinators.metadata.elections import elect_leaders
from kwire.coordinators.metadata.partition_changes import Election
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = ElectLeaders
VERSIONS = (0, 2)

TopicResult = ElectLeaders.Response.ReplicaElectionResult
ELECTIONS = {int(election): election for election in (Election.PREFERRED, Election.UNCLEAN)}


async def handle(ctx: Context, request: ElectLeaders.Request) -> ElectLeaders.Response:
    """Each partition by itself; the whole is refused where the kind of election is unknown."""
    check_changes(*(1 + len(topic.partitions) for topic in request.topic_partitions or ()))
    election = ELECTIONS.get(request.election_type)
    if election is None:
        error = ApiError(ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}")
        return _refused(ctx, request, error)
    if request.timeout_ms < 0:
        return _refused(ctx, request, ApiError(ErrorCode.REQUEST_TIMED_OUT))
    asked = request.topic_partitions
    wanted = None if asked is None else [(topic.topic, topic.partitions) for topic in asked]
    results = await ctx.cluster.controller.submit(lambda image: elect_leaders(image, wanted, election))
    if isinstance(results, ApiError):
        return _refused(ctx, request, results)
    return ElectLeaders.Response(
        replica_election_results=[
            TopicResult(
                topic=topic,
                partition_result=[
                    TopicResult.PartitionResult(
                        partition_id=result.partition,
                        error_code=result.error.error_code,
                        error_message=result.error.message,
                    )
                    for result in elected
                ],
            )
            for topic, elected in results
        ]
    )


def _refused(ctx: Context, request: ElectLeaders.Request, error: ApiError) -> ElectLeaders.Response:
    return ElectLeaders.Response(
        error_code=error.error_code if ctx.version >= 1 else ErrorCode.NONE,
        replica_election_results=[
            TopicResult(
                topic=topic.topic,
                partition_result=[
                    TopicResult.PartitionResult(
                        partition_id=partition, error_code=error.error_code, error_message=error.message
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topic_partitions or ()
        ],
    )
