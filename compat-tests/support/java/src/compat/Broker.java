package compat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A broker as a child process, which ends with the JVM at the latest; and the one of a whole run, `address()`.
 *
 * <p>The environment: KWIRE_TEST_BOOTSTRAP is the address of a running one; KWIRE_TEST_SERVE is a command that starts
 * one, with {port} and {data} filled in; KWIRE_TEST_IS says `kwire` or `kafka`; KWIRE_PYTHON is the Python that has
 * kwire. `kwire run` gives KAFKA_BOOTSTRAP_SERVERS.
 */
public final class Broker implements AutoCloseable {
    private static final Pattern READY = Pattern.compile("ready: (\\S+)");
    private static final long STOP_S = 60;

    private final Path home;
    private final boolean keeps;
    private final Thread atEnd = new Thread(this::end);
    private String address = "127.0.0.1:0";
    private Process process;

    private Broker(boolean keeps) throws IOException {
        this.keeps = keeps;
        this.home = Files.createTempDirectory("kwire-compat-java-");
        Runtime.getRuntime().addShutdownHook(atEnd);
    }

    /** HOST:PORT of the broker of the whole run, of its first listener. */
    public static String address() {
        return OfRun.ADDRESS;
    }

    /** Whether later.txt holds for the brokers of this run. */
    public static boolean isKwire() {
        String told = System.getenv("KWIRE_TEST_IS");
        if (told != null) {
            return told.equals("kwire");
        }
        return System.getenv("KWIRE_TEST_BOOTSTRAP") == null && System.getenv("KWIRE_TEST_SERVE") == null;
    }

    /** Whether tests may have brokers of their own: not where one at an address was asked for. */
    public static boolean canBeOwn() {
        return System.getenv("KWIRE_TEST_BOOTSTRAP") == null;
    }

    /** One of a test's own, not started, with a directory that outlives `stop` and goes with `close`. */
    public static Broker own() throws IOException {
        return new Broker(true);
    }

    public String bootstrap() {
        return address;
    }

    /** Starts it; again on the same port with the same directory. */
    public void start() throws IOException {
        process = new ProcessBuilder(command())
            .redirectError(ProcessBuilder.Redirect.appendTo(log().toFile()))
            .start();
        BufferedReader said =
            new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        for (String line = said.readLine(); line != null; line = said.readLine()) {
            Matcher ready = READY.matcher(line);
            if (ready.find()) {
                address = ready.group(1).split(",")[0];
                return;
            }
        }
        throw new IllegalStateException("the broker ended while starting:\n" + Files.readString(log()));
    }

    /** An orderly stop; when it returns, nobody listens. */
    public void stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(STOP_S, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IllegalStateException("the broker did not stop within " + STOP_S + " s");
        }
    }

    /** The end that no process can prepare for: SIGKILL, to what it has started too. */
    public void kill() throws InterruptedException {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() {
        Runtime.getRuntime().removeShutdownHook(atEnd);
        if (!end()) {
            throw new AssertionError("a fault in the broker's log, which is above");
        }
    }

    /** False where its log has a fault. */
    private boolean end() {
        try {
            if (process != null && process.isAlive()) {
                stop();
            }
            String logged = Files.exists(log()) ? Files.readString(log()) : "";
            if (!logged.contains("Traceback")) {
                return true;
            }
            System.err.println("a fault in the broker's log:\n" + logged);
        } catch (InterruptedException | IOException failure) {
            process.destroyForcibly();
        } finally {
            remove(home.toFile());
        }
        return false;
    }

    private Path log() {
        return home.resolve("broker.log");
    }

    private List<String> command() {
        String port = address.substring(address.lastIndexOf(':') + 1);
        String data = home.resolve("data").toString();
        List<String> words = new ArrayList<>();
        String serve = System.getenv("KWIRE_TEST_SERVE");
        if (serve == null) {
            String python = System.getenv().getOrDefault("KWIRE_PYTHON", "python3");
            words.addAll(List.of(python, "-m", "kwire", "serve", "--host", "127.0.0.1", "--port", port));
            words.addAll(keeps ? List.of("--data", data) : List.of("--memory"));
            return words;
        }
        for (String word : serve.trim().split("\\s+")) {
            words.add(word.replace("{port}", port).replace("{data}", data));
        }
        return words;
    }

    private static void remove(File file) {
        File[] inside = file.listFiles();
        if (inside != null) {
            for (File each : inside) {
                remove(each);
            }
        }
        file.delete();
    }

    /** Started when it is first asked for. */
    private static final class OfRun {
        static final String ADDRESS = find();

        static String find() {
            for (String name : List.of("KWIRE_TEST_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS")) {
                if (System.getenv(name) != null) {
                    return System.getenv(name);
                }
            }
            try {
                Broker broker = new Broker(false);
                Runtime.getRuntime().removeShutdownHook(broker.atEnd);
                broker.start();
                Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                    if (!broker.end()) {
                        Runtime.getRuntime().halt(3);
                    }
                }));
                return broker.bootstrap();
            } catch (IOException failure) {
                throw new IllegalStateException("the broker can't be started", failure);
            }
        }
    }
}
