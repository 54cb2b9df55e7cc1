package sarama_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

var (
	// configuredVersions are those that the users of kwire name.
	configuredVersions = []sarama.KafkaVersion{sarama.V0_11_0_2, sarama.V2_3_0_0, sarama.DefaultVersion}

	// everyEra has a version for each way in which sarama speaks: message sets of magic 0 and of magic 1, the
	// first record batches, headers, flexible versions, and the newest it knows.
	everyEra = []sarama.KafkaVersion{
		sarama.V0_9_0_1, sarama.V0_10_2_0, sarama.V0_11_0_2, sarama.V1_0_0_0, sarama.V2_3_0_0,
		sarama.DefaultVersion, sarama.MaxVersion,
	}
)

// fastVersions are those of the fast part of the suite.
var fastVersions = []sarama.KafkaVersion{sarama.V0_11_0_2, sarama.V2_3_0_0, sarama.MaxVersion}

const soon = 45 * time.Second // for anything that a healthy broker does at once

// configure is the configuration that every scenario starts from.
func configure(version sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = version
	config.ClientID = "compat-sarama"
	config.Net.DialTimeout = 10 * time.Second
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 3
	config.Producer.Retry.Backoff = 100 * time.Millisecond
	config.Consumer.Return.Errors = true
	return config
}

// needsVersion skips a scenario on an Apache Kafka that no longer speaks what this version of sarama sends.
func needsVersion(t testing.TB, version sarama.KafkaVersion) {
	t.Helper()
	if theBroker.kind == "kafka" && !version.IsAtLeast(sarama.V2_1_0_0) && lowestProduce(t) > 0 {
		t.Skipf("Apache Kafka 4 dropped the protocol of %v", version)
	}
}

// lowestProduce is the lowest version of Produce that the broker advertises: 0, or 3 since Apache Kafka 4.
func lowestProduce(t testing.TB) int16 {
	t.Helper()
	lowestProduceOnce.Do(func() {
		broker := sarama.NewBroker(theBroker.addrs[0])
		if err := broker.Open(configure(sarama.DefaultVersion)); err != nil {
			return
		}
		defer broker.Close()
		answer, err := broker.ApiVersions(&sarama.ApiVersionsRequest{})
		if err != nil {
			return
		}
		for _, api := range answer.ApiKeys {
			// Apache Kafka 4 lists a minimum of 0 for Produce, for librdkafka's sake, and answers from 3 on;
			// Fetch tells the truth.
			if api.ApiKey == fetchKey && api.MinVersion >= 4 {
				lowestProduceVersion = 3
			}
		}
	})
	return lowestProduceVersion
}

var (
	lowestProduceOnce    sync.Once
	lowestProduceVersion int16
)

var unfit = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)

// unique makes a name that no other scenario and no other run uses.
func unique(t testing.TB) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return "sarama-" + unfit.ReplaceAllString(t.Name(), "-") + "-" + hex.EncodeToString(random)
}

// newTopic creates a topic and waits until it has leaders.
func newTopic(t testing.TB, partitions int32) string {
	t.Helper()
	return newTopicAt(t, theBroker, partitions, nil)
}

func newTopicAt(t testing.TB, b *broker, partitions int32, configs map[string]*string) string {
	t.Helper()
	name := unique(t)
	admin := newAdmin(t, b, sarama.DefaultVersion)
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}
	if err := admin.CreateTopic(name, detail, false); err != nil {
		t.Fatalf("creating topic %s: %v", name, err)
	}
	awaitPartitions(t, b, name, int(partitions))
	return name
}

func awaitPartitions(t testing.TB, b *broker, topic string, partitions int) {
	t.Helper()
	client := newClient(t, b, sarama.DefaultVersion)
	eventually(t, fmt.Sprintf("%s has %d partitions with leaders", topic, partitions), func() bool {
		if client.RefreshMetadata(topic) != nil {
			return false
		}
		writable, err := client.WritablePartitions(topic)
		if err != nil || len(writable) != partitions {
			return false
		}
		// Apache Kafka tells of a leader a moment before that leader is ready; a message sent with acks 0 in that
		// moment is lost.
		for _, partition := range writable {
			if _, err := client.GetOffset(topic, partition, sarama.OffsetNewest); err != nil {
				return false
			}
		}
		return true
	})
}

func newClient(t testing.TB, b *broker, version sarama.KafkaVersion) sarama.Client {
	t.Helper()
	return newClientWith(t, b, configure(version))
}

func newClientWith(t testing.TB, b *broker, config *sarama.Config) sarama.Client {
	t.Helper()
	client, err := sarama.NewClient(b.addrs, config)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newAdmin(t testing.TB, b *broker, version sarama.KafkaVersion) sarama.ClusterAdmin {
	t.Helper()
	config := configure(version)
	config.Admin.Timeout = soon
	admin, err := sarama.NewClusterAdmin(b.addrs, config)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}

func newSyncProducer(t testing.TB, b *broker, config *sarama.Config) sarama.SyncProducer {
	t.Helper()
	producer, err := sarama.NewSyncProducer(b.addrs, config)
	if err != nil {
		t.Fatalf("making a producer: %v", err)
	}
	t.Cleanup(func() { _ = producer.Close() })
	return producer
}

// message is a producer's message with a text in it; partition counts for the manual partitioner only.
func message(topic string, partition int32, value string) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)}
}

// produce sends the values to one partition, waits for each to be acknowledged, and returns the last one's offset.
func produce(t testing.TB, b *broker, topic string, partition int32, values ...string) int64 {
	t.Helper()
	config := configure(sarama.DefaultVersion)
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	producer := newSyncProducer(t, b, config)
	var offset int64
	for _, value := range values {
		var err error
		if _, offset, err = producer.SendMessage(message(topic, partition, value)); err != nil {
			t.Fatalf("sending %q to %s-%d: %v", value, topic, partition, err)
		}
	}
	return offset
}

// numbered is n values that differ: "prefix-0", "prefix-1", and so on.
func numbered(prefix string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return values
}

// newConsumer makes a partition consumer that starts at an offset.
func newConsumer(
	t testing.TB, b *broker, config *sarama.Config, topic string, partition int32, offset int64,
) (sarama.Consumer, sarama.PartitionConsumer) {
	t.Helper()
	consumer, err := sarama.NewConsumer(b.addrs, config)
	if err != nil {
		t.Fatalf("making a consumer: %v", err)
	}
	t.Cleanup(func() { _ = consumer.Close() })
	partitionConsumer, err := consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		t.Fatalf("consuming %s-%d from %d: %v", topic, partition, offset, err)
	}
	t.Cleanup(func() { _ = partitionConsumer.Close() })
	return consumer, partitionConsumer
}

// take receives the next n messages.
func take(t testing.TB, from sarama.PartitionConsumer, n int) []*sarama.ConsumerMessage {
	t.Helper()
	messages := make([]*sarama.ConsumerMessage, 0, n)
	deadline := time.After(soon)
	for len(messages) < n {
		select {
		case received, ok := <-from.Messages():
			if !ok {
				t.Fatalf("the partition consumer ended after %d of %d messages", len(messages), n)
			}
			messages = append(messages, received)
		case err := <-from.Errors():
			t.Fatalf("after %d of %d messages: %v", len(messages), n, err)
		case <-deadline:
			t.Fatalf("after %v only %d of %d messages", soon, len(messages), n)
		}
	}
	return messages
}

// readAll consumes the first n messages of a partition with the given configuration.
func readAll(
	t testing.TB, b *broker, config *sarama.Config, topic string, partition int32, n int,
) []*sarama.ConsumerMessage {
	t.Helper()
	_, from := newConsumer(t, b, config, topic, partition, sarama.OffsetOldest)
	return take(t, from, n)
}

// wantValues checks that messages carry these values, in order, at consecutive offsets from first on.
func wantValues(t testing.TB, messages []*sarama.ConsumerMessage, first int64, values []string) {
	t.Helper()
	if len(messages) != len(values) {
		t.Fatalf("%d messages, want %d", len(messages), len(values))
	}
	for i, got := range messages {
		if string(got.Value) != values[i] || got.Offset != first+int64(i) {
			t.Fatalf("message %d is %.80q at offset %d, want %.80q at %d", i, got.Value, got.Offset, values[i],
				first+int64(i))
		}
	}
}

// eventually asks until the answer is yes. It is for a broker's state that no message announces.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	eventuallyWithin(t, soon, what, yes)
}

func eventuallyWithin(t testing.TB, limit time.Duration, what string, yes func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// must stops the scenario at an error.
func must(t testing.TB, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

func pointer[T any](value T) *T { return &value }
