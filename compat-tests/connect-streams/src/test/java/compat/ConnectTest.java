package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kafka Connect's workers, each a JVM of its own, carry lines from a file into a topic and out into another file. */
class ConnectTest {
    private static final String SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    private static final String SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector";

    @TempDir
    private Path folder;

    private final List<Worker> workers = new ArrayList<>();
    private final String topic = Kit.fresh("lines");

    @AfterEach
    void end() {
        workers.forEach(each -> each.process.destroyForcibly());
    }

    /** A worker's process. `kind` is standalone or distributed; `files` are the command's arguments. */
    private final class Worker {
        final int port;
        private final Process process;
        private final Path log;

        Worker(String kind, Map<String, Object> settings, Path... connectors) throws IOException {
            port = freePort();
            log = folder.resolve("worker-" + workers.size() + ".log");
            Map<String, Object> all = Kit.with(
                "key.converter", "org.apache.kafka.connect.storage.StringConverter",
                "value.converter", "org.apache.kafka.connect.storage.StringConverter",
                "offset.flush.interval.ms", 300,
                "listeners", "http://127.0.0.1:" + port,
                "plugin.discovery", "service_load");
            all.putAll(settings);
            List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                "org.apache.kafka.connect.cli.Connect" + kind,
                written("worker-" + workers.size() + ".properties", all).toString()));
            for (Path each : connectors) {
                command.add(each.toString());
            }
            process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
            Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
            workers.add(this);
        }

        /** In good order: what was read and written is flushed and committed. */
        void stop() throws Exception {
            process.destroy();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS), "the worker stops");
        }

        String said() throws IOException {
            return Files.readString(log);
        }

        /** The answer to a REST request, "" while there is none. */
        String ask(String method, String path, String body) throws Exception {
            if (!process.isAlive()) {
                throw new AssertionError("the worker has ended:\n" + said());
            }
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .header("Content-Type", "application/json")
                .timeout(Duration.ofSeconds(5))
                .method(method, HttpRequest.BodyPublishers.ofString(body))
                .build();
            try {
                HttpResponse<String> answer =
                    HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
                return answer.statusCode() < 300 ? answer.body() : "";
            } catch (IOException notYet) {
                return "";
            }
        }

        void make(String name, Map<String, Object> settings) throws Exception {
            String body = settings.entrySet().stream()
                .map(each -> "\"" + each.getKey() + "\":\"" + each.getValue() + "\"")
                .collect(Collectors.joining(",", "{", "}"));
            Kit.until(() -> !ask("PUT", "/connectors/" + name + "/config", body).isEmpty(), name + " is made");
        }

        /** The workers that a connector's tasks run on. */
        Set<String> whereTasksRun(String name) throws Exception {
            Set<String> found = new TreeSet<>();
            Matcher task = Pattern.compile("\"id\":\\d+,\"state\":\"RUNNING\",\"worker_id\":\"([^\"]+)\"")
                .matcher(ask("GET", "/connectors/" + name + "/status", ""));
            while (task.find()) {
                found.add(task.group(1));
            }
            return found;
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private Path written(String name, Map<String, Object> settings) throws IOException {
        Path file = folder.resolve(name);
        Files.write(file, settings.entrySet().stream().map(each -> each.getKey() + "=" + each.getValue()).toList());
        return file;
    }

    private Map<String, Object> source() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("name", "in-" + topic);
        settings.put("connector.class", SOURCE);
        settings.put("file", folder.resolve("in.txt"));
        settings.put("topic", topic);
        settings.put("topic.creation.default.partitions", 1);
        settings.put("topic.creation.default.replication.factor", 1);
        return settings;
    }

    private Map<String, Object> sink() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("name", "out-" + topic);
        settings.put("connector.class", SINK);
        settings.put("file", folder.resolve("out.txt"));
        settings.put("topics", topic);
        settings.put("consumer.override.auto.offset.reset", "earliest");
        return settings;
    }

    private static Map<String, Object> of(Object... settings) {
        Map<String, Object> all = new LinkedHashMap<>();
        for (int i = 0; i < settings.length; i += 2) {
            all.put((String) settings[i], settings[i + 1]);
        }
        return all;
    }

    private Map<String, Object> distributed(String group, Object... more) {
        Map<String, Object> settings = of(
            "group.id", group,
            "config.storage.topic", group + "-configs",
            "offset.storage.topic", group + "-offsets",
            "status.storage.topic", group + "-status",
            "config.storage.replication.factor", 1,
            "offset.storage.replication.factor", 1,
            "offset.storage.partitions", 2,
            "status.storage.replication.factor", 1,
            "status.storage.partitions", 1,
            "scheduled.rebalance.max.delay.ms", 0,
            "heartbeat.interval.ms", 300);
        settings.putAll(of(more));
        return settings;
    }

    private void say(String... lines) throws IOException {
        Path in = folder.resolve("in.txt");
        Files.write(in, List.of(lines), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private void comesOut(String... lines) throws Exception {
        Path out = folder.resolve("out.txt");
        List<String> last = new ArrayList<>();
        try {
            Kit.until(() -> {
                last.clear();
                last.addAll(Files.exists(out) ? Files.readAllLines(out) : List.of());
                return last.size() >= lines.length;
            }, lines.length + " lines come out");
        } catch (AssertionError late) {
            throw new AssertionError(late.getMessage() + "; the worker said:\n" + workers.get(workers.size() - 1).said());
        }
        assertEquals(List.of(lines), last);
    }

    @Test
    void aStandaloneWorkerCarriesLinesAndGoesOnAfterARestart() throws Exception {
        Map<String, Object> settings = of("offset.storage.file.filename", folder.resolve("offsets"));
        Path in = written("in.properties", source());
        Path out = written("out.properties", sink());
        say("one", "two");
        Worker first = new Worker("Standalone", settings, in, out);
        comesOut("one", "two");
        say("three");
        comesOut("one", "two", "three");
        first.stop();
        say("four");
        new Worker("Standalone", settings, in, out);
        comesOut("one", "two", "three", "four");
    }

    @Test
    void aDistributedWorkerKeepsEverythingInTopics() throws Exception {
        String group = Kit.fresh("connect");
        say("one", "two");
        Worker first = new Worker("Distributed", distributed(group));
        first.make("in-" + topic, source());
        first.make("out-" + topic, sink());
        comesOut("one", "two");
        try (Admin admin = Kit.admin()) {
            for (String end : List.of("-configs", "-offsets", "-status")) {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, group + end);
                Config config = Kit.get(admin.describeConfigs(List.of(resource)).all()).get(resource);
                assertEquals("compact", config.get("cleanup.policy").value());
            }
            assertEquals(2, Kit.describe(admin, group + "-offsets").partitions().size());
            assertEquals(1, Kit.describe(admin, group + "-configs").partitions().size());
            assertTrue(Kit.get(admin.listConsumerGroups().all()).stream()
                .anyMatch(each -> each.groupId().equals("connect-out-" + topic)));
        }
        first.stop();
        say("three");
        Worker second = new Worker("Distributed", distributed(group));
        comesOut("one", "two", "three");
        Kit.until(
            () -> second.whereTasksRun("in-" + topic).equals(Set.of("127.0.0.1:" + second.port)), "it has the task");
    }

    @Test
    @Tag("slow")
    void twoWorkersShareTheConnectors() throws Exception {
        String group = Kit.fresh("connect");
        say("one");
        Worker first = new Worker("Distributed", distributed(group));
        first.make("in-" + topic, source());
        first.make("out-" + topic, sink());
        comesOut("one");
        Worker second = new Worker("Distributed", distributed(group));
        Set<String> both = Set.of("127.0.0.1:" + first.port, "127.0.0.1:" + second.port);
        Kit.until(() -> {
            Set<String> used = new TreeSet<>(first.whereTasksRun("in-" + topic));
            used.addAll(first.whereTasksRun("out-" + topic));
            return used.equals(both);
        }, "each worker has a task");
        say("two");
        comesOut("one", "two");
        first.stop();
        Kit.until(() -> second.whereTasksRun("in-" + topic).equals(Set.of("127.0.0.1:" + second.port))
            && second.whereTasksRun("out-" + topic).equals(Set.of("127.0.0.1:" + second.port)), "the other has both");
        say("three");
        comesOut("one", "two", "three");
    }

    @Test
    @Tag("slow")
    void topicsThatAreNotCompactedAreRefused() throws Exception {
        String group = Kit.fresh("connect");
        Kit.topic(group + "-offsets", 1, "cleanup.policy", "delete");
        Worker worker = new Worker("Distributed", distributed(group));
        Kit.until(
            () -> worker.said().contains("is required to have 'cleanup.policy=compact'"), "the worker refuses its topic");
    }

    @Test
    @Tag("slow")
    void aSourceWritesExactlyOnce() throws Exception {
        String group = Kit.fresh("connect");
        say("one", "two");
        Worker worker = new Worker("Distributed", distributed(group, "exactly.once.source.support", "enabled"));
        Kit.until(() -> {
            if (worker.said().contains("TransactionalIdAuthorizationException")) {
                throw new AssertionError("the worker can't have its transactional id");
            }
            return !worker.ask("GET", "/connectors", "").isEmpty();
        }, "the worker is ready");
        worker.make("in-" + topic, source());
        worker.make("out-" + topic, sink());
        comesOut("one", "two");
    }
}
