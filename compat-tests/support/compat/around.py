"""Run a command with a broker's address in its environment: `python -m compat.around CMD ...`.

As `kwire run -- CMD` does it, but with any broker that `broker.py` knows. The exit code is the command's.
"""

from __future__ import annotations

import os
import subprocess
import sys

from compat.broker import session_broker

VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "SPRING_KAFKA_BOOTSTRAP_SERVERS")


def main() -> int:
    with session_broker() as broker:
        environment = {**os.environ, **dict.fromkeys(VARIABLES, broker.bootstrap)}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
