"""The brokers that are measured: kwire, its peers, and any other by address.

broker = named("kfake-disk"); broker.build(); broker.start(directory); ...; broker.stop()
"""

from __future__ import annotations

from collections.abc import Callable

from .broker import Broker, Given, Started, cache
from .go import Kfake, Mock
from .kafka import Kafka
from .process import BrokerError, Child, Memory, cpu_seconds
from .python import Kwire

__all__ = ["KINDS", "Broker", "BrokerError", "Child", "Given", "Memory", "Started", "cache", "cpu_seconds"]

KINDS: dict[str, Callable[[], Broker]] = {
    "kwire": Kwire,
    "kafka": Kafka,
    "kfake-disk": lambda: Kfake("kfake-disk", on_disk=True),
    "kfake": lambda: Kfake("kfake", on_disk=False),
    "mock": Mock,
}
"""The brokers that the benchmark starts itself, by the name that the tables give them."""
