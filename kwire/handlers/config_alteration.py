"""Changes of dynamic configs, as AlterConfigs and IncrementalAlterConfigs have the controller decide them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from kwire.coordinators.metadata.config_changes import Results
from kwire.coordinators.metadata.image import ResourceKey
from kwire.coordinators.metadata.records import Record
from kwire.coordinators.outcome import Outcome
from kwire.handlers.context import Context


async def alter(
    ctx: Context,
    decide: Callable[..., Outcome[Results, Record]],
    wanted: Sequence[tuple[ResourceKey, Sequence[object]]],
    *,
    validate_only: bool,
) -> Results:
    """What becomes of each resource that is `wanted` changed, on the broker that was asked.

    :param decide: `alter_legacy` or `alter_incrementally`, which know what is wanted of a resource.
    """
    cluster, node_id = ctx.cluster, ctx.node.id
    return await cluster.controller.submit(
        lambda image: decide(
            image,
            wanted,
            config=cluster.config,
            node_id=node_id,
            is_log_dir=partial(cluster.failed_directories.is_log_dir, node_id),
            validate_only=validate_only,
        )
    )
