package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.transaction.KafkaTransactionManager;
import org.springframework.stereotype.Component;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.Transactional;

/** Kafka's transactions through Spring: Boot makes a KafkaTransactionManager, and gives it to listeners too. */
@SpringBootTest(
    classes = TransactionTest.Shop.class,
    properties = {
        "spring.kafka.producer.transaction-id-prefix=tx-${run}-",
        "spring.kafka.producer.properties.max.block.ms=6000",
        "spring.kafka.listener.ack-mode=record",
        "spring.kafka.consumer.isolation-level=read-committed",
    })
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TransactionTest {
    @Configuration
    @EnableAutoConfiguration
    @Import({Seen.class, Till.class})
    static class Shop {
        @Bean
        KafkaAdmin.NewTopics topics(@Value("${run}") String run) {
            return new KafkaAdmin.NewTopics(
                TopicBuilder.name("carts-" + run).partitions(1).build(),
                TopicBuilder.name("bills-" + run).partitions(1).build(),
                TopicBuilder.name("tried-" + run).partitions(1).build());
        }
    }

    /** Reads carts and writes bills, with the offsets in the same transaction. */
    @Component
    static class Till {
        private final KafkaTemplate<String, String> template;
        private final Seen seen;
        private final String run;
        private boolean failed;

        Till(KafkaTemplate<String, String> template, Seen seen, @Value("${run}") String run) {
            this.template = template;
            this.seen = seen;
            this.run = run;
        }

        @KafkaListener(id = "carts", groupId = "carts-${run}", topics = "carts-${run}", concurrency = "1")
        void carts(ConsumerRecord<String, String> cart) {
            seen.add("carts", cart);
            template.send("bills-" + run, "the bill of " + cart.value()).join();
            if (!failed) {
                failed = true;
                throw new IllegalStateException("the first attempt");
            }
        }

        @KafkaListener(
            id = "bills", groupId = "bills-${run}", topics = {"bills-${run}", "tried-${run}"}, concurrency = "1")
        void bills(ConsumerRecord<String, String> bill) {
            seen.add("bills", bill);
        }

        @Transactional("kafkaTransactionManager")
        public void pay(boolean fails) {
            template.send("tried-" + run, "paid " + !fails);
            if (fails) {
                throw new IllegalStateException("out of money");
            }
        }
    }

    @Autowired
    private KafkaTemplate<String, String> template;

    @Autowired
    private Till till;

    @Autowired
    private Seen seen;

    @Autowired
    private KafkaAdmin admin;

    @Autowired
    private PlatformTransactionManager manager;

    @Value("${run}")
    private String run;

    private List<String> seen(String word, int count) {
        Kit.until(count + " times " + word, () ->
            seen.values("bills").stream().filter(value -> value.startsWith(word)).count() >= count);
        return seen.values("bills").stream().filter(value -> value.startsWith(word)).collect(Collectors.toList());
    }

    @Test
    void aTransactionOfATemplateIsReadAsAWhole() {
        assertThrows(IllegalStateException.class, () -> template.executeInTransaction(operations -> {
            operations.send("tried-" + run, "local aborted");
            throw new IllegalStateException("on purpose");
        }));
        template.executeInTransaction(operations -> {
            operations.send("tried-" + run, "local one");
            return operations.send("tried-" + run, "local two");
        });
        assertEquals(List.of("local one", "local two"), seen("local", 2));
    }

    @Test
    void atTransactionalRollsBack() {
        assertThrows(IllegalStateException.class, () -> till.pay(true));
        till.pay(false);
        assertEquals(List.of("paid true"), seen("paid", 1));
    }

    @Test
    void aListenerReadsAndWritesExactlyOnce() throws Exception {
        template.executeInTransaction(operations -> operations.send("carts-" + run, "Ada"));
        assertEquals(List.of("the bill of Ada"), seen("the bill", 1));
        // It came twice, its bill was written twice, and the first is of an aborted transaction.
        assertEquals(List.of("Ada", "Ada"), seen.values("carts"));
        Kit.until("its offset is committed with the bill", () -> Kit.committed(admin, "carts-" + run) > 0);
        template.executeInTransaction(operations -> operations.send("carts-" + run, "Bob"));
        assertEquals(List.of("the bill of Ada", "the bill of Bob"), seen("the bill", 2));
        assertEquals(List.of("the bill of Ada", "the bill of Ada", "the bill of Bob"), uncommitted("bills-" + run, 3));
        assertInstanceOf(KafkaTransactionManager.class, manager);
    }

    /** What a reader finds that takes aborted records too. */
    private List<String> uncommitted(String topic, int count) {
        Map<String, Object> settings = new HashMap<>(admin.getConfigurationProperties());
        settings.put("isolation.level", "read_uncommitted");
        List<String> values = new ArrayList<>();
        try (Consumer<String, String> reader =
            new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            reader.assign(List.of(partition));
            reader.seekToBeginning(List.of(partition));
            Kit.until(count + " records are read", () -> {
                reader.poll(Duration.ofMillis(100)).forEach(each -> values.add(each.value()));
                return values.size() >= count;
            });
        }
        return values;
    }
}
