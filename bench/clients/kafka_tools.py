"""Kafka's own perf tools as a client program: `python -m bench.clients.kafka_tools produce|consume ...`.

ProducerPerformance and ConsumerPerformance of the newest release that Maven Central has the tools of run with
the jars that compat-tests/oracle fetches; what they print is said again as one JSON object. Their clocks are
theirs: the producer's begins when the JVM is cold and has no connection yet, the consumer's (fetch.time.ms)
when its group is joined. Complaints go to standard error, with exit status 1 on any failure or wrong count.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.brokers import cache, cpu_seconds
from bench.java import JavaMissing, java_with

VERSION = "4.3.1"
"""4.4.0's tools are not published."""
HEAP = ("-Xmx512M",)
"""What the tools' own start scripts give the JVM."""
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FILLER = b"kwire-benchmark:"
_POOL = 4 << 20
_MASK = (1 << 64) - 1


class ToolError(Exception):
    """The tool failed or did something else than asked."""


def payloads(size: int) -> list[bytes]:
    """The record values that every client here sends: half random letters, half always the same."""
    state, made = 0x9E3779B97F4A7C15, []
    for _ in range(min(max(_POOL // size, 64), 16384)):
        value = bytearray(size)
        for i in range(size):
            if i & 16:
                value[i] = _FILLER[i & 15]
                continue
            state ^= state << 13 & _MASK
            state ^= state >> 7
            state ^= state << 17 & _MASK
            value[i] = _LETTERS[state >> 58]
        made.append(bytes(value))
    return made


def payload_file(size: int, folder: Path) -> Path:
    """The values, a line each, made once (it takes seconds) and kept in `folder`."""
    kept = folder / f"payloads-{size}"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as half:
            half.write(b"\n".join(payloads(size)))
        Path(half.name).replace(kept)
    return kept


def produce(options: argparse.Namespace, _directory: Path) -> dict[str, Any]:
    values = payload_file(options.size, cache() / "bench")
    settings = {
        "bootstrap.servers": options.bootstrap,
        "acks": "all",
        "enable.idempotence": "true",
        "compression.type": options.compression,
        "batch.size": options.batch_bytes,
        "linger.ms": options.linger_ms,
        "buffer.memory": 64 << 20,
    }
    words = ["--topic", options.topic, "--num-records", str(options.records), "--throughput", "-1"]
    words += ["--payload-file", str(values), "--command-property"]
    words += [f"{name}={value}" for name, value in settings.items()]
    said, cpu = _run("org.apache.kafka.tools.ProducerPerformance", words, options.pid)
    # The last such line is the sum; those before are progress.
    found = re.findall(r"^(\d+) records sent, ([\d.]+) records/sec .*99th", said, re.MULTILINE)
    if not found:
        raise ToolError(f"no result in: {said[-500:]}")
    count, rate = int(found[-1][0]), float(found[-1][1])
    if count != options.records:
        raise ToolError(f"{count} records were sent, not {options.records}")
    return _result(count / rate, count, count * options.size, cpu)


def consume(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    settings = directory / "consumer.properties"
    settings.write_text("auto.offset.reset=earliest\nenable.auto.commit=false\n")
    words = ["--bootstrap-server", options.bootstrap, "--topic", options.topic, "--timeout", "30000"]
    words += ["--num-records", str(options.records), "--command-config", str(settings), "--hide-header"]
    said, cpu = _run("org.apache.kafka.tools.ConsumerPerformance", words, options.pid)
    rows = [line.split(", ") for line in said.splitlines() if line.count(", ") == 9]
    if not rows:
        raise ToolError(f"no result in: {said[-500:]}")
    megabytes, count, fetch_ms = float(rows[-1][2]), int(rows[-1][4]), int(rows[-1][7])
    if count != options.records:
        raise ToolError(f"{count} records came where {options.records} were wanted")
    return _result(fetch_ms / 1e3, count, round(megabytes * (1 << 20)), cpu)


def _result(seconds: float, records: int, size: int, cpu: dict[str, float]) -> dict[str, Any]:
    return {"seconds": seconds, "records": records, "bytes": size, **cpu}


def _run(main_class: str, words: Sequence[str], pid: int) -> tuple[str, dict[str, float]]:
    """What the tool printed, and CPU seconds, the JVM's start included: its own, and those of the broker
    where its `pid` is given."""
    command = [*java_with(VERSION, *HEAP), main_class, *words]
    before = cpu_seconds(pid) if pid else 0.0
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    after = cpu_seconds(pid) if pid else 0.0
    if done.returncode != 0:
        raise ToolError((done.stderr + done.stdout).strip()[-800:])
    if failures := re.findall(r"^.*(?:Exception|ERROR).*$", done.stdout + done.stderr, re.MULTILINE):
        raise ToolError(" / ".join(failures[:3]))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = {"client_cpu_seconds": used.ru_utime + used.ru_stime}
    if pid:
        cpu["broker_cpu_seconds"] = after - before
    return done.stdout, cpu


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=("produce", "consume", "fetch"), help="fetch: only get the jars")
    parser.add_argument("--bootstrap", default="")
    parser.add_argument("--topic", default="")
    parser.add_argument("--records", type=int, default=0)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--compression", choices=("none", "lz4"), default="none")
    parser.add_argument("--batch-bytes", type=int, default=128 << 10)
    parser.add_argument("--linger-ms", type=int, default=5)
    parser.add_argument("--acks", type=int, choices=(-1,), default=-1)
    parser.add_argument("--consumers", type=int, choices=(1,), default=1)
    parser.add_argument("--pid", type=int, default=0, help="of the broker, whose CPU seconds are then told")
    options = parser.parse_args(words)
    try:
        if options.workload == "fetch":
            java_with(VERSION, *HEAP)
            return 0
        if not options.bootstrap or not options.topic or options.records < 1 or options.size < 1:
            parser.error("--bootstrap, --topic and --records are needed")
        with tempfile.TemporaryDirectory(prefix="kwire-bench-") as directory:
            work = produce if options.workload == "produce" else consume
            print(json.dumps(work(options, Path(directory))))
    except (JavaMissing, ToolError) as error:
        print(f"kafka_tools: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
