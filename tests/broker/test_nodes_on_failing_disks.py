"""Nodes that stop and start, and a broker that stops, while the disk of the metadata fails."""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from kwire_storage.engine import StorageError

from tests.broker_client import connected, serving
from tests.handlers.three_nodes import place
from tests.storage.disks import FailingDisk


class FailingOnce(FailingDisk):
    """Fails one write, after `left` more; None: none."""

    left: int | None = None

    def pwritev(self, descriptor: int, buffers: Sequence[memoryview | bytes], position: int) -> int:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise OSError(errno.ENOSPC, "No space left on device")
        return super().pwritev(descriptor, buffers, position)


@pytest.mark.parametrize("after", range(4))
async def test_a_stop_that_could_not_be_written_down_is_made_good_by_another_call(
    after: int, tmp_path: Path
) -> None:
    disk = FailingOnce()
    async with serving(brokers=3, data=[tmp_path], files=disk) as running:
        await place(running, "t", (2, 1, 3))
        disk.left = after
        try:
            await running.stop_node(2, controlled=False)
        except StorageError:
            await running.stop_node(2, controlled=False)
        disk.left = None
        image = running.cluster.image
        assert image.brokers[2].fenced
        state = image.partition("t", 0)
        assert state is not None
        assert state.leader == 1
        assert 2 not in state.isr


@pytest.mark.parametrize("after", range(4))
async def test_a_start_that_could_not_be_written_down_leaves_the_node_fenced(
    after: int, tmp_path: Path
) -> None:
    disk = FailingOnce()
    async with serving(brokers=3, data=[tmp_path], files=disk) as running:
        await place(running, "t", (2, 1))
        await running.stop_node(2)
        disk.left = after
        try:
            await running.start_node(2)
        except StorageError:
            assert running.cluster.image.brokers[2].fenced
            assert not running.cluster.nodes[2].up
            await running.start_node(2)
        disk.left = None
        state = running.cluster.image.partition("t", 0)
        assert state is not None
        assert set(state.isr) == {1, 2}
        async with connected(running, 1):
            pass


async def test_a_broker_stops_though_its_disk_is_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FailingDisk()
    async with serving(data=[tmp_path], files=disk) as running:
        await place(running, "t", (1,))
        disk.bytes_left = 0
        with caplog.at_level(logging.ERROR):
            running.stop()
            await running.stopped.wait()
    assert any("could not be written down" in record.getMessage() for record in caplog.records)
    async with serving(data=[tmp_path]) as running:
        assert running.cluster.image.topic("t") is not None
