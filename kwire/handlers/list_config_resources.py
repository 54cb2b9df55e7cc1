"""ListConfigResources (key 74): the resources whose settings can be asked for (KIP-714, KIP-1142).

v0 subscriptions to client metrics only · v1 any types, all of them where none is named

A group is listed once it has a setting of its own. Kafka: KafkaApis.handleListConfigResources.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kwire_codecs.apis.list_config_resources import ListConfigResources
from kwire_codecs.errors import ErrorCode

from kwire.coordinators.metadata.image import ClusterImage, ResourceType
from kwire.handlers.context import Context
from kwire.handlers.turns import Turns, check_size, slices

API = ListConfigResources
VERSIONS = (0, 1)

ConfigResource = ListConfigResources.Response.ConfigResource

_LISTED: Final = (
    ResourceType.TOPIC,
    ResourceType.BROKER,
    ResourceType.BROKER_LOGGER,
    ResourceType.CLIENT_METRICS,
    ResourceType.GROUP,
)


async def handle(ctx: Context, request: ListConfigResources.Request) -> ListConfigResources.Response:
    """The names of every type that was asked for."""
    check_size(len(request.resource_types))
    if ctx.version == 0:
        wanted: set[int] = {ResourceType.CLIENT_METRICS}
    else:
        wanted = set(request.resource_types) or set(_LISTED)
    if not wanted.issubset(_LISTED):
        return ListConfigResources.Response(error_code=ErrorCode.UNSUPPORTED_VERSION, config_resources=[])
    turns = Turns(ctx)
    image = ctx.cluster.controller.image
    found: list[ConfigResource] = []
    for kind in (each for each in _LISTED if each in wanted):
        for names in slices(list(_names(image, kind))):
            await turns.one_more(len(names))
            found += [ConfigResource(resource_name=name, resource_type=kind) for name in names]
    return ListConfigResources.Response(config_resources=found)


def _names(image: ClusterImage, kind: ResourceType) -> Iterator[str]:
    if kind == ResourceType.TOPIC:
        yield from image.topics
    elif kind in (ResourceType.BROKER, ResourceType.BROKER_LOGGER):
        yield from (str(broker.id) for broker in image.brokers.values() if not broker.fenced)
    else:
        yield from (name for resource, name in image.configs if resource == kind)
