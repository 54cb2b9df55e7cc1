"""Brokers with two log directories."""

from __future__ import annotations

from collections.abc import Callable

from bench.brokers.broker import Broker
from bench.brokers.kafka import Kafka
from bench.brokers.python import Kwire

DIRECTORIES = ("data", "more")


def two_of_kafka() -> Kafka:
    broker = Kafka()
    broker.directories = DIRECTORIES
    return broker


def two_of_kwire() -> Kwire:
    broker = Kwire()
    broker.directories = DIRECTORIES
    return broker


BROKERS: dict[str, Callable[[], Broker]] = {"kwire": two_of_kwire, "kafka": two_of_kafka}
