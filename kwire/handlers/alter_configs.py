"""AlterConfigs (key 33): replace all dynamic configs of a resource; IncrementalAlterConfigs came after it.

v2 flexible
"""

from __future__ import annotations

from kwire_codecs.apis.alter_configs import AlterConfigs

from kwire.coordinators.metadata.config_changes import alter_legacy
from kwire.handlers.config_alteration import alter
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = AlterConfigs
VERSIONS = (0, 2)


async def handle(ctx: Context, request: AlterConfigs.Request) -> AlterConfigs.Response:
    """Each resource by itself: changed as a whole, or refused with a reason."""
    check_changes(len(request.resources), *(len(resource.configs) for resource in request.resources))
    wanted = [
        (
            (resource.resource_type, resource.resource_name),
            [(config.name, config.value) for config in resource.configs],
        )
        for resource in request.resources
    ]
    results = await alter(ctx, alter_legacy, wanted, validate_only=request.validate_only)
    return AlterConfigs.Response(
        responses=[
            AlterConfigs.Response.Resource(
                error_code=error.error_code,
                error_message=error.message,
                resource_type=resource_type,
                resource_name=resource_name,
            )
            for (resource_type, resource_name), error in results
        ]
    )
