"""Reads a topic from its start, again and again, until standard input ends; then prints the bytes of that.

`python -m bench.cold.reader ADDRESS TOPIC DIRECTORY [--warm]`: DIRECTORY is the broker's. Without `--warm`
the topic's segments are dropped from the page cache before each pass.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
from pathlib import Path

from kwire_codecs.apis.fetch import Fetch
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch

from kwire.testing.client import ask, connect

FETCH_BYTES = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cold.reader", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("topic")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--warm", action="store_true")
    options = parser.parse_args()
    read = 0
    print("ready", flush=True)
    with connect(options.address) as sock:
        offset = 0
        while not select.select([sys.stdin], [], [], 0)[0]:
            if offset == 0 and not options.warm:
                drop(options.directory, options.topic)
            size, offset = _fetch(sock, options.topic, offset)
            read += size
            if not size:
                offset = 0
    print(read)
    return 0


def drop(directory: Path, topic: str) -> None:
    """Take the topic's segments out of the page cache."""
    for path in directory.rglob(f"{topic}-0/*.log"):
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _fetch(sock: socket.socket, topic: str, offset: int) -> tuple[int, int]:
    """The bytes of records that came, and the next offset."""
    asked = Fetch.Request.Topic
    partition = asked.Partition(partition=0, fetch_offset=offset, partition_max_bytes=FETCH_BYTES)
    request = Fetch.Request(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=4 * FETCH_BYTES,
        topics=[asked(topic=topic, partitions=[partition])],
    )
    [found] = ask(sock, request, 11).responses[0].partitions
    if found.error_code is not ErrorCode.NONE:
        raise SystemExit(f"reading {topic} at {offset} failed: {found.error_code.message}")
    records = found.records
    if not records:
        return 0, offset
    size = 0
    for position, header in record_batch.walk(records, allow_partial_end=True):
        size, offset = position + header.size, header.next_offset
    return size, offset


if __name__ == "__main__":
    sys.exit(main())
