"""A session that looks only at what has changed answers as one that looks at all its partitions each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kwire_codecs.apis.fetch import Fetch
from kwire_storage.produce_rules import ProduceRules

from kwire.coordinators.metadata.records import remove_topic_record
from kwire.coordinators.outcome import Outcome
from kwire.handlers.context import Context
from kwire.handlers.fetch import at_once
from kwire.partitions.partition import Partition
from kwire.server.launch import Running
from tests.broker_client import create_topic, serving
from tests.handlers.data import records
from tests.references.fetch_sessions import SeesAll

PARTITIONS = 3
INDEX = st.integers(0, PARTITIONS - 1)
FAR = 1 << 40

Asked = tuple[int, int, int, int, int]
"""A partition's index, the offset from the log's end, the most bytes, the leader's epoch, the last epoch."""

ASKED: st.SearchStrategy[Asked] = st.tuples(
    INDEX,
    st.sampled_from((0, 0, 0, -1, -2, 1, -FAR)),
    st.sampled_from((1 << 20, 1 << 20, 1, 0)),
    st.sampled_from((-1, -1, 0, 5)),
    st.sampled_from((-1, -1, 0, 5)),
)
STEP = st.one_of(
    st.tuples(st.just("append"), INDEX),
    st.tuples(st.just("begin transaction"), INDEX),
    st.tuples(st.just("abort"), INDEX),
    st.tuples(st.just("delete records"), INDEX),
    st.tuples(st.just("lead again"), INDEX),
    st.tuples(st.just("too few in sync"), INDEX),
    st.tuples(st.just("enough in sync"), INDEX),
    st.tuples(st.just("no replica here"), INDEX),
    st.tuples(st.just("forget"), INDEX),
    st.tuples(st.just("delete topic"), INDEX),
    st.tuples(st.just("append"), INDEX),
    st.tuples(st.just("fetch"), st.lists(ASKED, max_size=2)),
    st.tuples(st.just("fetch"), st.builds(lambda index: [(index, 0, 1 << 20, -1, -1)], INDEX)),
    st.tuples(st.just("fetch"), st.just([])),
    st.tuples(st.just("fetch little"), st.lists(ASKED, max_size=3)),
    st.tuples(st.just("fetch committed"), st.just([])),
    st.tuples(st.just("fetch committed"), st.lists(ASKED, max_size=2)),
)


class Somebody:
    """A connection's face to the handlers."""

    listener_name = "PLAINTEXT"
    peer_host = "127.0.0.1"
    dialled = ("127.0.0.1", 9092)
    principal = "User:ANONYMOUS"
    client_software_name = ""
    client_software_version = ""


class Sessions:
    """Two sessions over the same partitions, asked the same: one that rests, one that sees all."""

    def __init__(self, running: Running, version: int) -> None:
        self.cluster = running.cluster
        self.version = version
        self.topic_id = self.cluster.image.topics["t"].id
        [self.node] = self.cluster.nodes.values()
        self.ids: list[int] = []
        self.epoch = 0
        self.begun: dict[int, int] = {}
        """How many transactional batches each partition was given."""

    def partition(self, index: int) -> Partition | None:
        return self.cluster.partition("t", index)

    def request(self, asked: list[Asked], forgotten: list[int], **fields: Any) -> Fetch.Request:
        named = Fetch.Request.Topic
        each = []
        for index, behind, most, leader_epoch, last_epoch in asked:
            partition = self.partition(index)
            end = 0 if partition is None else partition.log_end_offset
            each.append(
                named.Partition(
                    partition=index,
                    fetch_offset=max(-1, end + behind),
                    partition_max_bytes=most,
                    current_leader_epoch=leader_epoch,
                    last_fetched_epoch=last_epoch,
                )
            )
        topic = {"topic_id": self.topic_id} if self.version >= 13 else {"topic": "t"}
        gone = Fetch.Request.ForgottenTopic(partitions=forgotten, **topic)
        return Fetch.Request(
            max_wait_ms=0,
            min_bytes=1,
            topics=[named(partitions=each, **topic)],
            forgotten_topics_data=[gone],
            **fields,
        )

    def ask(self, request: Fetch.Request) -> Fetch.Response:
        answer = at_once(Context(self.cluster, self.node, Somebody(), self.version, "test"), request)
        assert isinstance(answer, Fetch.Response)
        return answer

    def begin(self) -> None:
        asked = [(index, 0, 1 << 20, -1, -1) for index in range(PARTITIONS)]
        for _ in range(2):
            answer = self.ask(self.request(asked, [], session_epoch=0))
            assert answer.session_id
            self.ids.append(answer.session_id)
        self.node.fetch_sessions._sessions[self.ids[1]].__class__ = SeesAll
        self.epoch = 1

    def go_on(self, asked: list[Asked], forgotten: list[int], **fields: Any) -> None:
        """Both are asked, and answer the same."""
        answers = [
            self.ask(
                self.request(asked, forgotten, session_id=session_id, session_epoch=self.epoch, **fields)
            )
            for session_id in self.ids
        ]
        self.epoch += 1
        assert plain(answers[0]) == plain(answers[1])
        if not all(answer.session_id for answer in answers):
            self.ids.clear()
            self.begin()

    async def step(self, what: str, about: Any) -> None:
        if what.startswith("fetch"):
            self.go_on(
                about,
                [],
                max_bytes=100 if what == "fetch little" else 1 << 20,
                isolation_level=int(what == "fetch committed"),
            )
            return
        if what == "forget":
            self.go_on([], [about])
            return
        if what == "delete topic":
            if "t" in self.cluster.image.topics:
                await self.cluster.controller.submit(
                    lambda image: Outcome(None, [remove_topic_record(self.topic_id)])
                )
            return
        partition = self.partition(about)
        if partition is None:
            return
        if what == "append":
            await partition.append(memoryview(records(b"x" * 30)), ProduceRules())
        elif what == "begin transaction":
            sequence = self.begun.get(about, 0)
            self.begun[about] = sequence + 1
            data = records(
                b"x" * 30, is_transactional=True, producer_id=about, producer_epoch=0, base_sequence=sequence
            )
            appended = await partition.append(memoryview(data), ProduceRules(), verified=True)
            assert not appended.error_code
        elif what == "abort":
            partition.end_transaction(about, 0, 0, is_commit=False, transaction_version=0)
        elif what == "delete records":
            partition.advance_log_start(partition.log_end_offset)
        else:
            state = self.cluster.image.partition("t", about)
            assert state is not None
            now = replace(state, leader_epoch=partition.leader_epoch)
            partition.follow(
                {
                    "lead again": replace(now, leader_epoch=partition.leader_epoch + 1),
                    "too few in sync": replace(now, isr=()),
                    "enough in sync": now,
                    "no replica here": replace(now, replicas=(7,)),
                }[what],
                min_isr=1,
            )


def plain(answer: Fetch.Response) -> object:
    """All that it says but the session's id."""
    return (
        answer.error_code,
        [
            (
                topic.topic,
                topic.topic_id,
                [
                    (
                        each.partition_index,
                        each.error_code,
                        each.high_watermark,
                        each.last_stable_offset,
                        [
                            (aborted.producer_id, aborted.first_offset)
                            for aborted in each.aborted_transactions or ()
                        ],
                        each.log_start_offset,
                        each.diverging_epoch.epoch,
                        each.current_leader.leader_epoch,
                        bytes(each.records) if isinstance(each.records, memoryview) else each.records,
                    )
                    for each in topic.partitions
                ],
            )
            for topic in answer.responses
        ],
        len(answer.node_endpoints),
    )


@pytest.mark.parametrize("version", [9, 12, 18])
@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, min_size=5, max_size=40))
@example(
    steps=[
        ("fetch", []),
        ("begin transaction", 0),
        ("fetch committed", []),
        ("fetch", []),
        ("abort", 0),
        ("fetch committed", []),
    ]
)
@example(steps=[("fetch", []), ("fetch", []), ("begin transaction", 0), ("fetch", [])])
def test_a_session_answers_as_one_that_looks_at_everything(
    version: int, steps: list[tuple[str, Any]]
) -> None:
    async def main() -> None:
        async with serving() as running:
            await create_topic(running, "t", PARTITIONS)
            sessions = Sessions(running, version)
            sessions.begin()
            for what, about in steps:
                await sessions.step(what, about)

    trio.run(main)
