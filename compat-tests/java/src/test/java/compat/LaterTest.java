package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** Scenarios of which kwire has some part to come; later.txt says which. */
class LaterTest {
    private static Producer<String, String> transactional(String id) {
        return Kit.producer("transactional.id", id, "max.block.ms", 8000);
    }

    private static Consumer<String, String> committed(String topic) {
        Consumer<String, String> consumer = Kit.consumer("isolation.level", "read_committed");
        consumer.assign(List.of(new TopicPartition(topic, 0)));
        return consumer;
    }

    @Test
    void committedRecordsAreReadAndAbortedOnesAreNot() throws Exception {
        String topic = Kit.topic(1);
        try (Producer<String, String> producer = transactional(Kit.fresh("id"));
            Consumer<String, String> consumer = committed(topic)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "aborted")).get();
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "committed")).get();
            assertTrue(consumer.poll(Kit.SHORT).isEmpty());
            producer.commitTransaction();
            assertEquals(List.of("committed"), Kit.values(Kit.read(consumer, 1)));
        }
    }

    @Test
    void aSecondProducerFencesTheFirst() throws Exception {
        String topic = Kit.topic(1);
        String id = Kit.fresh("id");
        try (Producer<String, String> first = transactional(id); Producer<String, String> second = transactional(id)) {
            first.initTransactions();
            second.initTransactions();
            first.beginTransaction();
            KafkaException refusal = assertThrows(KafkaException.class, () -> {
                first.send(new ProducerRecord<>(topic, "late"));
                first.commitTransaction();
            });
            // By the coordinator, or by the partition's leader if it was first to be asked.
            assertTrue(
                Set.of("ProducerFencedException", "InvalidProducerEpochException")
                    .contains(refusal.getClass().getSimpleName()),
                refusal.toString());
        }
    }

    @Test
    void offsetsAreCommittedWithTheRecords() throws Exception {
        String from = Kit.topic(1);
        String to = Kit.topic(1);
        Kit.fill(from, 0, 5);
        try (Producer<String, String> producer = transactional(Kit.fresh("id"));
            Consumer<String, String> consumer = Kit.consumer("group.id", Kit.fresh("group"))) {
            producer.initTransactions();
            consumer.subscribe(List.of(from));
            var records = Kit.read(consumer, 5);
            producer.beginTransaction();
            records.forEach(record -> producer.send(new ProducerRecord<>(to, record.value())));
            TopicPartition partition = new TopicPartition(from, 0);
            producer.sendOffsetsToTransaction(
                Map.of(partition, new OffsetAndMetadata(5)), consumer.groupMetadata());
            producer.commitTransaction();
            assertEquals(5, consumer.committed(Set.of(partition)).get(partition).offset());
            try (Consumer<String, String> reader = committed(to)) {
                assertEquals(5, Kit.read(reader, 5).size());
            }
        }
    }

    @Test
    void theNewGroupProtocolSpreadsPartitions() throws Exception {
        assumeTrue(Kit.release() >= 4, "older releases have it as a preview");
        String topic = Kit.topic(2);
        String group = Kit.fresh("group");
        Kit.fill(topic, 0, 2);
        Kit.fill(topic, 1, 2);
        try (Consumer<String, String> first = Kit.consumer("group.id", group, "group.protocol", "consumer");
            Consumer<String, String> second = Kit.consumer("group.id", group, "group.protocol", "consumer")) {
            first.subscribe(List.of(topic));
            assertEquals(4, Kit.read(first, 4).size());
            second.subscribe(List.of(topic));
            Kit.until(() -> {
                first.poll(Kit.SHORT);
                second.poll(Kit.SHORT);
                return first.assignment().size() == 1 && second.assignment().size() == 1;
            }, "each has a partition");
        }
    }
}
