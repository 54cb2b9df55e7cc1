"""Listeners as Kafka's properties describe them: where to bind, what to advertise, which protocol.

`listeners=NAME://host:port,...`, `advertised.listeners` likewise,
`listener.security.protocol.map=NAME:PROTOCOL,...`. An empty host binds every address; an address that is not
advertised is the one that each client dialled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SERVED_PROTOCOLS = ("PLAINTEXT",)
LOCALHOST = "localhost"

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
    listeners: str, advertised: str | None = None, protocol_map: str | None = None
) -> list[Listener]:
    """The listeners of one node, in the order given. Raises ListenerError."""
    protocols = {name: name for name in PROTOCOLS} | _parse_map(protocol_map or "")
    bound = _parse_urls("listeners", listeners)
    told = _parse_urls("advertised.listeners", advertised) if advertised else {}
    for name in told:
        if name not in bound:
            raise ListenerError(
                f"advertised.listeners names {name}, which is not among listeners ({', '.join(bound)}); "
                f"add {name} to listeners or remove it"
            )
    parsed = []
    for name, (host, port) in bound.items():
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
        if name in told and told[name][0] in ("", "0.0.0.0", "::"):
            raise ListenerError(
                f"advertised.listeners has {told[name][0] or 'no host'} for {name}, which no client can "
                "reach; write the name or address that clients use"
            )
        parsed.append(Listener(name, host, port, protocol, told.get(name)))
    ports = [(listener.host, listener.port) for listener in parsed if listener.port]
    for address in ports:
        if ports.count(address) > 1:
            raise ListenerError(f"two listeners want port {address[1]}; give each its own")
    return parsed


def _parse_map(text: str) -> dict[str, str]:
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, colon, protocol = entry.partition(":")
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
        name, host, port = match[1], match[2].strip("[]"), int(match[3])
        if not 0 <= port <= 65535:
            raise ListenerError(f"{setting} has port {port} for {name}; ports are 0 to 65535")
        if name in found:
            raise ListenerError(f"{setting} names {name} twice; each listener needs a name of its own")
        found[name] = (host, port)
    if not found:
        raise ListenerError(f"{setting} is empty; write e.g. {setting}=PLAINTEXT://localhost:9092")
    return found
