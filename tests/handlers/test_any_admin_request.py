"""Whatever is asked of the metadata handlers, they answer what the version can carry, and the log agrees.

Requests are made from the declarations, with names and numbers that mean something strewn in, one after the
other on the same cluster; then the cluster is started again from its log.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs import wire as w
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import ErrorCode

from kwire.broker.encoded_topics import EncodedTopics
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.transactions.values import InitResult
from tests.broker.test_controller import Home
from tests.codecs.strategies import BOUNDS, messages

APIS = (
    "metadata",
    "create_topics",
    "delete_topics",
    "create_partitions",
    "describe_configs",
    "alter_configs",
    "incremental_alter_configs",
    "describe_cluster",
    "describe_topic_partitions",
    "init_producer_id",
)
HANDLERS = [importlib.import_module(f"kwire.handlers.{name}") for name in APIS]
TEXTS = (
    "t",
    "a.b",
    "a_b",
    "__consumer_offsets",
    "1",
    "",
    "retention.ms",
    "cleanup.policy",
    "compact",
    "5",
    "listeners",
)
NUMBERS = (-1, 0, 1, 2, 3, 4, 5000)


def strewn(value: Any, kind: str, draw: st.DrawFn) -> Any:
    """The message, some of its texts and numbers replaced by ones that may mean something."""
    if isinstance(value, w.Struct):
        for field in type(value).__fields__:
            old = getattr(value, field.name)
            if old != field.make_default() or isinstance(old, list):
                inner = field.element.kind if isinstance(field.element, w.Field) else field.kind
                setattr(value, field.name, strewn(old, inner, draw))
        return value
    if isinstance(value, list):
        return [strewn(element, kind, draw) for element in value]
    if isinstance(value, str) and draw(st.booleans()):
        return draw(st.sampled_from(TEXTS))
    if kind in BOUNDS and draw(st.booleans()):
        low, high = BOUNDS[kind]
        return draw(st.sampled_from([number for number in NUMBERS if low <= number <= high]))
    return value


@st.composite
def questions(draw: st.DrawFn) -> tuple[Any, int, w.Struct]:
    """A handler, a version, a request."""
    handler = draw(st.sampled_from(HANDLERS))
    version = draw(st.integers(*handler.VERSIONS))
    return handler, version, strewn(draw(messages(handler.API.Request, version)), "struct", draw)


def surroundings(home: Home, controller: Any, version: int) -> Any:
    async def nobody_coordinates(*_: object) -> InitResult:
        return InitResult(ErrorCode.NOT_COORDINATOR)

    cluster = SimpleNamespace(
        controller=controller,
        config=home.config,
        random=home.random,
        encoded_topics=EncodedTopics(),
        failed_directories=SimpleNamespace(is_log_dir=lambda node_id, path: False),
        transactions=SimpleNamespace(init_producer_id=nobody_coordinates),
    )
    return SimpleNamespace(
        cluster=cluster,
        node=home.nodes[1],
        version=version,
        advertised=lambda node_id: ("localhost", 9000 + node_id) if node_id in home.nodes else None,
    )


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(questions(), min_size=1, max_size=8))
def test_every_request_is_answered_and_the_log_replays_to_the_same_image(
    asked: list[tuple[Any, int, w.Struct]],
) -> None:
    async def live() -> tuple[ClusterImage, ClusterImage]:
        home = Home((1, 2))
        controller = await home.start()
        for handler, version, request in asked:
            response = await handler.handle(surroundings(home, controller, version), request)
            encoded = encode_bytes(response, version)
            decoder(handler.API.Response, version)(memoryview(encoded))
        return controller.image, (await home.start()).image

    before, after = trio.run(live)
    assert after.topics == before.topics
    assert after.configs == before.configs
    assert after.collision_names == before.collision_names
    assert after.next_producer_id == before.next_producer_id
