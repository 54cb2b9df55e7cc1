"""What was acknowledged is in the log, whatever the log does: appends that wait, fail, or fail after a
wait.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_storage.engine import ValidBatch

from kwire.coordinators.groups.coordinator import GroupCoordinator
from kwire.coordinators.groups.records import GroupsFormat, GroupsRecord, OffsetKey
from kwire.coordinators.groups.settings import GroupSettings
from kwire.coordinators.groups.values import CommitRequest, CommitResult, CommittedPartition, CommittedTopic
from kwire.coordinators.outcome import Outcome
from kwire.runtime.shard import Refused, Shard
from kwire.runtime.soon import Soon
from tests.runtime.stepped_time import SteppedTime
from tests.runtime.test_shard import Log

appends = st.sampled_from(["works", "works", "works", "fails", "waits", "waits and fails"])


class MoodyLog(Log):
    """A log whose appends do what a list says, and afterwards work."""

    def __init__(self, moods: list[str]) -> None:
        super().__init__()
        self.moods = moods

    def append(self, batches: Sequence[ValidBatch]) -> Soon[ErrorCode]:
        mood = self.moods.pop(0) if self.moods else "works"
        return self._take_later(batches, mood) if "waits" in mood else self._take_now(batches, mood)

    async def _take_later(self, batches: Sequence[ValidBatch], mood: str) -> ErrorCode:
        await trio.sleep(1)
        return self._take_now(batches, mood)

    def _take_now(self, batches: Sequence[ValidBatch], mood: str) -> ErrorCode:
        self.error = ErrorCode.KAFKA_STORAGE_ERROR if "fails" in mood else ErrorCode.NONE
        return self.take(batches)


@settings(max_examples=60, deadline=None)
@given(st.lists(appends, max_size=12), st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=25))
def test_what_was_acknowledged_is_in_the_log_and_memory_is_what_the_log_says(
    moods: list[str], commits: list[tuple[int, bool]]
) -> None:
    async def main() -> None:
        log = MoodyLog(list(moods))
        acknowledged: dict[int, int] = {}
        async with trio.open_nursery() as nursery:
            clock = SteppedTime().clock

            def shard() -> Shard[GroupCoordinator]:
                made: Shard[GroupCoordinator] = Shard(
                    "groups",
                    log,
                    lambda: GroupCoordinator(GroupSettings()),
                    GroupsFormat(),
                    clock,
                    nursery.start_soon,
                )
                made.open()
                return made

            first = shard()

            decided = itertools.count()

            async def commit(partition: int) -> None:
                offset = -1

                def decide(machine: GroupCoordinator, now_ms: int) -> Outcome[CommitResult, GroupsRecord]:
                    # Offsets rise in the order in which the shard sees the commits.
                    nonlocal offset
                    offset = next(decided)
                    topic = CommittedTopic("t", [CommittedPartition(partition, offset)])
                    return machine.commit_offsets(CommitRequest("g", -1, "", None, [topic]), now_ms)

                result: CommitResult | Refused = await first.run(decide)
                if not isinstance(result, Refused):
                    acknowledged[partition] = max(offset, acknowledged.get(partition, -1))

            for partition, waits_for_it in commits:
                if waits_for_it:
                    await commit(partition)
                else:
                    nursery.start_soon(commit, partition)
                    await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(100)
            second = shard()
            await trio.testing.wait_all_tasks_blocked()
            assert first.machine is not None
            assert second.machine is not None
            found = second.machine.committed()
            assert first.machine.committed() == found
            for partition, offset in acknowledged.items():
                assert found[OffsetKey("g", "t", partition)].offset >= offset
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
