"""Where newer leaders live: the `node_endpoints` of Produce v10+ and Fetch v16+ answers (KIP-951)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kwire.handlers.context import Context


def newer_leaders(ctx: Context, endpoint_type: Any, leader_ids: Iterable[int]) -> list[Any]:
    """An endpoint for each leader that the answer names (-1 names none), as this client reaches it."""
    endpoints = []
    for node_id in sorted({leader_id for leader_id in leader_ids if leader_id >= 0}):
        address = ctx.advertised(node_id)
        if address is not None:
            endpoints.append(
                endpoint_type(
                    node_id=node_id, host=address[0], port=address[1], rack=ctx.cluster.rack(node_id)
                )
            )
    return endpoints
