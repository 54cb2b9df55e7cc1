package sarama_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func TestClientSeesTheCluster(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 2)
		client := newClient(t, theBroker, version)
		brokers := client.Brokers()
		if len(brokers) == 0 {
			t.Fatal("no brokers")
		}
		var ids []int32
		for _, broker := range brokers {
			ids = append(ids, broker.ID())
		}
		if version.IsAtLeast(sarama.V0_10_0_0) {
			controller, err := client.Controller()
			must(t, "Controller", err)
			if !slices.Contains(ids, controller.ID()) {
				t.Errorf("controller %d is none of %v", controller.ID(), ids)
			}
		}
		coordinator, err := client.Coordinator("some group")
		must(t, "Coordinator", err)
		if !slices.Contains(ids, coordinator.ID()) {
			t.Errorf("coordinator %d is none of %v", coordinator.ID(), ids)
		}
		for _, partition := range []int32{0, 1} {
			leader, err := client.Leader(topic, partition)
			must(t, "Leader", err)
			replicas, err := client.Replicas(topic, partition)
			must(t, "Replicas", err)
			inSync, err := client.InSyncReplicas(topic, partition)
			must(t, "InSyncReplicas", err)
			if !slices.Contains(ids, leader.ID()) || !slices.Contains(replicas, leader.ID()) ||
				!slices.Contains(inSync, leader.ID()) {
				t.Errorf("partition %d: leader %d, replicas %v, in sync %v, brokers %v", partition, leader.ID(),
					replicas, inSync, ids)
			}
		}
	})
}

// An address that a client is told must be one where it is answered.
func TestBrokersAnswerAtTheAddressesTheyGive(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		client := newClient(t, theBroker, version)
		for _, broker := range client.Brokers() {
			err := broker.Open(client.Config())
			if err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
				t.Fatal(err)
			}
			connected, err := broker.Connected()
			if err != nil || !connected {
				t.Errorf("broker %d at %s: connected %v, %v", broker.ID(), broker.Addr(), connected, err)
			}
		}
	})
}

func TestUnknownTopicIsUnknown(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		config := configure(version)
		config.Metadata.AllowAutoTopicCreation = false
		config.Metadata.Retry.Max = 1
		client := newClientWith(t, theBroker, config)
		topic := unique(t)
		_, err := client.Partitions(topic)
		if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
			t.Errorf("got %v, want %v", err, sarama.ErrUnknownTopicOrPartition)
		}
	})
}

func TestTopicIsCreatedByUse(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := unique(t)
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		_, _, err := producer.SendMessage(message(topic, 0, "first"))
		must(t, "sending to a topic that wasn't there", err)
		readAll(t, theBroker, configure(version), topic, 0, 1)
	})
}

func TestOffsetsAreFoundByTime(t *testing.T) {
	eachVersion(t, everyEra, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		config := configure(sarama.DefaultVersion)
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		start := time.Now().Add(-time.Hour).Truncate(time.Second)
		for i := range 5 {
			m := message(topic, 0, fmt.Sprint(i))
			m.Timestamp = start.Add(time.Duration(i) * time.Minute)
			_, _, err := producer.SendMessage(m)
			must(t, "sending", err)
		}
		client := newClient(t, theBroker, version)
		want := map[int64]int64{sarama.OffsetOldest: 0, sarama.OffsetNewest: 5}
		if version.IsAtLeast(sarama.V0_10_1_0) { // before, only whole segments have a time
			want[start.Add(2*time.Minute).UnixMilli()] = 2
			want[start.Add(90*time.Second).UnixMilli()] = 2
			want[start.Add(time.Hour).UnixMilli()] = -1
		}
		for at, offset := range want {
			got, err := client.GetOffset(topic, 0, at)
			must(t, "GetOffset", err)
			if got != offset {
				t.Errorf("offset at %d is %d, want %d", at, got, offset)
			}
		}
	})
}

// The versions in which sarama sends its requests, so that a scenario configured for an old Kafka is known to use
// that Kafka's protocol. A broker that advertised less than it should would show here: sarama goes down to what is
// advertised, and its configured version is the upper bound.
func TestRequestsHaveTheConfiguredVersion(t *testing.T) {
	t.Parallel()
	for _, expected := range []struct {
		version  sarama.KafkaVersion
		requests map[int16]int16
	}{
		{sarama.V0_9_0_1, map[int16]int16{produceKey: 0, fetchKey: 1, listOffsetsKey: 0, metadataKey: 0}},
		{sarama.V0_10_2_0, map[int16]int16{
			produceKey: 2, fetchKey: 3, listOffsetsKey: 1, metadataKey: 2, joinGroupKey: 1, syncGroupKey: 0,
			heartbeatKey: 0, leaveGroupKey: 0, offsetCommitKey: 2, offsetFetchKey: 2, findCoordinatorKey: 0,
		}},
		{sarama.V0_11_0_2, map[int16]int16{
			produceKey: 3, fetchKey: 5, listOffsetsKey: 2, metadataKey: 4, joinGroupKey: 2, syncGroupKey: 1,
			heartbeatKey: 1, leaveGroupKey: 1, offsetCommitKey: 3, offsetFetchKey: 3, findCoordinatorKey: 1,
		}},
		{sarama.V2_3_0_0, map[int16]int16{
			produceKey: 7, fetchKey: 11, listOffsetsKey: 5, metadataKey: 8, joinGroupKey: 5, syncGroupKey: 3,
			heartbeatKey: 3, leaveGroupKey: 2, offsetCommitKey: 7, offsetFetchKey: 5, findCoordinatorKey: 2,
		}},
		{sarama.V2_8_0_0, map[int16]int16{
			produceKey: 9, fetchKey: 12, listOffsetsKey: 6, metadataKey: 11, joinGroupKey: 7, syncGroupKey: 5,
			heartbeatKey: 4, leaveGroupKey: 4, offsetCommitKey: 8, offsetFetchKey: 7, findCoordinatorKey: 3,
		}},
		{sarama.MaxVersion, map[int16]int16{
			produceKey: 10, fetchKey: 12, listOffsetsKey: 6, metadataKey: 11, joinGroupKey: 8, syncGroupKey: 5,
			heartbeatKey: 4, leaveGroupKey: 5, offsetCommitKey: 8, offsetFetchKey: 8, findCoordinatorKey: 3,
		}},
	} {
		t.Run(expected.version.String(), func(t *testing.T) {
			scenario(t, func(t testing.TB) {
				needsVersion(t, expected.version)
				topic := newTopic(t, 1)
				wire := newWire()
				config := wire.through(configure(expected.version))
				producer := newSyncProducer(t, theBroker, config)
				_, _, err := producer.SendMessage(message(topic, 0, "value"))
				must(t, "sending", err)
				readAll(t, theBroker, config, topic, 0, 1)
				if expected.version.IsAtLeast(sarama.V0_10_2_0) {
					config.Consumer.Offsets.Initial = sarama.OffsetOldest
					config.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
					group := newGroup(t, theBroker, topic)
					member := group.join(t, "only", config)
					member.take(t, 1)
					eventually(t, "it has sent a heartbeat", func() bool { return wire.versions(heartbeatKey) != nil })
					member.leave(t)
				}
				for key, version := range expected.requests {
					if got := wire.versions(key); !slices.Equal(got, []int16{version}) {
						t.Errorf("API %d was used in versions %v, want %d", key, got, version)
					}
				}
			})
		})
	}
}
