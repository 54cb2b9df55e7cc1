package sarama_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

var adminVersions = []sarama.KafkaVersion{
	sarama.V0_11_0_2, sarama.V1_0_0_0, sarama.V2_3_0_0, sarama.DefaultVersion, sarama.MaxVersion,
}

// since leaves out the versions in which sarama can't ask for something.
func since(first sarama.KafkaVersion) []sarama.KafkaVersion {
	var versions []sarama.KafkaVersion
	for _, version := range adminVersions {
		if version.IsAtLeast(first) {
			versions = append(versions, version)
		}
	}
	return versions
}

func TestAdminCreatesListsAndDeletesTopics(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := unique(t)
		detail := &sarama.TopicDetail{
			NumPartitions: 3, ReplicationFactor: 1,
			ConfigEntries: map[string]*string{"retention.ms": pointer("86400000")},
		}
		must(t, "only validating", admin.CreateTopic(topic, detail, true))
		topics, err := admin.ListTopics()
		must(t, "ListTopics", err)
		if _, created := topics[topic]; created {
			t.Fatal("a topic was created that was only to be validated")
		}

		must(t, "CreateTopic", admin.CreateTopic(topic, detail, false))
		awaitPartitions(t, theBroker, topic, 3)
		topics, err = admin.ListTopics()
		must(t, "ListTopics", err)
		listed, ok := topics[topic]
		if !ok || listed.NumPartitions != 3 || listed.ReplicationFactor != 1 {
			t.Errorf("it is listed as %+v", listed)
		}
		if value := listed.ConfigEntries["retention.ms"]; value == nil || *value != "86400000" {
			t.Errorf("its configuration is listed as %v", listed.ConfigEntries)
		}
		described, err := admin.DescribeTopics([]string{topic})
		must(t, "DescribeTopics", err)
		if len(described) != 1 || described[0].Name != topic || len(described[0].Partitions) != 3 || described[0].IsInternal {
			t.Errorf("it is described as %+v", described)
		}

		must(t, "DeleteTopic", admin.DeleteTopic(topic))
		eventually(t, "it is gone", func() bool {
			topics, err := admin.ListTopics()
			must(t, "ListTopics", err)
			_, there := topics[topic]
			return !there
		})
	})
}

func TestAdminIsToldWhyATopicIsNotCreated(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		there := newTopic(t, 1)
		one := func(configs map[string]*string) *sarama.TopicDetail {
			return &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: configs}
		}
		for _, refused := range []struct {
			what, topic string
			detail      *sarama.TopicDetail
			want        sarama.KError
		}{
			{"one that exists", there, one(nil), sarama.ErrTopicAlreadyExists},
			{"a bad name", "no/slash", one(nil), sarama.ErrInvalidTopic},
			{"a name of two dots", "..", one(nil), sarama.ErrInvalidTopic},
			{"a long name", strings.Repeat("x", 250), one(nil), sarama.ErrInvalidTopic},
			{"no partitions", unique(t), &sarama.TopicDetail{ReplicationFactor: 1}, sarama.ErrInvalidPartitions},
			{"too many replicas", unique(t), &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 100},
				sarama.ErrInvalidReplicationFactor},
			{"an unknown setting", unique(t), one(map[string]*string{"no.such.thing": pointer("1")}), sarama.ErrInvalidConfig},
			{"a bad value", unique(t), one(map[string]*string{"retention.ms": pointer("soon")}), sarama.ErrInvalidConfig},
		} {
			if err := admin.CreateTopic(refused.topic, refused.detail, false); !errors.Is(err, refused.want) {
				t.Errorf("%s: got %v, want %v", refused.what, err, refused.want)
			}
		}
		if err := admin.DeleteTopic(unique(t)); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			t.Errorf("deleting one that isn't there: %v", err)
		}
	})
}

func TestAdminPlacesReplicas(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		brokers, _, err := admin.DescribeCluster()
		must(t, "DescribeCluster", err)
		id := brokers[0].ID()
		topic := unique(t)
		must(t, "CreateTopic", admin.CreateTopic(topic, &sarama.TopicDetail{
			NumPartitions: -1, ReplicationFactor: -1, ReplicaAssignment: map[int32][]int32{0: {id}, 1: {id}},
		}, false))
		awaitPartitions(t, theBroker, topic, 2)
		replicas, err := newClient(t, theBroker, version).Replicas(topic, 1)
		must(t, "Replicas", err)
		if !slices.Equal(replicas, []int32{id}) {
			t.Errorf("partition 1 has replicas %v, want [%d]", replicas, id)
		}
	})
}

func TestAdminAddsPartitions(t *testing.T) {
	eachVersion(t, since(sarama.V1_0_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 2)
		must(t, "only validating", admin.CreatePartitions(topic, 4, nil, true))
		must(t, "CreatePartitions", admin.CreatePartitions(topic, 3, nil, false))
		awaitPartitions(t, theBroker, topic, 3)
		for _, count := range []int32{3, 1} {
			if err := admin.CreatePartitions(topic, count, nil, false); !errors.Is(err, sarama.ErrInvalidPartitions) {
				t.Errorf("asking for %d: %v", count, err)
			}
		}
		if err := admin.CreatePartitions(unique(t), 3, nil, false); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			t.Errorf("of an unknown topic: %v", err)
		}
		if offset := produce(t, theBroker, topic, 2, "on the new one"); offset != 0 {
			t.Errorf("the new partition starts at %d", offset)
		}
	})
}

// entry finds one setting among those described.
func entry(t testing.TB, entries []sarama.ConfigEntry, name string) sarama.ConfigEntry {
	t.Helper()
	at := slices.IndexFunc(entries, func(entry sarama.ConfigEntry) bool { return entry.Name == name })
	if at < 0 {
		t.Fatalf("%s is not among the %d settings", name, len(entries))
	}
	return entries[at]
}

func TestAdminReadsAndChangesATopicsSettings(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 1)
		describe := func(name string) sarama.ConfigEntry {
			t.Helper()
			entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
			must(t, "DescribeConfig", err)
			return entry(t, entries, name)
		}
		if got := describe("cleanup.policy"); got.Value != "delete" || got.ReadOnly || got.Sensitive {
			t.Errorf("cleanup.policy is %+v", got)
		}

		set := map[string]*string{"retention.ms": pointer("60000"), "max.message.bytes": pointer("2000000")}
		must(t, "only validating", admin.AlterConfig(sarama.TopicResource, topic, set, true))
		must(t, "AlterConfig", admin.AlterConfig(sarama.TopicResource, topic, set, false))
		eventually(t, "retention.ms is 60000", func() bool { return describe("retention.ms").Value == "60000" })

		// AlterConfig replaces all: what isn't named falls back to its default.
		must(t, "AlterConfig", admin.AlterConfig(sarama.TopicResource, topic,
			map[string]*string{"max.message.bytes": pointer("3000000")}, false))
		eventually(t, "retention.ms is the default", func() bool { return describe("retention.ms").Value == "604800000" })
		if got := describe("max.message.bytes").Value; got != "3000000" {
			t.Errorf("max.message.bytes is %s", got)
		}

		err := admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": pointer("soon")}, false)
		var refused *sarama.AlterConfigError
		if !errors.As(err, &refused) || refused.Err != sarama.ErrInvalidConfig {
			t.Errorf("a bad value: %v", err)
		}
	})
}

func TestAdminChangesSettingsOneByOne(t *testing.T) {
	eachVersion(t, since(sarama.V2_3_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 1)
		change := func(name string, operation sarama.IncrementalAlterConfigsOperation, value *string) {
			t.Helper()
			must(t, "IncrementalAlterConfig", admin.IncrementalAlterConfig(sarama.TopicResource, topic,
				map[string]sarama.IncrementalAlterConfigsEntry{name: {Operation: operation, Value: value}}, false))
		}
		wants := func(name, want string) {
			t.Helper()
			eventually(t, name+" is "+want, func() bool {
				entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
				must(t, "DescribeConfig", err)
				return entry(t, entries, name).Value == want
			})
		}
		change("retention.ms", sarama.IncrementalAlterConfigsOperationSet, pointer("60000"))
		change("cleanup.policy", sarama.IncrementalAlterConfigsOperationAppend, pointer("compact"))
		wants("retention.ms", "60000")
		wants("cleanup.policy", "delete,compact")
		change("cleanup.policy", sarama.IncrementalAlterConfigsOperationSubtract, pointer("delete"))
		change("retention.ms", sarama.IncrementalAlterConfigsOperationDelete, nil)
		wants("cleanup.policy", "compact")
		wants("retention.ms", "604800000")
		err := admin.IncrementalAlterConfig(sarama.TopicResource, unique(t),
			map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Value: pointer("1")}}, false)
		if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			t.Errorf("of an unknown topic: %v", err)
		}
	})
}

func TestAdminReadsABrokersSettings(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		brokers, _, err := admin.DescribeCluster()
		must(t, "DescribeCluster", err)
		entries, err := admin.DescribeConfig(sarama.ConfigResource{
			Type: sarama.BrokerResource, Name: fmt.Sprint(brokers[0].ID()),
			ConfigNames: []string{"message.max.bytes", "log.dirs", "num.partitions"},
		})
		must(t, "DescribeConfig", err)
		if len(entries) != 3 {
			t.Errorf("asked for three settings, got %d", len(entries))
		}
		if got := entry(t, entries, "message.max.bytes"); got.Value != "1048588" || got.ReadOnly {
			t.Errorf("message.max.bytes is %+v", got)
		}
		if got := entry(t, entries, "log.dirs"); !got.ReadOnly {
			t.Errorf("log.dirs is %+v", got)
		}
	})
}

func TestAdminReadsSynonymsAndDocumentation(t *testing.T) {
	eachVersion(t, []sarama.KafkaVersion{sarama.DefaultVersion, sarama.MaxVersion},
		func(t testing.TB, version sarama.KafkaVersion) {
			admin := newAdmin(t, theBroker, version)
			topic := newTopicAt(t, theBroker, 1, map[string]*string{"max.message.bytes": pointer("2000000")})
			results, err := admin.DescribeConfigs(
				[]*sarama.ConfigResource{
					{Type: sarama.TopicResource, Name: topic},
					{Type: sarama.TopicResource, Name: unique(t)},
				},
				sarama.DescribeConfigsOptions{IncludeSynonyms: true, IncludeDocumentation: true},
			)
			must(t, "DescribeConfigs", err)
			if len(results) != 2 || results[0].ErrorCode != sarama.ErrNoError ||
				results[1].ErrorCode != sarama.ErrUnknownTopicOrPartition {
				t.Fatalf("got %+v", results)
			}
			got := entry(t, results[0].Configs, "max.message.bytes")
			if got.Value != "2000000" || got.Source != sarama.SourceTopic {
				t.Errorf("max.message.bytes is %+v", got)
			}
			if len(got.Synonyms) != 2 || got.Synonyms[0].Source != sarama.SourceTopic ||
				got.Synonyms[1].ConfigName != "message.max.bytes" || got.Synonyms[1].ConfigValue != "1048588" ||
				got.Synonyms[1].Source != sarama.SourceDefault {
				t.Errorf("max.message.bytes has synonyms %+v", got.Synonyms)
			}
			if got.Documentation == nil || *got.Documentation == "" {
				t.Error("max.message.bytes has no documentation")
			}
			if got.Type != sarama.IntConfigType {
				t.Errorf("max.message.bytes has type %v", got.Type)
			}
		})
}

func TestAdminDescribesTheCluster(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		brokers, controller, err := newAdmin(t, theBroker, version).DescribeCluster()
		must(t, "DescribeCluster", err)
		known := func(broker *sarama.Broker) bool { return broker.ID() == controller }
		if len(brokers) == 0 || !slices.ContainsFunc(brokers, known) {
			t.Errorf("controller %d is none of %v", controller, brokers)
		}
	})
}

func TestAdminListsOffsets(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 2)
		produce(t, theBroker, topic, 1, numbered("value", 7)...)
		for at, want := range map[int64][]int64{
			sarama.OffsetOldest: {0, 0}, sarama.OffsetNewest: {0, 7},
			time.Now().Add(-time.Hour).UnixMilli(): {-1, 0},
		} {
			results, err := admin.ListOffsets(map[string]map[int32]int64{topic: {0: at, 1: at}}, nil)
			must(t, "ListOffsets", err)
			for partition, offset := range want {
				if got := results[topic][int32(partition)]; got == nil || !ok(got.Err) || got.Offset != offset {
					t.Errorf("at %d partition %d has %+v, want offset %d", at, partition, got, offset)
				}
			}
		}
	})
}

func TestAdminDeletesRecords(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 2)
		values := numbered("value", 10)
		produce(t, theBroker, topic, 0, values...)
		produce(t, theBroker, topic, 1, values...)
		must(t, "DeleteRecords", admin.DeleteRecords(topic, map[int32]int64{0: 4, 1: -1}))
		client := newClient(t, theBroker, version)
		for partition, want := range []int64{4, 10} {
			got, err := client.GetOffset(topic, int32(partition), sarama.OffsetOldest)
			must(t, "GetOffset", err)
			if got != want {
				t.Errorf("partition %d begins at %d, want %d", partition, got, want)
			}
		}
		wantValues(t, readAll(t, theBroker, configure(version), topic, 0, 6), 4, values[4:])
		err := admin.DeleteRecords(topic, map[int32]int64{0: 11})
		if !errors.Is(err, sarama.ErrOffsetOutOfRange) {
			t.Errorf("beyond the end: %v", err)
		}
	})
}

func TestAdminDescribesLogDirs(t *testing.T) {
	eachVersion(t, since(sarama.V1_0_0_0), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := newTopic(t, 2)
		produce(t, theBroker, topic, 0, numbered("value", 10)...)
		brokers, _, err := admin.DescribeCluster()
		must(t, "DescribeCluster", err)
		var ids []int32
		for _, broker := range brokers {
			ids = append(ids, broker.ID())
		}
		answers, err := admin.DescribeLogDirs(ids)
		must(t, "DescribeLogDirs", err)
		sizes := map[int32]int64{}
		for _, dir := range slices.Concat(slices.Collect(maps.Values(answers))...) {
			if dir.ErrorCode != sarama.ErrNoError || dir.Path == "" {
				t.Errorf("directory %q: %v", dir.Path, dir.ErrorCode)
			}
			for _, described := range dir.Topics {
				for _, partition := range described.Partitions {
					if described.Topic == topic {
						sizes[partition.PartitionID] = partition.Size
					}
				}
			}
		}
		if len(sizes) != 2 || sizes[0] < 500 || sizes[1] != 0 {
			t.Errorf("the partitions' sizes are %v", sizes)
		}
	})
}
