package orders;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.ApplicationContextException;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.kafka.config.KafkaListenerEndpointRegistry;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.MessageListenerContainer;

/** Listeners: groups, threads, acknowledgements, stop and start. */
@SpringBootTest(classes = App.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ListenTest {
    @Autowired
    private KafkaTemplate<String, String> template;

    @Autowired
    private KafkaAdmin admin;

    @Autowired
    private KafkaListenerEndpointRegistry registry;

    @Autowired
    private Seen seen;

    @Autowired
    private Listeners.Again again;

    @Value("${run}")
    private String run;

    private MessageListenerContainer container(String id) {
        return registry.getListenerContainer(id);
    }

    private void assigned(String id, int partitions) {
        Kit.until(id + " has its partitions", () -> {
            Collection<?> owned = container(id).getAssignedPartitions();
            return owned != null && owned.size() == partitions;
        });
    }

    private List<String> having(String listener, String word, int count) {
        List<String> found = new ArrayList<>();
        Kit.until(listener + " has " + count + " times " + word, () -> {
            found.clear();
            seen.values(listener).stream().filter(value -> value.startsWith(word)).forEach(found::add);
            return found.size() >= count;
        });
        return found;
    }

    @Test
    void twoGroupsEachReadTheTopicWithThreeThreads() throws Exception {
        for (String id : List.of("billing", "shipping")) {
            assigned(id, 6);
            ConcurrentMessageListenerContainer<?, ?> container = (ConcurrentMessageListenerContainer<?, ?>) container(id);
            assertEquals(3, container.getContainers().size());
            container.getContainers().forEach(each -> assertEquals(2, each.getAssignedPartitions().size()));
        }
        long before = Kit.committed(admin, "billing-" + run);
        Kit.send(template, "orders-" + run, "shared", 60);
        for (String id : List.of("billing", "shipping")) {
            assertEquals(60, new HashSet<>(having(id, "shared", 60)).size());
            Map<Integer, Set<String>> threads = new HashMap<>();
            Map<Integer, Long> last = new HashMap<>();
            for (Seen.Arrival each : seen.at(id)) {
                if (!each.value().startsWith("shared")) {
                    continue;
                }
                threads.computeIfAbsent(each.partition(), partition -> new HashSet<>()).add(each.thread());
                Long earlier = last.put(each.partition(), each.offset());
                assertTrue(earlier == null || earlier < each.offset(), "in order");
            }
            threads.values().forEach(each -> assertEquals(1, each.size()));
            assertEquals(3, threads.values().stream().distinct().count());
        }
        Kit.until("all is committed", () -> Kit.committed(admin, "billing-" + run) == before + 60);
    }

    @Test
    void aStoppedListenerGoesOnWhereItWas() throws Exception {
        assigned("billing", 6);
        Kit.send(template, "orders-" + run, "one", 9);
        having("billing", "one", 9);
        Kit.until("all is committed", () -> lag() == 0);
        container("billing").stop();
        assertFalse(container("billing").isRunning());
        Kit.send(template, "orders-" + run, "two", 9);
        having("shipping", "two", 9);
        container("billing").start();
        assertEquals(9, new HashSet<>(having("billing", "two", 9)).size());
        assertEquals(9, having("billing", "one", 9).size());
    }

    private long lag() throws Exception {
        long written = seen.at("shipping").stream().map(each -> each.partition() + ":" + each.offset()).distinct().count();
        return written - Kit.committed(admin, "billing-" + run);
    }

    @Test
    void whatWasNotAcknowledgedComesAgain() throws Exception {
        assigned("acknowledged", 1);
        Kit.send(template, "acknowledged-" + run, "done", 3);
        having("acknowledged", "done", 3);
        Kit.send(template, "acknowledged-" + run, "later", 2);
        having("acknowledged", "later", 2);
        container("acknowledged").stop();
        assertEquals(3, Kit.committed(admin, "acknowledged-" + run));
        container("acknowledged").start();
        having("acknowledged", "later", 4);
        assertEquals(List.of("done0", "done1", "done2", "later0", "later1", "later0", "later1"), seen.values("acknowledged"));
    }

    @Test
    void whatWasRefusedComesAgain() throws Exception {
        Kit.send(template, "refused-" + run, "yes", 1);
        Kit.send(template, "refused-" + run, "no", 2);
        having("refused", "no", 4);
        assertEquals(List.of("yes0", "no0", "no0", "no1", "no1"), seen.values("refused"));
        Kit.until("all is committed", () -> Kit.committed(admin, "refused-" + run) == 3);
    }

    @Test
    void batchesArrive() throws Exception {
        Kit.send(template, "batches-" + run, "part", 40);
        assertEquals(40, new HashSet<>(having("batches", "part", 40)).size());
        Kit.until("all is committed", () -> Kit.committed(admin, "batches-" + run) == 40);
    }

    @Test
    void aListenerGoesBackToTheBeginning() throws Exception {
        Kit.send(template, "again-" + run, "n", 4);
        having("again", "n", 4);
        again.rewind();
        assertEquals(List.of("n0", "n1", "n2", "n3", "n0", "n1", "n2", "n3"), having("again", "n", 8));
    }

    @Test
    void partitionsByNameAndAnOffsetToBeginAt() throws Exception {
        for (int i = 0; i < 4; i++) {
            Kit.get(template.send("placed-" + run, 0, "k", "left" + i));
            Kit.get(template.send("placed-" + run, 1, "k", "right" + i));
        }
        container("placed").start();
        Kit.until("all are there", () -> seen.at("placed").size() == 6);
        assertEquals(
            Set.of("left0", "left1", "left2", "left3", "right2", "right3"), Set.copyOf(seen.values("placed")));
    }

    @Test
    void aPausedListenerStaysInItsGroupAndGoesOn() throws Exception {
        assigned("shipping", 6);
        container("shipping").pause();
        Kit.until("it is paused", () -> container("shipping").isContainerPaused());
        int before = seen.at("shipping").size();
        Kit.send(template, "orders-" + run, "paused", 6);
        having("billing", "paused", 6);
        assertEquals(before, seen.at("shipping").size());
        container("shipping").resume();
        assertEquals(6, new HashSet<>(having("shipping", "paused", 6)).size());
        assertEquals(6, container("shipping").getAssignedPartitions().size());
    }

    @Test
    void aSecondInstanceTakesItsShareAndLeaves() throws Exception {
        assigned("billing", 6);
        Kit.send(template, "orders-" + run, "alone", 9);
        having("billing", "alone", 9);
        try (ConfigurableApplicationContext second = new SpringApplicationBuilder(App.class).run()) {
            Seen there = second.getBean(Seen.class);
            MessageListenerContainer other =
                second.getBean(KafkaListenerEndpointRegistry.class).getListenerContainer("billing");
            Kit.until("each has a part", () -> sizeOf(other) == 3 && sizeOf(container("billing")) == 3);
            Kit.send(template, "orders-" + run, "together", 30);
            Kit.until("the two have all", () -> count(seen, "together") + count(there, "together") == 30);
            assertTrue(count(there, "together") > 0);
            assertEquals(0, count(there, "alone"));
        }
        assigned("billing", 6);
        Kit.send(template, "orders-" + run, "left", 9);
        assertEquals(9, having("billing", "left", 9).size());
    }

    private static int sizeOf(MessageListenerContainer container) {
        Collection<?> owned = container.getAssignedPartitions();
        return owned == null ? 0 : owned.size();
    }

    private static long count(Seen seen, String word) {
        return seen.values("billing").stream().filter(value -> value.startsWith(word)).count();
    }

    @Test
    void aTopicThatComesLaterIsFound() throws Exception {
        String topic = "missing-" + run;
        assertTrue(container("missing").isRunning());
        admin.createOrModifyTopics(TopicBuilder.name(topic).partitions(1).build());
        Kit.send(template, topic, "found", 3);
        assertEquals(List.of("found0", "found1", "found2"), having("missing", "found", 3));
    }

    @Test
    void aMissingTopicIsFatalIfThatIsAskedFor() {
        SpringApplicationBuilder other = new SpringApplicationBuilder(App.class);
        ApplicationContextException refusal = assertThrows(ApplicationContextException.class, () ->
            other.run("--spring.kafka.listener.missing-topics-fatal=true", "--run=fatal" + run).close());
        assertTrue(refusal.getCause().toString().contains("not present"), refusal.getCause().toString());
    }
}
