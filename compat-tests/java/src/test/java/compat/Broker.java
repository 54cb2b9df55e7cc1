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
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The broker of a whole run: the one at KWIRE_TEST_BOOTSTRAP, or a child process that ends with the JVM. */
final class Broker {
    private static final Pattern READY = Pattern.compile("ready: (\\S+)");
    private static final String ADDRESS = start();

    private Broker() { }

    /** HOST:PORT, of the first listener. */
    static String address() {
        return ADDRESS;
    }

    static boolean isKwire() {
        String told = System.getenv("KWIRE_TEST_IS");
        if (told != null) {
            return told.equals("kwire");
        }
        return System.getenv("KWIRE_TEST_BOOTSTRAP") == null && System.getenv("KWIRE_TEST_SERVE") == null;
    }

    private static String start() {
        String given = System.getenv("KWIRE_TEST_BOOTSTRAP");
        try {
            return given != null ? given : serve();
        } catch (IOException failure) {
            throw new IllegalStateException("the broker can't be started", failure);
        }
    }

    private static String serve() throws IOException {
        Path home = Files.createTempDirectory("kwire-compat-java-");
        Path log = home.resolve("broker.log");
        Process process = new ProcessBuilder(command(home.resolve("data")))
            .redirectError(log.toFile())
            .start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            process.destroy();
            try {
                process.waitFor();
                String logged = Files.readString(log);
                if (logged.contains("Traceback")) {
                    System.err.println("a fault in the broker's log:\n" + logged);
                    Runtime.getRuntime().halt(3);
                }
            } catch (InterruptedException | IOException failure) {
                process.destroyForcibly();
            }
            remove(home.toFile());
        }));
        BufferedReader said =
            new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        for (String line = said.readLine(); line != null; line = said.readLine()) {
            Matcher ready = READY.matcher(line);
            if (ready.find()) {
                return ready.group(1).split(",")[0];
            }
        }
        throw new IllegalStateException("the broker ended while starting:\n" + Files.readString(log));
    }

    private static List<String> command(Path data) {
        String serve = System.getenv("KWIRE_TEST_SERVE");
        if (serve == null) {
            String python = System.getenv().getOrDefault("KWIRE_PYTHON", "python3");
            return List.of(python, "-m", "kwire", "serve", "--host", "127.0.0.1", "--port", "0", "--memory");
        }
        List<String> words = new ArrayList<>();
        for (String word : serve.trim().split("\\s+")) {
            words.add(word.replace("{port}", "0").replace("{data}", data.toString()));
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
}
