"""What loading the pytest plugin costs each test run of an environment with kwire: `python bench/plugin.py`.

Each round is an interpreter of its own that has imported pytest already. Processor time, since the machine
may be busy; the limit is 5 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 21
CODE = """\
import pytest, time
began = time.process_time()
import kwire.pytest_plugin
print((time.process_time() - began) * 1000)
"""


def main() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True)  # the bytecode is written
    milliseconds = sorted(
        float(subprocess.check_output([sys.executable, "-c", CODE], text=True)) for _ in range(ROUNDS)
    )
    median = statistics.median(milliseconds)
    best, worst = milliseconds[0], milliseconds[-1]
    print(f"{ROUNDS} rounds: {best:.2f} ms at best, {median:.2f} ms in the middle, {worst:.2f} ms at worst")


if __name__ == "__main__":
    main()
