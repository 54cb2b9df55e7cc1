package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Words are counted, with at-least-once processing where nothing else is said, and the classic group protocol. */
class StreamsTest {
    @TempDir
    private Path states;

    private final List<KafkaStreams> running = new ArrayList<>();

    @AfterEach
    void stop() {
        running.forEach(KafkaStreams::close);
    }

    /** One application: its topics, and the instances that it is started as. */
    private final class Words {
        final String id = Kit.fresh("words");
        final String lines;
        final String counts;

        Words(int partitions) throws Exception {
            lines = Kit.topic(partitions);
            counts = Kit.topic(partitions);
        }

        KafkaStreams start(String instance, Object... settings) throws Exception {
            StreamsBuilder builder = new StreamsBuilder();
            KStream<String, String> in = builder.stream(lines);
            KTable<String, Long> table = in.flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.as("by-word"))
                .count(Named.as("counting"), Materialized.as("counted"));
            table.toStream().mapValues(String::valueOf).to(counts);
            Properties properties = new Properties();
            properties.putAll(Kit.with(
                "application.id", id,
                "state.dir", states.resolve(instance).toString(),
                "default.key.serde", Serdes.StringSerde.class.getName(),
                "default.value.serde", Serdes.StringSerde.class.getName(),
                "commit.interval.ms", 200,
                "repartition.purge.interval.ms", 200,
                "auto.offset.reset", "earliest",
                "session.timeout.ms", 6000,
                "heartbeat.interval.ms", 300));
            properties.putAll(Kit.with(settings));
            KafkaStreams streams = new KafkaStreams(builder.build(), properties);
            running.add(streams);
            streams.start();
            running(streams);
            return streams;
        }

        void say(String... said) throws Exception {
            try (Producer<String, String> producer = Kit.producer()) {
                List<Future<?>> sent = new ArrayList<>();
                for (String line : said) {
                    sent.add(producer.send(new ProducerRecord<>(lines, line, line)));
                }
                for (Future<?> each : sent) {
                    each.get(40, TimeUnit.SECONDS);
                }
            }
        }

        /** The newest count of each word, once they are as expected. */
        void counted(Map<String, Long> expected) throws Exception {
            Map<String, Long> newest = new HashMap<>();
            try (Consumer<String, String> consumer = Kit.consumer("group.id", Kit.fresh("reader"))) {
                consumer.subscribe(List.of(counts));
                Kit.until(() -> {
                    consumer.poll(Kit.SHORT).forEach(each -> newest.put(each.key(), Long.parseLong(each.value())));
                    return newest.equals(expected);
                }, "the counts are " + expected);
            }
        }
    }

    private static void running(KafkaStreams streams) throws Exception {
        Kit.until(() -> {
            if (streams.state() == KafkaStreams.State.ERROR) {
                throw new AssertionError("the application has failed");
            }
            return streams.state() == KafkaStreams.State.RUNNING;
        }, "the application runs");
    }

    private static Set<String> tasks(KafkaStreams streams) {
        return streams.metadataForLocalThreads().stream()
            .flatMap(thread -> thread.activeTasks().stream())
            .map(task -> task.taskId().toString())
            .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void wordsAreCounted() throws Exception {
        Words words = new Words(2);
        words.start("one");
        words.say("to be or not to be", "be quick");
        words.counted(Map.of("to", 2L, "be", 3L, "or", 1L, "not", 1L, "quick", 1L));
        String repartition = words.id + "-by-word-repartition";
        String changelog = words.id + "-counted-changelog";
        try (Admin admin = Kit.admin()) {
            assertTrue(Kit.get(admin.listTopics().names()).containsAll(Set.of(repartition, changelog)));
            assertEquals(2, Kit.describe(admin, repartition).partitions().size());
            assertEquals("compact", setting(admin, changelog, "cleanup.policy"));
            assertEquals("delete", setting(admin, repartition, "cleanup.policy"));
            assertEquals("-1", setting(admin, repartition, "retention.ms"));
            // What was read of a repartition topic is deleted.
            Kit.until(() -> earliest(admin, repartition, 2) == 8, "eight words are purged");
        }
    }

    private static String setting(Admin admin, String topic, String name) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<ConfigResource, Config> told = Kit.get(admin.describeConfigs(List.of(resource)).all());
        return told.get(resource).get(name).value();
    }

    private static long earliest(Admin admin, String topic, int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (int i = 0; i < partitions; i++) {
            asked.put(new TopicPartition(topic, i), OffsetSpec.earliest());
        }
        return Kit.get(admin.listOffsets(asked).all()).values().stream().mapToLong(each -> each.offset()).sum();
    }

    @Test
    @Tag("slow")
    void countsGoOnAfterARestart() throws Exception {
        Words words = new Words(2);
        KafkaStreams first = words.start("one");
        words.say("a b", "a");
        words.counted(Map.of("a", 2L, "b", 1L));
        first.close();
        words.say("a c");
        words.start("one");
        words.counted(Map.of("a", 3L, "b", 1L, "c", 1L));
    }

    @Test
    void countsComeBackFromTheChangelog() throws Exception {
        Words words = new Words(2);
        KafkaStreams first = words.start("one");
        words.say("a b", "a");
        words.counted(Map.of("a", 2L, "b", 1L));
        first.close();
        // Another machine: nothing is left of the state but the topic.
        words.start("two");
        words.say("a b");
        words.counted(Map.of("a", 3L, "b", 2L));
    }

    @Test
    @Tag("slow")
    void twoInstancesShareTheWork() throws Exception {
        Words words = new Words(4);
        KafkaStreams one = words.start("one");
        words.say("a b c d", "e f g h");
        Map<String, Long> once = Map.of("a", 1L, "b", 1L, "c", 1L, "d", 1L, "e", 1L, "f", 1L, "g", 1L, "h", 1L);
        words.counted(once);
        assertEquals(8, tasks(one).size());
        KafkaStreams two = words.start("two");
        Kit.until(() -> tasks(one).size() == 4 && tasks(two).size() == 4, "each has half of the tasks");
        words.say("a b c d e f g h");
        words.counted(Map.of("a", 2L, "b", 2L, "c", 2L, "d", 2L, "e", 2L, "f", 2L, "g", 2L, "h", 2L));
        one.close();
        Kit.until(() -> tasks(two).size() == 8, "the other has all of them");
        words.say("a b c d e f g h");
        words.counted(Map.of("a", 3L, "b", 3L, "c", 3L, "d", 3L, "e", 3L, "f", 3L, "g", 3L, "h", 3L));
    }

    @Test
    @Tag("slow")
    void aStandbyTakesOver() throws Exception {
        Words words = new Words(1);
        KafkaStreams one = words.start("one", "num.standby.replicas", 1);
        words.say("a b a");
        words.counted(Map.of("a", 2L, "b", 1L));
        KafkaStreams two = words.start("two", "num.standby.replicas", 1);
        Kit.until(() -> standbys(one) + standbys(two) == 1, "one of them has a standby");
        one.close();
        Kit.until(() -> tasks(two).size() == 2, "the other has the tasks");
        words.say("a");
        words.counted(Map.of("a", 3L, "b", 1L));
    }

    private static long standbys(KafkaStreams streams) {
        return streams.metadataForLocalThreads().stream().mapToLong(thread -> thread.standbyTasks().size()).sum();
    }

    @Test
    void aGlobalTableIsJoined() throws Exception {
        String orders = Kit.topic(2);
        String names = Kit.topic(2, "cleanup.policy", "compact");
        String named = Kit.topic(1);
        try (Producer<String, String> producer = Kit.producer()) {
            producer.send(new ProducerRecord<>(names, "1", "Ada")).get();
            producer.send(new ProducerRecord<>(names, "2", "Bob")).get();
            producer.send(new ProducerRecord<>(orders, "x", "2")).get();
            producer.send(new ProducerRecord<>(orders, "y", "1")).get();
        }
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(orders)
            .join(builder.<String, String>globalTable(names), (key, customer) -> customer, (order, name) -> name)
            .to(named);
        Properties properties = new Properties();
        properties.putAll(Kit.with(
            "application.id", Kit.fresh("joined"),
            "state.dir", states.resolve("joined").toString(),
            "default.key.serde", Serdes.StringSerde.class.getName(),
            "default.value.serde", Serdes.StringSerde.class.getName(),
            "auto.offset.reset", "earliest"));
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        running.add(streams);
        streams.start();
        try (Consumer<String, String> consumer = Kit.consumer()) {
            consumer.assign(List.of(new TopicPartition(named, 0)));
            assertEquals(Set.of("Ada", "Bob"), Set.copyOf(Kit.values(Kit.read(consumer, 2))));
        }
    }

    @Test
    void wordsAreCountedExactlyOnce() throws Exception {
        Words words = new Words(1);
        words.start("one", "processing.guarantee", "exactly_once_v2");
        words.say("a b a");
        words.counted(Map.of("a", 2L, "b", 1L));
    }

    @Test
    @Tag("slow")
    void theStreamsProtocolCountsToo() throws Exception {
        assumeTrue(Kit.release() >= 4, "older releases don't have it");
        Words words = new Words(1);
        words.start("one", "group.protocol", "streams");
        words.say("a b a");
        words.counted(Map.of("a", 2L, "b", 1L));
    }
}
