"""Connections that say nothing, held by a process of its own: its descriptors are not the test's.

`python -m tests.hostile.attacker HOST PORT COUNT` connects, says `holding N`, and lets go when standard input
ends.
"""

from __future__ import annotations

import resource
import socket
import sys


def main(host: str, port: int, count: int) -> None:
    """Connects as often as it may, and holds."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[socket.socket] = []
    for _ in range(count):
        sock = socket.socket()
        # A full backlog lets nobody in: then this many it is.
        sock.settimeout(5)
        try:
            sock.connect((host, port))
        except OSError:
            sock.close()
            break
        held.append(sock)
    print(f"holding {len(held)}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
