package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GroupTest {
    private static Consumer<String, String> member(String group, String topic, Object... settings) {
        Map<String, Object> all = Kit.with("group.id", group, "heartbeat.interval.ms", 100);
        all.putAll(Kit.with(settings));
        List<Object> pairs = new ArrayList<>();
        all.forEach((name, value) -> pairs.addAll(List.of(name, value)));
        Consumer<String, String> consumer = Kit.consumer(pairs.toArray());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private static void spread(int partitions, List<Consumer<String, String>> members) throws Exception {
        Kit.until(() -> {
            Set<TopicPartition> owned = new HashSet<>();
            int count = 0;
            boolean fair = true;
            for (Consumer<String, String> member : members) {
                member.poll(Kit.SHORT);
            }
            for (Consumer<String, String> member : members) {
                owned.addAll(member.assignment());
                count += member.assignment().size();
                fair &= member.assignment().size() <= (partitions + members.size() - 1) / members.size();
            }
            return fair && count == partitions && owned.size() == partitions;
        }, partitions + " partitions are spread over " + members.size() + " members");
    }

    @ParameterizedTest
    @ValueSource(classes = {
        RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class, CooperativeStickyAssignor.class})
    void membersComeAndGo(Class<?> assignor) throws Exception {
        String topic = Kit.topic(4);
        String group = Kit.fresh("group");
        String name = assignor.getName();
        try (Consumer<String, String> first = member(group, topic, "partition.assignment.strategy", name)) {
            spread(4, List.of(first));
            try (Consumer<String, String> second = member(group, topic, "partition.assignment.strategy", name)) {
                spread(4, List.of(first, second));
            }
            spread(4, List.of(first));
        }
    }

    @Test
    void cooperativeMembersKeepWhatStaysTheirs() throws Exception {
        String topic = Kit.topic(4);
        String group = Kit.fresh("group");
        List<TopicPartition> lost = new ArrayList<>();
        String cooperative = CooperativeStickyAssignor.class.getName();
        try (Consumer<String, String> first = member(group, topic, "partition.assignment.strategy", cooperative);
            Consumer<String, String> second = member(group, topic, "partition.assignment.strategy", cooperative)) {
            first.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    lost.addAll(partitions);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
            });
            spread(4, List.of(first));
            spread(4, List.of(first, second));
            assertEquals(2, lost.size());
        }
    }

    @Test
    void aStaticMemberComesBackToItsPartitions() throws Exception {
        String topic = Kit.topic(4);
        String group = Kit.fresh("group");
        try (Consumer<String, String> other = member(group, topic, "group.instance.id", "other")) {
            Set<TopicPartition> owned;
            try (Consumer<String, String> here = member(group, topic, "group.instance.id", "here")) {
                spread(4, List.of(other, here));
                owned = here.assignment();
            }
            other.poll(Kit.SHORT);
            assertEquals(2, other.assignment().size());
            try (Consumer<String, String> again = member(group, topic, "group.instance.id", "here")) {
                Kit.until(() -> {
                    other.poll(Kit.SHORT);
                    again.poll(Kit.SHORT);
                    return again.assignment().equals(owned);
                }, "it has its partitions again");
            }
        }
    }

    @Test
    void aLaterStaticMemberFencesTheEarlier() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        try (Consumer<String, String> early = member(group, topic, "group.instance.id", "same");
            Consumer<String, String> late = member(group, topic, "group.instance.id", "same")) {
            spread(1, List.of(early));
            spread(1, List.of(late));
            assertThrows(FencedInstanceIdException.class, () -> Kit.until(() -> {
                early.poll(Kit.SHORT);
                return false;
            }, "it is fenced"));
        }
    }

    @Test
    void aMemberThatWasRemovedCantCommit() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Admin admin = Kit.admin();
            Consumer<String, String> member = member(group, topic, "group.instance.id", "one")) {
            spread(1, List.of(member));
            Kit.get(admin.removeMembersFromConsumerGroup(
                group, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")))).all());
            assertThrows(Exception.class, () -> member.commitSync(Map.of(partition, new OffsetAndMetadata(1))));
        }
    }

    @Test
    void aMemberThatTookTooLongCantCommit() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<String, String> slow = member(group, topic, "max.poll.interval.ms", 1000)) {
            spread(1, List.of(slow));
            try (Consumer<String, String> other = member(group, topic)) {
                spread(1, List.of(other));
                assertThrows(
                    CommitFailedException.class,
                    () -> slow.commitSync(Map.of(partition, new OffsetAndMetadata(1))));
            }
        }
    }

    @Test
    void theGroupIsDescribed() throws Exception {
        String topic = Kit.topic(2);
        String group = Kit.fresh("group");
        Kit.fill(topic, 0, 3);
        try (Admin admin = Kit.admin(); Consumer<String, String> member = member(group, topic, "client.id", "me")) {
            Kit.read(member, 3);
            member.commitSync();
            ConsumerGroupDescription described =
                Kit.get(admin.describeConsumerGroups(Set.of(group)).all()).get(group);
            assertEquals("Stable", described.state().toString());
            assertEquals("range", described.partitionAssignor());
            MemberDescription one = described.members().iterator().next();
            assertEquals("me", one.clientId());
            assertEquals(2, one.assignment().topicPartitions().size());
            assertTrue(one.host().startsWith("/"));
            assertTrue(Kit.get(admin.listConsumerGroups().all()).stream().anyMatch(g -> g.groupId().equals(group)));
            Throwable refusal = Kit.failure(admin.deleteConsumerGroups(Set.of(group)).all());
            assertEquals(GroupNotEmptyException.class, refusal.getClass());
            Throwable subscribed = Kit.failure(
                admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(topic, 0))).all());
            assertEquals("GroupSubscribedToTopicException", subscribed.getClass().getSimpleName());
        }
    }

    @Test
    void newPartitionsAreNoticed() throws Exception {
        String topic = Kit.topic(1);
        try (Admin admin = Kit.admin();
            Consumer<String, String> member = member(Kit.fresh("group"), topic, "metadata.max.age.ms", 200)) {
            spread(1, List.of(member));
            Kit.get(admin.createPartitions(
                Map.of(topic, org.apache.kafka.clients.admin.NewPartitions.increaseTo(3))).all());
            spread(3, List.of(member));
        }
    }
}
