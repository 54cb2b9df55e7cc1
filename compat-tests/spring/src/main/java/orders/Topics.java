package orders;

import org.apache.kafka.clients.admin.NewTopic;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.KafkaAdmin;

/** What KafkaAdmin makes when the program starts. */
@Configuration
class Topics {
    private final String run;

    Topics(@Value("${run}") String run) {
        this.run = run;
    }

    @Bean
    NewTopic orders() {
        return TopicBuilder.name("orders-" + run).partitions(6).replicas(1).build();
    }

    @Bean
    NewTopic prices() {
        return TopicBuilder.name("prices-" + run).partitions(1).compact().config("segment.ms", "600000").build();
    }

    /** Replicas and partitions left to the broker, and one whose records must be small. */
    @Bean
    KafkaAdmin.NewTopics others() {
        return new KafkaAdmin.NewTopics(
            TopicBuilder.name("defaults-" + run).build(),
            TopicBuilder.name("small-" + run).partitions(1).config("max.message.bytes", "1000").build(),
            TopicBuilder.name("batches-" + run).partitions(1).build(),
            TopicBuilder.name("acknowledged-" + run).partitions(1).build(),
            TopicBuilder.name("refused-" + run).partitions(1).build(),
            TopicBuilder.name("again-" + run).partitions(1).build(),
            TopicBuilder.name("broken-" + run).partitions(1).build(),
            TopicBuilder.name("broken-" + run + "-dlt").partitions(1).build(),
            TopicBuilder.name("questions-" + run).partitions(1).build(),
            TopicBuilder.name("answers-" + run).partitions(1).build(),
            TopicBuilder.name("placed-" + run).partitions(2).build());
    }
}
