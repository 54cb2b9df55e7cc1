package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import compat.Broker;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.support.SendResult;

/** The broker stops under the program and comes back. */
@Tag("slow")
class RestartTest {
    private static final long OUTAGE_MS = 1500;

    @Test
    void listenersGoOnWhenTheBrokerIsBack() throws Exception {
        assumeTrue(Broker.canBeOwn(), "the broker is given by address");
        try (Broker broker = Broker.own()) {
            broker.start();
            SpringApplicationBuilder program = new SpringApplicationBuilder(App.class);
            // A command-line argument: it goes before the environment's.
            try (ConfigurableApplicationContext context =
                program.run("--spring.kafka.bootstrap-servers=" + broker.bootstrap(), "--run=restart")) {
                @SuppressWarnings("unchecked")
                KafkaTemplate<String, String> template = context.getBean(KafkaTemplate.class);
                KafkaAdmin admin = context.getBean(KafkaAdmin.class);
                Seen seen = context.getBean(Seen.class);
                Kit.send(template, "orders-restart", "before", 30);
                Kit.until("all were read", () -> seen.at("billing").size() >= 30 && seen.at("shipping").size() >= 30);
                Kit.until("all is committed", () -> Kit.committed(admin, "billing-restart") == 30);

                broker.stop();
                // Without any broker a client forgets what it knew of topics, so that send() itself waits.
                CompletableFuture<List<SendResult<String, String>>> meanwhile = CompletableFuture.supplyAsync(() -> {
                    try {
                        return Kit.send(template, "orders-restart", "meanwhile", 10);
                    } catch (Exception failure) {
                        throw new CompletionException(failure);
                    }
                });
                Thread.sleep(OUTAGE_MS);
                broker.start();

                assertEquals(10, Kit.get(meanwhile).size());
                Kit.send(template, "orders-restart", "after", 30);
                for (String listener : List.of("billing", "shipping")) {
                    Kit.until(listener + " has all", () -> new HashSet<>(seen.values(listener)).size() == 70);
                    // A record can come twice only if its acknowledgement was on its way when the broker stopped.
                    assertEquals(70, seen.at(listener).size());
                }
                Kit.until("all is committed", () -> Kit.committed(admin, "billing-restart") == 70);
                Set<Long> places = new HashSet<>();
                seen.at("billing").forEach(each -> places.add(each.partition() * 1000 + each.offset()));
                assertEquals(70, places.size());
                assertTrue(context.isActive());
            }
        }
    }
}
