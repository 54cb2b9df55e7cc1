"""ApiVersions 0 is answered at every address in the environment."""

import os
import socket
import struct


def test_the_broker_answers() -> None:
    for address in os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(","):
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            sock.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
            assert struct.unpack(">iih", sock.recv(10, socket.MSG_WAITALL))[1:] == (7, 0)
