"""What each node of a process is made of: its id, its rack and its listeners, from the broker's settings.

Rules: a setting `node.<id>.<name>` is that node's alone, for the names in `NODE_SETTINGS`. Without one, a
node has the broker's listeners with every port moved up by its position, so that three nodes on port 9092
listen on 9092, 9093 and 9094; a port of 0 stays 0. What contradicts itself is a `ListenerError`, before
anything is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kwire.broker.listeners import Listener, ListenerError, parse_listeners
from kwire.broker.node import Node
from kwire.config import BrokerConfig, node_setting

FIRST_NODE_ID: Final = 1
HIGHEST_PORT: Final = 65535


def nodes_of(
    config: BrokerConfig, count: int, host: str, ports: Sequence[int], racks: Sequence[str]
) -> list[tuple[Node, list[Listener]]]:
    """`count` nodes, numbered from `node.id`, each with what it shall listen on.

    :param ports: one for the first node, the others following it; or one for each. They count, like `host`,
        where the configuration names no listeners.
    :param racks: one for all nodes, or one for each; none: what the settings say.
    :raises ListenerError: the settings contradict each other; the message says what to write.
    """
    first = _first_id(config)
    ids = range(first, first + count)
    _check_names(config, ids)
    for name, given in (("--port", ports), ("--rack", racks)):
        if len(given) > 1 and len(given) != count:
            raise ListenerError(f"{name} has {len(given)} values for {count} brokers; give one for each")
    nodes = []
    for position, node_id in enumerate(ids):
        rack = config.text_of_node(node_id, "broker.rack") or None
        if racks:
            if config.is_set_for_node(node_id, "broker.rack"):
                raise ListenerError(
                    f"broker {node_id} has a --rack and node.{node_id}.broker.rack; leave one of them out"
                )
            rack = racks[position % len(racks)]
        if len(ports) > 1:
            if config.is_set_for_node(node_id, "listeners"):
                raise ListenerError(
                    f"broker {node_id} has a --port and node.{node_id}.listeners; leave one of them out"
                )
            listeners = _listeners(config, node_id, host, ports[position], moved_by=0)
        else:
            listeners = _listeners(config, node_id, host, ports[0], moved_by=position)
        nodes.append((Node(node_id, rack), listeners))
    _check_apart(nodes)
    return nodes


def _first_id(config: BrokerConfig) -> int:
    for name in ("node.id", "broker.id"):
        if config.is_set(name) and config.integer(name) >= 0:
            return config.integer(name)
    return FIRST_NODE_ID


def _check_names(config: BrokerConfig, ids: range) -> None:
    for name in config.originals:
        found = node_setting(name)
        if found is not None and found[0] not in ids:
            known = f"{ids[0]} to {ids[-1]}" if len(ids) > 1 else f"only {ids[0]}"
            raise ListenerError(f"{name}: there is no broker {found[0]}; the brokers are {known}")


def _listeners(config: BrokerConfig, node_id: int, host: str, port: int, *, moved_by: int) -> list[Listener]:
    """A node's listeners; ports that are not its own are moved up."""
    if config.is_set("listeners") or config.is_set_for_node(node_id, "listeners"):
        text = config.written_of_node(node_id, "listeners")
    else:
        text = f"PLAINTEXT://[{host}]:{port}" if ":" in host else f"PLAINTEXT://{host}:{port}"
    listeners = parse_listeners(
        text,
        config.written_of_node(node_id, "advertised.listeners").strip() or None,
        _protocol_map(config),
        config.strings("controller.listener.names"),
    )
    bound_by = 0 if config.is_set_for_node(node_id, "listeners") else moved_by
    told_by = 0 if config.is_set_for_node(node_id, "advertised.listeners") else moved_by
    return [
        replace(
            listener,
            port=_moved(listener.port, bound_by),
            advertised=listener.advertised
            and (listener.advertised[0], _moved(listener.advertised[1], told_by)),
        )
        for listener in listeners
    ]


def _moved(port: int, by: int) -> int:
    if port and port + by > HIGHEST_PORT:
        raise ListenerError(
            f"broker {by + 1} would have port {port + by}, and {HIGHEST_PORT} is the highest; give a lower "
            "--port, or one for each broker (--port 9092,29092,39092)"
        )
    return port + by if port else 0


def _check_apart(nodes: Sequence[tuple[Node, Sequence[Listener]]]) -> None:
    """No two nodes listen on one port."""
    taken: dict[int, int] = {}
    for node, listeners in nodes:
        for port in {listener.port for listener in listeners if listener.port}:
            if port in taken:
                raise ListenerError(
                    f"brokers {taken[port]} and {node.id} want the same port {port}; give each its own"
                )
            taken[port] = node.id


def _protocol_map(config: BrokerConfig) -> str | None:
    if not config.is_set("listener.security.protocol.map"):
        return None
    value = config.value("listener.security.protocol.map")
    return ",".join(value) if isinstance(value, list) else str(value)
