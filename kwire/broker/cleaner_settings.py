"""What the brokers' `log.cleaner.*` settings say at any moment: most may be altered while brokers run."""

from __future__ import annotations

from collections.abc import Callable

from kwire_storage.segments.compaction import CleaningResources

from kwire.config import BrokerConfig
from kwire.coordinators.metadata.broker_configs import broker_value
from kwire.coordinators.metadata.image import ClusterImage


class CleanerSettings:
    """Those that count for all brokers of a cluster."""

    def __init__(self, image: Callable[[], ClusterImage], config: BrokerConfig) -> None:
        self._image = image
        self._config = config

    def _number(self, name: str) -> float:
        value = broker_value(self._image(), self._config, None, name)
        assert isinstance(value, int | float), name
        return value

    @property
    def backoff_ms(self) -> int:
        """How long to wait when nothing is due."""
        return int(self._number("log.cleaner.backoff.ms"))

    @property
    def threads(self) -> int:
        """How many logs may be cleaned at a time, each by a process."""
        return int(self._number("log.cleaner.threads"))

    @property
    def resources(self) -> CleaningResources:
        """What one cleaning may use: its part of what all may use at the same time."""
        threads = max(1, self.threads)
        return CleaningResources(
            memory_bytes=int(self._number("log.cleaner.dedupe.buffer.size")) // threads,
            load_factor=self._number("log.cleaner.io.buffer.load.factor"),
            io_buffer_bytes=max(1 << 16, int(self._number("log.cleaner.io.buffer.size")) // threads),
            max_bytes_per_second=self._number("log.cleaner.io.max.bytes.per.second") / threads,
        )
