// Package franz_test runs what a Go program does with franz-go, which speaks the newest versions of the protocol:
// topic ids in Produce, Fetch and Metadata, fetch sessions, batches of groups, and the consumer protocol of KIP-848.
package franz_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"kwire/compat-tests/support/gokit"
)

func TestMain(m *testing.M) { os.Exit(gokit.Main(m)) }

func newClient(t testing.TB, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	base := []kgo.Opt{
		kgo.SeedBrokers(gokit.Seeds...), kgo.ClientID("compat-franz"), kgo.MetadataMinAge(50 * time.Millisecond),
	}
	if os.Getenv("KWIRE_TEST_TRACE") != "" {
		base = append(base, kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelDebug, nil)))
	}
	client, err := kgo.NewClient(append(base, options...)...)
	gokit.Must(t, "making a client", err)
	t.Cleanup(client.Close)
	return client
}

func newTopic(ctx context.Context, t testing.TB, partitions int32) string {
	t.Helper()
	name := gokit.Unique(t)
	admin := kadm.NewClient(newClient(t))
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, name)
	gokit.Must(t, "creating a topic", err)
	gokit.Eventually(t, "the topic has leaders", func() bool {
		offsets, err := admin.ListEndOffsets(ctx, name)
		return err == nil && offsets.Error() == nil && len(offsets[name]) == int(partitions)
	})
	return name
}

func records(topic string, partition int32, values ...string) []*kgo.Record {
	made := make([]*kgo.Record, len(values))
	for i, value := range values {
		made[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
	}
	return made
}

// produce sends values to one partition and waits until all are acknowledged.
func produce(ctx context.Context, t testing.TB, topic string, partition int32, values []string, options ...kgo.Opt) {
	t.Helper()
	client := newClient(t, append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	gokit.Must(t, "producing", client.ProduceSync(ctx, records(topic, partition, values...)...).FirstErr())
}

// take polls until n records came.
func take(ctx context.Context, t testing.TB, client *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, gokit.Soon)
	defer cancel()
	var got []*kgo.Record
	for len(got) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(got), n, err)
		}
		fetches.EachError(func(topic string, partition int32, err error) { t.Errorf("%s-%d: %v", topic, partition, err) })
		got = append(got, fetches.Records()...)
	}
	return got
}

func wantValues(t testing.TB, got []*kgo.Record, want []string) {
	t.Helper()
	values := make([]string, len(got))
	for i, record := range got {
		values[i] = string(record.Value)
	}
	if !slices.Equal(values, want) {
		t.Fatalf("read %.200q, want %.200q", values, want)
	}
}

func from(topic string, partition int32, offset kgo.Offset) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: offset}})
}

var start = kgo.NewOffset().AtStart()

// versions are the ends of the protocol that franz-go may be held to; "" is the newest it knows.
var versions = map[string]func() *kversion.Versions{
	"0.11": kversion.V0_11_0, "1.0": kversion.V1_0_0, "2.1": kversion.V2_1_0, "2.8": kversion.V2_8_0,
	"3.9": kversion.V3_9_0, "newest": kversion.Stable,
}

func needsVersion(ctx context.Context, t testing.TB, name string) {
	t.Helper()
	if gokit.Kind() != "kafka" || name != "0.11" && name != "1.0" {
		return
	}
	answer, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, newClient(t))
	gokit.Must(t, "asking for versions", err)
	for _, api := range answer.ApiKeys {
		if api.ApiKey == int16(kmsg.Fetch) && api.MinVersion >= 4 {
			t.Skip("Apache Kafka 4 dropped the protocol of this version")
		}
	}
}

func TestProduceAndConsumeAsForARelease(t *testing.T) {
	for name, limit := range versions {
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
				needsVersion(ctx, t, name)
				topic, values := newTopic(ctx, t, 1), gokit.Numbered("v", 50)
				produce(ctx, t, topic, 0, values, kgo.MaxVersions(limit()))
				client := newClient(t, kgo.MaxVersions(limit()), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic))
				wantValues(t, take(ctx, t, client, 50), values)
				gokit.Must(t, "committing", client.CommitUncommittedOffsets(ctx))
				client.LeaveGroup()
				offsets, err := kadm.NewClient(newClient(t, kgo.MaxVersions(limit()))).FetchOffsets(ctx, topic)
				gokit.Must(t, "reading the commit", err)
				if found, _ := offsets.Lookup(topic, 0); found.At != 50 {
					t.Fatalf("committed %+v, want 50", found)
				}
			})
		})
	}
}

func TestAcks(t *testing.T) {
	kinds := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}
	for name, acks := range kinds {
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
				topic, values := newTopic(ctx, t, 1), gokit.Numbered("v", 20)
				produce(ctx, t, topic, 0, values, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(),
					kgo.MaxProduceRequestsInflightPerBroker(1))
				wantValues(t, take(ctx, t, newClient(t, from(topic, 0, start)), 20), values)
			})
		})
	}
}

func TestCompressedRecordsComeBack(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
				topic, values := newTopic(ctx, t, 1), gokit.Numbered(strings.Repeat("long ", 100), 200)
				produce(ctx, t, topic, 0, values, kgo.ProducerBatchCompression(codec))
				wantValues(t, take(ctx, t, newClient(t, from(topic, 0, start)), 200), values)
			})
		})
	}
}

func TestIdempotentRecordsComeOnceAndInOrder(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic, values := newTopic(ctx, t, 1), gokit.Numbered("v", 2000)
		produce(ctx, t, topic, 0, values, kgo.ProducerBatchMaxBytes(1000), kgo.ProducerLinger(0))
		got := take(ctx, t, newClient(t, from(topic, 0, start)), 2000)
		wantValues(t, got, values)
		if last := got[1999].Offset; last != 1999 {
			t.Fatalf("the last record is at %d", last)
		}
	})
}

func TestKeysHeadersAndTombstones(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "null"}, {Key: "a", Value: []byte{}}}
		at := time.UnixMilli(1234567890123)
		sent := []*kgo.Record{
			{Topic: topic, Key: []byte("k"), Value: []byte("v"), Headers: headers, Timestamp: at},
			{Topic: topic, Key: []byte("k")}, {Topic: topic, Value: []byte{}},
		}
		gokit.Must(t, "producing", newClient(t).ProduceSync(ctx, sent...).FirstErr())
		got := take(ctx, t, newClient(t, from(topic, 0, start)), 3)
		if !got[0].Timestamp.Equal(at) || fmt.Sprint(got[0].Headers) != fmt.Sprint(headers) {
			t.Errorf("the first record is %+v", got[0])
		}
		if got[0].Headers[1].Value != nil || got[1].Value != nil || got[2].Value == nil || got[2].Key != nil {
			t.Errorf("null and empty were mixed up: %+v", got)
		}
	})
}

func TestWhereReadingStarts(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		base := time.UnixMilli(1_700_000_000_000)
		sent := records(topic, 0, gokit.Numbered("v", 10)...)
		for i, record := range sent {
			record.Timestamp = base.Add(time.Duration(i) * time.Second)
		}
		gokit.Must(t, "producing", newClient(t).ProduceSync(ctx, sent...).FirstErr())
		for name, c := range map[string]struct {
			at   kgo.Offset
			want int64
		}{
			"start":                {start, 0},
			"7":                    {kgo.NewOffset().At(7), 7},
			"7, with its epoch":    {kgo.NewOffset().At(7).WithEpoch(0), 7},
			"3 before the end":     {kgo.NewOffset().AtEnd().Relative(-3), 7},
			"a time":               {kgo.NewOffset().AfterMilli(base.UnixMilli() + 3500), 4},
			"the last one's time":  {kgo.NewOffset().AfterMilli(base.UnixMilli() + 9000), 9},
			"out of range, forced": {kgo.NewOffset().At(1000).Relative(-2), 0},
		} {
			client := newClient(t, from(topic, 0, c.at), kgo.ConsumeResetOffset(start))
			if got := take(ctx, t, client, 1); got[0].Offset != c.want {
				t.Errorf("reading from %s starts at %d, want %d", name, got[0].Offset, c.want)
			}
		}
		client := newClient(t, from(topic, 0, kgo.NewOffset().AtEnd()))
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		if fetches := client.PollFetches(short); len(fetches.Records()) != 0 {
			t.Errorf("there are records after the end: %v", fetches.Records())
		}
		produce(ctx, t, topic, 0, []string{"new"})
		wantValues(t, take(ctx, t, client, 1), []string{"new"})
	})
}

// A session lasts over many fetches, with topics that come to it, leave it, and are made anew with another id.
func TestSessionsFollowTopicsThatComeAndGo(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		first, second := newTopic(ctx, t, 3), newTopic(ctx, t, 2)
		client := newClient(t, kgo.ConsumeTopics(first), kgo.ConsumeResetOffset(start), kgo.FetchMaxWait(200*time.Millisecond))
		for round := range 5 {
			produce(ctx, t, first, int32(round%3), []string{fmt.Sprint("a", round)})
			wantValues(t, take(ctx, t, client, 1), []string{fmt.Sprint("a", round)})
		}
		client.AddConsumeTopics(second)
		produce(ctx, t, second, 1, []string{"b"})
		wantValues(t, take(ctx, t, client, 1), []string{"b"})
		client.PauseFetchTopics(first)
		produce(ctx, t, first, 0, []string{"held"})
		produce(ctx, t, second, 0, []string{"b2"})
		wantValues(t, take(ctx, t, client, 1), []string{"b2"})
		client.ResumeFetchTopics(first)
		wantValues(t, take(ctx, t, client, 1), []string{"held"})
	})
}

func TestATopicMadeAgainHasANewId(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		admin := kadm.NewClient(newClient(t))
		produce(ctx, t, topic, 0, []string{"old"})
		before, err := admin.ListTopics(ctx, topic)
		gokit.Must(t, "describing", err)
		_, err = admin.DeleteTopic(ctx, topic)
		gokit.Must(t, "deleting", err)
		gokit.Eventually(t, "the name is free again", func() bool {
			_, err := admin.CreateTopic(ctx, 1, 1, nil, topic)
			return err == nil
		})
		gokit.Eventually(t, "the new topic is known by a new id", func() bool {
			after, err := kadm.NewClient(newClient(t)).ListTopics(ctx, topic)
			return err == nil && after[topic].Err == nil && after[topic].ID != before[topic].ID
		})
		produce(ctx, t, topic, 0, []string{"new"})
		wantValues(t, take(ctx, t, newClient(t, from(topic, 0, start)), 1), []string{"new"})
	})
}

// groups

type member struct {
	client *kgo.Client
	mu     sync.Mutex
	seen   []string
	owned  int
}

// newMember joins a group and reads in the background until its client is closed.
func newMember(ctx context.Context, t testing.TB, group, topic string, options ...kgo.Opt) *member {
	t.Helper()
	m := &member{}
	change := func(by int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.owned += by * len(partitions[topic])
		}
	}
	m.client = newClient(t, append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(start), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(100 * time.Millisecond), kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(1)), kgo.OnPartitionsRevoked(change(-1)), kgo.OnPartitionsLost(change(-1)),
	}, options...)...)
	go func() {
		for ctx.Err() == nil {
			fetches := m.client.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			m.mu.Lock()
			for _, record := range fetches.Records() {
				m.seen = append(m.seen, string(record.Value))
			}
			m.mu.Unlock()
		}
	}()
	return m
}

func (m *member) owns() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owned
}

func (m *member) values() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

func (m *member) leave(ctx context.Context, t testing.TB) {
	t.Helper()
	gokit.Must(t, "committing", m.client.CommitUncommittedOffsets(ctx))
	m.client.Close()
}

// A group of two shares four partitions, and a later member goes on where it has stopped.
func shareAndResume(ctx context.Context, t testing.TB, options ...kgo.Opt) {
	t.Helper()
	topic := newTopic(ctx, t, 4)
	group := topic
	first, second := newMember(ctx, t, group, topic, options...), newMember(ctx, t, group, topic, options...)
	gokit.Eventually(t, "two partitions each", func() bool { return first.owns() == 2 && second.owns() == 2 })
	values := gokit.Numbered("v", 40)
	for i := range int32(4) {
		produce(ctx, t, topic, i, values[i*10:i*10+10])
	}
	gokit.Eventually(t, "all is read", func() bool { return len(first.values())+len(second.values()) >= 40 })
	read := append(first.values(), second.values()...)
	slices.Sort(read)
	slices.Sort(values)
	if !slices.Equal(read, values) {
		t.Fatalf("read %q", read)
	}
	// what a member has not committed when the other leaves, it forgets with the rebalance
	gokit.Must(t, "committing", second.client.CommitUncommittedOffsets(ctx))
	first.leave(ctx, t)
	gokit.Eventually(t, "the other has all", func() bool { return second.owns() == 4 })
	second.leave(ctx, t)
	produce(ctx, t, topic, 2, []string{"later"})
	third := newMember(ctx, t, group, topic, options...)
	gokit.Eventually(t, "the third goes on", func() bool { return len(third.values()) > 0 })
	if got := third.values(); !slices.Equal(got, []string{"later"}) {
		t.Fatalf("the third read %q", got)
	}
}

func TestGroupSharesAndResumes(t *testing.T) {
	balancers := map[string]kgo.GroupBalancer{
		"cooperative": kgo.CooperativeStickyBalancer(), "sticky": kgo.StickyBalancer(), "range": kgo.RangeBalancer(),
		"round_robin": kgo.RoundRobinBalancer(),
	}
	for name, balancer := range balancers {
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) { shareAndResume(ctx, t, kgo.Balancers(balancer)) })
		})
	}
}

func TestStaticMemberKeepsItsPlace(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 2)
		options := []kgo.Opt{kgo.Balancers(kgo.StickyBalancer())}
		first := newMember(ctx, t, topic, topic, append(options, kgo.InstanceID("one"))...)
		second := newMember(ctx, t, topic, topic, append(options, kgo.InstanceID("two"))...)
		gokit.Eventually(t, "one partition each", func() bool { return first.owns() == 1 && second.owns() == 1 })
		_, generation := first.client.GroupMetadata()
		second.client.Close()
		again := newMember(ctx, t, topic, topic, append(options, kgo.InstanceID("two"))...)
		gokit.Eventually(t, "its partition is back", func() bool { return again.owns() == 1 })
		if _, now := first.client.GroupMetadata(); now != generation {
			t.Fatalf("the generation went from %d to %d", generation, now)
		}
	})
}

func TestCommittedOffsetsOfManyGroupsInOneRequest(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		admin := kadm.NewClient(newClient(t))
		groups := []string{topic + "-a", topic + "-b", topic + "-c"}
		for i, group := range groups {
			offsets := kadm.Offsets{}
			offsets.Add(kadm.Offset{Topic: topic, At: int64(i), LeaderEpoch: -1, Metadata: group})
			gokit.Must(t, "committing", admin.CommitAllOffsets(ctx, group, offsets))
		}
		answers := admin.FetchManyOffsets(ctx, groups...)
		for i, group := range groups {
			found, _ := answers[group].Fetched.Lookup(topic, 0)
			if answers[group].Err != nil || found.At != int64(i) || found.Metadata != group {
				t.Errorf("group %s: %+v", group, answers[group])
			}
		}
		deleted, err := admin.DeleteGroups(ctx, groups...)
		gokit.Must(t, "deleting", errors.Join(err, deleted.Error()))
	})
}

// administration

func TestAdminTopics(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		admin := kadm.NewClient(newClient(t))
		name, hour := gokit.Unique(t), "3600000"
		_, err := admin.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": &hour}, name)
		gokit.Must(t, "creating", err)
		if _, err := admin.CreateTopic(ctx, 3, 1, nil, name); !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Errorf("created again: %v", err)
		}
		gokit.Eventually(t, "it is described", func() bool {
			topics, err := admin.ListTopics(ctx, name)
			return err == nil && topics[name].Err == nil && len(topics[name].Partitions) == 3
		})
		configs, err := admin.DescribeTopicConfigs(ctx, name)
		gokit.Must(t, "describing configs", err)
		found := ""
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" {
				found = config.MaybeValue()
			}
		}
		if found != hour {
			t.Errorf("retention.ms is %q", found)
		}
		grown, err := admin.UpdatePartitions(ctx, 5, name)
		gokit.Must(t, "adding partitions", errors.Join(err, grown.Error()))
		minute := "60000"
		altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &minute}}, name)
		gokit.Must(t, "altering", err)
		if altered[0].Err != nil {
			t.Errorf("altering: %v", altered[0].Err)
		}
		_, err = admin.DeleteTopic(ctx, name)
		gokit.Must(t, "deleting", err)
		gokit.Eventually(t, "it is gone", func() bool {
			topics, err := admin.ListTopics(ctx)
			return err == nil && !topics.Has(name)
		})
	})
}

func TestAdminGroups(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 2)
		admin := kadm.NewClient(newClient(t))
		one := newMember(ctx, t, topic, topic)
		gokit.Eventually(t, "the group is stable", func() bool {
			groups, err := admin.DescribeGroups(ctx, topic)
			return err == nil && groups[topic].State == "Stable" && len(groups[topic].Members) == 1 && one.owns() == 2
		})
		listed, err := admin.ListGroups(ctx, "Stable")
		gokit.Must(t, "listing", err)
		if listed[topic].ProtocolType != "consumer" {
			t.Errorf("listed as %+v", listed[topic])
		}
		produce(ctx, t, topic, 0, gokit.Numbered("v", 10))
		lags, err := admin.Lag(ctx, topic)
		gokit.Must(t, "asking for the lag", err)
		if lag := lags[topic].Lag.Total(); lag != 10 {
			t.Errorf("the lag is %d", lag)
		}
	})
}

func TestAdminRecordsOffsetsAndLogDirs(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		admin := kadm.NewClient(newClient(t))
		sent := records(topic, 0, gokit.Numbered("v", 10)...)
		for i, record := range sent {
			record.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(i%7))
		}
		gokit.Must(t, "producing", newClient(t).ProduceSync(ctx, sent...).FirstErr())
		until := kadm.Offsets{}
		until.Add(kadm.Offset{Topic: topic, At: 4})
		deleted, err := admin.DeleteRecords(ctx, until)
		gokit.Must(t, "deleting records", errors.Join(err, deleted.Error()))
		starts, err := admin.ListStartOffsets(ctx, topic)
		gokit.Must(t, "listing", err)
		if found, _ := starts.Lookup(topic, 0); found.Offset != 4 {
			t.Errorf("the start is %+v", found)
		}
		newest, err := admin.ListMaxTimestampOffsets(ctx, topic)
		gokit.Must(t, "listing", err)
		if found, _ := newest.Lookup(topic, 0); found.Offset != 6 || found.Timestamp != 1_700_000_000_006 {
			t.Errorf("the newest record is %+v", found)
		}
		epochs := kadm.OffsetForLeaderEpochRequest{}
		epochs.Add(topic, 0, 0)
		ends, err := admin.OffsetForLeaderEpoch(ctx, epochs)
		gokit.Must(t, "asking for an epoch's end", err)
		if found := ends[topic][0]; found.Err != nil || found.EndOffset != 10 {
			t.Errorf("epoch 0 ends at %+v", found)
		}
		dirs, err := admin.DescribeAllLogDirs(ctx, nil)
		gokit.Must(t, "describing directories", err)
		for node, found := range dirs {
			if err := found.Error(); err != nil || found.Size() <= 0 {
				t.Errorf("node %d has %d bytes, %v", node, found.Size(), err)
			}
		}
	})
}

func TestBrokerMetadataAndVersions(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		admin := kadm.NewClient(newClient(t))
		metadata, err := admin.BrokerMetadata(ctx)
		gokit.Must(t, "asking for brokers", err)
		if len(metadata.Brokers) == 0 || metadata.Cluster == "" || !slices.Contains(metadata.Brokers.NodeIDs(), metadata.Controller) {
			t.Errorf("the cluster is %+v", metadata)
		}
		answers, err := admin.ApiVersions(ctx)
		gokit.Must(t, "asking for versions", err)
		for _, answer := range answers {
			if answer.Err != nil || answer.VersionGuess() == "" {
				t.Errorf("versions: %+v", answer)
			}
		}
		found, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(ctx, newClient(t))
		gokit.Must(t, "describing the cluster", err)
		if found.ClusterID != metadata.Cluster {
			t.Errorf("the cluster is %q and %q", found.ClusterID, metadata.Cluster)
		}
	})
}

// what comes later

func TestTransactions(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		topic := newTopic(ctx, t, 1)
		client := newClient(t, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
		for _, c := range []struct {
			value  string
			commit kgo.TransactionEndTry
		}{{"committed", kgo.TryCommit}, {"aborted", kgo.TryAbort}, {"last", kgo.TryCommit}} {
			gokit.Must(t, "beginning", client.BeginTransaction())
			gokit.Must(t, "producing", client.ProduceSync(ctx, kgo.StringRecord(c.value)).FirstErr())
			gokit.Must(t, "ending", client.EndTransaction(ctx, c.commit))
		}
		reader := newClient(t, from(topic, 0, start), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		wantValues(t, take(ctx, t, reader, 2), []string{"committed", "last"})
	})
}

// Two members read, transform and write in transactions with their offsets, as the group changes under them; some
// transactions are aborted, and in the end each output is there once.
func transactInAGroup(ctx context.Context, t testing.TB, options ...kgo.Opt) {
	t.Helper()
	source, sink := newTopic(ctx, t, 4), newTopic(ctx, t, 1)
	values := gokit.Numbered("v", 200)
	for i := range int32(4) {
		produce(ctx, t, source, i, values[i*25:i*25+25])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var members sync.WaitGroup
	var aborted, committed atomic.Int32
	for i := range 2 {
		session, err := kgo.NewGroupTransactSession(append([]kgo.Opt{
			kgo.SeedBrokers(gokit.Seeds...), kgo.TransactionalID(fmt.Sprintf("%s-%d", sink, i)),
			kgo.ConsumerGroup(source), kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(start),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.DefaultProduceTopic(sink),
			kgo.HeartbeatInterval(100 * time.Millisecond), kgo.FetchMaxWait(200 * time.Millisecond),
		}, options...)...)
		gokit.Must(t, "making a session", err)
		t.Cleanup(session.Close)
		members.Go(func() {
			for round := 1; ; round++ {
				fetches := session.PollRecords(ctx, 10)
				if ctx.Err() != nil {
					return
				}
				if err := session.Begin(); err != nil {
					t.Errorf("beginning: %v", err)
					return
				}
				problem := kgo.AbortingFirstErrPromise(session.Client())
				fetches.EachRecord(func(record *kgo.Record) {
					session.Produce(ctx, kgo.StringRecord(strings.ToUpper(string(record.Value))), problem.Promise())
				})
				try := kgo.TransactionEndTry(problem.Err() == nil && round%3 != 0)
				done, err := session.End(context.Background(), try)
				if err != nil {
					t.Errorf("ending: %v", err)
					return
				}
				if done {
					committed.Add(1)
				} else {
					aborted.Add(1)
				}
			}
		})
		if i == 0 {
			gokit.Eventually(t, "the first works", func() bool { return committed.Load() > 0 })
		}
	}
	for i := range int32(4) {
		produce(ctx, t, source, i, values[100+i*25:100+i*25+25])
	}
	reader := newClient(t, from(sink, 0, start), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	got := take(ctx, t, reader, len(values))
	cancel()
	members.Wait()
	slices.SortFunc(got, func(a, b *kgo.Record) int { return strings.Compare(string(a.Value), string(b.Value)) })
	want := strings.Split(strings.ToUpper(strings.Join(values, " ")), " ")
	slices.Sort(want)
	wantValues(t, got, want)
	if aborted.Load() == 0 {
		t.Error("no transaction was aborted")
	}
	// What came after the last one is no output: a reader of all that is committed finds as many as before.
	wantCommitted(ctx, t, sink, len(values))
}

// wantCommitted reads a topic from start to end, and fails unless it has n committed records.
func wantCommitted(ctx context.Context, t testing.TB, topic string, n int) {
	t.Helper()
	ctx = context.WithoutCancel(ctx)
	produce(ctx, t, topic, 0, []string{"the end"})
	reader := newClient(t, from(topic, 0, start), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	got := take(ctx, t, reader, n+1)
	if len(got) != n+1 || string(got[n].Value) != "the end" {
		t.Fatalf("%d committed records, the last is %q", len(got), got[len(got)-1].Value)
	}
}

func TestGroupTransactSessions(t *testing.T) {
	for name, options := range map[string][]kgo.Opt{
		"classic": {kgo.Balancers(kgo.CooperativeStickyBalancer())}, "KIP-848": {kgo.ServerSideBalancer()},
	} {
		t.Run(name, func(t *testing.T) {
			gokit.Scenario(t, func(ctx context.Context, t testing.TB) { transactInAGroup(ctx, t, options...) })
		})
	}
}

func TestConsumerProtocolOfKIP848(t *testing.T) {
	gokit.Scenario(t, func(ctx context.Context, t testing.TB) {
		shareAndResume(ctx, t, kgo.ServerSideBalancer())
		// where the broker doesn't offer it, franz-go goes on with the classic protocol and says nothing
		answer, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, newClient(t))
		gokit.Must(t, "listing groups", err)
		if !slices.ContainsFunc(answer.Groups, func(group kmsg.ListGroupsResponseGroup) bool {
			return strings.HasPrefix(group.Group, "TestConsumerProtocolOfKIP848") && group.GroupType == "consumer"
		}) {
			t.Fatal("the group is of the classic type")
		}
	})
}
