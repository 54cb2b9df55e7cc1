"""Listeners as Kafka's properties describe them: where to bind, what to advertise, which protocol.

`listeners=NAME://host:port,...`, `advertised.listeners` likewise,
`listener.security.protocol.map=NAME:PROTOCOL,...`. An empty host binds every address; an address that is not
advertised is the one that each client dialled. Names and protocols are capitals, however they are written
(Kafka: ListenerName.normalised).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SERVED_PROTOCOLS = ("PLAINTEXT",)
LOCALHOST = "localhost"
DEFAULT_PORT = 9092
EVERY_ADDRESS = ("", "0.0.0.0", "::", "*")
"""Hosts that bind every address, and that no client can dial."""

_LISTENER = re.compile(r"\s*([A-Za-z0-9_.-]+)://(\[[0-9a-fA-F:.%]+\]|[^:/\[\]\s]*):(-?\d+)\s*")


class ListenerError(ValueError):
    """The listener properties contradict each other or do not parse; the message says which and what to
    write.
    """


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener to open. `host` "" is every address, "localhost" both loopbacks; `port` 0 is a free
    one.
    """

    name: str
    host: str
    port: int
    protocol: str
    advertised: tuple[str, int] | None = None


def parse_listeners(
    listeners: str,
    advertised: str | None = None,
    protocol_map: str | None = None,
    controllers: Collection[str] = (),
) -> list[Listener]:
    """The listeners of one node, in the order given, without those that `controllers` names: nobody would
    come there. Raises ListenerError.
    """
    protocols = {name: name for name in PROTOCOLS} | _parse_map(protocol_map or "")
    bound = _parse_urls("listeners", listeners)
    told = _parse_urls("advertised.listeners", advertised) if advertised else {}
    for_controllers = {name.strip().upper() for name in controllers}
    clients = [name for name in bound if name not in for_controllers]
    for name in told:
        if name in for_controllers:
            raise ListenerError(
                f"advertised.listeners names {name}, which controller.listener.names keeps for controllers; "
                "remove it from one of the two"
            )
        if name not in bound:
            raise ListenerError(
                f"advertised.listeners names {name}, which is not among listeners ({', '.join(bound)}); "
                f"add {name} to listeners or remove it"
            )
    if not clients:
        raise ListenerError(
            f"listeners has none but those of controllers ({', '.join(bound)}); add one for clients, e.g. "
            "PLAINTEXT://localhost:9092"
        )
    parsed = []
    for name in clients:
        host, port = bound[name]
        protocol = protocols.get(name)
        if protocol is None:
            raise ListenerError(
                f"listener {name} has no protocol; add listener.security.protocol.map={name}:PLAINTEXT"
            )
        if protocol not in SERVED_PROTOCOLS:
            raise ListenerError(
                f"listener {name} wants {protocol}; kwire serves {', '.join(SERVED_PROTOCOLS)} so far. "
                f"Map it to PLAINTEXT in listener.security.protocol.map"
            )
        if name in told:
            _check_advertised(name, *told[name])
        parsed.append(Listener(name, host, port, protocol, told.get(name)))
    _check_ports(bound)
    return parsed


def _check_advertised(name: str, host: str, port: int) -> None:
    if host in EVERY_ADDRESS:
        raise ListenerError(
            f"advertised.listeners has {host or 'no host'} for {name}, which no client can "
            "reach; write the name or address that clients use"
        )
    if not port:
        raise ListenerError(
            f"advertised.listeners has port 0 for {name}, which no client can reach; write the port that "
            "clients use"
        )


def _check_ports(bound: Mapping[str, tuple[str, int]]) -> None:
    """A port is one listener's; or two's, on an IPv4 and an IPv6 address (KIP-797)."""
    taken: dict[int, list[str]] = {}
    for name, (_, port) in bound.items():
        if port:
            taken.setdefault(port, []).append(name)
    for port, names in taken.items():
        families = sorted(_family(bound[name][0]) for name in names)
        if len(names) > 1 and families != [4, 6]:
            raise ListenerError(
                f"listeners {' and '.join(names)} want the same port {port}; give each its own"
            )


def _family(host: str) -> int:
    """4 or 6 for an address, 0 for a name."""
    if ":" in host:
        return 6
    return 4 if re.fullmatch(r"[0-9.]+", host) else 0


def _parse_map(text: str) -> dict[str, str]:
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, colon, protocol = entry.upper().partition(":")
        if not colon or protocol not in PROTOCOLS:
            raise ListenerError(
                f"listener.security.protocol.map has {entry!r}; an entry is NAME:PROTOCOL "
                f"with one of {', '.join(PROTOCOLS)}"
            )
        found[name] = protocol
    return found


def _parse_urls(setting: str, text: str) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _LISTENER.fullmatch(entry)
        if match is None:
            raise ListenerError(
                f"{setting} has {entry!r}; an entry is NAME://host:port, e.g. PLAINTEXT://localhost:9092"
            )
        name, host, port = match[1].upper(), match[2].strip("[]"), int(match[3])
        if not 0 <= port <= 65535:
            raise ListenerError(f"{setting} has port {port} for {name}; ports are 0 to 65535")
        if name in found:
            raise ListenerError(f"{setting} names {name} twice; each listener needs a name of its own")
        found[name] = (host, port)
    if not found:
        raise ListenerError(f"{setting} is empty; write e.g. {setting}=PLAINTEXT://localhost:9092")
    return found
