"""What a client's first requests would wait for, done ahead of them: handlers imported, codecs compiled.

Rules: `kwire serve` begins it once clients are served. It goes in small pieces with a pause after each, so
that a client who comes at once shares the loop with it. Nothing depends on it: what it has not come to is
done when somebody asks, and a piece that fails fails there too, with the answer that belongs to it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Final

import trio
from kwire_codecs.compile import decoder_at, writer

from kwire.handlers import registry

logger = logging.getLogger("kwire.server")

AWAITED: Final = (18, 3, 19, 22, 0, 10, 11, 14, 9, 2, 1, 8, 12, 13)
"""The APIs that nearly every client asks for, in the order in which they do: ApiVersions, Metadata; those of
a producer; those of a group's member. Of each, the newest version is made ready.
"""
PAUSE_SECONDS: Final = 0.002


async def warm_up() -> None:
    """Does it all, and returns."""
    try:
        for _ in pieces():
            await trio.sleep(PAUSE_SECONDS)
    except Exception:
        logger.exception("not everything was made ready for the first client")


def pieces() -> Iterator[None]:
    """Stops after every few milliseconds of work."""
    # What answers the very first request is there before the rest begins.
    yield
    for key in AWAITED:
        name = registry.SERVED[key].module
        importlib.import_module(f"kwire_codecs.apis.{name}")
        yield
        api = registry.handler(key).api
        yield
        version = registry.SERVED[key].high
        decoder_at(api.Request, version)
        yield
        writer(api.Response, version)
        yield
    yield from _group_coordinator()


def _group_coordinator() -> Iterator[None]:
    importlib.import_module("kwire_codecs.internal.group_records")
    yield
    importlib.import_module("kwire.coordinators.groups.coordinator")
    yield
    from kwire.coordinators.groups.java_hash import partition_for

    partition_for("", 1)  # needs an encoding that is loaded at its first use
    yield
    from kwire.coordinators.groups.records import (
        GroupsFormat,
        GroupValue,
        OffsetKey,
        OffsetValue,
        group_record,
        offset_record,
    )

    records = GroupsFormat()
    records.to_bytes(group_record("", GroupValue("", 0, None, None, 0)))
    yield
    records.to_bytes(offset_record(OffsetKey("", "", 0), OffsetValue(0)))
    yield
