"""Logs that nobody has asked for since the start are retained and compacted all the same."""

from __future__ import annotations

from pathlib import Path

from kwire_codecs.records import batch
from kwire_codecs.records.record import Record

from tests.broker_client import connected, create_topic, one_partition, produce_request, serving
from tests.runtime.stepped_time import START_MS, SteppedTime

DAY_MS = 24 * 3600_000
SEALED = {"segment.ms": "1000"}
TOPICS = {
    "old": {"retention.ms": str(DAY_MS)},
    "large": {"retention.ms": "-1", "retention.bytes": "100"},
    "kept": {"retention.ms": "-1"},
    "table": {"cleanup.policy": "compact"},
    "clean table": {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "1"},
}


async def test_only_what_is_due_is_opened_and_then_kept_as_its_topic_says(tmp_path: Path) -> None:
    topics = {name.replace(" ", "-"): configs for name, configs in TOPICS.items()}
    async with (
        serving({"log.cleaner.enable": "false"}, clock=SteppedTime().clock, data=[tmp_path]) as running,
        connected(running) as client,
    ):
        for name, configs in topics.items():
            await create_topic(running, name, configs={**SEALED, **configs})
            for age_ms in (0, 2_000, 4_000):
                data = batch.build([Record(b"k", b"x" * 100, timestamp=START_MS + age_ms)])
                answer = one_partition(await client.ask(produce_request(name, data), 9))
                assert answer.error_code == 0
    time = SteppedTime()
    async with serving({"log.cleaner.enable": "false"}, clock=time.clock, data=[tmp_path]) as running:
        cluster = running.cluster
        await cluster.housekeeping.retain()
        assert {name for name in topics if cluster.opened(name, 0)} == {"large", "table"}
        await time.step(2 * DAY_MS)
        await cluster.housekeeping.retain()
        assert {name for name in topics if cluster.opened(name, 0)} == {"old", "large", "table"}
        old, large, table = (cluster.opened(name, 0) for name in ("old", "large", "table"))
        assert old is not None
        assert large is not None
        assert table is not None
        assert (old.log_start_offset, large.log_start_offset, table.log_start_offset) == (3, 2, 0)
        assert await cluster.cleaner.clean_dirtiest()
        assert table.log.size_bytes < large.log.size_bytes * 3


async def test_a_topic_that_is_deleted_is_not_opened_again(tmp_path: Path) -> None:
    from kwire.coordinators.metadata.topics import TopicToDelete, delete_topics

    time = SteppedTime()
    async with serving(clock=time.clock, data=[tmp_path]) as running, connected(running) as client:
        await create_topic(running, "t", configs={"retention.ms": "1"})
        await client.ask(produce_request("t", batch.build([Record(b"k", b"x", timestamp=START_MS)])), 9)
    async with serving(clock=time.clock, data=[tmp_path]) as running:
        await running.cluster.controller.submit(lambda image: delete_topics(image, [TopicToDelete(name="t")]))
        await time.step(DAY_MS)
        await running.cluster.housekeeping.retain()
        assert running.cluster.opened("t", 0) is None
        assert not (tmp_path / "t-0").exists()
