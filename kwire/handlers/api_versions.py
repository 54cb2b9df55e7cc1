"""ApiVersions (key 18): what this broker serves, computed from the registry, so that it never lies.

v1 throttle time · v2 client-side throttling (KIP-219) · v3 flexible, client software, features (KIP-511,
KIP-584) · v4 features with minimum 0 · v5 the client names the cluster and node it meant (KIP-1242)

An unknown version never gets here: the request path answers it (KIP-511).
"""

from __future__ import annotations

import re

from kwire_codecs.apis.api_versions import ApiVersions
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.features import SUPPORTED
from kwire.handlers import registry
from kwire.handlers.context import Context

API = ApiVersions
VERSIONS = (0, 5)

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


async def handle(ctx: Context, request: ApiVersions.Request) -> ApiVersions.Response:
    """Notes who the client is (v3+) and lists the served version ranges and the features."""
    image = ctx.cluster.controller.image
    if ctx.version >= 3:
        name, version = request.client_software_name, request.client_software_version
        if not (_SOFTWARE.fullmatch(name) and _SOFTWARE.fullmatch(version)):
            return ApiVersions.Response(error_code=ErrorCode.INVALID_REQUEST, api_keys=[])
        ctx.peer.client_software_name = name
        ctx.peer.client_software_version = version
    if ctx.version >= 5 and (request.node_id == -1) != (request.cluster_id is None):  # both, or neither
        return ApiVersions.Response(error_code=ErrorCode.INVALID_REQUEST, api_keys=[])
    if ctx.version >= 5 and (
        (request.cluster_id is not None and request.cluster_id != image.cluster_id)
        or (request.node_id != -1 and request.node_id != ctx.node.id)
    ):
        return ApiVersions.Response(error_code=ErrorCode.REBOOTSTRAP_REQUIRED, api_keys=[])
    # Versions before 4 read a minimum of 0 as an error (KAFKA-17011).
    least_minimum = 0 if ctx.version >= 4 else 1
    return ApiVersions.Response(
        error_code=ErrorCode.NONE,
        api_keys=[
            ApiVersions.Response.ApiKey(api_key=key, min_version=served.low, max_version=served.high)
            for key, served in registry.SERVED.items()
        ],
        supported_features=[
            ApiVersions.Response.SupportedFeature(name=name, min_version=low, max_version=high)
            for name, (low, high) in SUPPORTED.items()
            if low >= least_minimum
        ],
        finalized_features_epoch=image.offset,
        finalized_features=[
            ApiVersions.Response.FinalizedFeature(name=name, max_version_level=level, min_version_level=level)
            for name, level in image.features.items()
            if level > 0 and name in SUPPORTED
        ],
    )
