"""What the log adds to the bare system calls: appends beside writes, reads beside reads, of the same bytes.

Run: `python -m bench.storage [--directory DIR]`. One run gives ratios; figures belong to the machine.
The baseline writes the same buffers with one os.writev each, and reads and sends the same extents; nothing
else. Appends and reads are measured in CPU time (the kernel's share included), so that neighbours count less.
Baseline and log take turns, and what counts is the median of the rounds' differences and ratios.

The exit code is 2 where batches of 1 MB, or sequential reads, come to less than 0.75 of the bare calls, or a
small batch (SMALL_BYTES and below) takes more than 20 us above its bare write.
"""

import argparse
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from uuid import UUID, uuid4

from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record
from kwire_storage.directories.log_dirs import LogDirs
from kwire_storage.engine import FileSlice, LogConfig, PartitionLog, ValidBatch
from kwire_storage.tail import TailBudget

ROUNDS = 5
SIZES = (100, 1024, 16 * 1024, 128 * 1024, 1024 * 1024)
LARGE_BYTES = 1024 * 1024
SMALL_BYTES = 16 * 1024
LEAST_RATIO = 0.75
MOST_ADDED_US = 20.0


def make_batch(size: int) -> bytearray:
    """One batch of about `size` bytes."""
    return record_batch.build([Record(None, os.urandom(size), 1000)])


def stamped(made: Sequence[bytearray]) -> list[ValidBatch]:
    """The batches with rising offsets, each in its own buffer, as frames would bring them."""
    batches = []
    for offset, data in enumerate(made):
        copy = bytearray(data)
        record_batch.stamp(copy, 0, offset, 0)
        batches.append(ValidBatch(memoryview(copy), record_batch.read_header(copy)))
    return batches


def timed(run: Callable[[], object]) -> float:
    start = process_time()
    run()
    return process_time() - start


def waited(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def bare_writes(path: str, batches: Sequence[ValidBatch]) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def run() -> None:
        for buffer, _ in batches:
            os.writev(descriptor, [buffer])

    taken = timed(run)
    os.close(descriptor)
    os.unlink(path)
    return taken


def log_appends(log: PartitionLog, batches: Sequence[ValidBatch]) -> float:
    def run() -> None:
        for one in batches:
            log.append((one,), 0)

    return timed(run)


def open_log(directory: str, tail: TailBudget) -> tuple[LogDirs, PartitionLog]:
    dirs = LogDirs([directory], node_id=1, new_uuid=uuid4, tails=tail)
    return dirs, dirs.open("bench", 0, UUID(int=1 << 90), LogConfig())


def appends(directory: str) -> list[str]:
    """Says what each size takes; gives the limits that were passed."""
    passed = []
    print(f"{'append':>10} {'bare write':>12} {'log':>12} {'ratio':>7} {'over':>9}")
    for size in SIZES:
        count = max(min(64 * 1024 * 1024 // size, 20000), 64)
        data = make_batch(size)
        bare, logged = [], []
        for turn in range(ROUNDS):
            bare.append(bare_writes(f"{directory}/bare", stamped([data] * count)))
            dirs, log = open_log(f"{directory}/log-{size}-{turn}", TailBudget())
            logged.append(log_appends(log, stamped([data] * count)))
            dirs.close(clean=False)
            shutil.rmtree(f"{directory}/log-{size}-{turn}")
        ratio = median(base / with_log for base, with_log in zip(bare, logged, strict=True))
        added_us = median(with_log - base for base, with_log in zip(bare, logged, strict=True)) / count * 1e6
        print(
            f"{size:>10} {median(bare) / count * 1e6:>9.1f} us {median(logged) / count * 1e6:>9.1f} us"
            f" {ratio:>7.2f} {added_us:>6.1f} us"
        )
        if size >= LARGE_BYTES and ratio < LEAST_RATIO:
            passed.append(
                f"appends of {size} bytes at {ratio:.2f} of the bare write: {LEAST_RATIO} is wanted"
            )
        if size <= SMALL_BYTES and added_us > MOST_ADDED_US:
            passed.append(
                f"an append of {size} bytes takes {added_us:.1f} us above the bare write: "
                f"{MOST_ADDED_US:.0f} us may be"
            )
    return passed


def send_all(sender: socket.socket, receiver: socket.socket, view: memoryview, sink: bytearray) -> None:
    while view:
        sent = sender.send(view[:131072])
        view = view[sent:]
        while sent:
            sent -= receiver.recv_into(sink)


def reads(directory: str, *, from_memory: bool) -> list[str]:
    """Sequential reads of 1 MB, sent over a socket pair, beside preadv (or nothing) and send of the same.
    Says how fast they are; gives the limit, if it was passed.
    """
    size, count, ask = 16 * 1024, 1024, 1024 * 1024
    tail = TailBudget(64 << 20, 64 << 20) if from_memory else TailBudget(0, 0)
    name = "memory" if from_memory else "file"
    dirs, log = open_log(f"{directory}/reads-{name}", tail)
    batches = stamped([make_batch(size)] * count)
    for one in batches:
        log.append((one,), 0)
    sender, receiver = socket.socketpair()
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sink = bytearray(1 << 20)
    extents = []
    offset = 0
    while offset < log.log_end_offset:
        found = log.read(offset, ask)
        extents.append(found.parts)
        offset += sum(len(part) for part in found.parts) // len(batches[0].buffer)

    def through_the_log() -> None:
        offset = 0
        while offset < log.log_end_offset:
            found = log.read(offset, ask)
            for part in found.parts:
                send_all(sender, receiver, log.read_bytes(part), sink)
                offset += len(part) // len(batches[0].buffer)

    def bare() -> None:
        for parts in extents:
            for part in parts:
                if isinstance(part, FileSlice):
                    view = memoryview(bytearray(part.size))
                    os.preadv(part.fileno(), [view], part.position)
                else:
                    view = part
                send_all(sender, receiver, view, sink)

    with_log, base = [], []
    for _ in range(ROUNDS):
        base.append(timed(bare))
        with_log.append(timed(through_the_log))
    sender.close()
    receiver.close()
    ratio = median(bare_s / log_s for bare_s, log_s in zip(base, with_log, strict=True))
    rate = count * len(batches[0].buffer) / median(with_log) / 1e9
    print(f"{'read and send from ' + name:>26}: {rate:.2f} GB/s, {ratio:.2f} of the bare calls")
    dirs.close(clean=False)
    if ratio >= LEAST_RATIO:
        return []
    return [f"reads from {name} at {ratio:.2f} of the bare calls: {LEAST_RATIO} is wanted"]


def one_read(directory: str) -> None:
    """What a small read costs at the newest and at a random offset."""
    for name, tail in (("memory", TailBudget(64 << 20, 64 << 20)), ("file", TailBudget(0, 0))):
        dirs, log = open_log(f"{directory}/one-{name}", tail)
        for one in stamped([make_batch(500)] * 20000):
            log.append((one,), 0)
        offsets = [at * 7919 % 20000 for at in range(5000)]

        def run(log: PartitionLog = log, offsets: Sequence[int] = offsets) -> None:
            for offset in offsets:
                log.read(offset, 4096)

        taken = median(timed(run) for _ in range(ROUNDS)) / len(offsets)
        print(f"{'one read of 4 KB, ' + name:>26}: {taken * 1e6:.1f} us")
        dirs.close(clean=False)


def many_partitions(directory: str, count: int = 20000) -> None:
    """Partitions that nobody has written to, and a start with as many that somebody has."""
    dirs, _ = open_log(f"{directory}/many", TailBudget())
    topic_id = UUID(int=1 << 91)

    def open_them() -> None:
        for partition in range(count):
            dirs.open("many", partition, topic_id, LogConfig())

    print(f"{count} empty partitions opened in {waited(open_them):.2f} s")
    written = count // 10
    one = stamped([make_batch(100)])
    for partition in range(written):
        dirs.open("many", partition, topic_id, LogConfig()).append(one, 0)
    taken = waited(lambda: dirs.close(clean=True))
    print(f"closed cleanly in {taken:.2f} s, {written} of them written to")
    dirs, _ = open_log(f"{directory}/many", TailBudget())
    print(f"opened again in {waited(open_them):.2f} s")
    dirs.close(clean=False)


def recovery(directory: str) -> None:
    """A start after a kill, with 256 MB past the recovery point."""
    dirs, log = open_log(f"{directory}/killed", TailBudget())
    for one in stamped([make_batch(16 * 1024)] * 16384):
        log.append((one,), 0)
    dirs.close(clean=False)
    taken = waited(lambda: open_log(f"{directory}/killed", TailBudget())[0].close(clean=False))
    print(f"256 MB recovered in {taken:.2f} s, {0.256 / taken:.1f} GB/s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", help="where to write; a temporary directory unless given")
    chosen = parser.parse_args().directory
    directory = tempfile.mkdtemp(prefix="kwire-bench-", dir=chosen)
    try:
        passed = appends(directory)
        passed += reads(directory, from_memory=True)
        passed += reads(directory, from_memory=False)
        one_read(directory)
        many_partitions(directory)
        recovery(directory)
    finally:
        shutil.rmtree(directory)
    for limit in passed:
        print(f"bench.storage: {limit}", file=sys.stderr)
    return 2 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
