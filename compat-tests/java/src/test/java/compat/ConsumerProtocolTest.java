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
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Groups of KIP-848 (`group.protocol=consumer`); older releases have it as a preview, or not at all. */
class ConsumerProtocolTest {
    private static Consumer<String, String> member(String group, Object... settings) {
        Map<String, Object> all = Kit.with("group.id", group, "group.protocol", "consumer");
        all.putAll(Kit.with(settings));
        List<Object> pairs = new ArrayList<>();
        all.forEach((name, value) -> pairs.addAll(List.of(name, value)));
        return Kit.consumer(pairs.toArray());
    }

    private static Consumer<String, String> reader(String group, String topic, Object... settings) {
        Consumer<String, String> consumer = member(group, settings);
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    @SafeVarargs
    private static void spread(int partitions, Consumer<String, String>... members) throws Exception {
        Kit.until(() -> {
            for (Consumer<String, String> member : members) {
                member.poll(Kit.SHORT);
            }
            Set<TopicPartition> owned = new HashSet<>();
            int count = 0;
            boolean fair = true;
            for (Consumer<String, String> member : members) {
                owned.addAll(member.assignment());
                count += member.assignment().size();
                fair &= member.assignment().size() <= (partitions + members.length - 1) / members.length;
            }
            return fair && count == partitions && owned.size() == partitions;
        }, partitions + " partitions are spread over " + members.length + " members");
    }

    @ParameterizedTest
    @ValueSource(strings = {"uniform", "range"})
    void threeMembersComeAndGo(String assignor) throws Exception {
        String topic = Kit.topic(6);
        String group = Kit.fresh("group");
        Kit.fill(topic, 0, 2);
        try (Admin admin = Kit.admin();
            Consumer<String, String> first = reader(group, topic, "group.remote.assignor", assignor)) {
            spread(6, first);
            try (Consumer<String, String> second = reader(group, topic, "group.remote.assignor", assignor)) {
                spread(6, first, second);
                try (Consumer<String, String> third = reader(group, topic, "group.remote.assignor", assignor)) {
                    spread(6, first, second, third);
                    ConsumerGroupDescription told = described(admin, group);
                    assertEquals(assignor, told.partitionAssignor());
                    assertEquals(3, told.members().size());
                }
                spread(6, first, second);
            }
            spread(6, first);
        }
    }

    @Test
    void rangesOfEveryTopicGoTogether() throws Exception {
        String one = Kit.topic(4);
        String two = Kit.topic(4);
        String group = Kit.fresh("group");
        try (Consumer<String, String> first = member(group, "group.remote.assignor", "range");
            Consumer<String, String> second = member(group, "group.remote.assignor", "range")) {
            first.subscribe(List.of(one, two));
            second.subscribe(List.of(one, two));
            spread(8, first, second);
            for (Consumer<String, String> each : List.of(first, second)) {
                Set<Integer> ofOne = numbers(each, one);
                assertEquals(ofOne, numbers(each, two));
                assertTrue(ofOne.equals(Set.of(0, 1)) || ofOne.equals(Set.of(2, 3)), ofOne.toString());
            }
        }
    }

    private static Set<Integer> numbers(Consumer<String, String> member, String topic) {
        return member.assignment().stream()
            .filter(each -> each.topic().equals(topic))
            .map(TopicPartition::partition)
            .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void onlyWhatMovesIsRevoked() throws Exception {
        String topic = Kit.topic(4);
        String group = Kit.fresh("group");
        List<TopicPartition> lost = new ArrayList<>();
        try (Consumer<String, String> first = member(group); Consumer<String, String> second = member(group)) {
            first.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    lost.addAll(partitions);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
            });
            spread(4, first);
            second.subscribe(List.of(topic));
            spread(4, first, second);
            assertEquals(2, lost.size());
            assertEquals(second.assignment(), Set.copyOf(lost));
        }
    }

    @Test
    void theBrokerMatchesAPattern() throws Exception {
        String word = Kit.fresh("orders");
        Kit.topic(word + "-a", 1);
        Kit.topic(word + "-b", 1);
        Kit.topic("not-" + word + "-c", 1);
        try (Consumer<String, String> member = member(Kit.fresh("group"))) {
            member.subscribe(new SubscriptionPattern(word + "-[a-c]"));
            spread(2, member);
            Kit.topic(word + "-c", 2);
            spread(4, member);
            assertTrue(member.assignment().stream().allMatch(each -> each.topic().startsWith(word)));
            member.subscribe(new SubscriptionPattern("(not-)?" + word + "-c"));
            Kit.until(() -> {
                member.poll(Kit.SHORT);
                return member.assignment().size() == 3
                    && member.assignment().stream().allMatch(each -> each.topic().endsWith("c"));
            }, "it has the topics of the other pattern");
        }
    }

    @Test
    void aPatternThatIsNoneIsRefused() throws Exception {
        try (Consumer<String, String> member = member(Kit.fresh("group"))) {
            member.subscribe(new SubscriptionPattern("(unclosed"));
            assertThrows(InvalidRegularExpression.class, () -> Kit.until(() -> {
                member.poll(Kit.SHORT);
                return false;
            }, "it is refused"));
        }
    }

    @Test
    void aStaticMemberComesBackToItsPartitions() throws Exception {
        String topic = Kit.topic(4);
        String group = Kit.fresh("group");
        try (Consumer<String, String> other = reader(group, topic, "group.instance.id", "other")) {
            Set<TopicPartition> owned;
            try (Consumer<String, String> here = reader(group, topic, "group.instance.id", "here")) {
                spread(4, other, here);
                owned = here.assignment();
            }
            other.poll(Kit.SHORT);
            assertEquals(2, other.assignment().size());
            try (Consumer<String, String> again = reader(group, topic, "group.instance.id", "here")) {
                Kit.until(() -> {
                    other.poll(Kit.SHORT);
                    again.poll(Kit.SHORT);
                    return again.assignment().equals(owned);
                }, "it has its partitions again");
            }
        }
    }

    @Test
    void aSecondMemberOfTheSameInstanceIsRefused() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        try (Consumer<String, String> early = reader(group, topic, "group.instance.id", "same");
            Consumer<String, String> late = member(group, "group.instance.id", "same")) {
            spread(1, early);
            late.subscribe(List.of(topic));
            assertThrows(UnreleasedInstanceIdException.class, () -> Kit.until(() -> {
                early.poll(Kit.SHORT);
                late.poll(Kit.SHORT);
                return false;
            }, "it is refused"));
            spread(1, early);
        }
    }

    @Test
    void readingGoesOnFromTheCommit() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        Kit.fill(topic, 0, 10);
        try (Consumer<String, String> first = reader(group, topic, "max.poll.records", 4)) {
            assertEquals(List.of("0", "1", "2", "3"), Kit.values(Kit.read(first, 4)));
            first.commitSync();
        }
        try (Consumer<String, String> second = reader(group, topic)) {
            assertEquals(List.of("4", "5", "6", "7", "8", "9"), Kit.values(Kit.read(second, 6)));
            TopicPartition partition = new TopicPartition(topic, 0);
            assertEquals(4, second.committed(Set.of(partition)).get(partition).offset());
        }
    }

    @Test
    void aMemberThatTookTooLongCantCommit() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        try (Consumer<String, String> slow = reader(group, topic, "max.poll.interval.ms", 1000)) {
            spread(1, slow);
            try (Consumer<String, String> other = reader(group, topic)) {
                spread(1, other);
                assertThrows(
                    CommitFailedException.class,
                    () -> slow.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1))));
            }
        }
    }

    @Test
    void outputsAreCommittedWithAMembersOffsets() throws Exception {
        String from = Kit.topic(1);
        String to = Kit.topic(1);
        Kit.fill(from, 0, 5);
        try (Producer<String, String> producer = Kit.producer("transactional.id", Kit.fresh("id"));
            Consumer<String, String> member = reader(Kit.fresh("group"), from)) {
            producer.initTransactions();
            var records = Kit.read(member, 5);
            producer.beginTransaction();
            records.forEach(record -> producer.send(new ProducerRecord<>(to, record.value())));
            TopicPartition partition = new TopicPartition(from, 0);
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(5)), member.groupMetadata());
            producer.commitTransaction();
            assertEquals(5, member.committed(Set.of(partition)).get(partition).offset());
        }
    }

    @Test
    void theGroupIsDescribed() throws Exception {
        String topic = Kit.topic(2);
        String group = Kit.fresh("group");
        try (Admin admin = Kit.admin(); Consumer<String, String> member = reader(group, topic, "client.id", "me")) {
            spread(2, member);
            Kit.until(() -> {
                member.poll(Kit.SHORT);
                return described(admin, group).groupState() == GroupState.STABLE;
            }, "the group is stable");
            ConsumerGroupDescription told = described(admin, group);
            assertEquals(GroupType.CONSUMER, told.type());
            assertEquals("uniform", told.partitionAssignor());
            assertEquals(told.groupEpoch(), told.targetAssignmentEpoch());
            MemberDescription one = told.members().iterator().next();
            assertEquals("me", one.clientId());
            assertEquals(told.groupEpoch(), one.memberEpoch());
            assertEquals(member.assignment(), one.assignment().topicPartitions());
            assertEquals(one.assignment(), one.targetAssignment().orElseThrow());
            assertTrue(Kit.get(admin.listGroups().all()).stream()
                .anyMatch(each -> each.groupId().equals(group) && each.type().equals(java.util.Optional.of(GroupType.CONSUMER))));
        }
    }

    @Test
    void classicMembersAreTakenAlong() throws Exception {
        String topic = Kit.topic(4);
        String group = Kit.fresh("group");
        try (Admin admin = Kit.admin()) {
            Consumer<String, String> classic = Kit.consumer("group.id", group, "heartbeat.interval.ms", 100);
            try (classic) {
                classic.subscribe(List.of(topic));
                spread(4, classic);
                assertEquals(GroupType.CLASSIC, described(admin, group).type());
                try (Consumer<String, String> newer = reader(group, topic)) {
                    spread(4, classic, newer);
                    assertEquals(GroupType.CONSUMER, described(admin, group).type());
                    classic.close();
                    spread(4, newer);
                }
            }
        }
    }

    private static ConsumerGroupDescription described(Admin admin, String group) throws Exception {
        return Kit.get(admin.describeConsumerGroups(Set.of(group)).all()).get(group);
    }
}
