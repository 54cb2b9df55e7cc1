"""Open partitions follow the settings of their topics.

Rules: a change is looked at by what it names: a topic's own settings concern its partitions, a broker's all
topics that have open ones, anything else none. So many partitions as do no harm are told before the change is
answered, and the others in steps behind it, so that no request waits for 20,000 of them. What is told is what
the image says by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import trio

from kwire.config import BrokerConfig
from kwire.coordinators.metadata.image import ClusterImage, ResourceType, TopicImage
from kwire.coordinators.metadata.topic_configs import TopicConfig, topic_config

LOOKS_A_STEP = 500
"""How many topics and partitions are looked at before others get their turn."""


class Reconfiguring:
    """Tells the partitions of one cluster.

    :param known: the topics that may have open partitions.
    :param tell: has a topic's open partitions follow its settings, from what they were; gives how many there
        are.
    """

    def __init__(
        self,
        config: BrokerConfig,
        image: Callable[[], ClusterImage],
        known: Mapping[str, TopicImage],
        tell: Callable[[TopicImage, TopicConfig, TopicConfig], int],
    ) -> None:
        self._config = config
        self._image = image
        self._known = known
        self._tell = tell
        self._waiting: dict[str, ClusterImage] = {}
        """The topics to look at, and the image that their partitions still go by."""
        self._more = trio.Event()

    def image_changed(self, old: ClusterImage, new: ClusterImage) -> None:
        """Settings have changed."""
        for name in self._concerned(new):
            self._waiting.setdefault(name, old)
        self._step()
        if self._waiting:
            self._more.set()

    def _concerned(self, new: ClusterImage) -> Iterable[str]:
        if any(kind == ResourceType.BROKER for kind, _ in new.changed_configs):
            return self._known
        topics = (name for kind, name in new.changed_configs if kind == ResourceType.TOPIC)
        return (name for name in topics if name in self._known)

    async def run(self) -> None:
        """Tells those that were not told at once, until it is cancelled."""
        while True:
            await self._more.wait()
            self._more = trio.Event()
            while self._waiting:
                await trio.lowlevel.checkpoint()
                self._step()

    def _step(self) -> None:
        looks = 0
        while self._waiting and looks < LOOKS_A_STEP:
            name = next(iter(self._waiting))
            old = self._waiting.pop(name)
            looks += 1
            topic = self._known.get(name)
            if topic is None:
                continue
            before = topic_config(old, self._config, name)
            after = topic_config(self._image(), self._config, name)
            if before != after:
                looks += self._tell(topic, before, after)
