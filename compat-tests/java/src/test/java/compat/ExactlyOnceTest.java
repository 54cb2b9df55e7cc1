package compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Programs that read, transform and write, with the offsets of what they read in the transaction of what they write. */
class ExactlyOnceTest {
    private static final int PARTITIONS = 2;

    /** What stays when a program goes: its topics, its group and the id of its transactions. */
    private static final class Job {
        final String group = Kit.fresh("job");
        final String id = Kit.fresh("id");
        final String from = Kit.topic(PARTITIONS);
        final String to = Kit.topic(PARTITIONS);
        final List<String> expected;

        /** `each`: how many records each partition of the input has. */
        Job(int each) throws Exception {
            for (int partition = 0; partition < PARTITIONS; partition++) {
                Kit.fill(from, partition, each);
            }
            expected = IntStream.range(0, PARTITIONS)
                .boxed()
                .flatMap(partition -> IntStream.range(0, each).mapToObj(value -> partition + ":" + value + "!"))
                .sorted()
                .collect(Collectors.toList());
        }

        /** All that a reader of committed records finds, sorted. */
        List<String> written(String isolation) throws Exception {
            List<String> values = new ArrayList<>();
            try (Consumer<String, String> reader = Kit.consumer("isolation.level", isolation)) {
                List<TopicPartition> all = partitions(to);
                reader.assign(all);
                Map<TopicPartition, Long> ends = reader.endOffsets(all);
                Kit.until(() -> {
                    reader.poll(Kit.SHORT).forEach(record -> values.add(record.value()));
                    return all.stream().allMatch(each -> reader.position(each) >= ends.get(each));
                }, "everything is read");
            }
            values.sort(null);
            return values;
        }

        private Map<TopicPartition, Long> ends(String isolation) {
            try (Consumer<String, String> reader = Kit.consumer("isolation.level", isolation)) {
                return reader.endOffsets(partitions(to));
            }
        }

        Map<TopicPartition, Long> committed() {
            try (Consumer<String, String> reader = Kit.consumer("group.id", group)) {
                Map<TopicPartition, Long> offsets = new HashMap<>();
                reader.committed(Set.copyOf(partitions(from))).forEach((partition, offset) -> {
                    if (offset != null) {
                        offsets.put(partition, offset.offset());
                    }
                });
                return offsets;
            }
        }

        /** Every input has its output once, and the group's offsets are at the input's end. */
        void isDone() throws Exception {
            Kit.until(() -> ends("read_committed").equals(ends("read_uncommitted")), "no transaction is open");
            assertEquals(expected, written("read_committed"));
            Map<TopicPartition, Long> ends = new HashMap<>();
            partitions(from).forEach(partition -> ends.put(partition, (long) expected.size() / PARTITIONS));
            assertEquals(ends, committed());
        }
    }

    /** A program's own reason to abort. */
    private static final class OnPurpose extends RuntimeException { }

    /** What happens to a running program between the steps of its transactions. */
    private interface Fate {
        void at(String step, int transaction) throws Exception;
    }

    /** A running program: one member of the group, one producer. */
    private static final class Program implements AutoCloseable {
        private final Job job;
        private final Producer<String, String> producer;
        private final Consumer<String, String> consumer;
        private int transactions;
        private int aborted;

        Program(Job job, String id) {
            this.job = job;
            producer = Kit.producer("transactional.id", id, "max.block.ms", 60000, "delivery.timeout.ms", 60000,
                "request.timeout.ms", 20000, "linger.ms", 0);
            consumer = Kit.consumer("group.id", job.group, "isolation.level", "read_committed",
                "max.poll.records", 10, "heartbeat.interval.ms", 300);
            producer.initTransactions();
            consumer.subscribe(List.of(job.from));
        }

        /** Transactions until all inputs are committed. */
        void run(Fate fate) throws Exception {
            Map<TopicPartition, Long> done = new TreeMap<>((a, b) -> Integer.compare(a.partition(), b.partition()));
            Kit.until(() -> {
                List<ConsumerRecord<String, String>> records = new ArrayList<>();
                consumer.poll(Kit.SHORT).forEach(records::add);
                if (!records.isEmpty()) {
                    transact(records, fate, done);
                }
                return done.values().stream().mapToLong(Long::longValue).sum() >= job.expected.size();
            }, "all is copied");
        }

        private void transact(
            List<ConsumerRecord<String, String>> records, Fate fate, Map<TopicPartition, Long> done) throws Exception {
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            transactions += 1;
            producer.beginTransaction();
            try {
                fate.at("begun", transactions);
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(output(job, record));
                    offsets.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
                }
                producer.flush();
                fate.at("written", transactions);
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                fate.at("offsets", transactions);
                producer.commitTransaction();
                offsets.forEach((partition, offset) -> done.put(partition, offset.offset()));
            } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
                throw fenced;
            } catch (KafkaException | OnPurpose failed) {
                aborted += 1;
                producer.abortTransaction();
                back();
            }
        }

        /** To where the group has committed. */
        private void back() {
            consumer.committed(consumer.assignment()).forEach((partition, offset) -> {
                if (offset == null) {
                    consumer.seekToBeginning(List.of(partition));
                } else {
                    consumer.seek(partition, offset.offset());
                }
            });
        }

        @Override
        public void close() {
            consumer.close();
            producer.close();
        }
    }

    private static List<TopicPartition> partitions(String topic) {
        return IntStream.range(0, PARTITIONS).mapToObj(each -> new TopicPartition(topic, each)).toList();
    }

    private static ProducerRecord<String, String> output(Job job, ConsumerRecord<String, String> input) {
        return new ProducerRecord<>(job.to, input.key(), input.partition() + ":" + input.value() + "!");
    }

    @Test
    void everyOutputIsThereOnceThoughTransactionsAreAborted() throws Exception {
        Job job = new Job(50);
        try (Program program = new Program(job, job.id)) {
            program.run((step, transaction) -> {
                if (transaction % 3 == 0 && step.equals("written") || transaction % 4 == 0 && step.equals("offsets")) {
                    throw new OnPurpose();
                }
            });
            assertTrue(program.aborted > 0);
        }
        job.isDone();
        assertTrue(job.written("read_uncommitted").size() > job.expected.size());
    }

    @Test
    void aZombieOfTheSameIdIsFencedInTheMiddle() throws Exception {
        Job job = new Job(30);
        try (Program zombie = new Program(job, job.id)) {
            List<ConsumerRecord<String, String>> taken = Kit.read(zombie.consumer, 5);
            zombie.producer.beginTransaction();
            for (ConsumerRecord<String, String> each : taken) {
                zombie.producer.send(output(job, each)).get();
            }
            zombie.producer.sendOffsetsToTransaction(next(taken), zombie.consumer.groupMetadata());
            zombie.consumer.close();
            assertEquals(List.of(), job.written("read_committed"));
            try (Program heir = new Program(job, job.id)) {
                heir.run((step, transaction) -> { });
            }
            assertThrows(KafkaException.class, zombie.producer::commitTransaction);
        }
        job.isDone();
    }

    @Test
    void aMemberThatLostItsPartitionsCantCommitTheirOffsets() throws Exception {
        Job job = new Job(30);
        try (Program zombie = new Program(job, Kit.fresh("id"))) {
            List<ConsumerRecord<String, String>> taken = Kit.read(zombie.consumer, 5);
            ConsumerGroupMetadata member = zombie.consumer.groupMetadata();
            zombie.consumer.close();
            zombie.producer.beginTransaction();
            for (ConsumerRecord<String, String> each : taken) {
                zombie.producer.send(output(job, each));
            }
            // An id of its own: it isn't the producer that is fenced, but the member.
            try (Program heir = new Program(job, job.id)) {
                heir.run((step, transaction) -> { });
                assertThrows(
                    KafkaException.class,
                    () -> zombie.producer.sendOffsetsToTransaction(next(taken), member));
                zombie.producer.abortTransaction();
            }
        }
        job.isDone();
    }

    @Test
    @Tag("slow")
    void theBrokerRestartsInTheMiddle() throws Exception {
        assumeTrue(Broker.canBeOwn(), "the broker is given by address");
        try (Broker broker = Broker.own()) {
            broker.start();
            try (Kit.Ended here = Kit.on(broker)) {
                Job job = new Job(60);
                try (Program program = new Program(job, job.id)) {
                    program.run((step, transaction) -> {
                        if (transaction == 2 && step.equals("begun")
                            || transaction == 3 && step.equals("written")
                            || transaction == 4 && step.equals("offsets")) {
                            broker.stop();
                            broker.start();
                        }
                    });
                }
                job.isDone();
            }
        }
    }

    @Test
    @Tag("slow")
    void theBrokerIsKilledInTheMiddle() throws Exception {
        assumeTrue(Broker.canBeOwn(), "the broker is given by address");
        try (Broker broker = Broker.own()) {
            broker.start();
            try (Kit.Ended here = Kit.on(broker)) {
                Job job = new Job(60);
                List<CompletableFuture<Void>> meanwhile = new ArrayList<>();
                try (Program program = new Program(job, job.id)) {
                    program.run((step, transaction) -> {
                        if (transaction == 2 && step.equals("written") || transaction == 3 && step.equals("offsets")) {
                            broker.kill();
                            broker.start();
                        } else if (transaction == 5 && step.equals("offsets")) {
                            // While the commit is on its way.
                            meanwhile.add(CompletableFuture.runAsync(() -> restart(broker)));
                        }
                    });
                }
                for (CompletableFuture<Void> each : meanwhile) {
                    each.get(60, TimeUnit.SECONDS);
                }
                assertEquals(1, meanwhile.size());
                job.isDone();
            }
        }
    }

    private static void restart(Broker broker) {
        try {
            broker.kill();
            broker.start();
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> next(List<ConsumerRecord<String, String>> records) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        records.forEach(record -> offsets.put(
            new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1)));
        return offsets;
    }
}
