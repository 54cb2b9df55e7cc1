package sarama_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// awaitError waits until a member has been told of an error.
func (m *member) awaitError(t testing.TB, want error) {
	t.Helper()
	eventually(t, m.name+" is told: "+want.Error(), func() bool {
		return slices.ContainsFunc(m.seenErrors(), func(err error) bool { return errors.Is(err, want) })
	})
}

func TestMemberWithNoStrategyInCommonIsRefused(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 2)
		group := newGroup(t, theBroker, topic)
		group.join(t, "first", groupConfig(version, sarama.NewBalanceStrategyRange()))
		group.settle(t, topic, 2)
		other := group.join(t, "other", groupConfig(version, sarama.NewBalanceStrategySticky()))
		other.awaitError(t, sarama.ErrInconsistentGroupProtocol)
		group.settle(t, topic, 0, 2)
	})
}

func TestGroupTakesTheStrategyThatAllMembersHave(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 2)
		group := newGroup(t, theBroker, topic)
		config := groupConfig(version, sarama.NewBalanceStrategySticky(), sarama.NewBalanceStrategyRange())
		config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
		group.join(t, "both", config)
		group.settle(t, topic, 2)
		group.join(t, "only range", groupConfig(version, sarama.NewBalanceStrategyRange()))
		group.settle(t, topic, 1, 1)
		described, err := newAdmin(t, theBroker, version).DescribeConsumerGroups([]string{group.id})
		must(t, "DescribeConsumerGroups", err)
		if got := described[0].Protocol; got != "range" {
			t.Errorf("the group uses %q", got)
		}
	})
}

func TestSessionTimeOutOutsideTheLimitsIsRefused(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		for _, timeOut := range []time.Duration{time.Second, 24 * time.Hour} {
			group := newGroup(t, theBroker, topic)
			config := groupConfig(version, sarama.NewBalanceStrategyRange())
			config.Consumer.Group.Session.Timeout = timeOut
			config.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
			group.join(t, "hasty", config).awaitError(t, sarama.ErrInvalidSessionTimeout)
		}
	})
}

// Two members with one instance id: the later one takes its place, the earlier one is told and stays out.
func TestLaterStaticMemberFencesTheEarlier(t *testing.T) {
	eachVersion(t, []sarama.KafkaVersion{sarama.V2_3_0_0, sarama.DefaultVersion, sarama.MaxVersion},
		func(t testing.TB, version sarama.KafkaVersion) {
			topic := newTopic(t, 2)
			group := newGroup(t, theBroker, topic)
			config := func() *sarama.Config {
				config := groupConfig(version, sarama.NewBalanceStrategyRange())
				config.Consumer.Group.InstanceId = "one.and.only"
				config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
				return config
			}
			earlier := group.join(t, "earlier", config())
			group.settle(t, topic, 2)
			later := group.join(t, "later", config())
			earlier.awaitError(t, sarama.ErrFencedInstancedId)
			earlier.stop()
			group.settle(t, topic, 0, 2)
			if got := later.claims(topic); len(got) != 2 {
				t.Errorf("the later one holds %v", got)
			}
		})
}

// What a group has committed is no longer there: sarama starts at Offsets.Initial instead.
func TestGroupWhoseOffsetIsGoneStartsAgain(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		values := numbered("value", 10)
		produce(t, theBroker, topic, 0, values...)
		group := newGroup(t, theBroker, topic)
		admin := newAdmin(t, theBroker, version)
		_, err := admin.AlterConsumerGroupOffsets(group.id, map[string]map[int32]sarama.OffsetAndMetadata{
			topic: {0: {Offset: 2, LeaderEpoch: -1}},
		}, nil)
		must(t, "AlterConsumerGroupOffsets", err)
		must(t, "DeleteRecords", admin.DeleteRecords(topic, map[int32]int64{0: 6}))
		config := groupConfig(version, sarama.NewBalanceStrategyRange())
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		if got := group.join(t, "only", config).take(t, 4)[0]; got.Offset != 6 {
			t.Errorf("it starts again at %d", got.Offset)
		}
	})
}

func TestTopicsOwnLimitOfSizeHolds(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopicAt(t, theBroker, 1, map[string]*string{"max.message.bytes": pointer("10000")})
		config := configure(version)
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		_, _, err := producer.SendMessage(message(topic, 0, strings.Repeat("x", 11_000)))
		if !errors.Is(err, sarama.ErrMessageSizeTooLarge) {
			t.Errorf("11,000 bytes: %v", err)
		}
		_, _, err = producer.SendMessage(message(topic, 0, strings.Repeat("x", 9_000)))
		must(t, "sending 9,000 bytes", err)
	})
}

func TestTopicMadeAgainStartsAnew(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("old", 5)...)
		admin := newAdmin(t, theBroker, version)
		must(t, "DeleteTopic", admin.DeleteTopic(topic))
		detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}
		eventually(t, "the name is free again", func() bool { return admin.CreateTopic(topic, detail, false) == nil })
		awaitPartitions(t, theBroker, topic, 2)
		if offset := produce(t, theBroker, topic, 0, "new"); offset != 0 {
			t.Errorf("the first message is at %d", offset)
		}
		wantValues(t, readAll(t, theBroker, configure(version), topic, 0, 1), 0, []string{"new"})
	})
}

// Before 1.41, or when told not to, sarama doesn't ask which versions the broker has.
func TestClientThatDoesNotAskForVersions(t *testing.T) {
	eachVersion(t, everyEra[:len(everyEra)-1], func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		wire := newWire()
		config := wire.through(groupConfig(version, sarama.NewBalanceStrategyRange()))
		if !version.IsAtLeast(sarama.V0_11_0_0) {
			config.Consumer.IsolationLevel = sarama.ReadUncommitted
		}
		config.ApiVersionsRequest = false
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		for _, value := range numbered("value", 5) {
			_, _, err := producer.SendMessage(message(topic, 0, value))
			must(t, "sending", err)
		}
		wantValues(t, readAll(t, theBroker, config, topic, 0, 5), 0, numbered("value", 5))
		if version.IsAtLeast(sarama.V0_10_2_0) {
			group := newGroup(t, theBroker, topic)
			member := group.join(t, "only", config)
			member.take(t, 5)
			group.awaitCommitted(t, topic, 0, 5)
			member.leave(t)
		}
		if got := wire.versions(apiVersionsKey); len(got) > 0 {
			t.Errorf("it asked, in versions %v", got)
		}
	})
}
