"""What the benchmark ran on: told beside every figure, because absolutes belong to the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path


def summary() -> str:
    """In a few words: cores, processor, memory, kernel."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{cores()} cores ({processor()}), {gigabytes:.0f} GB, Linux {platform.release()}"


def environment() -> dict[str, str]:
    """Name to value, for a table: the machine, and the versions of what the brokers and clients run in."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = {
        "processor": f"{processor()}, {cores()} of its hardware threads",
        "threads a core": _threads_a_core(),
        "memory": f"{gigabytes:.0f} GB",
        "kernel": f"Linux {platform.release()}",
        "Python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "trio": metadata.version("trio"),
        "Go": _first_line(["go", "version"]).removeprefix("go version "),
        "Java": _first_line(["java", "-version"]),
        "load before the run": f"{os.getloadavg()[0]:.2f}",
    }
    return {name: value for name, value in found.items() if value}


def processor() -> str:
    """Its model, as the kernel names it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def cores() -> int:
    """Those that we may use, as the kernel counts them: hardware threads."""
    return len(os.sched_getaffinity(0))


def _threads_a_core() -> str:
    """What the kernel takes for true; a virtual machine may hide it from the kernel."""
    try:
        mask = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings").read_text()
    except OSError:
        return ""
    return f"{int(mask.strip().replace(',', ''), 16).bit_count()}, as far as the kernel can see"


def _first_line(command: Sequence[str]) -> str:
    """What a program says of itself; "" where it isn't there."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().partition("\n")[0]
