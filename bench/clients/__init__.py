"""The neutral programs that load a broker: franz-go, librdkafka, and Kafka's own perf tools.

All take the same options and say the same JSON; README.md has the workloads and the settings of each client.
What is compiled is kept in $KWIRE_CACHE/bench (default ~/.cache/kwire/bench), never in the tree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
# Its Go module carries a static librdkafka with its headers: the surest way to have a new one everywhere.
_LIBRDKAFKA = "github.com/confluentinc/confluent-kafka-go/v2"


class ClientError(RuntimeError):
    """A client program could not be built, or failed; the message has its complaint."""


def build() -> Mapping[str, Sequence[str]]:
    """Compile what has changed; the command of each client by its name: franz, rdkafka, kafka.

    Needs Go and a C compiler, and for Kafka's tools Java (Maven too, if the jars aren't in the cache): a
    client whose tools are missing is left out, with a line on standard error. Raises ClientError if franz,
    which every figure needs, could not be built.
    """
    folder = _cache() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    commands: dict[str, Sequence[str]] = {"franz": [str(_build_franz(folder))]}
    try:
        commands["rdkafka"] = [str(_build_rdkafka(folder))]
    except ClientError as error:
        print(f"librdkafka is left out: {error}", file=sys.stderr)
    kafka = [sys.executable, "-m", "bench.clients.kafka_tools"]
    try:
        _run([*kafka, "fetch"], where=_ROOT)
        commands["kafka"] = kafka
    except ClientError as error:
        print(f"Kafka's tools are left out: {error}", file=sys.stderr)
    return commands


def run(
    client: str, workload: str, bootstrap: str, *, timeout_s: float = 300.0, **options: object
) -> dict[str, Any]:
    """Run one workload to its end, with `arguments` of the options.

    Gives the object that the program says. Raises ClientError with the program's complaint.
    """
    command = build().get(client)
    if command is None:
        raise ClientError(f"there is no client {client} here")
    line = [*command, workload, *arguments(bootstrap, options)]
    output = _run(line, where=_ROOT, timeout_s=timeout_s).strip().splitlines()
    try:
        said = json.loads(output[-1])
    except (IndexError, ValueError) as error:
        raise ClientError(f"{client} {workload} said no JSON") from error
    if not isinstance(said, dict):
        raise ClientError(f"{client} {workload} said no JSON object")
    return said


def arguments(bootstrap: str, options: Mapping[str, object]) -> list[str]:
    """An option `batch_bytes=1` becomes `--batch-bytes 1`, and `touch=True` becomes `--touch=true`."""
    line = ["--bootstrap", bootstrap]
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        line += [f"{option}={value}".lower()] if isinstance(value, bool) else [option, str(value)]
    return line


def _build_franz(folder: Path) -> Path:
    target = folder / "franz"
    _run([_tool("go", "Go (Debian: golang)"), "build", "-o", str(target), "."], _HERE / "franz")
    return target


def _build_rdkafka(folder: Path) -> Path:
    source = _HERE / "rdkafka"
    made_of = b"".join((source / name).read_bytes() for name in ("rdkafka.c", "go.mod"))
    target = folder / f"rdkafka-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if target.exists():
        return target
    go, compiler = _tool("go", "Go (Debian: golang)"), _tool("cc", "a C compiler (Debian: gcc)")
    _run([go, "mod", "download", _LIBRDKAFKA], source)
    module = _run([go, "list", "-m", "-f", "{{.Dir}}", _LIBRDKAFKA], source).strip()
    vendored = Path(module) / "kafka" / "librdkafka_vendor"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    library = vendored / f"librdkafka_glibc_linux_{machine}.a"
    if not library.exists():
        raise ClientError(f"there is no ready librdkafka for {machine}")
    half = target.with_name(f"{target.name}.{os.getpid()}")
    flags = ["-O2", "-Wall", "-Wextra", "-isystem", str(vendored), "-o", str(half), str(source / "rdkafka.c")]
    _run([compiler, *flags, str(library), "-lm", "-ldl", "-lpthread", "-lrt"])
    half.rename(target)
    return target


def _tool(name: str, title: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ClientError(f"{title} is missing")
    return found


def _cache() -> Path:
    named = os.environ.get("KWIRE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "kwire"


def _run(command: Sequence[str], where: Path | None = None, timeout_s: float = 600.0) -> str:
    """What a program printed. Raises ClientError with the end of its complaints."""
    try:
        done = subprocess.run(
            command,
            cwd=where,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClientError(str(error)) from error
    if done.returncode != 0:
        raise ClientError(done.stderr.strip()[-800:] or f"{command[0]}: exit status {done.returncode}")
    return done.stdout
