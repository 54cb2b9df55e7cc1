import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Scanner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after the other in one JVM, so that each costs no start of its own.
 *
 * A line of standard input is a call: seconds it may take, class, standard input and arguments, the last two in
 * Base64, separated by spaces ("-" stands for nothing). A line of standard output is its result: exit status,
 * standard output and standard error in Base64; the status of a tool that took too long is "hung".
 */
public final class Tools {
    private static final Switch OUT = new Switch();
    private static final Switch ERR = new Switch();

    /** Where System.out and System.err go: Scala's console keeps the stream that it finds first for good. */
    private static final class Switch extends OutputStream {
        private ByteArrayOutputStream to = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int octet) {
            to.write(octet);
        }

        @Override
        public synchronized void write(byte[] octets, int from, int length) {
            to.write(octets, from, length);
        }

        synchronized byte[] take() {
            byte[] taken = to.toByteArray();
            to = new ByteArrayOutputStream();
            return taken;
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        Scanner calls = new Scanner(System.in, StandardCharsets.UTF_8);
        System.setOut(new PrintStream(OUT, true));
        System.setErr(new PrintStream(ERR, true));
        while (calls.hasNextLine()) {
            String[] words = calls.nextLine().split(" ");
            String status = run(Integer.parseInt(words[0]), words[1], words);
            System.out.flush();
            System.err.flush();
            answers.println(status + " " + encoded(OUT.take()) + " " + encoded(ERR.take()));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static String run(int seconds, String name, String[] words) throws Exception {
        System.setIn(new ByteArrayInputStream(decoded(words[2])));
        String[] arguments = new String[words.length - 3];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = new String(decoded(words[i + 3]), StandardCharsets.UTF_8);
        }
        CompletableFuture<String> ended = new CompletableFuture<>();
        // A tool that exits goes no further, and must not see an exception: its thread rests here.
        Exit.Procedure exit = (status, message) -> {
            ended.complete(Integer.toString(status));
            while (true) {
                try {
                    Thread.sleep(Long.MAX_VALUE);
                } catch (InterruptedException again) {
                    // Only the end of the JVM ends it.
                }
            }
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        // Tools start threads that end with the JVM; their hooks would wait for a close that has been.
        Exit.setShutdownHookAdder((hook, task) -> { });
        Thread tool = new Thread(() -> {
            try {
                Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
                ended.complete("0");
            } catch (InvocationTargetException failure) {
                failure.getCause().printStackTrace();
                ended.complete("1");
            } catch (ReflectiveOperationException failure) {
                failure.printStackTrace();
                ended.complete("no tool");
            }
        });
        tool.setDaemon(true);
        tool.start();
        try {
            return ended.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            return "hung";
        }
    }

    private static String encoded(byte[] octets) {
        return octets.length == 0 ? "-" : Base64.getEncoder().encodeToString(octets);
    }

    private static byte[] decoded(String word) {
        return word.equals("-") ? new byte[0] : Base64.getDecoder().decode(word);
    }
}
