"""What a case is, and how it is played on one broker.

A `Case` is one line of a table; each of its versions is a `Trial`, which is one test. Playing a trial gives
an outcome: plain JSON, the same whichever broker played it, except where they differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .canonical import error_names
from .client import Closed
from .scene import Scene
from .values import Fields, resolve

Outcome = dict[str, Any]
Then = str | tuple[str, int, Fields]
"""A step, or a request whose answer is looked at."""

# The lowest version that Apache Kafka 4.4.0 answers, where it is not 0. Below it, 3.9.2 is asked.
FLOORS = {
    "AlterReplicaLogDirs": 1,
    "CreateTopics": 2, "DeleteTopics": 1, "DescribeConfigs": 1, "DescribeLogDirs": 1, "Fetch": 4,
    "ListOffsets": 1, "OffsetCommit": 2, "OffsetFetch": 1, "OffsetForLeaderEpoch": 2, "Produce": 3,
    "WriteTxnMarkers": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One line: a request of an API, in some versions, and what Kafka must make of it.

    `given` names the steps before the request (scene.py); after a `|`, those between the request and its
    answer. `fields` is the request, with placeholders. `expect` is OK, CLOSED, UNANSWERED, or the names of
    all errors in the answer: it is checked against Kafka, so that a success is one. `then` are requests, as
    (API, version, fields), that look at what came of it, and steps between them; the requests' answers are
    compared as well. `cut` leaves so many bytes off the end of the body. `broker` names settings that both
    brokers have for this case (peers.py).
    """

    api: str
    versions: str
    name: str
    given: str
    fields: Fields
    expect: str = "OK"
    then: Sequence[Then] = ()
    cut: int = 0
    broker: str = ""

    @property
    def succeeds(self) -> bool:
        return self.expect in ("OK", "UNANSWERED")

    def trials(self) -> list[Trial]:
        return [Trial(self, version) for version in versions(self.versions)]


def versions(text: str) -> range:
    """Those that `"3"` or `"0-4"` names."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


@dataclass(frozen=True)
class Trial:
    """A case in one version."""

    case: Case
    version: int

    @property
    def id(self) -> str:
        return (
            f"{self.case.api}-v{self.version}-{re.sub('[^a-z0-9]+', '-', self.case.name.lower()).strip('-')}"
        )

    @property
    def oracle(self) -> str:
        """The release of Apache Kafka that knows the answer."""
        return "3.9.2" if self.version < FLOORS.get(self.case.api, 0) else "4.4.0"

    def play(self, bootstrap: str, attempt: int = 0) -> tuple[Outcome, str]:
        """The outcome on a broker, and what it was in the words of `expect`. Another `attempt` on the same
        broker has other names.
        """
        case = self.case
        before, _, meanwhile = case.given.partition("|")
        with Scene(bootstrap, f"{self.id} {attempt}" if attempt else self.id) as scene:
            scene.take(before)
            connection = scene.connection("waiting" if meanwhile else "main")
            unanswered = case.fields.get("acks") == 0
            fields = resolve(case.fields, scene.variables)
            connection.send(case.api, self.version, fields, answered=not unanswered, cut=case.cut)
            scene.take(meanwhile)
            try:
                answer = None if unanswered else connection.receive()
                outcome: Outcome = {"answer": scene.canonical.of(case.api, answer or {})}
                errors = " ".join(sorted(error_names(answer)))
                verdict = "UNANSWERED" if unanswered else errors or "OK"
                for item in case.then:
                    if isinstance(item, str):
                        scene.take(item)
                        continue
                    api, version, more = item
                    answer = connection.ask(api, version, resolve(more, scene.variables))
                    outcome.setdefault("then", []).append(scene.canonical.of(api, answer))
                return outcome, verdict
            except Closed:
                return {"closed": True}, "CLOSED"
