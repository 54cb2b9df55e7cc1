"""What a stopped broker leaves in its directory, as far as a Kafka that starts there asks for it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from kwire_codecs.records import batch
from kwire_codecs.records.batch import Record
from kwire_storage.checkpoints import decode_partition_metadata, decode_properties
from kwire_storage.files import Files
from kwire_storage.folder import DiskFolder
from kwire_storage.uuids import from_text

from kwire.broker.metadata_offline import OfflineMetadata, read_offline
from kwire.coordinators.metadata import features
from kwire.coordinators.metadata.image import METADATA_TOPIC_ID
from tests.broker_client import connected, create_topic, produce_request, serving


def left(path: Path) -> OfflineMetadata:
    """The metadata that lies there."""
    return read_offline(
        DiskFolder(f"{path}/__cluster_metadata-0", Files()), DiskFolder(str(path), Files()), "any"
    )


async def test_the_broker_is_fenced_and_all_partitions_are_its_own_in_its_directory(tmp_path: Path) -> None:
    for life in range(2):
        async with serving(data=[tmp_path]) as broker:
            await create_topic(broker, f"t{life}", 3)
    image = left(tmp_path).image
    identity = decode_properties((tmp_path / "meta.properties").read_bytes())
    directory = from_text(identity["directory.id"])
    assert identity["version"] == "1"
    assert list(image.brokers) == list(image.controllers) == [1]
    assert image.brokers[1].fenced
    assert image.brokers[1].log_dirs == (directory,)
    assert set(image.topics) == {"__consumer_offsets", "t0", "t1"}
    for topic in image.topics.values():
        for partition in topic.partitions:
            assert (partition.replicas, partition.isr, partition.leader) == ((1,), (1,), 1)
            assert partition.directories == (directory,)


async def test_a_new_cluster_has_no_features_but_those_that_kwire_has(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]):
        pass
    image = left(tmp_path).image
    assert image.features == dict(features.INITIAL)
    supported = {each.name for each in image.brokers[1].features}
    assert supported == {each.name for each in image.controllers[1].features} == set(features.SUPPORTED)


def named(path: Path) -> dict[str, UUID]:
    """The topic id in each partition's directory."""
    return {
        found.parent.name: decode_partition_metadata(found.read_bytes())
        for found in path.glob("*/partition.metadata")
    }


async def test_a_partitions_directory_names_the_topic_of_the_metadata(tmp_path: Path) -> None:
    async with serving(data=[tmp_path]) as broker, connected(broker) as client:
        await create_topic(broker, "t", 2)
        for index in range(2):
            data = batch.build([Record(None, b"v", 1)])
            await client.ask(produce_request("t", data, partition=index), 9)
    topic = left(tmp_path).image.topics["t"]
    assert named(tmp_path) == {"__cluster_metadata-0": METADATA_TOPIC_ID, "t-0": topic.id, "t-1": topic.id}
