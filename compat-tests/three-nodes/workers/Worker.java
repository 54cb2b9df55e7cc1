// kafka-clients at its work: see README.md for what it is told and what it says.
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Worker {
    static volatile boolean ended;

    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void consume(String name, String bootstrap, String topic) {
        var settings = Map.<String, Object>of("bootstrap.servers", bootstrap, "group.id", name,
                "auto.offset.reset", "earliest", "enable.auto.commit", "false");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override public void onPartitionsRevoked(Collection<TopicPartition> revoked) {}

                @Override public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
                    say("ready " + assigned.size());
                }
            });
            while (!ended) {
                var records = consumer.poll(Duration.ofMillis(200));
                for (var record : records) say("got " + record.partition() + " " + record.offset() + " " + record.value());
                if (!records.isEmpty()) consumer.commitAsync();
            }
            try {
                consumer.commitSync();
            } catch (KafkaException problem) {
                say("lost the commit: " + problem);
            }
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        String name = arguments[0], bootstrap = arguments[1], topic = arguments[2];
        var consuming = new Thread(() -> consume(name, bootstrap, topic));
        consuming.start();
        var settings = Map.<String, Object>of("bootstrap.servers", bootstrap, "acks", "all",
                "enable.idempotence", "true", "linger.ms", "5");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
                var orders = new Scanner(System.in)) {
            while (orders.hasNext() && orders.next().equals("send")) {
                int first = orders.nextInt(), last = orders.nextInt();
                var sent = new ArrayList<Future<RecordMetadata>>();
                for (int number = first; number < last; number++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, number % 10, null, name + " " + number)));
                }
                for (var one : sent) {
                    try {
                        one.get();
                    } catch (ExecutionException problem) {
                        say("lost a record: " + problem.getCause());
                    }
                }
                say("acked " + last);
            }
        }
        ended = true;
        consuming.join();
        say("ended");
    }
}
