"""DescribeConfigs (key 32): the effective configs of topics and of the broker that is asked (KIP-133).

v1 synonyms and sources (KIP-226) · v3 documentation and types (KIP-569) · v4 flexible

Documentation is kwire's own, a line a setting. Broker loggers and group configs are refused with
INVALID_REQUEST.
"""

from __future__ import annotations

import trio
from kwire_codecs.apis.describe_configs import DescribeConfigs
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.api_error import ApiError
from kwire.coordinators.metadata.broker_configs import DEFAULT_CONFIG
from kwire.coordinators.metadata.describe_configs import ShownConfig, describe
from kwire.coordinators.metadata.image import ResourceType
from kwire.handlers.context import Context

API = DescribeConfigs
VERSIONS = (0, 4)

_RESOURCES_A_TURN = 16
_KNOWN_TYPES = frozenset(ResourceType) - {ResourceType.UNKNOWN}

Result = DescribeConfigs.Response.Result


async def handle(ctx: Context, request: DescribeConfigs.Request) -> DescribeConfigs.Response:
    """Each resource by itself: its configs, or why it has none."""
    if any(asked.resource_type not in _KNOWN_TYPES for asked in request.resources):
        refused = ApiError.of(ErrorCode.INVALID_REQUEST)
        return DescribeConfigs.Response(results=[_refused(asked, refused) for asked in request.resources])
    results = []
    # Asked for again in the same words, one is answered once: no small request becomes a huge answer.
    distinct = {
        (asked.resource_type, asked.resource_name, frozenset(asked.configuration_keys or ())): asked
        for asked in request.resources
    }
    for asked in distinct.values():
        results.append(_result(ctx, request, asked))
        if not len(results) % _RESOURCES_A_TURN:
            await trio.lowlevel.checkpoint()
    return DescribeConfigs.Response(results=results)


def _refused(asked: DescribeConfigs.Request.Resource, error: ApiError) -> Result:
    return Result(
        error_code=error.error_code,
        error_message=error.message,
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=[],
    )


def _result(
    ctx: Context, request: DescribeConfigs.Request, asked: DescribeConfigs.Request.Resource
) -> Result:
    found = describe(
        ctx.cluster.controller.image,
        ctx.cluster.config,
        ctx.node.id,
        asked.resource_type,
        asked.resource_name,
    )
    if isinstance(found, ApiError):
        return _refused(asked, found)
    keys = frozenset(asked.configuration_keys or ())
    return Result(
        error_code=ErrorCode.NONE,
        error_message="",
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=[_config(ctx, request, config) for config in found if not keys or config.name in keys],
    )


def _config(ctx: Context, request: DescribeConfigs.Request, config: ShownConfig) -> Result.Config:
    return Result.Config(
        name=config.name,
        value=config.value,
        read_only=config.read_only,
        is_default=ctx.version == 0 and config.source == DEFAULT_CONFIG,
        config_source=config.source,
        is_sensitive=config.sensitive,
        synonyms=[
            Result.Config.Synonym(
                name=synonym.name, value=None if config.sensitive else synonym.value, source=synonym.number
            )
            for synonym in config.synonyms
        ]
        if request.include_synonyms
        else [],
        config_type=config.kind,
        documentation=config.doc if request.include_documentation else None,
    )
