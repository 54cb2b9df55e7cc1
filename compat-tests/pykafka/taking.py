"""Reading a given number of messages, or failing."""

from __future__ import annotations

from typing import Any


def take(consumer: Any, count: int) -> list[Any]:
    messages = [consumer.consume() for _ in range(count)]
    assert all(message is not None for message in messages), f"{messages.count(None)} of {count} did not come"
    return messages
