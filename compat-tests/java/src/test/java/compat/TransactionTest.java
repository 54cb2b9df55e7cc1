package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A producer's transactions, one call after the other; ExactlyOnceTest has programs that live on them. */
class TransactionTest {
    private static Producer<String, String> transactional(String id) {
        return Kit.producer("transactional.id", id, "max.block.ms", 30000);
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
    void anOpenTransactionHoldsTheEndBack() throws Exception {
        String topic = Kit.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Producer<String, String> producer = transactional(Kit.fresh("id"));
            Consumer<String, String> careful = committed(topic);
            Consumer<String, String> hasty = Kit.consumer()) {
            producer.initTransactions();
            Kit.fill(topic, 0, 2);
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "open")).get();
            Kit.fill(topic, 0, 2);
            assertEquals(2, careful.endOffsets(Set.of(partition)).get(partition));
            assertEquals(5, hasty.endOffsets(Set.of(partition)).get(partition));
            assertEquals(List.of("0", "1"), Kit.values(Kit.read(careful, 2)));
            assertTrue(careful.poll(Kit.SHORT).isEmpty());
            producer.abortTransaction();
            assertEquals(List.of("0", "1"), Kit.values(Kit.read(careful, 2)));
            // The marker has an offset of its own.
            Kit.until(() -> careful.endOffsets(Set.of(partition)).get(partition) == 6, "the end is there");
            hasty.assign(List.of(partition));
            assertEquals(List.of("0", "1", "open", "0", "1"), Kit.values(Kit.read(hasty, 5)));
        }
    }

    @Test
    @Tag("slow")
    void aTransactionThatTakesTooLongIsAborted() throws Exception {
        String topic = Kit.topic(1);
        try (Producer<String, String> slow =
                Kit.producer("transactional.id", Kit.fresh("id"), "transaction.timeout.ms", 1000);
            Consumer<String, String> consumer = committed(topic)) {
            slow.initTransactions();
            slow.beginTransaction();
            slow.send(new ProducerRecord<>(topic, "late")).get();
            Kit.fill(topic, 0, 1);
            assertEquals(List.of("0"), Kit.values(Kit.read(consumer, 1)));
            assertThrows(KafkaException.class, slow::commitTransaction);
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
}
