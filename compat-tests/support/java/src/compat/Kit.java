package compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the scenarios share: clients of the broker with few settings, names of their own, and waiting. */
final class Kit {
    static final Duration SHORT = Duration.ofMillis(100);
    private static final long DEADLINE_S = 120;
    private static final AtomicInteger COUNT = new AtomicInteger();
    private static volatile Broker instead;

    private Kit() { }

    /** Until it is closed, what is made here talks to this broker and not to that of the whole run. */
    static Ended on(Broker broker) {
        instead = broker;
        return () -> instead = null;
    }

    /** What `on` gives. */
    interface Ended extends AutoCloseable {
        @Override
        void close();
    }

    /** A name that no other test and no other run has. */
    static String fresh(String word) {
        return word + "-" + Long.toString(System.nanoTime(), 36) + "-" + COUNT.incrementAndGet();
    }

    /** The major number of the kafka-clients under test. */
    static int release() {
        return Integer.parseInt(System.getProperty("kafka.version").split("\\.")[0]);
    }

    static Producer<String, String> producer(Object... settings) {
        return new KafkaProducer<>(with(settings), new StringSerializer(), new StringSerializer());
    }

    static Consumer<String, String> consumer(Object... settings) {
        Map<String, Object> all = with("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        all.putAll(with(settings));
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static Admin admin() {
        return Admin.create(with());
    }

    static String topic(int partitions, String... configs) throws Exception {
        return topic(fresh("topic"), partitions, configs);
    }

    static String topic(String name, int partitions, String... configs) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            settings.put(configs[i], configs[i + 1]);
        }
        try (Admin admin = admin()) {
            NewTopic wanted = new NewTopic(name, partitions, (short) 1).configs(settings);
            get(admin.createTopics(Set.of(wanted)).all());
        }
        return name;
    }

    /** Send values "0", "1", ... to a partition, and wait for all of them. */
    static void fill(String topic, int partition, int count, Object... settings) throws Exception {
        try (Producer<String, String> producer = producer(settings)) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, "k" + i, Integer.toString(i))));
            }
            for (Future<?> each : sent) {
                each.get(DEADLINE_S, TimeUnit.SECONDS);
            }
        }
    }

    /** Poll until `count` records are there, and return these. */
    static List<ConsumerRecord<String, String>> read(Consumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        until(() -> {
            consumer.poll(SHORT).forEach(records::add);
            return records.size() >= count;
        }, count + " records are read");
        return records;
    }

    static List<String> values(Collection<ConsumerRecord<String, String>> records) {
        List<String> values = new ArrayList<>();
        records.forEach(record -> values.add(record.value()));
        return values;
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(DEADLINE_S, TimeUnit.SECONDS);
    }

    /** What the future failed with; fails where it did not. */
    static Throwable failure(Future<?> future) throws Exception {
        try {
            Object got = future.get(DEADLINE_S, TimeUnit.SECONDS);
            throw new AssertionError("this went well: " + got);
        } catch (ExecutionException failed) {
            return failed.getCause();
        }
    }

    static void until(Callable<Boolean> holds, String what) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_S);
        while (!holds.call()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not within " + DEADLINE_S + " s: " + what);
            }
            Thread.onSpinWait();
        }
    }

    /** Releases name the same answer differently: `all` until 3.0, `allTopicNames` since, and only that since 4.0. */
    static TopicDescription describe(Admin admin, String topic) throws Exception {
        Object result = admin.describeTopics(Set.of(topic));
        @SuppressWarnings("unchecked")
        Map<String, TopicDescription> all =
            (Map<String, TopicDescription>) get((KafkaFuture<?>) first(result, "allTopicNames", "all"));
        return all.get(topic);
    }

    /** The result of the first of these methods that there is. */
    static Object first(Object target, String... methods) throws Exception {
        for (String name : methods) {
            try {
                return target.getClass().getMethod(name).invoke(target);
            } catch (NoSuchMethodException absent) {
                // Another release's name.
            }
        }
        throw new AssertionError("none of " + String.join(", ", methods));
    }

    static Map<String, Object> with(Object... settings) {
        Map<String, Object> all = new HashMap<>();
        Broker own = instead;
        all.put("bootstrap.servers", own == null ? Broker.address() : own.bootstrap());
        for (int i = 0; i < settings.length; i += 2) {
            all.put((String) settings[i], settings[i + 1]);
        }
        return all;
    }
}
