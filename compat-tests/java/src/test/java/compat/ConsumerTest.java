package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class ConsumerTest {
    @Test
    void aGroupReadsAllAndGoesOnFromItsCommit() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        Kit.fill(topic, 0, 10);
        try (Consumer<String, String> consumer = Kit.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            assertEquals(10, Kit.read(consumer, 10).size());
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(4, "half")));
            OffsetAndMetadata kept = consumer.committed(Set.of(partition)).get(partition);
            assertEquals(4, kept.offset());
            assertEquals("half", kept.metadata());
        }
        try (Consumer<String, String> consumer = Kit.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            assertEquals("4", Kit.read(consumer, 6).get(0).value());
        }
    }

    @Test
    void commitsAreAnsweredLater() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 3);
        try (Consumer<String, String> consumer = Kit.consumer("group.id", Kit.fresh("group"))) {
            consumer.subscribe(List.of(topic));
            Kit.read(consumer, 3);
            AtomicReference<Map<TopicPartition, OffsetAndMetadata>> told = new AtomicReference<>();
            consumer.commitAsync((offsets, error) -> told.set(error == null ? offsets : Map.of()));
            Kit.until(() -> {
                consumer.poll(Kit.SHORT);
                return told.get() != null;
            }, "the commit is answered");
            assertEquals(3, told.get().get(new TopicPartition(topic, 0)).offset());
        }
    }

    @Test
    void autoCommitKeepsWhatWasRead() throws Exception {
        String topic = Kit.topic(1);
        String group = Kit.fresh("group");
        Kit.fill(topic, 0, 5);
        try (Consumer<String, String> consumer =
            Kit.consumer("group.id", group, "enable.auto.commit", "true", "auto.commit.interval.ms", "100")) {
            consumer.subscribe(List.of(topic));
            Kit.read(consumer, 5);
        }
        try (Consumer<String, String> consumer = Kit.consumer("group.id", group)) {
            TopicPartition partition = new TopicPartition(topic, 0);
            assertEquals(5, consumer.committed(Set.of(partition)).get(partition).offset());
        }
    }

    @Test
    void anAssignedConsumerSeeks() throws Exception {
        String topic = Kit.topic(2);
        Kit.fill(topic, 0, 10);
        Kit.fill(topic, 1, 4);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (Consumer<String, String> consumer = Kit.consumer("max.poll.records", 1)) {
            consumer.assign(List.of(first, second));
            assertEquals(Map.of(first, 0L, second, 0L), consumer.beginningOffsets(List.of(first, second)));
            assertEquals(Map.of(first, 10L, second, 4L), consumer.endOffsets(List.of(first, second)));
            consumer.seekToEnd(List.of(second));
            consumer.seek(first, 7);
            assertEquals("7", Kit.read(consumer, 1).get(0).value());
            assertEquals(4, consumer.position(second));
            consumer.seekToBeginning(List.of(first));
            assertEquals("0", Kit.read(consumer, 1).get(0).value());
        }
    }

    @Test
    void aSeekWithAnEpochIsValidated() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 10);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer = Kit.consumer()) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 0);
            ConsumerRecord<String, String> record = Kit.read(consumer, 10).get(6);
            assertTrue(record.leaderEpoch().isPresent());
            consumer.seek(partition, new OffsetAndMetadata(6, record.leaderEpoch(), ""));
            assertEquals("6", Kit.read(consumer, 4).get(0).value());
        }
    }

    @Test
    void offsetsAreFoundByTime() throws Exception {
        String topic = Kit.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Producer<String, String> producer = Kit.producer()) {
            for (long time = 1_700_000_000_000L; time < 1_700_000_005_000L; time += 1000) {
                producer.send(new ProducerRecord<>(topic, 0, time, null, "v")).get();
            }
        }
        try (Consumer<String, String> consumer = Kit.consumer()) {
            assertEquals(2, consumer.offsetsForTimes(Map.of(partition, 1_700_000_001_500L)).get(partition).offset());
            assertEquals(0, consumer.offsetsForTimes(Map.of(partition, 0L)).get(partition).offset());
            assertNull(consumer.offsetsForTimes(Map.of(partition, 1_800_000_000_000L)).get(partition));
        }
    }

    @Test
    void aPausedPartitionStaysQuiet() throws Exception {
        String topic = Kit.topic(2);
        TopicPartition quiet = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer = Kit.consumer("group.id", Kit.fresh("group"))) {
            consumer.assign(List.of(quiet, new TopicPartition(topic, 1)));
            consumer.pause(List.of(quiet));
            Kit.fill(topic, 0, 3);
            Kit.fill(topic, 1, 3);
            for (ConsumerRecord<String, String> record : Kit.read(consumer, 3)) {
                assertEquals(1, record.partition());
            }
            consumer.resume(List.of(quiet));
            assertEquals(0, Kit.read(consumer, 3).get(0).partition());
        }
    }

    @Test
    void withoutAResetTheAbsenceOfAnOffsetIsAnError() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 3);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer =
            Kit.consumer("group.id", Kit.fresh("group"), "auto.offset.reset", "none")) {
            consumer.assign(List.of(partition));
            assertThrows(NoOffsetForPartitionException.class, () -> Kit.read(consumer, 1));
            consumer.seek(partition, 99);
            assertThrows(OffsetOutOfRangeException.class, () -> Kit.read(consumer, 1));
        }
    }

    @Test
    void anOffsetThatIsGoneIsReset() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 3);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer = Kit.consumer()) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 99);
            assertEquals("0", Kit.read(consumer, 3).get(0).value());
        }
    }

    @Test
    void aPatternFindsTopicsThatComeLater() throws Exception {
        String prefix = Kit.fresh("pattern");
        Kit.topic(prefix + "-a", 1);
        try (Consumer<String, String> consumer =
            Kit.consumer("group.id", Kit.fresh("group"), "metadata.max.age.ms", 200)) {
            consumer.subscribe(Pattern.compile(prefix + "-.*"));
            Kit.fill(prefix + "-a", 0, 1);
            Kit.read(consumer, 1);
            Kit.topic(prefix + "-b", 1);
            Kit.fill(prefix + "-b", 0, 1);
            // The first topic's may come again: nothing was committed before the new assignment.
            Kit.until(
                () -> Kit.read(consumer, 1).stream().anyMatch(record -> record.topic().equals(prefix + "-b")),
                "the new topic is read");
        }
    }

    @Test
    void smallFetchesAndLargeRecords() throws Exception {
        String topic = Kit.topic(1);
        try (Producer<String, String> producer = Kit.producer()) {
            for (int i = 0; i < 5; i++) {
                producer.send(new ProducerRecord<>(topic, "x".repeat(100_000 + i))).get();
            }
        }
        try (Consumer<String, String> consumer =
            Kit.consumer("max.partition.fetch.bytes", 1000, "fetch.max.bytes", 1000)) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            assertEquals(100_004, Kit.read(consumer, 5).get(4).value().length());
        }
    }

    @Test
    void topicsAreListed() throws Exception {
        String topic = Kit.topic(3);
        try (Consumer<String, String> consumer = Kit.consumer()) {
            assertEquals(3, consumer.listTopics().get(topic).size());
            assertEquals(3, consumer.partitionsFor(topic).size());
        }
    }

    @Test
    void nothingThereMeansAnEmptyPoll() throws Exception {
        String topic = Kit.topic(1);
        try (Consumer<String, String> consumer = Kit.consumer()) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            assertTrue(consumer.poll(Duration.ofMillis(700)).isEmpty());
            Map<TopicPartition, Long> lag = new HashMap<>(consumer.endOffsets(consumer.assignment()));
            assertEquals(0L, lag.get(new TopicPartition(topic, 0)));
        }
    }
}
