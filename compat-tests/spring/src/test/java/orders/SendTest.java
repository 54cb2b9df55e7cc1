package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.support.KafkaHeaders;
import org.springframework.kafka.support.ProducerListener;
import org.springframework.kafka.support.SendResult;
import org.springframework.messaging.support.MessageBuilder;

/** KafkaTemplate. */
@SpringBootTest(classes = App.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SendTest {
    @Autowired
    private KafkaTemplate<String, String> template;

    @Autowired
    private ProducerFactory<String, String> producers;

    @Autowired
    private ConsumerFactory<String, String> consumers;

    @Autowired
    private KafkaAdmin admin;

    @Value("${run}")
    private String run;

    @BeforeAll
    void templatesRead() {
        template.setConsumerFactory(consumers);
    }

    private String topic(String word) {
        String name = word + "-" + run;
        admin.createOrModifyTopics(TopicBuilder.name(name).partitions(2).build());
        return name;
    }

    @Test
    void theCallbackOfSuccessTellsWhereTheRecordIs() throws Exception {
        String topic = topic("told");
        AtomicReference<SendResult<String, String>> told = new AtomicReference<>();
        CompletableFuture<SendResult<String, String>> sent =
            template.send(topic, 1, "key", "first").whenComplete((result, failure) -> told.set(result));
        Kit.get(sent);
        RecordMetadata at = told.get().getRecordMetadata();
        assertEquals(List.of(topic, 1, 0L), List.of(at.topic(), at.partition(), at.offset()));
        assertEquals("first", told.get().getProducerRecord().value());
        assertEquals(1, Kit.get(template.send(topic, 1, "key", "second")).getRecordMetadata().offset());
    }

    @Test
    void theCallbackOfFailureTellsWhy() throws Exception {
        AtomicReference<Throwable> told = new AtomicReference<>();
        AtomicReference<Exception> listened = new AtomicReference<>();
        KafkaTemplate<String, String> other = new KafkaTemplate<>(producers);
        other.setProducerListener(new ProducerListener<>() {
            @Override
            public void onError(ProducerRecord<String, String> record, RecordMetadata at, Exception failure) {
                listened.set(failure);
            }
        });
        CompletableFuture<SendResult<String, String>> sent = other.send("small-" + run, "x".repeat(2000))
            .whenComplete((result, failure) -> told.set(failure));
        try {
            Kit.get(sent);
        } catch (ExecutionException expected) {
            assertInstanceOf(RecordTooLargeException.class, expected.getCause().getCause());
        }
        Kit.until("both were told", () -> told.get() != null && listened.get() != null);
        assertInstanceOf(RecordTooLargeException.class, listened.get());
        assertEquals(0, Kit.get(other.send("small-" + run, "short")).getRecordMetadata().offset());
    }

    @Test
    void keysTimesAndHeadersComeBack() throws Exception {
        String topic = topic("headed");
        Kit.get(template.send(MessageBuilder.withPayload("paid")
            .setHeader(KafkaHeaders.TOPIC, topic)
            .setHeader(KafkaHeaders.KEY, "k")
            .setHeader(KafkaHeaders.PARTITION, 1)
            .setHeader(KafkaHeaders.TIMESTAMP, 1_700_000_000_000L)
            .setHeader("currency", "EUR".getBytes(StandardCharsets.UTF_8))
            .build()));
        ConsumerRecord<String, String> record = template.receive(topic, 1, 0, Duration.ofSeconds(Kit.DEADLINE_S));
        assertEquals(List.of("k", "paid", 1_700_000_000_000L), List.of(record.key(), record.value(), record.timestamp()));
        assertEquals("EUR", new String(record.headers().lastHeader("currency").value(), StandardCharsets.UTF_8));
    }

    @Test
    void aKeyHasOnePartition() throws Exception {
        String topic = topic("keyed");
        List<SendResult<String, String>> first = Kit.send(template, topic, "a", 8);
        List<SendResult<String, String>> second = Kit.send(template, topic, "b", 8);
        for (int i = 0; i < 8; i++) {
            assertEquals(
                first.get(i).getRecordMetadata().partition(), second.get(i).getRecordMetadata().partition());
        }
        assertEquals(2, template.partitionsFor(topic).size());
    }

    @Test
    void compressedBatchesComeBack() throws Exception {
        String topic = topic("compressed");
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            KafkaTemplate<String, String> other =
                new KafkaTemplate<>(producers, Map.of("compression.type", codec, "linger.ms", 20));
            List<SendResult<String, String>> sent = Kit.send(other, topic, codec, 50);
            RecordMetadata last = sent.get(49).getRecordMetadata();
            ConsumerRecord<String, String> record = template.receive(
                topic, last.partition(), last.offset(), Duration.ofSeconds(Kit.DEADLINE_S));
            assertEquals(codec + "49", record.value());
            other.destroy();
        }
    }

    @Test
    void aQuestionIsAnswered() throws Exception {
        ContainerProperties properties = new ContainerProperties("answers-" + run);
        properties.setGroupId("answers-" + run);
        ReplyingKafkaTemplate<String, String, String> asking =
            new ReplyingKafkaTemplate<>(producers, new ConcurrentMessageListenerContainer<>(consumers, properties));
        asking.afterPropertiesSet();
        asking.start();
        try {
            assertTrue(asking.waitForAssignment(Duration.ofSeconds(Kit.DEADLINE_S)));
            ConsumerRecord<String, String> answer = Kit.get(asking.sendAndReceive(
                new ProducerRecord<>("questions-" + run, "everything"), Duration.ofSeconds(Kit.DEADLINE_S)));
            assertEquals("the answer to everything", answer.value());
        } finally {
            asking.stop();
            asking.destroy();
        }
    }
}
