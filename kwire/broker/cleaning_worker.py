"""The process that cleans logs for a broker: jobs come as lines on its input, what came of them goes out as
lines (`{"result": ...}` or `{"error": ...}`).

Rules: it gives way to everybody else, on the processor and on disks; it ends with its input, at once, also in
the middle of a job: nobody would take in what it makes. It imports no more than cleaning needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import signal
import sys
import threading
import time
from typing import Final

from kwire_storage.cleaner.cleaning import Pause, clean
from kwire_storage.cleaner.job import CleaningJob
from kwire_storage.cleaner.throttle import Throttle
from kwire_storage.compaction import UNLIMITED
from kwire_storage.engine import StorageError
from kwire_storage.files import Files

NICENESS: Final = 10
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
_IDLE_CLASS: Final = 3 << 13
_THIS_PROCESS: Final = 1


def give_way() -> None:
    """Run when others do not want to; as far as the system has a way to say that."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    number = _IOPRIO_SET.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        with contextlib.suppress(ImportError, OSError):
            import ctypes

            ctypes.CDLL(None).syscall(number, _THIS_PROCESS, 0, _IDLE_CLASS)


def answer(line: str) -> str:
    """What is said to a job."""
    try:
        job = CleaningJob.decode(line)
        result = clean(job, Files(), _pause(job.max_bytes_per_second))
    except StorageError as error:
        return json.dumps({"error": str(error)})
    except Exception as error:  # the log is named by who asked, and left alone
        return json.dumps({"error": f"{type(error).__name__}: {error}"})
    return f'{{"result": {result.encode()}}}'


def _pause(bytes_per_second: float) -> Pause:
    if bytes_per_second >= UNLIMITED:
        return lambda count: None
    return Throttle(bytes_per_second, time.monotonic, time.sleep)


def main() -> None:
    """Until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's: the broker decides
    give_way()
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            jobs.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            sys.stdout.write(answer(jobs.get()) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)  # the broker was killed, which the input's end may say a moment later


if __name__ == "__main__":
    main()
