"""The Python that is counted on, and callgrind around it: the same everywhere, so that figures compare.

Rules: it is the python3.11 of Debian 12, whose version is settled. On a Debian 12 that has it and valgrind,
both are used as they are; elsewhere a root of that Debian is made once and kept in $KWIRE_CACHE (default
~/.cache/kwire), which needs debootstrap and the root user. Packages are those of requirements.txt, kept there
as well. The environment is empty, hashes are not randomised, and addresses are the same in each run.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.guard.counting import COUNTS, DUMP_BEFORE, PART

ROOT: Final = Path(__file__).parents[2]
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
RELEASE: Final = "bookworm"
PYTHON: Final = "/usr/bin/python3.11"
PYTHON_VERSION: Final = "3.11.2"
SOURCES: Final = ("kwire", "codecs/kwire_codecs", "storage/kwire_storage", "bench/guard")
IN_ROOT: Final = "guard"
LIMIT_SECONDS: Final = 600
IDENTITY: Final = (
    "import platform, sys; libc = '-'.join(platform.libc_ver());"
    "print(f'CPython {platform.python_version()} [{platform.python_compiler()}] {libc} {platform.machine()}')"
)


class NoPython(Exception):
    """There is no pinned Python here, and no way to have it; the message says what is missing."""


def cache() -> Path:
    """Where is kept what takes long to make."""
    found = Path(os.environ.get("KWIRE_CACHE") or Path.home() / ".cache/kwire")
    found.mkdir(parents=True, exist_ok=True)
    return found


@dataclass(frozen=True, slots=True)
class Pinned:
    """`packages` and `tree` (kwire and this package) as the Python sees them, which runs below `root`."""

    root: Path | None
    packages: str
    tree: str

    def identity(self) -> str:
        """Which Python it is: figures of another cannot be compared with its own."""
        return subprocess.check_output(self._command([PYTHON, "-c", IDENTITY], "/"), text=True).strip()

    def rehearse(self, group: str) -> None:
        """Does a group's work once, uncounted: bytecode files are written, and errors show early."""
        self._run(["--rehearsal", group], [])

    def count(self, group: str, planted: str | None = None) -> dict[str, float]:
        """Instructions of each row of the group."""
        callgrind = [
            *_same_addresses(),
            "valgrind",
            "-q",
            "--tool=callgrind",
            f"--callgrind-out-file={PART}",
            f"--dump-before={DUMP_BEFORE}",
        ]
        return self._run([group] if planted is None else [group, "--planted", planted], callgrind)

    def _run(self, arguments: list[str], under: list[str]) -> dict[str, float]:
        """Runs the child in a folder of its own; gives what it has counted."""
        above = None if self.root is None else self.root / "tmp"
        with tempfile.TemporaryDirectory(prefix="guard-", dir=above) as here:
            there = here if self.root is None else f"/tmp/{Path(here).name}"
            command = [*under, PYTHON, "-m", "bench.guard.child", *arguments]
            done = subprocess.run(
                self._command(command, there),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LIMIT_SECONDS,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stdout}")
            counts: dict[str, float] = json.loads((Path(here) / COUNTS).read_text(encoding="utf-8"))
        return counts

    def _command(self, command: list[str], folder: str) -> list[str]:
        """What runs `command` in the folder, with nothing of this program's environment."""
        environment = [
            "/usr/bin/env",
            "-i",
            f"--chdir={folder}",
            "PATH=/usr/bin:/bin",
            "LC_ALL=C.UTF-8",
            "PYTHONHASHSEED=0",
            f"PYTHONPATH={self.tree}:{self.packages}",
        ]
        if self.root is None:
            return [*environment, *command]
        # valgrind reads /proc; the mount goes with its namespace.
        script = 'mount -t proc proc "$1/proc" && exec chroot "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(self.root), *environment, *command]


def pinned(*, own_root: bool = False) -> Pinned:
    """The pinned Python, made if need be; `own_root` uses a root of its own even where none is needed.

    Raises NoPython.
    """
    _be_the_only_one()
    packages = _packages()
    if not own_root and _is_here():
        return Pinned(None, str(packages), str(ROOT))
    root = _debian_root()
    for name in (packages.name, IN_ROOT):
        shutil.rmtree(root / name, ignore_errors=True)
    shutil.copytree(packages, root / packages.name)
    for source in SOURCES:
        shutil.copytree(ROOT / source, root / IN_ROOT / source)
    return Pinned(root, f"/{packages.name}", f"/{IN_ROOT}")


def _be_the_only_one() -> None:
    """Waits until no other guard uses the cache; the lock goes with this process."""
    fcntl.flock(os.open(cache() / "guard.lock", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)


def _is_here() -> bool:
    if not os.path.exists(PYTHON) or shutil.which("valgrind", path="/usr/bin") is None:
        return False
    version = subprocess.check_output([PYTHON, "--version"], text=True).split()[1]
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return version == PYTHON_VERSION and release.get("VERSION_CODENAME") == RELEASE


def _debian_root() -> Path:
    root = cache() / f"guard-{RELEASE}"
    made = root.with_suffix(".done")
    if made.exists():
        return root
    for tool in ("debootstrap", "chroot", "unshare"):
        if shutil.which(tool) is None:
            raise NoPython(
                f"this is not a Debian {RELEASE} with python3.11 and valgrind, and there is no {tool}"
            )
    if os.geteuid() != 0:
        raise NoPython(f"this is not a Debian {RELEASE} with python3.11 and valgrind; making one needs root")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    log = cache() / f"debootstrap-guard-{RELEASE}.log"
    with log.open("wb") as output:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3,valgrind", RELEASE, str(root)],
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode:
        raise NoPython(f"debootstrap failed, see {log}")
    made.touch()
    return root


def _packages() -> Path:
    """A folder with what requirements.txt names, for the pinned Python. Raises NoPython."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache() / f"guard-packages-{wanted}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=cache()) as made:
        machine = platform.machine()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"),
                *("--python-version", PYTHON_VERSION, "--implementation", "cp"),
                *("--abi", "cp311", "--abi", "abi3", "--abi", "none"),
                *("--platform", f"manylinux_2_28_{machine}", "--platform", f"manylinux2014_{machine}"),
                *("--target", f"{made}/packages", "-r", str(REQUIREMENTS)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoPython(f"pip cannot install {REQUIREMENTS.name}:\n{done.stdout}")
        os.rename(f"{made}/packages", folder)
    return folder


def _same_addresses() -> list[str]:
    """`setarch -R` where that is allowed: addresses would not be drawn at random."""
    tried = subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False)
    return [] if tried.returncode else ["setarch", "-R"]
