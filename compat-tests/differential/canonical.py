"""Answers in a form that two brokers can share: what each of them makes up itself becomes a label.

Topic ids, member ids, producer ids and fetch sessions are numbered in the order in which they appear in a
case, so that a wrong one still shows. The dialled host and port become `<host>` and `<port>` (of three nodes:
`<port of 2>`), the case's own name `~`, a directory `<directory>` or what the case calls it (also
within longer texts). Which of three nodes is a group's coordinator or said to be the controller, the order of
an ISR, and how far a replica that moves has come, is not kept. Topics and groups of other cases are left out
of lists; lists that Kafka keeps in no order are sorted. Records are taken apart. The result is plain JSON;
nothing else is dropped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from . import codec
from .batches import read_records
from .values import Fields

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHORT_UUID = re.compile(r"[A-Za-z0-9_-]{22}")
_TIME = re.compile(r"-?\b\d{13,}\b")
_FOREIGN = re.compile(r"d-[0-9a-f]{10}-|__transaction_state$|__share_group_state$")
_CURRENT = {
    "base_timestamp", "last_timestamp", "log_append_time_ms", "max_timestamp", "timestamp",
    "transaction_start_time_ms",
}  # fmt: skip
_MEMBERS = {"leader", "member_id"}
_NUMBERED = {"producer_id", "session_id"}
_SIZES = {"total_bytes", "usable_bytes"}
_ADDRESSES = {"advertised.listeners", "controller.quorum.voters", "listeners", "log.dir", "log.dirs"}
_NAMES = ("name", "topic", "group_id", "transactional_id", "resource_name")
_KEYS = (
    *_NAMES,
    "resource_type",
    "topic_id",
    "partition_index",
    "index",
    "member_id",
    "node_id",
    "broker_id",
    "producer_id",
    "topic_name",
)
# Kafka takes these from hash maps, so that their order means nothing and changes from run to run.
_UNORDERED = {
    ("DeleteGroups", "results"), ("DeleteTopics", "responses"), ("DescribeConfigs", "configs"),
    ("DescribeGroups", "groups"), ("DescribeGroups", "members"), ("DescribeLogDirs", "partitions"),
    ("DescribeLogDirs", "topics"), ("ElectLeaders", "replica_election_results"),
    ("JoinGroup", "members"), ("ListGroups", "groups"), ("Metadata", "topics"),
    ("DescribeCluster", "brokers"), ("Metadata", "brokers"), ("Metadata", "partitions"),
    ("OffsetFetch", "topics"), ("Produce", "partition_responses"), ("Produce", "responses"),
    ("AddPartitionsToTxn", "results_by_partition"), ("AddPartitionsToTxn", "results_by_topic_v3_and_below"),
    ("AddPartitionsToTxn", "results_by_transaction"), ("AddPartitionsToTxn", "topic_results"),
    ("ConsumerGroupDescribe", "groups"), ("ConsumerGroupDescribe", "members"),
    ("ConsumerGroupDescribe", "partitions"), ("ConsumerGroupDescribe", "subscribed_topic_names"),
    ("ConsumerGroupDescribe", "topic_partitions"),
    ("ConsumerGroupHeartbeat", "partitions"), ("ConsumerGroupHeartbeat", "topic_partitions"),
    ("DescribeProducers", "active_producers"), ("DescribeProducers", "partitions"),
    ("DescribeProducers", "topics"), ("DescribeTransactions", "partitions"),
    ("DescribeTransactions", "topics"), ("ListTransactions", "transaction_states"),
    ("ListTransactions", "unknown_state_filters"), ("TxnOffsetCommit", "partitions"),
    ("TxnOffsetCommit", "topics"), ("WriteTxnMarkers", "markers"), ("WriteTxnMarkers", "partitions"),
    ("WriteTxnMarkers", "topics"), ("ListConfigResources", "config_resources"),
    ("AlterReplicaLogDirs", "results"), ("AlterReplicaLogDirs", "partitions"),
}  # fmt: skip


class Canonical:
    """The labels of one case on one broker; `of` must see the answers in the order in which they came."""

    def __init__(self, own: str, host: str, ports: Mapping[int, int]) -> None:
        self._own = own
        self._host = host
        self._ports = ports
        """Port -> node; a node alone is 0."""
        self._api = ""
        self._labels: dict[tuple[str, object], str] = {}
        self.names: dict[str | UUID, str] = {}
        """What a case has found by its properties -> label: directories, say."""

    def of(self, api: str, answer: Fields) -> Any:
        """`answer` in canonical form."""
        if api == "ApiVersions":
            answer = {**answer, **_by_name(answer)}
        self._api = api
        return self._value("", answer)

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._value(key, item) for key, item in self._at_home(value).items()}
        if isinstance(value, list):
            if name == "isr_nodes":
                return sorted(value)
            items = [self._value(name, item) for item in value if not self._is_foreign(item)]
            if name == "results" and self._api == "DescribeLogDirs":
                return sorted(items, key=lambda item: str(item["log_dir"]))
            return sorted(items, key=_key) if (self._api, name) in _UNORDERED else items
        if isinstance(value, UUID) and value in self.names:
            return self.names[value]
        if isinstance(value, UUID):
            return self._label("id", value) if value.int else "no id"
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(name, bytes(value))
        if isinstance(value, str):
            return self._string(name, value)
        if isinstance(value, bool) or value is None:
            return value
        return self._number(name, int(value))

    def _at_home(self, item: Fields) -> Fields:
        """`item` without what is true of one run only: sizes and leaders of internal topics, a broker's
        addresses.
        """
        if self._api == "DescribeLogDirs" and str(item.get("name")).startswith("__"):
            return {**item, "partitions": [{**each, "partition_size": 0} for each in item["partitions"]]}
        if item.get("is_future_key"):
            behind = "<behind>" if item["offset_lag"] > 0 else item["offset_lag"]
            return {**item, "partition_size": "<of a part>", "offset_lag": behind}
        if self._api == "ElectLeaders" and str(item.get("topic")).startswith("__"):
            return {**item, "partition_result": []}
        if self._api == "DescribeConfigs" and item.get("name") in _ADDRESSES and item.get("value"):
            return {**item, "value": "<of this run>", "synonyms": []}
        if (
            self._api == "FindCoordinator"
            and "port" in item
            and self._is_a_node(item["node_id"], item["port"])
        ):
            return {**item, "node_id": "<coordinator>", "port": "<its port>"}
        return item

    def _is_a_node(self, node_id: int, port: int) -> bool:
        return port in self._ports and self._ports[port] == node_id

    def _bytes(self, name: str, value: bytes) -> Any:
        if name == "records":
            return self._value("", read_records(value))
        return ascii(value.replace(self._own.encode(), b"~"))[1:]

    def _string(self, name: str, value: str) -> Any:
        if value in self.names:
            return self.names[value]
        if name == "host" and value == self._host:
            return "<host>"
        if name == "cluster_id":
            return f"<cluster id of {len(value)} characters>"
        if name == "log_dir":
            return "<directory>"
        if name.endswith("_message"):
            value = _TIME.sub("<time>", value)
        for path in (known for known in self.names if isinstance(known, str) and known.startswith("/")):
            value = value.replace(path, self.names[path])
        if name in _MEMBERS and not value.startswith(self._own) and _SHORT_UUID.fullmatch(value):
            return self._label("uuid", value)
        return _UUID.sub(lambda found: self._label("uuid", found[0]), value.replace(self._own, "~"))

    def _number(self, name: str, value: int) -> Any:
        if name == "error_code" or name.endswith("_error_code"):
            return codec.error_name(value)
        if name == "port" and value in self._ports:
            return f"<port of {self._ports[value]}>" if self._ports[value] else "<port>"
        if name == "controller_id" and value in self._ports.values():
            return "<a node>"
        if value >= (name == "session_id") and name in _NUMBERED:
            return self._label(name, value)
        if name == "finalized_features_epoch" and value >= 0:
            return "<epoch>"
        if name in _SIZES and value > 0:
            return "<bytes>"
        if name in _CURRENT and _is_now(value):
            return "<now>"
        return value

    def _label(self, kind: str, value: object) -> str:
        known = sum(1 for other, _ in self._labels if other == kind)
        return self._labels.setdefault((kind, value), f"<{kind} {known + 1}>")

    def _is_foreign(self, item: Any) -> bool:
        if not isinstance(item, dict):
            return False
        names = [item[key] for key in _NAMES if isinstance(item.get(key), str)]
        if self._api == "ListGroups" and names == [""]:
            return True  # some trial's on this broker, before or beside this one: no name to tell it by
        if self._api == "ListConfigResources" and names[0].startswith("__"):
            return True  # Kafka makes such a topic on its first use, whosever that is
        return any(_FOREIGN.match(name) and not name.startswith(self._own) for name in names)


def _is_now(time_ms: int) -> bool:
    return abs(time_ms / 1000 - time.time()) < 7200


def error_names(answer: Any) -> set[str]:
    """The names of all errors anywhere in a decoded answer."""
    if isinstance(answer, list):
        return set().union(*(error_names(item) for item in answer))
    if not isinstance(answer, dict):
        return set()
    found: set[str] = set()
    for key, value in answer.items():
        if key == "error_code" or key.endswith("_error_code"):
            found |= {codec.error_name(int(value))} - {"NONE"}
        else:
            found |= error_names(value)
    return found


def _key(item: Any) -> list[str]:
    if not isinstance(item, dict):
        return [f"{item:09}" if isinstance(item, int) else str(item)]
    return [str(item[key]) for key in _KEYS if key in item]


def _by_name(answer: Fields) -> Fields:
    """What is advertised by name, so that one missing doesn't shift the others."""
    found: Fields = {
        "api_keys": {
            codec.name(entry["api_key"]): f"{entry['min_version']}-{entry['max_version']}"
            for entry in answer["api_keys"] or []
        }
    }
    for features in ("supported_features", "finalized_features"):
        if features in answer:
            entries = [dict(entry) for entry in answer[features]]
            found[features] = {entry.pop("name"): entry for entry in entries}
    return found
