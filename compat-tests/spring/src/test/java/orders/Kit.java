package orders;

import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.support.SendResult;

/** What the scenarios share. */
final class Kit {
    static final long DEADLINE_S = 40;

    private Kit() { }

    static void until(String what, Callable<Boolean> holds) {
        await(what).atMost(Duration.ofSeconds(DEADLINE_S)).pollInterval(Duration.ofMillis(20)).until(holds);
    }

    static <T> T get(CompletableFuture<T> future) throws Exception {
        return future.get(DEADLINE_S, TimeUnit.SECONDS);
    }

    /** Values "word0", "word1", ... with keys "k0", "k1", ..., each acknowledged. */
    static List<SendResult<String, String>> send(
        KafkaTemplate<String, String> template, String topic, String word, int count) throws Exception {
        List<CompletableFuture<SendResult<String, String>>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            sent.add(template.send(topic, "k" + i, word + i));
        }
        List<SendResult<String, String>> results = new ArrayList<>();
        for (CompletableFuture<SendResult<String, String>> each : sent) {
            results.add(get(each));
        }
        return results;
    }

    /** The offsets that a group has committed, added up. */
    static long committed(KafkaAdmin admin, String group) throws Exception {
        try (Admin client = Admin.create(admin.getConfigurationProperties())) {
            Map<TopicPartition, OffsetAndMetadata> offsets = client.listConsumerGroupOffsets(group)
                .partitionsToOffsetAndMetadata().get(DEADLINE_S, TimeUnit.SECONDS);
            return offsets.values().stream().mapToLong(OffsetAndMetadata::offset).sum();
        }
    }
}
