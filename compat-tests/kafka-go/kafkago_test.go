// Package kafkago_test runs what a Go program does with segmentio's kafka-go, which is two clients in one: Conn and
// Reader send the versions of 2016, hard-coded; Writer and Client take the newest that they and the broker know.
package kafkago_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kwire/compat-tests/support/gokit"
)

func TestMain(m *testing.M) { os.Exit(gokit.Main(m)) }

func newClient() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(gokit.Seeds...), Timeout: gokit.Soon}
}

func newTopic(ctx context.Context, t testing.TB, partitions int) string {
	t.Helper()
	name := gokit.Unique(t)
	answer, err := newClient().CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	gokit.Must(t, "creating a topic", errors.Join(err, answer.Errors[name]))
	awaitLeaders(ctx, t, name, partitions)
	return name
}

func awaitLeaders(ctx context.Context, t testing.TB, topic string, partitions int) {
	t.Helper()
	var asked []kafka.OffsetRequest
	for partition := range partitions {
		asked = append(asked, kafka.LastOffsetOf(partition))
	}
	gokit.Eventually(t, "the topic has leaders", func() bool {
		answer, err := newClient().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
		return err == nil && len(answer.Topics[topic]) == partitions &&
			!slices.ContainsFunc(answer.Topics[topic], func(found kafka.PartitionOffsets) bool { return found.Error != nil })
	})
}

func newWriter(t testing.TB, topic string) *kafka.Writer {
	t.Helper()
	writer := &kafka.Writer{
		Addr: kafka.TCP(gokit.Seeds...), Topic: topic, BatchTimeout: 5 * time.Millisecond, RequiredAcks: kafka.RequireAll,
		Balancer: kafka.BalancerFunc(func(message kafka.Message, partitions ...int) int {
			return partitions[len(message.Key)%len(partitions)] // the key's length says where to
		}),
	}
	t.Cleanup(func() { _ = writer.Close() })
	return writer
}

func messages(values ...string) []kafka.Message {
	made := make([]kafka.Message, len(values))
	for i, value := range values {
		made[i] = kafka.Message{Value: []byte(value)}
	}
	return made
}

func newReader(t testing.TB, config kafka.ReaderConfig) *kafka.Reader {
	t.Helper()
	config.Brokers = gokit.Seeds
	config.MaxWait = 300 * time.Millisecond
	config.HeartbeatInterval = 100 * time.Millisecond
	if config.GroupID != "" && config.StartOffset == 0 {
		config.StartOffset = kafka.FirstOffset
	}
	if os.Getenv("KWIRE_TEST_TRACE") != "" {
		config.Logger = kafka.LoggerFunc(func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	}
	reader := kafka.NewReader(config)
	t.Cleanup(func() { _ = reader.Close() })
	return reader
}

// take fetches n messages, which commits nothing.
func take(ctx context.Context, t testing.TB, reader *kafka.Reader, n int) []kafka.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, gokit.Soon)
	defer cancel()
	got := make([]kafka.Message, 0, n)
	for len(got) < n {
		message, err := reader.FetchMessage(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(got), n, err)
		}
		got = append(got, message)
	}
	return got
}

func wantValues(t testing.TB, got []kafka.Message, want []string) {
	t.Helper()
	values := make([]string, len(got))
	for i, message := range got {
		values[i] = string(message.Value)
	}
	if !slices.Equal(values, want) {
		t.Fatalf("read %.200q, want %.200q", values, want)
	}
}

func newConn(ctx context.Context, t testing.TB, topic string, partition int) *kafka.Conn {
	t.Helper()
	conn, err := kafka.DialLeader(ctx, "tcp", gokit.Seeds[0], topic, partition)
	gokit.Must(t, "dialling the leader", err)
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(gokit.Soon))
	return conn
}

// the connection

func TestConnWritesAndReads(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic, values := newTopic(ctx, t, 1), gokit.Numbered("v", 20)
		conn := newConn(ctx, t, topic, 0)
		_, err := conn.WriteMessages(messages(values...)...)
		gokit.Must(t, "writing", err)
		first, last, err := conn.ReadOffsets()
		gokit.Must(t, "reading offsets", err)
		if first != 0 || last != 20 {
			t.Fatalf("the offsets are %d and %d", first, last)
		}
		for _, start := range []int64{0, 7, 19} {
			_, err = conn.Seek(start, kafka.SeekAbsolute)
			gokit.Must(t, "seeking", err)
			batch := conn.ReadBatch(1, 1<<20)
			var got []kafka.Message
			for {
				message, err := batch.ReadMessage()
				if errors.Is(err, io.EOF) {
					break
				}
				gokit.Must(t, "reading", err)
				got = append(got, message)
			}
			if batch.HighWaterMark() != 20 {
				t.Errorf("the high watermark is %d", batch.HighWaterMark())
			}
			gokit.Must(t, "ending the batch", batch.Close())
			wantValues(t, got, values[start:])
			if got[0].Offset != start {
				t.Errorf("the first offset is %d, not %d", got[0].Offset, start)
			}
		}
	})
}

func TestConnCompresses(t *testing.T) {
	for name, codec := range codecs {
		if codec == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
				topic, values := newTopic(ctx, t, 1), gokit.Numbered(strings.Repeat("long ", 100), 50)
				conn := newConn(ctx, t, topic, 0)
				_, _, offset, _, err := conn.WriteCompressedMessagesAt(codec.Codec(), messages(values...)...)
				gokit.Must(t, "writing", err)
				if offset != 0 {
					t.Errorf("the offset is %d", offset)
				}
				wantValues(t, take(ctx, t, newReader(t, kafka.ReaderConfig{Topic: topic}), 50), values)
			})
		})
	}
}

func TestConnAsksForOffsetsOfATime(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic, base := newTopic(ctx, t, 1), time.UnixMilli(1_700_000_000_000)
		sent := messages(gokit.Numbered("v", 10)...)
		for i := range sent {
			sent[i].Time = base.Add(time.Duration(i) * time.Second)
		}
		conn := newConn(ctx, t, topic, 0)
		_, err := conn.WriteMessages(sent...)
		gokit.Must(t, "writing", err)
		found, err := conn.ReadOffset(base.Add(3500 * time.Millisecond))
		gokit.Must(t, "asking", err)
		if found != 4 {
			t.Errorf("found %d, want 4", found)
		}
		reader := newReader(t, kafka.ReaderConfig{Topic: topic})
		gokit.Must(t, "setting", reader.SetOffsetAt(ctx, base.Add(5*time.Second)))
		if got := take(ctx, t, reader, 1); got[0].Offset != 5 {
			t.Errorf("read %d, want 5", got[0].Offset)
		}
	})
}

func TestConnCreatesAndDeletesTopics(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		name := gokit.Unique(t)
		seed, err := kafka.DialContext(ctx, "tcp", gokit.Seeds[0])
		gokit.Must(t, "dialling", err)
		defer seed.Close()
		_ = seed.SetDeadline(time.Now().Add(gokit.Soon))
		versions, err := seed.ApiVersions()
		gokit.Must(t, "asking for versions", err)
		if len(versions) < 20 {
			t.Errorf("only %d APIs", len(versions))
		}
		controller, err := seed.Controller()
		gokit.Must(t, "asking for the controller", err)
		conn, err := kafka.DialContext(ctx, "tcp", net.JoinHostPort(controller.Host, fmt.Sprint(controller.Port)))
		gokit.Must(t, "dialling the controller", err)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(gokit.Soon))
		config := kafka.TopicConfig{Topic: name, NumPartitions: 3, ReplicationFactor: 1}
		config.ConfigEntries = []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "60000"}}
		gokit.Must(t, "creating", conn.CreateTopics(config))
		gokit.Must(t, "creating what is there already", conn.CreateTopics(config)) // kafka-go takes that for success
		awaitLeaders(ctx, t, name, 3)
		partitions, err := conn.ReadPartitions(name)
		gokit.Must(t, "reading partitions", err)
		if len(partitions) != 3 {
			t.Errorf("partitions: %+v", partitions)
		}
		gokit.Must(t, "deleting", conn.DeleteTopics(name))
		gokit.Eventually(t, "it is gone", func() bool {
			all, err := conn.ReadPartitions()
			return err == nil && !slices.ContainsFunc(all, func(partition kafka.Partition) bool { return partition.Topic == name })
		})
		bad := conn.CreateTopics(kafka.TopicConfig{Topic: "no/such", NumPartitions: 1, ReplicationFactor: 1})
		if !errors.Is(bad, kafka.InvalidTopic) {
			t.Errorf("a bad name: %v", bad)
		}
	})
}

// writers and readers

var codecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func TestCompressedMessagesComeBack(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
				topic, values := newTopic(ctx, t, 1), gokit.Numbered(strings.Repeat("long ", 100), 100)
				writer := newWriter(t, topic)
				writer.Compression = codec
				gokit.Must(t, "writing", writer.WriteMessages(ctx, messages(values...)...))
				wantValues(t, take(ctx, t, newReader(t, kafka.ReaderConfig{Topic: topic}), 100), values)
			})
		})
	}
}

func TestAcks(t *testing.T) {
	for _, acks := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
		t.Run(acks.String(), func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
				topic, values := newTopic(ctx, t, 1), gokit.Numbered("v", 20)
				writer := newWriter(t, topic)
				writer.RequiredAcks = acks
				gokit.Must(t, "writing", writer.WriteMessages(ctx, messages(values...)...))
				wantValues(t, take(ctx, t, newReader(t, kafka.ReaderConfig{Topic: topic}), 20), values)
			})
		})
	}
}

func TestKeysHeadersAndTombstones(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		headers := []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}}
		at := time.UnixMilli(1234567890123)
		sent := []kafka.Message{{Key: []byte("k"), Value: []byte("v"), Headers: headers, Time: at}, {Key: []byte("k")}}
		gokit.Must(t, "writing", newWriter(t, topic).WriteMessages(ctx, sent...))
		got := take(ctx, t, newReader(t, kafka.ReaderConfig{Topic: topic}), 2)
		if !got[0].Time.Equal(at) || fmt.Sprint(got[0].Headers) != fmt.Sprint(headers) || !bytes.Equal(got[0].Key, []byte("k")) {
			t.Errorf("the first message is %+v", got[0])
		}
		if len(got[1].Value) != 0 {
			t.Errorf("the tombstone has the value %q", got[1].Value)
		}
	})
}

func TestReaderStartsAtTheEnd(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		writer := newWriter(t, topic)
		gokit.Must(t, "writing", writer.WriteMessages(ctx, messages("old")...))
		reader := newReader(t, kafka.ReaderConfig{Topic: topic})
		gokit.Must(t, "setting", reader.SetOffset(kafka.LastOffset))
		lag, err := reader.ReadLag(ctx)
		gokit.Must(t, "asking for the lag", err)
		if lag != 0 {
			t.Errorf("the lag is %d", lag)
		}
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		if message, err := reader.FetchMessage(short); err == nil {
			t.Fatalf("read %q", message.Value)
		}
		gokit.Must(t, "writing", writer.WriteMessages(ctx, messages("new")...))
		wantValues(t, take(ctx, t, reader, 1), []string{"new"})
	})
}

func TestReaderOutOfRangeIsTold(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		gokit.Must(t, "writing", newWriter(t, topic).WriteMessages(ctx, messages("a")...))
		reader := newReader(t, kafka.ReaderConfig{Topic: topic, OffsetOutOfRangeError: true})
		gokit.Must(t, "setting", reader.SetOffset(1000))
		if message, err := reader.FetchMessage(ctx); !errors.Is(err, kafka.OffsetOutOfRange) {
			t.Fatalf("read %q, with the error %v", message.Value, err)
		}
	})
}

func TestTopicIsCreatedByUse(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := gokit.Unique(t)
		writer := newWriter(t, topic)
		writer.AllowAutoTopicCreation = true
		gokit.Eventually(t, "it can be written to", func() bool { return writer.WriteMessages(ctx, messages("v")...) == nil })
	})
}

// groups

func TestGroupSharesAndResumes(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 4)
		writer := newWriter(t, topic)
		keys := []string{"", "k", "kk", "kkk"}
		write := func(values []string) {
			t.Helper()
			sent := messages(values...)
			for i := range sent {
				sent[i].Key = []byte(keys[i%4])
			}
			gokit.Must(t, "writing", writer.WriteMessages(ctx, sent...))
		}
		config := kafka.ReaderConfig{GroupID: topic, Topic: topic, RebalanceTimeout: 5 * time.Second}
		first, second := newReader(t, config), newReader(t, config)
		gokit.Eventually(t, "the group has two members", func() bool {
			answer, err := newClient().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{topic}})
			return err == nil && answer.Groups[0].GroupState == "Stable" && len(answer.Groups[0].Members) == 2 &&
				len(answer.Groups[0].Members[0].MemberAssignments.Topics) == 1
		})
		values := gokit.Numbered("v", 40)
		write(values)
		var read []kafka.Message
		for _, reader := range []*kafka.Reader{first, second} {
			got := take(ctx, t, reader, 20)
			gokit.Must(t, "committing", reader.CommitMessages(ctx, got...))
			read = append(read, got...)
		}
		gokit.Must(t, "closing", errors.Join(first.Close(), second.Close()))
		slices.SortFunc(read, func(a, b kafka.Message) int { return bytes.Compare(a.Value, b.Value) })
		slices.Sort(values)
		wantValues(t, read, values)
		committed, err := newClient().OffsetFetch(ctx, &kafka.OffsetFetchRequest{
			GroupID: topic, Topics: map[string][]int{topic: {0, 1, 2, 3}},
		})
		gokit.Must(t, "reading the commits", err)
		for _, found := range committed.Topics[topic] {
			if found.CommittedOffset != 10 {
				t.Errorf("partition %d: %+v", found.Partition, found)
			}
		}
		write([]string{"later"})
		wantValues(t, take(ctx, t, newReader(t, config), 1), []string{"later"})
	})
}

func TestConsumerGroupByHand(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 2)
		group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
			ID: topic, Brokers: gokit.Seeds, Topics: []string{topic}, HeartbeatInterval: 100 * time.Millisecond,
			StartOffset: kafka.FirstOffset, WatchPartitionChanges: true, PartitionWatchInterval: 200 * time.Millisecond,
		})
		gokit.Must(t, "making a group", err)
		defer group.Close()
		generation, err := group.Next(ctx)
		gokit.Must(t, "joining", err)
		if assigned := generation.Assignments[topic]; len(assigned) != 2 {
			t.Fatalf("assigned %+v", assigned)
		}
		gokit.Must(t, "committing", generation.CommitOffsets(map[string]map[int]int64{topic: {0: 5}}))
		grown, err := newClient().CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
			Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}},
		})
		gokit.Must(t, "adding a partition", errors.Join(err, grown.Errors[topic]))
		next, err := group.Next(ctx)
		gokit.Must(t, "joining again", err)
		if assigned := next.Assignments[topic]; len(assigned) != 3 || next.ID <= generation.ID {
			t.Fatalf("generation %d assigned %+v", next.ID, assigned)
		}
		for _, assigned := range next.Assignments[topic] {
			if assigned.ID == 0 && assigned.Offset != 5 {
				t.Errorf("partition 0 starts at %d", assigned.Offset)
			}
		}
	})
}

// administration

func TestClientAdministers(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		client, topic := newClient(), newTopic(ctx, t, 2)
		metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		gokit.Must(t, "asking for metadata", err)
		if metadata.ClusterID == "" || len(metadata.Brokers) == 0 || len(metadata.Topics[0].Partitions) != 2 {
			t.Errorf("metadata: %+v", metadata)
		}
		altered, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
					Name: "retention.ms", Value: "4321", ConfigOperation: kafka.ConfigOperationSet,
				}},
			}},
		})
		gokit.Must(t, "altering", errors.Join(err, altered.Resources[0].Error))
		gokit.Eventually(t, "the new value is described", func() bool {
			found, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
				Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}},
			})
			return err == nil && slices.ContainsFunc(found.Resources[0].ConfigEntries, func(entry kafka.DescribeConfigResponseConfigEntry) bool {
				return entry.ConfigName == "retention.ms" && entry.ConfigValue == "4321"
			})
		})
		committed, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: topic, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 1, Offset: 7, Metadata: "a note"}}},
		})
		gokit.Must(t, "committing", errors.Join(err, committed.Topics[topic][0].Error))
		groups, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
		gokit.Must(t, "listing groups", err)
		if !slices.ContainsFunc(groups.Groups, func(group kafka.ListGroupsResponseGroup) bool { return group.GroupID == topic }) {
			t.Errorf("the group is not listed: %+v", groups)
		}
		deleted, err := client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: topic, Topics: map[string][]int{topic: {1}}})
		gokit.Must(t, "deleting an offset", errors.Join(err, deleted.Error))
		gone, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		gokit.Must(t, "deleting a topic", errors.Join(err, gone.Errors[topic]))
	})
}

func TestClientProducesAndFetches(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		client, topic := newClient(), newTopic(ctx, t, 1)
		produced, err := client.Produce(ctx, &kafka.ProduceRequest{
			Topic: topic, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("v"))}),
		})
		gokit.Must(t, "producing", errors.Join(err, produced.Error))
		fetched, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Offset: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		gokit.Must(t, "fetching", errors.Join(err, fetched.Error))
		record, err := fetched.Records.ReadRecord()
		gokit.Must(t, "reading", err)
		if value, _ := kafka.ReadAll(record.Value); string(value) != "v" || fetched.HighWatermark != 1 {
			t.Errorf("fetched %q up to %d", value, fetched.HighWatermark)
		}
	})
}

func TestIdempotentProducerIds(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		var ids []int
		for range 2 {
			answer, err := newClient().InitProducerID(ctx, &kafka.InitProducerIDRequest{})
			gokit.Must(t, "asking for a producer id", errors.Join(err, answer.Error))
			ids = append(ids, answer.Producer.ProducerID)
		}
		if ids[0] == ids[1] {
			t.Errorf("the same id twice: %v", ids)
		}
	})
}

// what comes later

func TestTransactions(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		client, topic := newClient(), newTopic(ctx, t, 1)
		gokit.Eventually(t, "there is a coordinator", func() bool {
			found, err := client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: topic, KeyType: kafka.CoordinatorKeyTypeTransaction})
			return err == nil && found.Error == nil
		})
		init, err := client.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: topic, TransactionTimeoutMs: 10_000})
		gokit.Must(t, "asking for a producer id", errors.Join(err, init.Error))
		added, err := client.AddPartitionsToTxn(ctx, &kafka.AddPartitionsToTxnRequest{
			TransactionalID: topic, ProducerID: init.Producer.ProducerID, ProducerEpoch: init.Producer.ProducerEpoch,
			Topics: map[string][]kafka.AddPartitionToTxn{topic: {{Partition: 0}}},
		})
		gokit.Must(t, "adding a partition", errors.Join(err, added.Topics[topic][0].Error))
		ended, err := client.EndTxn(ctx, &kafka.EndTxnRequest{
			TransactionalID: topic, ProducerID: init.Producer.ProducerID, ProducerEpoch: init.Producer.ProducerEpoch, Committed: true,
		})
		gokit.Must(t, "committing", errors.Join(err, ended.Error))
	})
}
