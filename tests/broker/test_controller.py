"""The controller over the memory engine: one log, many lives of the process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
import trio
from kwire_codecs.records import batch as record_batch
from kwire_storage.engine import PartitionLog, StorageError, ValidBatch
from kwire_storage.files import Files
from kwire_storage.memory import MemoryLog
from kwire_storage.memory_dirs import MemoryDirs

from kwire.broker.controller import Controller, Operation
from kwire.broker.metadata_loading import ClusterError
from kwire.broker.metadata_log import MetadataLog
from kwire.broker.node import Endpoint, Node
from kwire.config import BrokerConfig
from kwire.coordinators.metadata import features
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import METADATA_TOPIC_ID, ClusterImage
from kwire.coordinators.metadata.topics import (
    CreatedTopic,
    NewTopic,
    TopicToDelete,
    create_topics,
    delete_topics,
)
from kwire.coordinators.outcome import Outcome
from tests.broker_client import serving


class FixedClock:
    def now_ms(self) -> int:
        return 1_700_000_000_000


class Home:
    """Directories that outlive a controller, and what each new life of the process brings along."""

    def __init__(self, node_ids: tuple[int, ...] = (1,), seed: int = 1) -> None:
        self.random = Random(seed)
        self.config = BrokerConfig({"offsets.topic.num.partitions": "3"})
        self.clock = FixedClock()
        self.nodes: Mapping[int, Node] = {}
        self.directories: Mapping[int, MemoryDirs] = {}
        self.host(*node_ids)

    def host(self, *node_ids: int) -> None:
        """Run these nodes from the next start on."""
        self.nodes = {
            number: Node(number, endpoints={"PLAINTEXT": Endpoint("PLAINTEXT", "127.0.0.1", 9000 + number)})
            for number in node_ids
        }
        known = dict(self.directories)
        for number in node_ids:
            if number not in known:
                known[number] = MemoryDirs(node_id=number, new_uuid=self._new_uuid, cluster_id="cluster")
        self.directories = known

    def _new_uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    async def start(self) -> Controller:
        controller = Controller(self)
        await controller.start()
        return controller

    def log(self) -> PartitionLog:
        """The metadata log itself."""
        from kwire_storage.engine import LogConfig

        return self.directories[min(self.nodes)].open("__cluster_metadata", 0, METADATA_TOPIC_ID, LogConfig())

    def headers(self) -> list[record_batch.BatchHeader]:
        log = self.log()
        data = b"".join(bytes(log.read_bytes(part)) for part in log.read(0, 1 << 30).parts)
        return [header for _, header in record_batch.walk(data)]


def creation(
    controller: Controller, name: str, partitions: int = 1, factor: int = 1
) -> Operation[list[CreatedTopic]]:
    def operation(image: ClusterImage) -> Outcome[list[CreatedTopic], m.Record]:
        return create_topics(
            image,
            [NewTopic(name, partitions, factor)],
            config=BrokerConfig(),
            random=Random(1),
            new_id=controller.new_uuid,
        )

    return operation


async def create(controller: Controller, name: str, partitions: int = 1, factor: int = 1) -> CreatedTopic:
    [created] = await controller.submit(creation(controller, name, partitions, factor))
    return created


async def test_a_new_cluster_has_its_features_its_broker_and_the_offsets_topic() -> None:
    controller = await Home().start()
    image = controller.image
    assert image.cluster_id == "cluster"
    assert image.features == features.INITIAL
    assert list(image.brokers) == [1]
    assert not image.brokers[1].fenced
    assert image.brokers[1].endpoints[0].port == 9001
    assert list(image.topics) == ["__consumer_offsets"]
    assert [part.leader for part in image.topics["__consumer_offsets"].partitions] == [1, 1, 1]


async def test_finalised_features_have_an_epoch_of_0_or_more() -> None:
    assert (await Home().start()).image.offset >= 0


async def test_the_log_begins_with_a_leader_change_and_its_offsets_have_no_gap() -> None:
    home = Home()
    controller = await home.start()
    await create(controller, "t", 5)
    headers = home.headers()
    assert headers[0].is_control
    assert [header.is_control for header in headers].count(True) == 1
    assert headers[0].base_offset == 0
    assert all(after.base_offset == before.next_offset for before, after in pairwise(headers))
    assert headers[-1].last_offset == controller.image.offset


async def test_every_start_begins_a_higher_epoch() -> None:
    home = Home()
    for life in range(3):
        controller = await home.start()
        assert controller.image.epoch == life
        await controller.close()
    epochs = [header.partition_leader_epoch for header in home.headers()]
    assert epochs == sorted(epochs)


async def test_everything_is_there_after_a_restart() -> None:
    home = Home()
    first = await home.start()
    created = await create(first, "t", 4)
    await first.close()
    second = await home.start()
    assert second.image.topics == first.image.topics
    assert second.image.topics["t"].id == created.topic_id
    assert second.image.configs == first.image.configs


async def test_broker_epochs_rise_from_start_to_start_and_are_offsets_of_the_log() -> None:
    home = Home()
    epochs = []
    for _ in range(3):
        controller = await home.start()
        assert home.nodes[1].epoch == controller.image.brokers[1].epoch <= controller.image.offset
        epochs.append(home.nodes[1].epoch)
        await controller.close()
    assert epochs == sorted(set(epochs))


async def test_producer_ids_are_never_given_out_twice_not_even_over_restarts() -> None:
    home = Home()
    seen: list[int] = []
    for _ in range(3):
        controller = await home.start()
        seen += [await controller.next_producer_id() for _ in range(1500)]
        await controller.close()
    assert len(set(seen)) == len(seen) == 4500
    assert min(seen) == 0


async def test_each_node_takes_producer_ids_from_its_own_block() -> None:
    controller = await Home((1, 2)).start()
    assert [await controller.next_producer_id(node) for node in (1, 2, 1, 2)] == [0, 1000, 1, 1001]


async def test_a_stopped_cluster_leaves_its_brokers_fenced_in_the_log() -> None:
    controller = await Home((1, 2)).start()
    await controller.close()
    assert all(broker.fenced for broker in controller.image.brokers.values())


async def test_three_nodes_are_registered_and_leaders_are_spread_over_them() -> None:
    controller = await Home((1, 2, 3)).start()
    await create(controller, "t", 9, 3)
    leaders = [part.leader for part in controller.image.topics["t"].partitions]
    assert {node: leaders.count(node) for node in (1, 2, 3)} == {1: 3, 2: 3, 3: 3}
    assert len(controller.image.topics["__consumer_offsets"].partitions[0].replicas) == 3


async def test_leaders_of_a_node_that_is_gone_move_at_the_next_start() -> None:
    home = Home((1, 2))
    controller = await home.start()
    await create(controller, "both", 4, 2)
    await controller.close()
    home.host(1)
    image = (await home.start()).image
    assert [part.leader for part in image.topics["both"].partitions] == [1, 1, 1, 1]
    assert image.brokers[2].fenced


async def test_a_node_that_is_fenced_and_comes_back_leads_again_with_higher_epochs() -> None:
    controller = await Home((1, 2)).start()
    await create(controller, "t", 2, 1)
    before = {part.index: part for part in controller.image.topics["t"].partitions}
    await controller.set_fenced(2, True)
    assert {part.leader for part in controller.image.topics["t"].partitions} == {1, -1}
    await controller.set_fenced(2, False)
    after = {part.index: part for part in controller.image.topics["t"].partitions}
    assert [part.leader for part in after.values()] == [part.leader for part in before.values()]
    assert all(after[index].leader_epoch >= before[index].leader_epoch for index in before)


async def test_subscribers_see_the_image_before_and_after_in_order_of_subscription() -> None:
    controller = await Home().start()
    seen: list[tuple[str, list[str], list[str]]] = []

    def watcher(name: str) -> None:
        controller.subscribe(lambda old, new: seen.append((name, sorted(old.topics), sorted(new.topics))))

    watcher("first")
    watcher("second")
    await create(controller, "t")
    offsets = "__consumer_offsets"
    assert seen == [("first", [offsets], [offsets, "t"]), ("second", [offsets], [offsets, "t"])]


async def test_a_subscriber_with_a_bug_is_logged_and_undoes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    controller = await Home().start()

    def broken(old: ClusterImage, new: ClusterImage) -> None:
        raise RuntimeError("a bug")

    controller.subscribe(broken)
    with caplog.at_level(logging.ERROR):
        assert not (await create(controller, "t")).error.failed
    assert "t" in controller.image.topics
    assert "a bug" in caplog.text


async def test_nothing_changes_when_the_log_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = await Home().start()
    before = controller.image
    seen: list[ClusterImage] = []
    controller.subscribe(lambda old, new: seen.append(new))

    def full(self: MemoryLog, batches: list[ValidBatch], now_ms: int) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryLog, "append", full)
        with pytest.raises(StorageError):
            await create(controller, "t")
    assert controller.image is before
    assert seen == []
    assert not (await create(controller, "t")).error.failed


async def test_an_offsets_topic_that_is_deleted_is_there_again_at_once() -> None:
    controller = await Home().start()
    name = "__consumer_offsets"
    before = controller.image.topics[name]
    await controller.submit(lambda image: delete_topics(image, [TopicToDelete(name)]))
    after = controller.image.topics[name]
    assert after.id != before.id
    assert len(after.partitions) == len(before.partitions)
    assert controller.image.config(2, name)["cleanup.policy"] == "compact"


async def test_a_question_that_changes_nothing_writes_nothing() -> None:
    home = Home()
    controller = await home.start()
    end = home.log().log_end_offset
    await controller.submit(lambda image: delete_topics(image, [TopicToDelete("nowhere")]))
    assert home.log().log_end_offset == end


async def test_a_metadata_transaction_that_was_cut_off_is_aborted_at_the_next_start() -> None:
    from kwire_codecs.internal.metadata_records import BeginTransactionRecord

    home = Home()
    controller = await home.start()
    await controller.close()
    raw = MetadataLog(home.directories[1], segment_bytes=1 << 30, now_ms=0)
    list(raw.read(0))
    raw.append([BeginTransactionRecord(), m.topic_record("half", UUID(int=99))], 33, 0)
    image = (await home.start()).image
    assert "half" not in image.topics
    assert "half" not in (await home.start()).image.topics


async def test_a_cluster_of_a_newer_kafka_is_refused_with_what_to_do() -> None:
    home = Home()
    controller = await home.start()
    level = features.METADATA_VERSION + 1
    await controller.submit(lambda image: Outcome(None, [m.feature_level_record("metadata.version", level)]))
    with pytest.raises(ClusterError, match=r"metadata\.version 34, but kwire knows up to 33"):
        await home.start()


async def test_a_batch_with_a_wrong_checksum_stops_the_start() -> None:
    home = Home()
    controller = await home.start()
    await create(controller, "t")
    log = home.log()
    [*_, last] = log.read(0, 1 << 30).parts
    view = log.read_bytes(last)
    view[len(view) - 1] ^= 1
    with pytest.raises(StorageError, match="wrong checksum"):
        await home.start()


@pytest.mark.slow
async def test_many_records_are_several_batches_in_one_write() -> None:
    home = Home()
    controller = await home.start()
    await create(controller, "big", 5_500)
    assert max(header.record_count for header in home.headers()) == 5_000
    assert len((await home.start()).image.topics["big"].partitions) == 5_500


async def test_ids_can_be_arguments_of_kafkas_tools() -> None:
    from kwire_storage.uuids import to_text

    controller = await Home(seed=3).start()
    assert not [new for _ in range(500) if (new := to_text(controller.new_uuid())).startswith("-")]


async def test_a_start_that_was_cut_off_anywhere_is_made_good_by_the_next() -> None:
    whole = Home()
    await whole.start()
    for cut in range(whole.log().log_end_offset + 1):
        home = Home()
        await home.start()
        home.log().truncate_to(cut)
        image = (await home.start()).image
        assert image.features == features.INITIAL
        assert not image.brokers[1].fenced
        assert [part.leader for part in image.topics["__consumer_offsets"].partitions] == [1, 1, 1]
        assert (await home.start()).image.topics == image.topics


async def test_what_was_answered_is_on_the_device(tmp_path: Path) -> None:
    synced: list[int] = []

    class Counting(Files):
        def fdatasync(self, descriptor: int) -> None:
            super().fdatasync(descriptor)
            synced.append(descriptor)

    async with serving(data=[tmp_path], files=Counting()) as running:
        controller = running.cluster.controller
        assert synced  # the epoch that this start began
        before = len(synced)
        await create(controller, "t")
        assert len(synced) == before + 1
        await create(controller, "t")  # it exists: nothing is written, nothing synced
        assert len(synced) == before + 1
        for at, name in enumerate(("a", "b"), before + 1):
            await controller.submit_each([creation(controller, name)] * 2)
            assert len(synced) == at + 1  # many decisions share one


async def test_those_who_change_the_cluster_together_share_a_sync(tmp_path: Path) -> None:
    synced: list[int] = []

    class Counting(Files):
        def fdatasync(self, descriptor: int) -> None:
            super().fdatasync(descriptor)
            synced.append(descriptor)

    async with serving(data=[tmp_path], files=Counting()) as running:
        before = len(synced)
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(create, running.cluster.controller, f"t{number}")
        assert 1 <= len(synced) - before <= 2
