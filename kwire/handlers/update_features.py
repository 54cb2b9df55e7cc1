"""UpdateFeatures (key 57): raise or lower the levels of features that the cluster has finalised.

v1 an upgrade type instead of a permission to go down, and validate only · v2 no results for each feature

All updates are made or none. What goes wrong is told for the whole: the results of versions 0-1 are empty
then. Version 0's `allow_downgrade` is not looked at, as Kafka's controllers don't: in version 0 levels only
rise.
"""

from __future__ import annotations

from kwire_codecs.apis.update_features import UpdateFeatures
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.feature_updates import FeatureUpdate, update_features
from kwire.handlers.context import Context
from kwire.handlers.turns import check_changes

API = UpdateFeatures
VERSIONS = (0, 2)

Result = UpdateFeatures.Response.Result


async def handle(ctx: Context, request: UpdateFeatures.Request) -> UpdateFeatures.Response:
    """The last of several updates of one feature counts."""
    check_changes(len(request.feature_updates))
    updates = {
        update.feature: FeatureUpdate(update.max_version_level, update.upgrade_type)
        for update in request.feature_updates
    }
    controller = ctx.cluster.controller
    error = await controller.submit(
        lambda image: update_features(image, controller.node_id, updates, validate_only=request.validate_only)
    )
    if error.failed:
        message = f"No feature was updated, because one of the updates failed: {error.message}"
        return UpdateFeatures.Response(error_code=error.error_code, error_message=message)
    none = ErrorCode.NONE
    return UpdateFeatures.Response(
        results=[
            Result(feature=update.feature, error_message=none.message)
            for update in (request.feature_updates if ctx.version <= 1 else ())
        ]
    )
