from __future__ import annotations

from dataclasses import replace

from kwire.config import BrokerConfig
from kwire.coordinators.metadata import brokers, internal_topics
from kwire.coordinators.metadata import records as m
from kwire.coordinators.metadata.image import ClusterImage
from kwire.coordinators.metadata.topics import NewTopic

from .images import after, broker, cluster, with_topics


def fenced(image: ClusterImage, broker_id: int, is_fenced: bool = True) -> ClusterImage:
    image = after(image, brokers.fence(image.brokers[broker_id], fenced=is_fenced))
    return after(image, brokers.leadership_changes(image))


def led() -> ClusterImage:
    assignments = ((0, (1, 2, 3)), (1, (2, 3, 1)), (2, (3, 1, 2)))
    return with_topics(cluster(1, 2, 3), NewTopic("t", assignments=assignments))


def test_leaders_move_to_the_next_in_sync_replica_when_their_broker_goes() -> None:
    partitions = fenced(led(), 1).topics["t"].partitions
    assert [part.leader for part in partitions] == [2, 2, 3]
    assert [part.leader_epoch for part in partitions] == [1, 0, 0]
    assert [part.isr for part in partitions] == [(2, 3), (2, 3), (3, 2)]


def test_a_broker_that_is_back_is_in_sync_again_and_leads_nothing_by_force() -> None:
    back = fenced(fenced(led(), 1), 1, is_fenced=False)
    partitions = back.topics["t"].partitions
    assert [part.leader for part in partitions] == [2, 2, 3]
    assert [set(part.isr) for part in partitions] == [{1, 2, 3}] * 3


def test_the_last_in_sync_replicas_alone_may_lead_again() -> None:
    image = fenced(fenced(fenced(led(), 1), 2), 3)
    first = image.topics["t"].partitions[0]
    assert (first.leader, first.isr) == (-1, (3,))
    image = fenced(image, 1, is_fenced=False)
    assert image.topics["t"].partitions[0].leader == -1
    image = fenced(image, 3, is_fenced=False)
    first = image.topics["t"].partitions[0]
    assert (first.leader, first.isr) == (3, (3, 1))
    assert first.leader_epoch == 4


def test_an_eligible_replica_of_a_kafka_that_was_stopped_leads_again() -> None:
    image = with_topics(cluster(broker(1), broker(2)), NewTopic("t", 1, 2))
    topic = image.topics["t"]
    stopped = replace(topic.partitions[0], isr=(), leader=-1, leader_epoch=4, elr=(2,), last_known_elr=(1,))
    image = after(image, [m.partition_record(topic.id, 0, stopped)])
    [partition] = after(image, brokers.leadership_changes(image)).topics["t"].partitions
    assert (partition.leader, partition.leader_epoch, set(partition.isr)) == (2, 5, {1, 2})
    assert (partition.elr, partition.last_known_elr) == ((), ())


def test_nothing_changes_when_nothing_has_happened() -> None:
    assert brokers.leadership_changes(led()) == []
    assert brokers.fence(broker(1), fenced=False) == []


def test_after_a_stop_that_may_have_lost_records_every_leader_epoch_rises() -> None:
    image = led()
    raised = after(image, brokers.new_leader_epochs(image.topics.values()))
    assert [part.leader_epoch for part in raised.topics["t"].partitions] == [1, 1, 1]
    assert [part.leader for part in raised.topics["t"].partitions] == [1, 2, 3]


def test_a_broker_that_does_not_run_any_more_is_absent() -> None:
    assert [known.id for known in brokers.absent(cluster(1, 2, broker(3, fenced=True)), [1])] == [2]


def test_internal_topics_have_no_more_replicas_than_there_are_brokers() -> None:
    config = BrokerConfig()
    assert internal_topics.consumer_offsets(cluster(1), config).replication_factor == 1
    assert internal_topics.consumer_offsets(cluster(1, 2, 3, 4), config).replication_factor == 3
    offsets = internal_topics.consumer_offsets(cluster(1), config)
    assert offsets.num_partitions == 50
    assert offsets.configs["cleanup.policy"] == "compact"
    assert internal_topics.transaction_state(cluster(1), config).configs["min.insync.replicas"] == "1"


def test_a_change_that_names_no_leader_leaves_the_leader_as_it_is() -> None:
    assert m.partition_change_record(broker(1).incarnation_id, 0).leader == -2
