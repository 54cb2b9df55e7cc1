package orders;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.springframework.kafka.annotation.BackOff;
import org.springframework.kafka.annotation.DltHandler;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.PartitionOffset;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.listener.AbstractConsumerSeekAware;
import org.springframework.kafka.support.Acknowledgment;
import org.springframework.messaging.handler.annotation.SendTo;
import org.springframework.stereotype.Component;

/** The listeners of the program; each tells Seen what it got. */
@Component
class Listeners {
    private final Seen seen;
    private final Map<String, AtomicInteger> attempts = new ConcurrentHashMap<>();

    Listeners(Seen seen) {
        this.seen = seen;
    }

    @KafkaListener(id = "billing", groupId = "billing-${run}", topics = "orders-${run}")
    void billing(ConsumerRecord<String, String> order, Acknowledgment acknowledgment) {
        seen.add("billing", order);
        acknowledgment.acknowledge();
    }

    @KafkaListener(id = "shipping", groupId = "shipping-${run}", topics = "orders-${run}")
    void shipping(ConsumerRecord<String, String> order, Acknowledgment acknowledgment) {
        seen.add("shipping", order);
        acknowledgment.acknowledge();
    }

    @KafkaListener(
        id = "batches", groupId = "batches-${run}", topics = "batches-${run}", batch = "true", concurrency = "1")
    void batches(List<ConsumerRecord<String, String>> records, Acknowledgment acknowledgment) {
        records.forEach(record -> seen.add("batches", record));
        acknowledgment.acknowledge();
    }

    /** What begins with "later" is never acknowledged. */
    @KafkaListener(
        id = "acknowledged", groupId = "acknowledged-${run}", topics = "acknowledged-${run}", concurrency = "1")
    void acknowledged(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("acknowledged", record);
        if (!record.value().startsWith("later")) {
            acknowledgment.acknowledge();
        }
    }

    /** What begins with "no" is refused the first time. */
    @KafkaListener(id = "refused", groupId = "refused-${run}", topics = "refused-${run}", concurrency = "1")
    void refused(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("refused", record);
        if (record.value().startsWith("no") && isFirst(record)) {
            acknowledgment.nack(Duration.ofMillis(50));
        } else {
            acknowledgment.acknowledge();
        }
    }

    /** "poison" always fails, "flaky" twice. */
    @RetryableTopic(attempts = "3", backOff = @BackOff(delay = 100, multiplier = 2.0), concurrency = "1")
    @KafkaListener(id = "payments", groupId = "payments-${run}", topics = "payments-${run}")
    void payments(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("payments", record);
        int attempt = attempts.computeIfAbsent(record.value(), value -> new AtomicInteger()).incrementAndGet();
        if (record.value().startsWith("poison") || record.value().startsWith("flaky") && attempt < 3) {
            throw new IllegalStateException("attempt " + attempt + " at " + record.value());
        }
        acknowledgment.acknowledge();
    }

    @DltHandler
    void deadPayments(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("dead payments", record);
        acknowledgment.acknowledge();
    }

    /** Its container has an error handler that tries twice more and then puts the record aside. */
    @KafkaListener(
        id = "broken", groupId = "broken-${run}", topics = "broken-${run}", containerFactory = "puttingAside")
    void broken(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("broken", record);
        if (record.value().startsWith("bad")) {
            throw new IllegalArgumentException(record.value());
        }
        acknowledgment.acknowledge();
    }

    @KafkaListener(
        id = "putAside", groupId = "put-aside-${run}", topics = "broken-${run}-dlt", concurrency = "1")
    void putAside(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("putAside", record);
        acknowledgment.acknowledge();
    }

    @KafkaListener(
        id = "questions", groupId = "questions-${run}", topics = "questions-${run}", concurrency = "1")
    @SendTo
    String questions(ConsumerRecord<String, String> question, Acknowledgment acknowledgment) {
        acknowledgment.acknowledge();
        return "the answer to " + question.value();
    }

    /** Partitions by name, without a group's rebalances; one from an offset. */
    @KafkaListener(
        id = "placed",
        groupId = "placed-${run}",
        autoStartup = "false",
        concurrency = "1",
        topicPartitions = @org.springframework.kafka.annotation.TopicPartition(
            topic = "placed-${run}",
            partitions = "0",
            partitionOffsets = @PartitionOffset(partition = "1", initialOffset = "2")))
    void placed(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("placed", record);
        acknowledgment.acknowledge();
    }

    /** Its topic is not there when the program starts. */
    @KafkaListener(id = "missing", groupId = "missing-${run}", topics = "missing-${run}")
    void missing(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
        seen.add("missing", record);
        acknowledgment.acknowledge();
    }

    private boolean isFirst(ConsumerRecord<String, String> record) {
        return attempts.computeIfAbsent(record.topic() + record.offset(), at -> new AtomicInteger())
            .incrementAndGet() == 1;
    }

    /** Goes back to the beginning when it is told to. */
    @Component
    static class Again extends AbstractConsumerSeekAware {
        private final Seen seen;

        Again(Seen seen) {
            this.seen = seen;
        }

        @KafkaListener(id = "again", groupId = "again-${run}", topics = "again-${run}", concurrency = "1")
        void again(ConsumerRecord<String, String> record, Acknowledgment acknowledgment) {
            seen.add("again", record);
            acknowledgment.acknowledge();
        }

        void rewind() {
            for (Map.Entry<TopicPartition, List<ConsumerSeekCallback>> each : getTopicsAndCallbacks().entrySet()) {
                TopicPartition partition = each.getKey();
                each.getValue().forEach(seek -> seek.seekToBeginning(List.of(partition)));
            }
        }
    }
}
