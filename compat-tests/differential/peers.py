"""The brokers that are compared: real Kafkas, and kwire as a child process.

KAFKA_BOOTSTRAP (with KAFKA_VERSION, 4.4.0 unless said) and KWIRE_BOOTSTRAP name brokers that run already;
they have to be set up as SETTINGS says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from oracle import Kafka

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {
    # Fixed timestamps must not make records old enough to be deleted.
    "log.retention.ms": "-1",
    # A consumer group's assignment follows at once from what its members do, not from the clock.
    "group.consumer.assignment.interval.ms": "0",
    "group.consumer.assignor.offload.enable": "false",
    # Transactions that have run out of time are looked for often.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
}
# What cases ask for by name, over SETTINGS.
VARIANTS: dict[str, dict[str, str]] = {
    "": {},
    "no migration": {"group.consumer.migration.policy": "disabled"},
    "upgrade only": {"group.consumer.migration.policy": "upgrade"},
    "downgrade only": {"group.consumer.migration.policy": "downgrade"},
    "small groups": {"group.max.size": "1", "group.consumer.max.size": "1"},
    # A broker of their own for cases that change what the whole cluster has.
    "other features": {},
    "short sessions": {
        "group.min.session.timeout.ms": "100",
        "group.consumer.min.session.timeout.ms": "100",
        "group.consumer.session.timeout.ms": "400",
        "group.consumer.min.heartbeat.interval.ms": "50",
        "group.consumer.heartbeat.interval.ms": "100",
    },
    "three directories": {},
    # A broker of their own for cases that throttle all moves between directories, and leave it at that.
    "slow moves": {},
    # The same for cases of directories that get no new partitions.
    "cordoned directories": {},
}
# Those that have log.dirs besides their first, kwire too, which keeps its data in files then.
DIRECTORIES = dict.fromkeys(("three directories", "slow moves", "cordoned directories"), ("second", "third"))
# A new 4.x cluster sets min.insync.replicas for all brokers on behalf of this feature, which kwire does not
# have.
FEATURES = {"4.4.0": {"eligible.leader.replicas.version": 0}}
# What kwire is without being asked, and the Kafka of ../oracle is not.
KAFKA_SETTINGS = {
    "offsets.topic.num.partitions": "50",
    # A slow machine must not fence the only broker.
    "broker.session.timeout.ms": "60000",
    **SETTINGS,
}


@contextmanager
def kafka(version: str, variant: str = "") -> Iterator[str]:
    """A real Kafka of that release; its HOST:PORT."""
    running = os.environ.get("KAFKA_BOOTSTRAP")
    if running and not variant and version == os.environ.get("KAFKA_VERSION", "4.4.0"):
        yield running
        return
    settings = {**KAFKA_SETTINGS, **VARIANTS[variant]}
    with Kafka(
        version, settings, features=FEATURES.get(version), directories=DIRECTORIES.get(variant, ())
    ) as broker:
        yield broker.bootstrap


@contextmanager
def kwire(variant: str = "", *, on_disk: bool = False) -> Iterator[str]:
    """A kwire that keeps its data in memory, or for as long as it runs in files, and in files where it has
    several directories; its HOST:PORT.
    """
    running = os.environ.get("KWIRE_BOOTSTRAP")
    directories = DIRECTORIES.get(variant, ())
    if running and not variant:
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="kwire-differential-") as data:
        if directories:
            where = _log_dirs([Path(data, name) for name in ("first", *directories)])
        else:
            where = ["--data", data] if on_disk else ["--memory"]
        with _serving(where, VARIANTS[variant]) as bootstrap:
            yield bootstrap


@contextmanager
def kafka_in(home: Path, version: str, directories: Sequence[str]) -> Iterator[str]:
    """A real Kafka whose data stay in `home`: in `logs`, and in these directories too. Only its first start
    makes it warm: later ones may lack what that needs.
    """
    kafka = Kafka(
        version,
        KAFKA_SETTINGS,
        data=home,
        features=FEATURES.get(version),
        directories=directories,
        warm=not (home / "logs").exists(),
    )
    with kafka:
        yield kafka.bootstrap


@contextmanager
def kwire_in(home: Path, directories: Sequence[str]) -> Iterator[str]:
    """A kwire whose data stay in `home`: in `logs`, and in these directories too."""
    with _serving(_log_dirs([home / name for name in ("logs", *directories)]), {}) as bootstrap:
        yield bootstrap


def _log_dirs(paths: Sequence[Path]) -> list[str]:
    return ["--set", f"log.dirs={','.join(map(str, paths))}"]


@contextmanager
def _serving(where: Sequence[str], settings: dict[str, str]) -> Iterator[str]:
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "kwire", "serve", "--port", "0", *where]
        for key, value in {**SETTINGS, **settings}.items():
            command += ["--set", f"{key}={value}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            prefix, _, addresses = line.strip().partition("kwire ready: ")
            if prefix or not addresses:
                process.wait(10)
                log.seek(0)
                said = log.read().decode(errors="replace")
                raise RuntimeError(f"kwire did not start; it said {line!r} and logged:\n{said}")
            yield addresses.split(",")[0]
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
