"""Groups deleted over Kafka's protocol, on kwire or any broker since Kafka 2.4.

Rules: nothing is created by asking; a group that was never used, or is gone, is none to delete.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from kwire_codecs.apis.delete_groups import DeleteGroups
from kwire_codecs.apis.list_groups import ListGroups
from kwire_codecs.apis.metadata import Metadata
from kwire_codecs.errors import ErrorCode

from kwire.testing.client import TIMEOUT_SECONDS, AdminError, ask, connect

_METADATA, _LIST, _DELETE = 4, 2, 1
_GONE_OR_IN_USE = (ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.NON_EMPTY_GROUP)


def delete_groups(bootstrap_servers: str, group_ids: Sequence[str]) -> None:
    """Deletes groups, with what they have committed. One that has members still, whose consumers were not
    closed, stays until its session time-out. Raises AdminError and OSError.
    """
    with connect(bootstrap_servers) as sock:
        brokers = ask(sock, Metadata.Request(topics=[], allow_auto_topic_creation=False), _METADATA).brokers
        if len(brokers) == 1:
            _delete_at(sock, group_ids)
            return
    # Each broker lists the groups that it coordinates.
    for broker in brokers:
        with socket.create_connection((broker.host, broker.port), TIMEOUT_SECONDS) as sock:
            _delete_at(sock, group_ids)


def _delete_at(sock: socket.socket, group_ids: Sequence[str]) -> None:
    there = {group.group_id for group in ask(sock, ListGroups.Request(), _LIST).groups}
    ours = [group_id for group_id in group_ids if group_id in there]
    if not ours:
        return
    for answer in ask(sock, DeleteGroups.Request(groups_names=ours), _DELETE).results:
        if answer.error_code not in _GONE_OR_IN_USE:
            raise AdminError(f"group {answer.group_id}: {answer.error_code.name}")
