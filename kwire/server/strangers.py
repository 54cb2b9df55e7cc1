"""Who dials a Kafka port by mistake: browsers, health checks, clients set to TLS. A hint for the log."""

from __future__ import annotations

from typing import Final

_HTTP: Final = frozenset(
    (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")
)
_TLS_HANDSHAKE: Final = b"\x16\x03"
_NEWEST_TLS: Final = 4


def looks_like(head: bytes) -> str | None:
    """What four bytes that are no frame's size, were meant for; None if unknown."""
    if head in _HTTP:
        return "it looks like HTTP, and this port speaks Kafka's protocol only"
    if head[:2] == _TLS_HANDSHAKE and len(head) > 2 and head[2] <= _NEWEST_TLS:
        return "it looks like TLS, and this port is plaintext: the client wants security.protocol=PLAINTEXT"
    return None
