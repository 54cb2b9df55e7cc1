package orders;

import org.springframework.boot.kafka.autoconfigure.ConcurrentKafkaListenerContainerFactoryConfigurer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.util.backoff.FixedBackOff;

/** Containers that Spring Boot does not make by itself. */
@Configuration
class Containers {
    @Bean
    ConcurrentKafkaListenerContainerFactory<Object, Object> puttingAside(
        ConcurrentKafkaListenerContainerFactoryConfigurer boot,
        ConsumerFactory<Object, Object> consumers,
        KafkaTemplate<Object, Object> template) {
        ConcurrentKafkaListenerContainerFactory<Object, Object> factory =
            new ConcurrentKafkaListenerContainerFactory<>();
        boot.configure(factory, consumers);
        DefaultErrorHandler handler =
            new DefaultErrorHandler(new DeadLetterPublishingRecoverer(template), new FixedBackOff(50, 2));
        handler.setCommitRecovered(true);
        handler.removeClassification(IllegalArgumentException.class);
        factory.setCommonErrorHandler(handler);
        factory.setConcurrency(1);
        return factory;
    }

    /** For the pauses of retry topics. */
    @Bean
    TaskScheduler taskScheduler() {
        return new ThreadPoolTaskScheduler();
    }
}
