"""A process that writes into a log until it is killed."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path


def kill_after(lines: int, program: str, directory: Path) -> int:
    """Run `program`, which prints a number for each thing that is acknowledged, with `directory` as its
    argument; kill it after so many. Gives the last number that it printed.
    """
    root = Path(__file__).parents[2]
    search = os.pathsep.join(str(root / name) for name in ("", "codecs", "storage"))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(directory)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search},
        text=True,
    ) as writer:
        assert writer.stdout is not None
        newest = 0
        for _ in range(lines):
            newest = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]
        return int(rest[-1]) if rest else newest
