"""The brokers that are compared: real Kafkas, and kwire as a child process.

KAFKA_BOOTSTRAP (with KAFKA_VERSION, 4.4.0 unless said) and KWIRE_BOOTSTRAP name brokers that run already;
they have to be set up as SETTINGS says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
    # A replica that moves to another directory is copied a batch at a time, and waits where it is throttled.
    "slow moves": {"replica.fetch.max.bytes": "1"},
}
# Those that keep their data in so many log.dirs, kwire too, whatever it keeps otherwise.
DIRECTORIES = {"three directories": 3, "slow moves": 3}
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
    directories = DIRECTORIES.get(variant, 1)
    with Kafka(version, settings, features=FEATURES.get(version), directories=directories) as broker:
        yield broker.bootstrap


@contextmanager
def kwire(variant: str = "", *, on_disk: bool = False) -> Iterator[str]:
    """A kwire that keeps its data in memory, or for as long as it runs in files, and in files where the
    variant has several directories; its HOST:PORT.
    """
    running = os.environ.get("KWIRE_BOOTSTRAP")
    if running and not variant:
        yield running
        return
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory(prefix="kwire-differential-") as data:
        command = [sys.executable, "-m", "kwire", "serve", "--port", "0"]
        if variant in DIRECTORIES:
            paths = (f"{data}/{number}" for number in range(1, DIRECTORIES[variant] + 1))
            command += ["--set", f"log.dirs={','.join(paths)}"]
        else:
            command += ["--data", data] if on_disk else ["--memory"]
        for key, value in {**SETTINGS, **VARIANTS[variant]}.items():
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
