"""Topics made and deleted over Kafka's protocol, on kwire or any broker since Kafka 2.4.

Rules: one blocking connection a call, to the controller; every wait is bounded by TIMEOUT_SECONDS.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.delete_topics import DeleteTopics
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.testing.client import TIMEOUT_SECONDS, AdminError, ask, connect

_METADATA, _CREATE, _DELETE = 4, 4, 3
"""Versions that Kafka 2.4 to 4.x all speak. CreateTopics 4 is the first that takes the broker's own
replication factor.
"""


def create_topic(bootstrap_servers: str, name: str, partitions: int) -> None:
    """Makes a topic (-1 `partitions`: as many as the broker's default) and returns when all have leaders.

    Raises AdminError and OSError.
    """
    topic = CreateTopics.Request.Topic(
        name=name, num_partitions=partitions, replication_factor=-1, assignments=[], configs=[]
    )
    request = CreateTopics.Request(topics=[topic], timeout_ms=int(TIMEOUT_SECONDS * 1000))
    with _controller(bootstrap_servers) as sock:
        [answer] = ask(sock, request, _CREATE).topics
    if answer.error_code:
        raise AdminError(f"topic {name}: {answer.error_message or answer.error_code.name}")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with connect(bootstrap_servers) as sock:
        while not _has_leaders(sock, name, partitions):
            # kwire's answer to CreateTopics comes when this is so already; Kafka's does not.
            if time.monotonic() > deadline:
                raise AdminError(f"topic {name} has no leaders after {TIMEOUT_SECONDS:.0f} s")
            time.sleep(0.02)


def delete_topics(bootstrap_servers: str, names: Sequence[str]) -> None:
    """Deletes topics; one that is gone already is no error. Raises AdminError and OSError."""
    request = DeleteTopics.Request(topic_names=list(names), timeout_ms=int(TIMEOUT_SECONDS * 1000))
    with _controller(bootstrap_servers) as sock:
        answers = ask(sock, request, _DELETE).responses
    for answer in answers:
        if answer.error_code not in (ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION):
            raise AdminError(f"topic {answer.name}: {answer.error_code.name}")


def _has_leaders(sock: socket.socket, name: str, partitions: int) -> bool:
    request = Metadata.Request(topics=[Metadata.Request.Topic(name=name)], allow_auto_topic_creation=False)
    [topic] = ask(sock, request, _METADATA).topics
    return (
        not topic.error_code
        and partitions in (-1, len(topic.partitions))
        and all(partition.leader_id >= 0 for partition in topic.partitions)
    )


def _controller(bootstrap_servers: str) -> socket.socket:
    sock = connect(bootstrap_servers)
    try:
        metadata = ask(sock, Metadata.Request(topics=[], allow_auto_topic_creation=False), _METADATA)
        for broker in metadata.brokers:
            if broker.node_id == metadata.controller_id and len(metadata.brokers) > 1:
                sock.close()
                return socket.create_connection((broker.host, broker.port), TIMEOUT_SECONDS)
    except BaseException:
        sock.close()
        raise
    return sock
