package sarama_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// A user is a way in which the users of kwire configure their groups.
type user struct {
	name    string
	version sarama.KafkaVersion
	make    func() sarama.BalanceStrategy // strategies keep state, so that each member needs its own
}

func (u user) config() *sarama.Config { return groupConfig(u.version, u.make()) }

var users = []user{
	{"2.3.0 sticky", sarama.V2_3_0_0, sarama.NewBalanceStrategySticky},
	{"2.3.0 range", sarama.V2_3_0_0, sarama.NewBalanceStrategyRange},
	{"0.11.0.2 sticky", sarama.V0_11_0_2, sarama.NewBalanceStrategySticky},
	{"0.11.0.2 range", sarama.V0_11_0_2, sarama.NewBalanceStrategyRange},
	{"2.8.0 round robin", sarama.V2_8_0_0, sarama.NewBalanceStrategyRoundRobin},
	{"newest sticky", sarama.MaxVersion, sarama.NewBalanceStrategySticky},
	{"newest cooperative", sarama.MaxVersion, sarama.NewBalanceStrategyCooperativeSticky},
}

func eachUser(t *testing.T, users []user, body func(t testing.TB, user user)) {
	t.Helper()
	t.Parallel()
	for _, user := range users {
		t.Run(user.name, func(t *testing.T) {
			scenario(t, func(t testing.TB) {
				needsVersion(t, user.version)
				body(t, user)
			})
		})
	}
}

func TestGroupConsumesWhatComesAfterItsStart(t *testing.T) {
	eachUser(t, users, func(t testing.TB, user user) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("before", 3)...)
		group := newGroup(t, theBroker, topic)
		member := group.join(t, "only", user.config())
		group.settle(t, topic, 1)
		values := numbered("after", 10)
		produce(t, theBroker, topic, 0, values...)
		for i, got := range member.take(t, 10) {
			if string(got.Value) != values[i] || got.Offset != int64(i)+3 {
				t.Errorf("message %d is %q at %d", i, got.Value, got.Offset)
			}
			if got.lag < 1 || got.lag > int64(10-i) {
				t.Errorf("message %d has a lag of %d", i, got.lag)
			}
		}
		group.awaitCommitted(t, topic, 0, 13)
		member.leave(t)
		if calls := member.seenCalls(); !slices.Equal(calls, []string{"Setup", "ConsumeClaim", "Cleanup"}) {
			t.Errorf("sarama called %v", calls)
		}
		if errs := member.seenErrors(); len(errs) > 0 {
			t.Errorf("errors: %v", errs)
		}
	})
}

func TestLagIsTheHighWaterMarkLessTheOffset(t *testing.T) {
	eachUser(t, users, func(t testing.TB, user user) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("value", 20)...)
		group := newGroup(t, theBroker, topic)
		config := user.config()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		for _, got := range group.join(t, "only", config).take(t, 20) {
			if want := 20 - got.Offset; got.lag != want {
				t.Errorf("at offset %d of 20 the lag is %d, want %d", got.Offset, got.lag, want)
			}
		}
	})
}

func TestGroupGoesOnFromItsCommittedOffset(t *testing.T) {
	eachUser(t, users, func(t testing.TB, user user) {
		topic := newTopic(t, 2)
		group := newGroup(t, theBroker, topic)
		config := user.config()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		produce(t, theBroker, topic, 0, numbered("first", 5)...)
		produce(t, theBroker, topic, 1, numbered("first", 5)...)
		first := group.join(t, "first", config)
		first.take(t, 10)
		first.leave(t)
		produce(t, theBroker, topic, 0, numbered("second", 3)...)
		second := group.join(t, "second", user.config())
		for i, got := range second.take(t, 3) {
			if want := fmt.Sprintf("second-%d", i); string(got.Value) != want || got.Offset != int64(5+i) {
				t.Errorf("message %d is %q at %d, want %q", i, got.Value, got.Offset, want)
			}
		}
	})
}

func TestGroupConsumesSeveralTopics(t *testing.T) {
	eachUser(t, users, func(t testing.TB, user user) {
		one, two := newTopic(t, 2), newTopic(t, 3)
		group := newGroup(t, theBroker, one, two)
		member := group.join(t, "only", user.config())
		group.settle(t, one, 2)
		group.settle(t, two, 3)
		produce(t, theBroker, one, 1, "one")
		produce(t, theBroker, two, 2, "two")
		got := map[string]string{}
		for _, m := range member.take(t, 2) {
			got[m.Topic] = string(m.Value)
		}
		if got[one] != "one" || got[two] != "two" {
			t.Errorf("got %v", got)
		}
	})
}

func TestNothingIsCommittedThatWasNotMarked(t *testing.T) {
	eachUser(t, users[:3], func(t testing.TB, user user) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("value", 10)...)
		group := newGroup(t, theBroker, topic)
		config := user.config()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		member := group.joinWith(t, "only", config,
			func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) {
				if m.Offset == 3 {
					session.MarkMessage(m, "as far as this")
				}
			})
		member.take(t, 10)
		member.leave(t)
		admin := newAdmin(t, theBroker, user.version)
		answer, err := admin.ListConsumerGroupOffsets(group.id, map[string][]int32{topic: {0}})
		must(t, "fetching offsets", err)
		if got := answer.GetBlock(topic, 0); got.Offset != 4 || got.Metadata != "as far as this" {
			t.Errorf("committed %d with %q", got.Offset, got.Metadata)
		}
	})
}

func TestGroupCommitsWhenToldTo(t *testing.T) {
	eachUser(t, users[:3], func(t testing.TB, user user) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("value", 10)...)
		group := newGroup(t, theBroker, topic)
		config := user.config()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		config.Consumer.Offsets.AutoCommit.Enable = false
		member := group.joinWith(t, "only", config,
			func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) {
				session.MarkMessage(m, "")
				if m.Offset == 5 {
					session.Commit()
				}
			})
		member.take(t, 10)
		member.leave(t)
		group.awaitCommitted(t, topic, 0, 6)
	})
}

func TestGroupRewindsAPartition(t *testing.T) {
	eachUser(t, users[:3], func(t testing.TB, user user) {
		topic := newTopic(t, 1)
		produce(t, theBroker, topic, 0, numbered("value", 5)...)
		group := newGroup(t, theBroker, topic)
		config := user.config()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		first := group.joinWith(t, "first", config,
			func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) {
				session.MarkMessage(m, "")
				if m.Offset == 4 {
					session.ResetOffset(topic, 0, 2, "again")
				}
			})
		first.take(t, 5)
		first.leave(t)
		group.awaitCommitted(t, topic, 0, 2)
		second := group.join(t, "second", config)
		if got := second.take(t, 3)[0].Offset; got != 2 {
			t.Errorf("the next member starts at %d", got)
		}
	})
}

func TestGroupNoticesNewPartitions(t *testing.T) {
	eachUser(t, []user{users[0], users[2], users[6]}, func(t testing.TB, user user) {
		topic := newTopic(t, 1)
		group := newGroup(t, theBroker, topic)
		config := user.config()
		config.Metadata.RefreshFrequency = time.Second
		member := group.join(t, "only", config)
		group.settle(t, topic, 1)
		must(t, "CreatePartitions", newAdmin(t, theBroker, sarama.DefaultVersion).CreatePartitions(topic, 2, nil, false))
		awaitPartitions(t, theBroker, topic, 2)
		group.settle(t, topic, 2)
		produce(t, theBroker, topic, 1, "on the new one")
		member.take(t, 1)
	})
}

// A member with an instance id that comes back within its session time-out gets its partitions without a rebalance.
func TestStaticMemberComesBackToItsPartitions(t *testing.T) {
	eachUser(t, []user{users[0], users[5]}, func(t testing.TB, user user) {
		topic := newTopic(t, 4)
		group := newGroup(t, theBroker, topic)
		static := func(instance string) *sarama.Config {
			config := user.config()
			config.Consumer.Group.InstanceId = instance
			return config
		}
		stays := group.join(t, "stays", static("instance-1"))
		goes := group.join(t, "goes", static("instance-2"))
		group.settle(t, topic, 2, 2)
		had := goes.claims(topic)
		sessions := stays.setups()
		goes.leave(t)
		back := group.join(t, "back", static("instance-2"))
		group.settle(t, topic, 2, 2)
		if got := back.claims(topic); !slices.Equal(got, had) {
			t.Errorf("it had %v and came back to %v", had, got)
		}
		if got := stays.setups(); got != sessions {
			t.Errorf("the other member has had %d sessions, and %d before", got, sessions)
		}
	})
}
