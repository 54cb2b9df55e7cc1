"""Open partitions follow their topics' settings: those that a change concerns, a few at a time."""

from __future__ import annotations

from uuid import UUID

import trio

from kwire.broker.reconfiguring import LOOKS_A_STEP, Reconfiguring
from kwire.config import BrokerConfig
from kwire.coordinators.metadata.builder import ImageBuilder
from kwire.coordinators.metadata.image import ClusterImage, PartitionImage, ResourceType, TopicImage
from kwire.coordinators.metadata.topic_configs import TopicConfig
from tests.runtime.stepped_time import settle

TOPICS = 2 * LOOKS_A_STEP


class Home:
    """Topics with one open partition each, and what they were told."""

    def __init__(self, topics: int) -> None:
        self.topics = {
            f"t{number}": TopicImage(
                f"t{number}", UUID(int=number + 5), (PartitionImage(0, (1,), (1,), leader=1),)
            )
            for number in range(topics)
        }
        self.image = ClusterImage(topics=self.topics)
        self.told: list[tuple[str, int, int]] = []
        """The topic, its retention.ms before, and after."""
        self.reconfiguring = Reconfiguring(BrokerConfig(), lambda: self.image, self.topics, self._tell)

    def _tell(self, topic: TopicImage, before: TopicConfig, after: TopicConfig) -> int:
        self.told.append((topic.name, before.retention_ms, after.retention_ms))
        return len(topic.partitions)

    def set(self, kind: ResourceType, resource: str, name: str, value: str | None) -> None:
        old, builder = self.image, ImageBuilder(self.image)
        builder.set_config((kind, resource), name, value)
        self.image = builder.build()
        self.reconfiguring.image_changed(old, self.image)


WEEK_MS = 7 * 24 * 3_600_000


def test_a_topics_own_setting_concerns_that_topic_alone() -> None:
    home = Home(3)
    home.set(ResourceType.TOPIC, "t1", "retention.ms", "5")
    assert home.told == [("t1", WEEK_MS, 5)]
    home.set(ResourceType.TOPIC, "t1", "retention.ms", None)
    assert home.told[1:] == [("t1", 5, WEEK_MS)]


def test_settings_of_groups_and_of_topics_that_nobody_has_open_concern_none() -> None:
    home = Home(3)
    home.set(ResourceType.GROUP, "g", "consumer.session.timeout.ms", "50000")
    home.set(ResourceType.TOPIC, "other", "retention.ms", "5")
    assert home.told == []


def test_a_default_concerns_topics_that_set_nothing_of_their_own() -> None:
    home = Home(3)
    home.set(ResourceType.TOPIC, "t1", "retention.ms", "5")
    home.told.clear()
    home.set(ResourceType.BROKER, "", "log.retention.ms", "7")
    assert home.told == [("t0", WEEK_MS, 7), ("t2", WEEK_MS, 7)]


async def test_very_many_topics_are_told_in_steps_each_once_by_what_holds_then() -> None:
    home = Home(TOPICS)
    home.set(ResourceType.BROKER, "", "log.retention.ms", "7")
    told_at_once = len(home.told)
    assert 0 < told_at_once <= LOOKS_A_STEP
    builder = ImageBuilder(home.image)
    builder.set_config((ResourceType.TOPIC, f"t{TOPICS - 1}"), "retention.ms", str(WEEK_MS))
    builder.set_config((ResourceType.TOPIC, f"t{TOPICS - 2}"), "retention.ms", "9")
    old, home.image = home.image, builder.build()
    home.reconfiguring.image_changed(old, home.image)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(home.reconfiguring.run)
        await settle()
        nursery.cancel_scope.cancel()
    told = {name: (before, after) for name, before, after in home.told}
    assert len(told) == len(home.told) == TOPICS - 1
    assert f"t{TOPICS - 1}" not in told, "it is what it was"
    assert told[f"t{TOPICS - 2}"] == (WEEK_MS, 9)
    assert told[f"t{TOPICS - 3}"] == (WEEK_MS, 7)
