"""IncrementalAlterConfigs (key 44): set, delete, append to, subtract from single dynamic configs (KIP-339).

v1 flexible
"""

from __future__ import annotations

from kwire_codecs.apis.incremental_alter_configs import IncrementalAlterConfigs

from kwire.coordinators.metadata.config_changes import Change, alter_incrementally
from kwire.handlers.config_alteration import alter
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = IncrementalAlterConfigs
VERSIONS = (0, 1)


async def handle(ctx: Context, request: IncrementalAlterConfigs.Request) -> IncrementalAlterConfigs.Response:
    """Each resource by itself: changed as a whole, or refused with a reason."""
    check_changes(len(request.resources), *(len(resource.configs) for resource in request.resources))
    wanted = [
        (
            (resource.resource_type, resource.resource_name),
            [Change(config.name, config.config_operation, config.value) for config in resource.configs],
        )
        for resource in request.resources
    ]
    results = await alter(ctx, alter_incrementally, wanted, validate_only=request.validate_only)
    return IncrementalAlterConfigs.Response(
        responses=[
            IncrementalAlterConfigs.Response.Resource(
                error_code=error.error_code,
                error_message=error.message,
                resource_type=resource_type,
                resource_name=resource_name,
            )
            for (resource_type, resource_name), error in results
        ]
    )
