from __future__ import annotations

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kwire_codecs.errors import Malformed
from kwire_codecs.internal import metadata_records as r
from kwire_codecs.internal.coordinator import UnknownRecord

from kwire.config import BrokerConfig
from kwire.coordinators.metadata import brokers, producer_ids
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.config_changes import Change, alter_incrementally
from kwire.coordinators.metadata.image import ClusterImage, ControllerImage, FeatureRange, ResourceType
from kwire.coordinators.metadata.partitions import MorePartitions, create_partitions
from kwire.coordinators.metadata.replay import Replayer, ReplayError, image_records, replay
from kwire.coordinators.metadata.topics import NewTopic, TopicToDelete, create_topics, delete_topics

from .images import CLUSTER_ID, after, applied, broker, cluster, ids, with_topics


def without_position(image: ClusterImage) -> ClusterImage:
    return replace(image, offset=0, epoch=0)


def from_snapshot(image: ClusterImage) -> ClusterImage:
    return after(ClusterImage(cluster_id=image.cluster_id), list(image_records(image)))


def test_an_image_that_is_changed_stays_as_it_was() -> None:
    before = with_topics(cluster(), "one")
    copy = from_snapshot(before)
    after(before, [m.remove_topic_record(before.topics["one"].id), m.feature_level_record("x", 1)])
    assert without_position(before) == without_position(copy)


def test_what_a_batch_does_not_touch_is_shared_with_the_image_before() -> None:
    before = with_topics(cluster(), "one")
    configured = replay(before, m.topic_config_record("one", "retention.ms", "1"))
    assert configured.topics is before.topics
    assert configured.brokers is before.brokers
    assert configured.configs is not before.configs


def test_deleting_a_topic_takes_its_configs_with_it() -> None:
    image = with_topics(cluster(), NewTopic("a.b", 1, 1, configs={"retention.ms": "5"}), "keep")
    gone = after(image, [m.remove_topic_record(image.topics["a.b"].id)])
    assert list(gone.topics) == ["keep"]
    assert gone.configs == {}
    assert gone.collision_names == {}
    assert gone.topic_by_id(image.topics["a.b"].id) is None


def test_a_new_leader_raises_the_leader_epoch_and_every_change_the_partition_epoch() -> None:
    image = with_topics(cluster(1, 2), NewTopic("t", 1, 2))
    topic = image.topics["t"]
    same = after(image, [m.partition_change_record(topic.id, 0, isr=[1])]).topics["t"].partitions[0]
    assert (same.leader_epoch, same.partition_epoch, same.isr) == (0, 1, (1,))
    other = after(image, [m.partition_change_record(topic.id, 0, leader=2)]).topics["t"].partitions[0]
    assert (other.leader, other.leader_epoch, other.partition_epoch) == (2, 1, 1)


def test_records_of_a_transaction_count_when_it_ends_and_not_before() -> None:
    replayer = Replayer(cluster())
    begin, end = r.BeginTransactionRecord(), r.EndTransactionRecord()
    replayer.replay([begin, m.topic_record("t", UUID(int=9))], last_offset=10, epoch=0)
    assert replayer.in_transaction
    assert "t" not in replayer.image.topics
    replayer.replay([m.topic_record("u", UUID(int=10)), end], last_offset=12, epoch=0)
    assert sorted(replayer.image.topics) == ["t", "u"]
    assert not replayer.in_transaction


def test_records_of_an_aborted_transaction_never_count() -> None:
    replayer = Replayer(cluster())
    aborted = [r.BeginTransactionRecord(), m.topic_record("t", UUID(int=9)), r.AbortTransactionRecord()]
    replayer.replay([*aborted, m.topic_record("u", UUID(int=10))], last_offset=10, epoch=0)
    assert list(replayer.image.topics) == ["u"]


@pytest.mark.parametrize(
    "record",
    [
        m.remove_topic_record(UUID(int=5)),
        m.partition_change_record(UUID(int=5), 0, leader=1),
        m.topic_record("there", UUID(int=5)),
        m.broker_change_record(7, 1, fenced=True),
        m.broker_change_record(1, 99, fenced=True),
        r.FenceBrokerRecord(id=7, epoch=1),
        r.UnregisterBrokerRecord(broker_id=7, broker_epoch=1),
        r.ClearElrRecord(topic_name="nowhere"),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_that_contradicts_the_image_is_refused_and_changes_nothing(record: m.Record) -> None:
    replayer = Replayer(with_topics(cluster(), "there"))
    before = replayer.image
    with pytest.raises(ReplayError):
        replayer.replay([m.topic_record("new", UUID(int=77)), record], last_offset=99, epoch=0)
    assert replayer.image is before


def test_a_topic_whose_partitions_have_a_gap_is_refused() -> None:
    image = with_topics(cluster(), "t")
    second = replace(image.topics["t"].partitions[0], index=2)
    with pytest.raises(ReplayError, match="one is numbered 2"):
        after(image, [m.partition_record(image.topics["t"].id, 2, second)])


def test_partitions_may_come_in_any_order_within_a_batch() -> None:
    image = with_topics(cluster(), NewTopic("t", 3, 1))
    topic = image.topics["t"]
    backwards = [m.partition_record(UUID(int=5), part.index, part) for part in reversed(topic.partitions)]
    again = after(cluster(), [m.topic_record("t", UUID(int=5)), *backwards])
    assert again.topics["t"].partitions == topic.partitions


KEPT: list[tuple[m.Record, m.Record | None]] = [
    (
        r.AccessControlEntryRecord(
            id=UUID(int=3),
            resource_type=2,
            resource_name="t",
            pattern_type=3,
            principal="User:a",
            host="*",
            operation=2,
            permission_type=3,
        ),
        r.RemoveAccessControlEntryRecord(id=UUID(int=3)),
    ),
    (
        r.UserScramCredentialRecord(
            name="a", mechanism=1, salt=b"s", stored_key=b"k", server_key=b"v", iterations=4096
        ),
        r.RemoveUserScramCredentialRecord(name="a", mechanism=1),
    ),
    (
        r.ClientQuotaRecord(
            entity=[r.ClientQuotaRecord.Entity(entity_type="user", entity_name=None)],
            key="producer_byte_rate",
            value=5.0,
            remove=False,
        ),
        r.ClientQuotaRecord(
            entity=[r.ClientQuotaRecord.Entity(entity_type="user", entity_name=None)],
            key="producer_byte_rate",
            value=0.0,
            remove=True,
        ),
    ),
    (
        r.DelegationTokenRecord(
            owner="a",
            requester="a",
            renewers=[],
            issue_timestamp=1,
            max_timestamp=2,
            expiration_timestamp=3,
            token_id="t",
        ),
        r.RemoveDelegationTokenRecord(token_id="t"),
    ),
    (UnknownRecord(b"", b"\x01\x63\x00rest"), None),
    (r.ZkMigrationStateRecord(zk_migration_state=2), None),
]


@pytest.mark.parametrize(("record", "removal"), KEPT, ids=lambda record: type(record).__name__)
def test_what_kwire_does_not_use_survives_a_snapshot_until_it_is_removed(
    record: m.Record, removal: m.Record | None
) -> None:
    image = replay(cluster(), record)
    assert record in list(image_records(from_snapshot(image)))
    if removal is not None:
        assert record not in list(image_records(replay(image, removal)))


def test_controllers_and_elr_survive_a_snapshot() -> None:
    controller = ControllerImage(3, UUID(int=8), features=(FeatureRange("metadata.version", 7, 33),))
    image = with_topics(cluster(1, 2), NewTopic("t", 1, 2))
    change = r.PartitionChangeRecord(
        partition_id=0, topic_id=image.topics["t"].id, eligible_leader_replicas=[2], last_known_elr=[1]
    )
    image = after(image, [m.register_controller_record(controller), change])
    assert without_position(from_snapshot(image)) == without_position(image)
    cleared = replay(image, r.ClearElrRecord(topic_name=""))
    assert cleared.topics["t"].partitions[0].elr == ()
    assert replay(cleared, r.UnregisterControllerRecord(controller_id=3)).controllers == {}


@pytest.mark.parametrize(
    ("level", "versions"),
    [(7, (1, 1, 0)), (16, (2, 1, 0)), (17, (3, 2, 1)), (21, (3, 2, 1)), (23, (3, 2, 2)), (33, (4, 3, 2))],
)
def test_records_are_written_in_the_versions_of_the_metadata_version(
    level: int, versions: tuple[int, int, int]
) -> None:
    types = (r.RegisterBrokerRecord, r.BrokerRegistrationChangeRecord, r.PartitionRecord)
    assert tuple(m.record_version(record_type, level) for record_type in types) == versions


def test_an_old_metadata_version_leaves_out_what_it_has_no_room_for() -> None:
    image = with_topics(cluster(), "t")
    partition = image.topics["t"].partitions[0]
    decoded = m.decode(m.encode(m.partition_record(UUID(int=9), 0, partition), 7))
    assert isinstance(decoded, r.PartitionRecord)
    assert decoded.directories == []
    assert decoded.replicas == [1]


class Life(RuleBasedStateMachine):
    """Whatever is done to a cluster, its log replays to the same image, and so does a snapshot of it."""

    def __init__(self) -> None:
        super().__init__()
        self.image = cluster(1, 2, 3)
        self.empty = self.image
        self.written: list[bytes] = []
        self.random = Random(1)
        self.new_id = ids()

    def submit(self, records: list[m.Record]) -> None:
        self.written += [m.encode(record, 33) for record in records]
        self.image = after(self.image, records)

    names = st.sampled_from(["a", "b.c", "b_c", "d", "..", "x" * 250])

    @rule(
        name=names, partitions=st.integers(-2, 4), factor=st.integers(-1, 4), retention=st.sampled_from("1x")
    )
    def create(self, name: str, partitions: int, factor: int, retention: str) -> None:
        outcome = create_topics(
            self.image,
            [NewTopic(name, partitions, factor, configs={"retention.ms": retention})],
            config=BrokerConfig(),
            random=self.random,
            new_id=self.new_id,
        )
        self.submit(list(outcome.records))

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.submit(list(delete_topics(self.image, [TopicToDelete(name)]).records))

    @rule(name=names, count=st.integers(0, 6))
    def enlarge(self, name: str, count: int) -> None:
        wanted = [MorePartitions(name, count)]
        self.submit(list(create_partitions(self.image, wanted, random=self.random).records))

    @rule(name=names, op=st.integers(-1, 4), value=st.sampled_from(["compact", "delete", "", "5", None]))
    def configure(self, name: str, op: int, value: str | None) -> None:
        change = Change("cleanup.policy", op, value)
        outcome = alter_incrementally(
            self.image, [((ResourceType.TOPIC, name), [change])], config=BrokerConfig(), node_id=1
        )
        self.submit(list(outcome.records))

    @rule(broker_id=st.integers(1, 3), fenced=st.booleans())
    def fence(self, broker_id: int, fenced: bool) -> None:
        self.submit(brokers.fence(self.image.brokers[broker_id], fenced=fenced))
        self.submit(brokers.leadership_changes(self.image))

    @rule()
    def take_ids(self) -> None:
        before = self.image.next_producer_id
        self.submit(list(producer_ids.next_block(self.image, 1).records))
        assert self.image.next_producer_id == before + 1000

    @invariant()
    def the_log_replays_to_the_live_image(self) -> None:
        replayed = after(self.empty, [m.decode(value) for value in self.written])
        assert without_position(replayed) == without_position(self.image)

    @invariant()
    def a_snapshot_holds_it_all(self) -> None:
        assert without_position(from_snapshot(self.image)) == without_position(self.image)

    @invariant()
    def leaders_are_active_members_of_the_isr_or_nobody(self) -> None:
        active = {known.id for known in self.image.active_brokers()}
        for topic in self.image.topics.values():
            for partition in topic.partitions:
                assert partition.isr
                assert set(partition.isr) <= set(partition.replicas)
                if partition.leader == -1:
                    assert not active & set(partition.isr)
                else:
                    assert partition.leader in active
                    assert partition.leader in partition.isr

    @invariant()
    def indexes_agree(self) -> None:
        image = self.image
        assert image.cluster_id == CLUSTER_ID
        assert {topic.id: name for name, topic in image.topics.items()} == image.topic_names
        assert all(name in image.topics for name in image.collision_names.values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_an_unknown_one_or_malformed(data: bytes) -> None:
    try:
        record = m.decode(data)
    except Malformed:
        return
    assert record is not None


def test_a_broker_registers_with_all_that_is_known_of_it() -> None:
    registered = broker(5, rack="r1", cordoned_log_dirs=(UUID(int=4),), in_controlled_shutdown=True)
    assert cluster(registered).brokers[5] == registered
    assert applied(cluster(5), producer_ids.next_block(cluster(5), 5)).next_producer_id == 1000
