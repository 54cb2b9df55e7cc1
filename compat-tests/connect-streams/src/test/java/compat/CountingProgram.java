package compat;

import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;

/**
 * A word count with exactly_once_v2, as a process of its own that can be killed. Arguments: the broker's address, the
 * application's id, its state directory, and the topics of lines, of words (each as often as it was said) and of counts.
 */
public final class CountingProgram {
    private CountingProgram() { }

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("application.id", arguments[1]);
        settings.put("state.dir", arguments[2]);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("default.key.serde", Serdes.StringSerde.class.getName());
        settings.put("default.value.serde", Serdes.StringSerde.class.getName());
        settings.put("auto.offset.reset", "earliest");
        settings.put("commit.interval.ms", 100);
        settings.put("session.timeout.ms", 6000);
        settings.put("heartbeat.interval.ms", 300);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> words =
            builder.<String, String>stream(arguments[3]).flatMapValues(line -> Arrays.asList(line.split(" ")));
        words.to(arguments[4]);
        words.groupBy((key, word) -> word, Grouped.as("by-word"))
            .count(Named.as("counting"), Materialized.as("counted"))
            .toStream()
            .mapValues(String::valueOf)
            .to(arguments[5]);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
