package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.support.KafkaHeaders;

/** What becomes of records that a listener can't handle: retry topics, dead-letter topics. */
@SpringBootTest(classes = App.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RetryTest {
    @Autowired
    private KafkaTemplate<String, String> template;

    @Autowired
    private KafkaAdmin admin;

    @Autowired
    private Seen seen;

    @Value("${run}")
    private String run;

    private static String text(ConsumerRecord<?, ?> record, String header) {
        return new String(record.headers().lastHeader(header).value(), StandardCharsets.UTF_8);
    }

    private List<String> topicsOf(String listener, String value) {
        return seen.at(listener).stream().filter(each -> each.value().equals(value)).map(each -> each.record().topic()).toList();
    }

    @Test
    void retryTopicsAreMade() {
        List<String> names = List.of("", "-retry-100", "-retry-200", "-dlt");
        Map<String, TopicDescription> topics =
            admin.describeTopics(names.stream().map(end -> "payments-" + run + end).toArray(String[]::new));
        assertEquals(4, topics.size());
        topics.values().forEach(each -> assertEquals(1, each.partitions().size()));
    }

    @Test
    void aListenerThatFailsTwiceIsAskedAThirdTime() throws Exception {
        Kit.get(template.send("payments-" + run, "flaky"));
        Kit.until("three attempts", () -> topicsOf("payments", "flaky").size() == 3);
        String topic = "payments-" + run;
        assertEquals(List.of(topic, topic + "-retry-100", topic + "-retry-200"), topicsOf("payments", "flaky"));
        Kit.until("all is committed", () -> Kit.committed(admin, topic) > 0);
        assertEquals(List.of(), topicsOf("dead payments", "flaky"));
    }

    @Test
    void aListenerThatFailsAlwaysSendsTheRecordToTheDeadLetters() throws Exception {
        String topic = "payments-" + run;
        Kit.get(template.send(topic, "k", "poison"));
        Kit.get(template.send(topic, "k", "fine"));
        Kit.until("it is dead", () -> topicsOf("dead payments", "poison").size() == 1);
        assertEquals(3, topicsOf("payments", "poison").size());
        assertEquals(List.of(topic), topicsOf("payments", "fine"));
        ConsumerRecord<String, String> dead = seen.at("dead payments").stream()
            .filter(each -> each.value().equals("poison")).findFirst().orElseThrow().record();
        assertEquals(topic + "-dlt", dead.topic());
        assertEquals("k", dead.key());
        assertEquals(topic, text(dead, KafkaHeaders.ORIGINAL_TOPIC));
        assertTrue(text(dead, KafkaHeaders.EXCEPTION_MESSAGE).contains("attempt 3 at poison"));
    }

    @Test
    void aRecordIsTriedAgainInPlaceAndThenPutAside() throws Exception {
        String topic = "broken-" + run;
        Kit.get(template.send(topic, "good0"));
        long bad = Kit.get(template.send(topic, "bad")).getRecordMetadata().offset();
        Kit.get(template.send(topic, "good1"));
        Kit.until("it is put aside", () -> seen.values("putAside").contains("bad"));
        Kit.until("the next is there", () -> seen.values("broken").contains("good1"));
        assertEquals(List.of("good0", "bad", "bad", "bad", "good1"), seen.values("broken"));
        ConsumerRecord<String, String> aside = seen.at("putAside").get(0).record();
        assertEquals(topic, text(aside, KafkaHeaders.DLT_ORIGINAL_TOPIC));
        assertEquals(bad, ByteBuffer.wrap(aside.headers().lastHeader(KafkaHeaders.DLT_ORIGINAL_OFFSET).value()).getLong());
        Kit.until("all is committed", () -> Kit.committed(admin, topic) == 3);
    }
}
