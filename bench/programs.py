"""The client programs of bench/clients, by the names that figures call them: franz, rdkafka, kafka."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import cast

from bench.brokers import BrokerError


class Programs:
    """Gives the command line of a client program; None for one that isn't there."""

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._commands = commands

    @classmethod
    def build(cls) -> Programs:
        """Compile what must be, into the cache. Raises BrokerError."""
        try:
            clients = importlib.import_module("bench.clients")
            return cls(cast(Mapping[str, Sequence[str]], clients.build()))
        except (ImportError, OSError, RuntimeError) as error:
            raise BrokerError(f"the clients could not be built: {error}") from error

    def __call__(self, client: str, /) -> Sequence[str] | None:
        return self._commands.get(client)
