"""Where two outcomes differ, field by field, and which differences are allowed.

ALLOWED is the whole list of what kwire may answer otherwise than Kafka, with the reason for each. Paths have
no indices: `topics[].error_message`; `*` stands for any name. Anything that it doesn't name is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .batches import PART
from .case import FLOORS, Outcome, Trial, versions

NOTHING = "<nothing>"


@dataclass(frozen=True)
class Difference:
    """A place where the two answers are not the same."""

    path: str
    kafka: Any
    kwire: Any

    def __str__(self) -> str:
        return f"{self.path}: Kafka {self.kafka!r}, kwire {self.kwire!r}"


class How(Enum):
    """What is allowed of the two values at a path."""

    ANYTHING = "whatever kwire says"
    WORDING = "both say something, each in its words"
    MISSING = "kwire lacks it"
    MORE_OLD_MESSAGES = "kwire goes on with whole messages of magic 0 or 1 where Kafka stops"
    STARTS_LATER = "kwire names the log's start, Kafka the start of the batch that the log's start is in"
    CUT_OFF = "one of them ends in a part of a message that the client passes over"

    def allows(self, kafka: Any, kwire: Any) -> bool:
        match self:
            case How.ANYTHING:
                return True
            case How.WORDING:
                return all(isinstance(text, str) and text not in ("", NOTHING) for text in (kafka, kwire))
            case How.MISSING:
                return bool(kwire == NOTHING)
            case How.STARTS_LATER:
                return (kafka, kwire) == (3, 4)
            case How.CUT_OFF:
                return {str(kafka), str(kwire)} == {PART, NOTHING}
            case How.MORE_OLD_MESSAGES:
                return kafka in (PART, NOTHING) and isinstance(kwire, dict) and kwire.get("magic") in (0, 1)


@dataclass(frozen=True)
class Allowed:
    """A path that may differ, in one case or in all of an API (or, with `*`, of all APIs)."""

    api: str
    path: str
    how: How
    reason: str
    case: str = ""
    versions: str = ""

    def covers(self, trial: Trial, difference: Difference) -> bool:
        if self.api not in ("*", trial.case.api) or self.case not in ("", trial.case.name):
            return False
        if self.versions and trial.version not in versions(self.versions):
            return False
        pattern = re.escape(self.path).replace(r"\*", r".*" if self.case else r"[^\[]*")
        bare = re.sub(r"\[\d+\]", "[]", difference.path)
        return re.fullmatch(rf"(.*\.)?{pattern}", bare) is not None and self.how.allows(
            difference.kafka, difference.kwire
        )


_LOW = "kwire serves the versions that Kafka 4.0 dropped: pykafka and others need them"
_BUG = "a mistake of Kafka's that no client relies on: kwire names the real error"
_LATER = "not served in full yet, so not advertised"
_APIS_LATER = (
    "SaslHandshake", "DescribeAcls", "CreateAcls", "DeleteAcls",
    "SaslAuthenticate", "CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken",
    "DescribeDelegationToken", "DescribeClientQuotas", "AlterClientQuotas",
    "DescribeUserScramCredentials", "AlterUserScramCredentials", "DescribeQuorum",
    "UnregisterBroker", "ShareGroupHeartbeat", "ShareGroupDescribe",
    "ShareFetch", "ShareAcknowledge", "AddRaftVoter", "RemoveRaftVoter",
    "InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState",
    "DeleteShareGroupState", "ReadShareGroupStateSummary", "StreamsGroupHeartbeat",
    "StreamsGroupDescribe", "DescribeShareGroupOffsets", "AlterShareGroupOffsets",
    "DeleteShareGroupOffsets", "StreamsGroupTopologyDescriptionUpdate", "UnregisterController",
)  # fmt: skip
_FEATURES_LATER = ("eligible.leader.replicas.version", "kraft.version", "share.version", "streams.version")
_OWN = "what the machine or the configuration file says, not the broker"

ALLOWED = [
    Allowed("*", "error_message", How.WORDING, "messages are for people; the code says what programs need"),
    Allowed("*", "batch_index_error_message", How.WORDING, "messages are for people"),
    *(Allowed("ApiVersions", f"api_keys.{api}", How.ANYTHING, _LOW) for api in FLOORS if api != "Produce"),
    *(Allowed("ApiVersions", f"api_keys.{api}", How.MISSING, _LATER) for api in _APIS_LATER),
    *(
        Allowed("ApiVersions", f"{kind}_features.{feature}", How.MISSING, _LATER)
        for kind in ("supported", "finalized")
        for feature in _FEATURES_LATER
    ),
    *(
        Allowed(api, "answer.*", How.ANYTHING, "the time-out has nothing to wait for in kwire", case)
        for api in ("CreatePartitions", "CreateTopics", "DeleteTopics")
        for case in ("no time at all", "no time at all for a bad name")
    ),
    Allowed("DescribeConfigs", "is_default", How.ANYTHING, "3.9 forgets to fill it in", versions="0"),
    Allowed("DescribeConfigs", "documentation", How.WORDING, "documentation is for people"),
    *(
        Allowed("DescribeConfigs", f"configs[].{field}", How.ANYTHING, _OWN, "all keys of the broker")
        for field in ("value", "config_source", "synonyms[]")
    ),
    Allowed("DescribeLogDirs", "results[].total_bytes", How.ANYTHING, "a broker in memory has no disk"),
    Allowed("DescribeLogDirs", "results[].usable_bytes", How.ANYTHING, "a broker in memory has no disk"),
    Allowed(
        "Fetch", "records[]", How.CUT_OFF, "Kafka fills up to the size before conversion, or to the limit"
    ),
    *(
        Allowed(
            "Fetch", "records[]", How.ANYTHING, "3.9 cuts before it converts, and stalls old clients", case
        )
        for case in ("partition limit below one batch", "partition limit of one byte")
    ),
    Allowed(
        "Fetch", "records[]", How.MORE_OLD_MESSAGES, "3.9 keeps to the size before conversion", "", "0-3"
    ),
    *(
        Allowed("Metadata", path, How.ANYTHING, "kwire creates at once", "topic is created on the way")
        for path in ("topics[].error_code", "topics[].topic_id", "topics[].partitions[]")
    ),
    Allowed(
        "Metadata",
        "topics[].error_code",
        How.ANYTHING,
        "kwire creates at once, and says that it can't be; Kafka goes on trying",
        "cordoned: all, a topic to be created on the way",
    ),
    *(
        Allowed(
            "Fetch", "answer.*", How.ANYTHING, "a log in memory is one piece: no segment ends there", case
        )
        for case in (
            "aborted, committed, aborted, in segments of their own",
            "both are aborted, in segments of their own",
        )
    ),
    Allowed(
        "DeleteRecords",
        "then[].topics[].partitions[].offset",
        How.STARTS_LATER,
        "Kafka looks up where the log's start lies and gets the start of a batch: a last stable offset below "
        "the log's start, which a consumer that goes to it can't read; kwire's is within the log",
        "within an open transaction",
    ),
    *(
        Allowed(
            "EndTxn",
            "then[].responses[].partitions[].records[]",
            How.ANYTHING,
            "a log in memory is one piece: no segment ends before the marker",
            case,
        )
        for case in ("commit on three nodes", "abort on three nodes", "a partition's leader has changed")
    ),
    Allowed(
        "EndTxn",
        "then[].topics[].partitions[].active_producers[].coordinator_epoch",
        How.ANYTHING,
        "how often the coordinator's partition has changed hands in earlier trials",
        "a partition's leader has changed",
    ),
    Allowed(
        "AlterReplicaLogDirs",
        "then[].topics[].partitions[].leader_epoch",
        How.ANYTHING,
        "an empty log that Kafka has moved has forgotten its leader's epoch, until something is appended",
        "empty partition",
    ),
    *(
        Allowed("FindCoordinator", "error_message", How.ANYTHING, "Kafka says nothing for people here", case)
        for case in ("of groups", "of transactional ids")
    ),
    Allowed("Metadata", "error_code", How.ANYTHING, _BUG, "zero id and no name"),
    *(
        Allowed("DescribeTopicPartitions", path, How.ANYTHING, _BUG, "empty name")
        for path in ("error_code", "topic_authorized_operations")
    ),
    Allowed("Fetch", "answer.*", How.ANYTHING, "Kafka fails; kwire takes it as 0", "no such isolation level"),
    Allowed("IncrementalAlterConfigs", "error_*", How.ANYTHING, _BUG, "no such operation"),
    Allowed("Produce", "error_*", How.ANYTHING, _BUG, "unknown codec"),
    Allowed(
        "Produce",
        "records[].max_timestamp",
        How.ANYTHING,
        "records are not decoded: their header is believed",
        "timestamp far below zero",
    ),
    Allowed("Produce", "error_*", How.ANYTHING, "two mistakes: either is named", "two batches with acks 2"),
]


def unexpected(trial: Trial, kafka: Outcome, kwire: Outcome) -> list[Difference]:
    """The differences that nothing allows."""
    found = differences("", kafka, kwire)
    return [each for each in found if not any(allowed.covers(trial, each) for allowed in ALLOWED)]


def differences(path: str, kafka: Any, kwire: Any) -> Iterator[Difference]:
    """All places where the two differ, the deepest that say so."""
    if isinstance(kafka, dict) and isinstance(kwire, dict):
        for name in [*kafka, *(name for name in kwire if name not in kafka)]:
            inner = f"{path}.{name}" if path else name
            yield from differences(inner, kafka.get(name, NOTHING), kwire.get(name, NOTHING))
    elif isinstance(kafka, list) and isinstance(kwire, list):
        for index in range(max(len(kafka), len(kwire))):
            left, right = (side[index] if index < len(side) else NOTHING for side in (kafka, kwire))
            yield from differences(f"{path}[{index}]", left, right)
    elif kafka != kwire:
        yield Difference(path, kafka, kwire)
