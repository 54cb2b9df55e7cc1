"""A cleaning keeps to so many bytes a second, and does not save up what it did not use."""

from kwire_storage.cleaner.throttle import Throttle


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_so_many_bytes_take_so_many_seconds() -> None:
    time = Time()
    throttle = Throttle(1000, time.now, time.sleep)
    for _ in range(50):
        throttle(100)
    assert 4.6 <= time.seconds - 100 <= 5.1


def test_what_was_not_used_is_soon_forgotten() -> None:
    time = Time()
    throttle = Throttle(1000, time.now, time.sleep)
    time.seconds += 1000
    throttle(5000)
    assert time.seconds - 1100 >= 4.5


def test_little_is_not_waited_for() -> None:
    time = Time()
    throttle = Throttle(1000, time.now, time.sleep)
    throttle(5)
    assert time.seconds == 100
