package compat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import java.lang.reflect.Method;
import org.opentest4j.TestAbortedException;

/**
 * later.txt: scenarios of what kwire does not do yet, `Class.method  reason`. On kwire they must fail, and one that
 * passes fails the run until its line is gone; on Kafka they must pass.
 */
public final class Later implements InvocationInterceptor {
    private static final Map<String, String> REASONS = read();

    @Override
    public void interceptTestMethod(
        Invocation<Void> invocation, ReflectiveInvocationContext<Method> called, ExtensionContext context)
        throws Throwable {
        expect(invocation, called);
    }

    @Override
    public void interceptTestTemplateMethod(
        Invocation<Void> invocation, ReflectiveInvocationContext<Method> called, ExtensionContext context)
        throws Throwable {
        expect(invocation, called);
    }

    private static void expect(Invocation<Void> invocation, ReflectiveInvocationContext<Method> called)
        throws Throwable {
        String name = called.getTargetClass().getSimpleName() + "." + called.getExecutable().getName();
        String reason = REASONS.get(name);
        if (reason == null || !Broker.isKwire()) {
            invocation.proceed();
            return;
        }
        try {
            invocation.proceed();
        } catch (TestAbortedException skipped) {
            throw skipped;
        } catch (Throwable expected) {
            return;
        }
        throw new AssertionError(name + " passes: take its line out of later.txt (" + reason + ")");
    }

    private static Map<String, String> read() {
        Map<String, String> reasons = new HashMap<>();
        try {
            for (String line : Files.readAllLines(Path.of(System.getProperty("suite"), "later.txt"))) {
                String[] parts = line.split("\\s+", 2);
                if (parts.length == 2 && !line.startsWith("#")) {
                    reasons.put(parts[0], parts[1]);
                }
            }
        } catch (IOException failure) {
            throw new IllegalStateException("later.txt can't be read", failure);
        }
        return reasons;
    }
}
