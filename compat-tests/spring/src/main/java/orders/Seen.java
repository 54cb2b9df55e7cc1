package orders;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.stereotype.Component;

/** What each listener was given, in the order of arrival. */
@Component
public class Seen {
    /** A record, and the thread that had it. */
    public record Arrival(String value, int partition, long offset, String thread, ConsumerRecord<String, String> record) { }

    private final Map<String, List<Arrival>> arrivals = new ConcurrentHashMap<>();

    void add(String listener, ConsumerRecord<String, String> record) {
        at(listener).add(new Arrival(
            record.value(), record.partition(), record.offset(), Thread.currentThread().getName(), record));
    }

    public List<Arrival> at(String listener) {
        return arrivals.computeIfAbsent(listener, name -> new CopyOnWriteArrayList<>());
    }

    public List<String> values(String listener) {
        List<String> values = new ArrayList<>();
        at(listener).forEach(each -> values.add(each.value()));
        return values;
    }
}
