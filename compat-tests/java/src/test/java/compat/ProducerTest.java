package compat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProducerTest {
    private static List<ConsumerRecord<String, String>> all(String topic, int count) throws Exception {
        try (Consumer<String, String> consumer = Kit.consumer()) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(Set.of(partition));
            consumer.seekToBeginning(Set.of(partition));
            List<ConsumerRecord<String, String>> records = Kit.read(consumer, count);
            assertEquals(count, records.size());
            return records;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "1", "all"})
    void recordsArriveWithEveryAcks(String acks) throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 20, "acks", acks, "enable.idempotence", "false");
        assertEquals("19", all(topic, 20).get(19).value());
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "gzip", "snappy", "lz4", "zstd"})
    void compressedRecordsComeBack(String codec) throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 500, "compression.type", codec, "linger.ms", "20");
        List<String> values = Kit.values(all(topic, 500));
        for (int i = 0; i < 500; i++) {
            assertEquals(Integer.toString(i), values.get(i));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gzip", "snappy", "lz4", "zstd"})
    void theTopicsCodecIsTheBrokersWork(String codec) throws Exception {
        String topic = Kit.topic(1, "compression.type", codec);
        Kit.fill(topic, 0, 100, "linger.ms", "20");
        assertEquals("99", all(topic, 100).get(99).value());
    }

    @Test
    void idempotentProducerKeepsOrder() throws Exception {
        String topic = Kit.topic(1);
        Kit.fill(topic, 0, 2000, "enable.idempotence", "true", "acks", "all", "batch.size", "200");
        List<String> values = Kit.values(all(topic, 2000));
        for (int i = 0; i < 2000; i++) {
            assertEquals(Integer.toString(i), values.get(i));
        }
    }

    @Test
    void callbacksTellOffsetsInOrder() throws Exception {
        String topic = Kit.topic(1);
        ConcurrentLinkedQueue<Long> offsets = new ConcurrentLinkedQueue<>();
        try (Producer<String, String> producer = Kit.producer("retries", 3, "buffer.memory", 1 << 20)) {
            for (int i = 0; i < 50; i++) {
                producer.send(new ProducerRecord<>(topic, "v"), (metadata, error) -> offsets.add(metadata.offset()));
            }
            producer.flush();
        }
        List<Long> expected = new ArrayList<>();
        for (long i = 0; i < 50; i++) {
            expected.add(i);
        }
        assertEquals(expected, new ArrayList<>(offsets));
    }

    @Test
    void keysHeadersAndTimestampsComeBack() throws Exception {
        String topic = Kit.topic(1);
        try (Producer<String, String> producer = Kit.producer()) {
            var headers = List.<org.apache.kafka.common.header.Header>of(
                new RecordHeader("trace", new byte[] {1, 2}), new RecordHeader("empty", (byte[]) null));
            producer.send(new ProducerRecord<>(topic, 0, 1234567890123L, "key", "value", headers)).get();
            producer.send(new ProducerRecord<>(topic, 0, null, null, null, null)).get();
        }
        List<ConsumerRecord<String, String>> records = all(topic, 2);
        ConsumerRecord<String, String> first = records.get(0);
        assertEquals("key", first.key());
        assertEquals(1234567890123L, first.timestamp());
        assertEquals(TimestampType.CREATE_TIME, first.timestampType());
        assertArrayEquals(new byte[] {1, 2}, first.headers().lastHeader("trace").value());
        assertEquals(null, first.headers().lastHeader("empty").value());
        assertEquals(null, records.get(1).key());
        assertEquals(null, records.get(1).value());
    }

    @Test
    void logAppendTimeIsTheBrokersTime() throws Exception {
        String topic = Kit.topic(1, "message.timestamp.type", "LogAppendTime");
        try (Producer<String, String> producer = Kit.producer()) {
            RecordMetadata told = producer.send(new ProducerRecord<>(topic, 0, 5L, "key", "value")).get();
            ConsumerRecord<String, String> record = all(topic, 1).get(0);
            assertEquals(TimestampType.LOG_APPEND_TIME, record.timestampType());
            assertEquals(told.timestamp(), record.timestamp());
            assertTrue(record.timestamp() > 1_600_000_000_000L);
        }
    }

    @Test
    void tooLargeARecordIsRefusedByTheBroker() throws Exception {
        String topic = Kit.topic(1, "max.message.bytes", "2000");
        try (Producer<String, String> producer = Kit.producer()) {
            Throwable refusal = Kit.failure(producer.send(new ProducerRecord<>(topic, "x".repeat(5000))));
            assertInstanceOf(RecordTooLargeException.class, refusal);
            assertEquals(0, producer.send(new ProducerRecord<>(topic, "small")).get().offset());
        }
    }

    @Test
    void tooLargeABatchIsSplitAndSentAgain() throws Exception {
        assumeTrue(Kit.release() >= 4, "older releases split by batch.size, for ever");
        String topic = Kit.topic(1, "max.message.bytes", "2000");
        Kit.fill(topic, 0, 300, "batch.size", "16000", "linger.ms", "100");
        List<String> values = Kit.values(all(topic, 300));
        assertEquals("299", values.get(299));
    }

    @Test
    void aRecordWithoutAKeyIsRefusedByACompactedTopic() throws Exception {
        String topic = Kit.topic(1, "cleanup.policy", "compact");
        try (Producer<String, String> producer = Kit.producer()) {
            Throwable refusal = Kit.failure(producer.send(new ProducerRecord<>(topic, "no key")));
            assertEquals("InvalidRecordException", refusal.getClass().getSimpleName());
        }
    }

    @Test
    void sendingMakesATopic() throws Exception {
        String topic = Kit.fresh("by-use");
        Kit.fill(topic, 0, 1);
        assertEquals("0", all(topic, 1).get(0).value());
    }

    @Test
    void anInvalidTopicIsRefused() throws Exception {
        try (Producer<String, String> producer = Kit.producer()) {
            Throwable refusal = Kit.failure(producer.send(new ProducerRecord<>("not a topic", "v")));
            assertInstanceOf(InvalidTopicException.class, refusal);
        }
    }

    @Test
    void partitionsAreKnown() throws Exception {
        String topic = Kit.topic(3);
        try (Producer<String, String> producer = Kit.producer()) {
            assertEquals(3, producer.partitionsFor(topic).size());
            RecordMetadata told = producer.send(new ProducerRecord<>(topic, 2, "k", "v")).get(20, TimeUnit.SECONDS);
            assertEquals(2, told.partition());
        }
    }
}
