package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Words are counted with exactly_once_v2, while the program and the broker end and come back. */
class ExactlyOnceTest {
    private static final List<String> WORDS = List.of("to", "be", "or", "not", "that", "is", "the", "question");

    @TempDir
    private Path folder;

    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void end() {
        processes.forEach(Process::destroyForcibly);
    }

    /** An application: its topics, and what was said to it so far. */
    private final class Application {
        final String id = Kit.fresh("counting");
        final String lines = Kit.topic(2);
        final String words = Kit.topic(1);
        final String counts = Kit.topic(1);
        private final Map<String, Long> said = new TreeMap<>();
        private int spoken;

        Application() throws Exception { }

        Process start() throws Exception {
            String broker = (String) Kit.with().get("bootstrap.servers");
            Process process = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                "-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                CountingProgram.class.getName(), broker, id, folder.resolve("state").toString(), lines, words, counts)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve("program.log").toFile()))
                .start();
            processes.add(process);
            return process;
        }

        void say(int count) throws Exception {
            try (Producer<String, String> producer = Kit.producer()) {
                List<Future<?>> sent = new ArrayList<>();
                for (int i = 0; i < count; i++, spoken++) {
                    String one = WORDS.get(spoken % WORDS.size());
                    String two = WORDS.get(spoken / 3 % WORDS.size());
                    said.merge(one, 1L, Long::sum);
                    said.merge(two, 1L, Long::sum);
                    sent.add(producer.send(new ProducerRecord<>(lines, "k" + spoken, one + " " + two)));
                }
                for (Future<?> each : sent) {
                    each.get(60, TimeUnit.SECONDS);
                }
            }
        }

        /** Once so many words have come out, committed or not. */
        void isOnItsWay(int atLeast) throws Exception {
            try (Consumer<String, String> reader = assigned(words, "read_uncommitted")) {
                try {
                    Kit.read(reader, atLeast);
                } catch (AssertionError late) {
                    throw new AssertionError(late.getMessage() + "\n" + Files.readString(folder.resolve("program.log")));
                }
            }
        }

        /** Committed are each word as often as it was said, and its counts one by one up to that. */
        void everythingCountedOnce() throws Exception {
            Map<String, Long> seen = new TreeMap<>();
            Map<String, Long> counted = new TreeMap<>();
            try (Consumer<String, String> reader = assigned(words, "read_committed");
                Consumer<String, String> ofCounts = assigned(counts, "read_committed")) {
                try {
                    Kit.until(() -> {
                        reader.poll(Kit.SHORT).forEach(each -> seen.merge(each.value(), 1L, Long::sum));
                        for (ConsumerRecord<String, String> each : ofCounts.poll(Kit.SHORT)) {
                            long count = Long.parseLong(each.value());
                            long before = counted.getOrDefault(each.key(), 0L);
                            assertTrue(count > before, each.key() + " went from " + before + " to " + count);
                            counted.put(each.key(), count);
                        }
                        return seen.equals(said) && counted.equals(said);
                    }, "all is counted");
                } catch (AssertionError wrong) {
                    throw new AssertionError(wrong.getMessage() + "; said " + said + ", words " + seen + ", counts "
                        + counted + "\n" + Files.readString(folder.resolve("program.log")));
                }
                // Nothing more is committed behind.
                reader.poll(Kit.SHORT).forEach(each -> seen.merge(each.value(), 1L, Long::sum));
            }
            assertEquals(said, seen);
        }
    }

    private static Consumer<String, String> assigned(String topic, String isolation) {
        Consumer<String, String> consumer = Kit.consumer("isolation.level", isolation);
        consumer.assign(List.of(new TopicPartition(topic, 0)));
        return consumer;
    }

    @Test
    @Tag("slow")
    void wordsCountOnceThoughProgramAndBrokerAreKilled() throws Exception {
        assumeTrue(Broker.canBeOwn(), "the broker is given by address");
        try (Broker broker = Broker.own()) {
            broker.start();
            try (Kit.Ended here = Kit.on(broker)) {
                Application application = new Application();
                Process first = application.start();
                application.say(200);
                application.isOnItsWay(100);
                first.destroyForcibly().waitFor();
                application.say(100);
                Process second = application.start();
                application.isOnItsWay(450);
                application.say(200);
                broker.kill();
                broker.start();
                application.say(100);
                application.isOnItsWay(900);
                second.destroy();
                assertTrue(second.waitFor(60, TimeUnit.SECONDS), "the program stops");
                broker.stop();
                broker.start();
                application.say(50);
                application.start();
                application.everythingCountedOnce();
            }
        }
    }
}
