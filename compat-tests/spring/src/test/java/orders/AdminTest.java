package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.annotation.Bean;
import org.springframework.kafka.KafkaException;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.KafkaAdmin;

/** KafkaAdmin: topics as beans, and by hand. */
@SpringBootTest(classes = App.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AdminTest {
    @Autowired
    private KafkaAdmin admin;

    @Value("${run}")
    private String run;

    private int partitions(String topic) {
        return admin.describeTopics(topic).get(topic).partitions().size();
    }

    private Config config(String topic) throws Exception {
        try (Admin client = Admin.create(admin.getConfigurationProperties())) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            return client.describeConfigs(List.of(resource)).all().get(Kit.DEADLINE_S, TimeUnit.SECONDS).get(resource);
        }
    }

    @Test
    void topicsThatAreBeansAreMade() throws Exception {
        assertEquals(6, partitions("orders-" + run));
        assertEquals(1, partitions("prices-" + run));
        assertTrue(partitions("defaults-" + run) >= 1);
        Config prices = config("prices-" + run);
        assertEquals("compact", prices.get("cleanup.policy").value());
        assertEquals("600000", prices.get("segment.ms").value());
        assertEquals("1000", config("small-" + run).get("max.message.bytes").value());
    }

    @Test
    void topicsThatAreThereAreChanged() throws Exception {
        String topic = "changed-" + run;
        admin.createOrModifyTopics(TopicBuilder.name(topic).partitions(1).build());
        admin.createOrModifyTopics(TopicBuilder.name(topic).partitions(4).config("retention.ms", "3600000").build());
        Kit.until("there are four partitions", () -> partitions(topic) == 4);
        Kit.until("the setting is there", () -> config(topic).get("retention.ms").value().equals("3600000"));
        admin.createOrModifyTopics(TopicBuilder.name(topic).partitions(2).build());
        assertEquals(4, partitions(topic));
    }

    @Test
    void topicsAreDeleted() {
        String topic = "deleted-" + run;
        admin.createOrModifyTopics(TopicBuilder.name(topic).partitions(1).build());
        admin.deleteTopics(topic);
        Kit.until("it is gone", () -> {
            try {
                admin.describeTopics(topic);
                return false;
            } catch (KafkaException gone) {
                return true;
            }
        });
    }

    @Test
    void theClusterHasAnId() {
        assertFalse(admin.clusterId().isEmpty());
    }

    @Test
    void aProgramThatCantHaveItsTopicsDoesNotStart() {
        SpringApplicationBuilder other = new SpringApplicationBuilder(TooMany.class).logStartupInfo(false);
        Throwable refusal = assertThrows(RuntimeException.class, () -> other.run().close());
        StringBuilder told = new StringBuilder();
        for (Throwable cause = refusal; cause != null; cause = cause.getCause()) {
            told.append(cause);
        }
        assertTrue(told.toString().contains("InvalidReplicationFactorException"), told.toString());
    }

    /** Asks for more replicas than there are brokers. */
    @EnableAutoConfiguration
    static class TooMany {
        @Bean
        NewTopic tooMany(@Value("${run}") String run) {
            return TopicBuilder.name("replicated-" + run).replicas(9).build();
        }
    }

    @Test
    void whatIsThereIsNoReasonToFail() {
        Map<String, ?> before = admin.describeTopics("orders-" + run);
        assertTrue(admin.initialize());
        assertEquals(before, admin.describeTopics("orders-" + run));
    }
}
