"""Brokers that look ten times a second for what is dirty."""

from __future__ import annotations

from collections.abc import Callable

from bench.brokers.broker import Broker
from bench.brokers.kafka import Kafka
from bench.brokers.python import Kwire
from bench.compaction.topics import BACKOFF


class CleaningKafka(Kafka):
    """Kafka, with these settings."""

    def build(self) -> None:
        super().build()
        self._settings = {**self._settings, **BACKOFF}


def cleaning_kwire() -> Kwire:
    """kwire, with these settings."""
    return Kwire(options=[part for name, value in BACKOFF.items() for part in ("--set", f"{name}={value}")])


BROKERS: dict[str, Callable[[], Broker]] = {"kwire": cleaning_kwire, "kafka": CleaningKafka}
