"""Keeps a cleaning to so many bytes a second (Kafka: Throttler)."""

from collections.abc import Callable

LEAST_PAUSE_SECONDS = 0.01
LONGEST_CREDIT_SECONDS = 0.3


class Throttle:
    """Told of bytes, it sleeps as long as they are ahead of their time. What was not used is soon forgotten.

    :param now: seconds on any clock.
    """

    def __init__(
        self, bytes_per_second: float, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._bytes_per_second = bytes_per_second
        self._now = now
        self._sleep = sleep
        self._due = now()

    def __call__(self, count: int) -> None:
        now = self._now()
        self._due = max(self._due, now - LONGEST_CREDIT_SECONDS) + count / self._bytes_per_second
        if self._due - now >= LEAST_PAUSE_SECONDS:
            self._sleep(self._due - now)
