/* rdkafka loads a broker with librdkafka: `rdkafka produce|consume --bootstrap HOST:PORT --topic T ...`.
 *
 * The last line of its output is one JSON object; complaints go to standard error, with exit status 1 on any
 * failure or wrong count. Its settings are in README.md one level up. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "rdkafka.h"

#define POOL (4 << 20)
#define PATIENCE_S 30.0
#define MAX_CONSUMERS 256

static struct {
    const char *bootstrap, *topic, *compression, *batch_bytes, *linger_ms;
    long records, size, consumers, pid;
} options = {.compression = "none", .size = 100, .consumers = 1};

static long acknowledged, failed;
static char failure[512];

static void fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("rdkafka: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* CPU seconds of all threads of the broker, by the clock that clock_getcpuclockid(3) names. */
static double broker_s(void) {
    struct timespec used = {0};
    if (options.pid && clock_gettime((clockid_t)(~(unsigned)options.pid << 3 | 2), &used))
        fail("the CPU time of process %ld: %s", options.pid, strerror(errno));
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* The clocks, or what they have moved since `before`. */
struct clocks {
    double wall, mine, brokers;
};

static struct clocks clocks_since(struct clocks before) {
    struct clocks now = {now_s() - before.wall, cpu_s() - before.mine, broker_s() - before.brokers};
    return now;
}

/* The same values as those of every other client here: half random letters, half always the same. */
static char **make_payloads(long size, long *count) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const char filler[] = "kwire-benchmark:";
    uint64_t state = 0x9E3779B97F4A7C15u;
    *count = POOL / size;
    *count = *count < 64 ? 64 : *count > 16384 ? 16384 : *count;
    char **made = malloc((size_t)*count * sizeof *made);
    for (long n = 0; made && n < *count; n++) {
        if (!(made[n] = malloc((size_t)size)))
            fail("no memory");
        for (long i = 0; i < size; i++) {
            if (i & 16) {
                made[n][i] = filler[i & 15];
                continue;
            }
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            made[n][i] = letters[state >> 58];
        }
    }
    if (!made)
        fail("no memory");
    return made;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail("%s", why);
}

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque) {
    (void)client;
    (void)opaque;
    fprintf(stderr, "rdkafka: %s: %s\n", rd_kafka_err2name(error), reason);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (!message->err) {
        acknowledged++;
        return;
    }
    if (!failed++)
        snprintf(failure, sizeof failure, "%s", rd_kafka_err2str(message->err));
}

static rd_kafka_t *client_of(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char why[512];
    set(conf, "bootstrap.servers", options.bootstrap);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client)
        fail("%s", why);
    return client;
}

/* Connects, too: what follows finds the leaders known, and each of them answering. */
static int partitions_of(rd_kafka_t *client, rd_kafka_topic_t *topic) {
    const struct rd_kafka_metadata *shown;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &shown, 10000);
    if (error)
        fail("metadata: %s", rd_kafka_err2str(error));
    if (shown->topic_cnt != 1 || shown->topics[0].err || shown->topics[0].partition_cnt < 1)
        fail("metadata of %s: %s", options.topic,
             shown->topic_cnt == 1 ? rd_kafka_err2str(shown->topics[0].err) : "not there");
    int count = shown->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(shown);
    for (int32_t p = 0; p < count; p++) {
        int64_t low, high;
        double patient_until = now_s() + 10;
        while ((error = rd_kafka_query_watermark_offsets(client, options.topic, p, &low, &high, 10000)))
            if (now_s() > patient_until)
                fail("the offsets of partition %d: %s", (int)p, rd_kafka_err2str(error));
    }
    return count;
}

static void say(struct clocks taken, long records, long bytes) {
    printf("{\"seconds\": %.6f, \"records\": %ld, \"bytes\": %ld, \"client_cpu_seconds\": %.6f", taken.wall,
           records, bytes, taken.mine);
    if (options.pid)
        printf(", \"broker_cpu_seconds\": %.6f", taken.brokers);
    puts("}");
}

static void produce(void) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "enable.idempotence", "true");
    set(conf, "acks", "all");
    set(conf, "compression.codec", options.compression);
    set(conf, "queue.buffering.max.messages", "500000");
    if (options.batch_bytes)
        set(conf, "batch.size", options.batch_bytes);
    if (options.linger_ms)
        set(conf, "linger.ms", options.linger_ms);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = client_of(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, options.topic, NULL);
    int partitions = partitions_of(client, topic);
    long count;
    char **values = make_payloads(options.size, &count);
    /* The producer id is asked for by a timer of half a second; connecting is no part of what is measured. */
    usleep(700000);
    struct clocks began = clocks_since((struct clocks){0});
    double moved = now_s();
    for (long n = 0; n < options.records && !failed;) {
        /* No flag: the value stays ours, and isn't copied. */
        if (rd_kafka_produce(topic, (int32_t)(n % partitions), 0, values[n % count], (size_t)options.size,
                             NULL, 0, NULL) == 0) {
            if ((++n & 1023) == 0) {
                rd_kafka_poll(client, 0);
                moved = now_s();
            }
            continue;
        }
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            fail("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(client, 10);
        if (now_s() - moved > PATIENCE_S)
            fail("nothing moved in %.0f s, after %ld acknowledged records", PATIENCE_S, acknowledged);
    }
    rd_kafka_resp_err_t error = rd_kafka_flush(client, 120000);
    struct clocks taken = clocks_since(began);
    if (failed)
        fail("%ld records failed, the first by: %s", failed, failure);
    if (error || acknowledged != options.records)
        fail("%ld of %ld records were acknowledged (%s)", acknowledged, options.records,
             rd_kafka_err2str(error));
    say(taken, acknowledged, acknowledged * options.size);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
}

/* One consumer reads at a time from its own queue; librdkafka fetches for all of them in its threads. */
static void consume(void) {
    static rd_kafka_t *clients[MAX_CONSUMERS];
    static long seen[MAX_CONSUMERS];
    int partitions = 0;
    for (long k = 0; k < options.consumers; k++) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        set(conf, "group.id", "bench"); /* wanted by assign(); no group is joined, nothing committed */
        set(conf, "enable.auto.commit", "false");
        set(conf, "auto.offset.reset", "error");
        set(conf, "fetch.queue.backoff.ms", "1");
        clients[k] = client_of(RD_KAFKA_CONSUMER, conf);
        rd_kafka_poll_set_consumer(clients[k]);
        rd_kafka_topic_t *topic = rd_kafka_topic_new(clients[k], options.topic, NULL);
        partitions = partitions_of(clients[k], topic);
        rd_kafka_topic_destroy(topic);
    }
    struct clocks began = clocks_since((struct clocks){0});
    rd_kafka_queue_t *queues[MAX_CONSUMERS];
    for (long k = 0; k < options.consumers; k++) {
        rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(partitions);
        for (int p = 0; p < partitions; p++)
            rd_kafka_topic_partition_list_add(all, options.topic, p)->offset = 0;
        rd_kafka_resp_err_t error = rd_kafka_assign(clients[k], all);
        if (error)
            fail("assign: %s", rd_kafka_err2str(error));
        rd_kafka_topic_partition_list_destroy(all);
        queues[k] = rd_kafka_queue_get_consumer(clients[k]);
    }
    rd_kafka_message_t *messages[1000];
    long bytes = 0, left = options.consumers;
    double moved = now_s();
    while (left) {
        for (long k = 0; k < options.consumers; k++) {
            if (seen[k] == options.records)
                continue;
            ssize_t got = rd_kafka_consume_batch_queue(queues[k], options.consumers == 1 ? 100 : 0, messages,
                                                       sizeof messages / sizeof *messages);
            for (ssize_t n = 0; n < got; n++) {
                if (messages[n]->err)
                    fail("consume: %s", rd_kafka_message_errstr(messages[n]));
                seen[k]++;
                bytes += (long)messages[n]->len;
                rd_kafka_message_destroy(messages[n]);
            }
            if (got > 0)
                moved = now_s();
            if (seen[k] > options.records)
                fail("%ld records came where %ld were wanted", seen[k], options.records);
            left -= seen[k] == options.records;
        }
        if (now_s() - moved > PATIENCE_S)
            fail("nothing came in %.0f s, after %ld of %ld records", PATIENCE_S, seen[0], options.records);
    }
    say(clocks_since(began), options.records * options.consumers, bytes);
    for (long k = 0; k < options.consumers; k++) {
        rd_kafka_queue_destroy(queues[k]);
        rd_kafka_consumer_close(clients[k]);
        rd_kafka_destroy(clients[k]);
    }
}

static long number(const char *name, const char *text) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || value < 1)
        fail("%s must be a whole number from 1 on, not %s", name, text);
    return value;
}

int main(int count, char **words) {
    int producing = count > 1 && !strcmp(words[1], "produce");
    if (!producing && (count < 2 || strcmp(words[1], "consume")))
        fail("usage: rdkafka produce|consume --bootstrap HOST:PORT --topic T --records N ...");
    for (int n = 2; n < count; n += 2) {
        const char *name = words[n], *value = n + 1 < count ? words[n + 1] : NULL;
        if (!value)
            fail("%s has no value", name);
        if (!strcmp(name, "--bootstrap"))
            options.bootstrap = value;
        else if (!strcmp(name, "--topic"))
            options.topic = value;
        else if (!strcmp(name, "--records"))
            options.records = number(name, value);
        else if (!strcmp(name, "--size"))
            options.size = number(name, value);
        else if (!strcmp(name, "--consumers"))
            options.consumers = number(name, value);
        else if (!strcmp(name, "--pid"))
            options.pid = number(name, value);
        else if (!strcmp(name, "--compression"))
            options.compression = value;
        else if (!strcmp(name, "--batch-bytes"))
            options.batch_bytes = value;
        else if (!strcmp(name, "--linger-ms"))
            options.linger_ms = value;
        else if (strcmp(name, "--acks") || strcmp(value, "-1"))
            fail("%s %s is not known here", name, value);
    }
    if (!options.bootstrap || !options.topic || !options.records || options.consumers > MAX_CONSUMERS)
        fail("--bootstrap, --topic and --records are needed, and at most %d consumers", MAX_CONSUMERS);
    if (producing)
        produce();
    else
        consume();
    return 0;
}
