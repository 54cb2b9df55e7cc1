import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Map;
import java.util.Queue;
import java.util.Scanner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * Runs Kafka's command-line tools one after the other in one JVM, so that each costs no start of its own.
 *
 * A line of standard input is a call: seconds it may take, class, standard input and arguments, the last two in
 * Base64, separated by spaces ("-" stands for nothing); a class with "!" before it is loaded anew. A line of standard output is its result: exit status,
 * standard output and standard error in Base64; the status of a tool that took too long is "hung".
 */
public final class Tools {
    private static final long HOOK_MS = 5000;
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
        boolean anew = name.startsWith("!");
        ClassLoader loader = anew
            ? new URLClassLoader(jars(), ClassLoader.getPlatformClassLoader())
            : Tools.class.getClassLoader();
        Queue<Runnable> hooks = new ConcurrentLinkedQueue<>();
        catchExits(loader, ended, hooks);
        Thread tool = new Thread(() -> {
            try {
                Class<?> main = Class.forName(anew ? name.substring(1) : name, true, loader);
                main.getMethod("main", String[].class).invoke(null, (Object) arguments);
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
        tool.setContextClassLoader(loader);
        tool.start();
        try {
            return ended.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            return "hung";
        } finally {
            // Some tools send or print their last in a hook. One that waits for the parked thread is left behind.
            for (Thread hook : hooksOfTheMachine()) {
                Runtime.getRuntime().removeShutdownHook(hook);
                hooks.add(hook::run);
            }
            for (Runnable hook : hooks) {
                Thread last = new Thread(hook);
                last.setDaemon(true);
                last.start();
                last.join(HOOK_MS);
            }
        }
    }

    /** Some tools go past Kafka's Exit; the JVM must be started with java.lang open. */
    private static Collection<Thread> hooksOfTheMachine() throws ReflectiveOperationException {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        hooks.setAccessible(true);
        Collection<Thread> found = new ArrayList<>();
        for (Object hook : ((Map<?, ?>) hooks.get(null)).keySet()) {
            found.add((Thread) hook);
        }
        return found;
    }

    /** A tool that exits goes no further, and must not see an exception: its thread rests for good. */
    private static void catchExits(ClassLoader loader, CompletableFuture<String> ended, Queue<Runnable> hooks)
        throws Exception {
        Class<?> exit = Class.forName("org.apache.kafka.common.utils.Exit", true, loader);
        for (String kind : new String[] {"Exit", "Halt"}) {
            set(loader, exit, "Procedure", "set" + kind + "Procedure", arguments -> {
                ended.complete(arguments[0].toString());
                while (true) {
                    try {
                        Thread.sleep(Long.MAX_VALUE);
                    } catch (InterruptedException again) {
                        // Only the end of the JVM ends it.
                    }
                }
            });
        }
        set(loader, exit, "ShutdownHookAdder", "setShutdownHookAdder", arguments -> hooks.add((Runnable) arguments[1]));
    }

    private static void set(
        ClassLoader loader, Class<?> exit, String type, String setter, Consumer<Object[]> does) throws Exception {
        Class<?> wanted = Class.forName(exit.getName() + "$" + type, true, loader);
        Object made = Proxy.newProxyInstance(loader, new Class<?>[] {wanted}, (proxy, method, arguments) -> {
            does.accept(arguments);
            return null;
        });
        exit.getMethod(setter, wanted).invoke(null, made);
    }

    private static URL[] jars() throws Exception {
        String[] paths = System.getProperty("java.class.path").split(File.pathSeparator);
        URL[] jars = new URL[paths.length];
        for (int i = 0; i < paths.length; i++) {
            jars[i] = new File(paths[i]).toURI().toURL();
        }
        return jars;
    }

    private static String encoded(byte[] octets) {
        return octets.length == 0 ? "-" : Base64.getEncoder().encodeToString(octets);
    }

    private static byte[] decoded(String word) {
        return word.equals("-") ? new byte[0] : Base64.getDecoder().decode(word);
    }
}
