package sarama_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

const memberPatience = 2 * time.Minute

func TestGroupScalesOverFourPartitions(t *testing.T) {
	t.Parallel()
	for _, user := range users {
		t.Run(user.name, func(t *testing.T) {
			scenarioWithin(t, memberPatience, func(t testing.TB) {
				needsVersion(t, user.version)
				topic := newTopic(t, 4)
				group := newGroup(t, theBroker, topic)
				config := func() *sarama.Config {
					config := user.config()
					// Members learn of a rebalance from their heartbeats; the users' 6 s would only make this slow.
					config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
					return config
				}
				var members []*member
				join := func() {
					name := fmt.Sprintf("member %d", len(members)+1)
					members = append(members, group.join(t, name, config()))
				}
				join()
				group.settle(t, topic, 4)
				join()
				group.settle(t, topic, 2, 2)
				join()
				join()
				group.settle(t, topic, 1, 1, 1, 1)
				join()
				eventually(t, "the fifth is in the group", func() bool { return members[4].setups() > 0 })
				group.settle(t, topic, 0, 1, 1, 1, 1)

				for partition := range int32(4) {
					produce(t, theBroker, topic, partition, fmt.Sprint(partition))
				}
				for _, member := range members {
					if claims := member.claims(topic); len(claims) == 1 {
						if got := member.take(t, 1)[0]; got.Partition != claims[0] {
							t.Errorf("%s holds %v and got a message of %d", member.name, claims, got.Partition)
						}
					}
				}

				for _, member := range members[:3] {
					member.leave(t)
				}
				group.settle(t, topic, 2, 2)
				members[3].leave(t)
				group.settle(t, topic, 4)
			})
		})
	}
}

// A member whose process or machine is gone sends no LeaveGroup. Whether its connection is reset or stays open
// with nothing coming of it, its partitions move when its session time-out is over, and not before.
func TestDeadMemberIsRemovedAfterItsSessionTimeOut(t *testing.T) {
	t.Parallel()
	for _, user := range []user{users[0], users[3], users[6]} {
		for how, die := range map[string]func(*wire){"reset": (*wire).cut, "silent": (*wire).silence} {
			t.Run(user.name+" "+how, func(t *testing.T) {
				scenarioWithin(t, memberPatience, func(t testing.TB) {
					needsVersion(t, user.version)
					topic := newTopic(t, 4)
					group := newGroup(t, theBroker, topic)
					config := func() *sarama.Config {
						config := user.config()
						config.Consumer.Group.Session.Timeout = 6 * time.Second // the least that Kafka allows
						config.Consumer.Group.Heartbeat.Interval = time.Second
						config.Consumer.Offsets.Initial = sarama.OffsetOldest
						return config
					}
					wire := newWire()
					lives := group.join(t, "lives", config())
					dies := group.join(t, "dies", wire.through(config()))
					t.Cleanup(wire.close) // before the member is closed, which would wait for answers
					group.settle(t, topic, 2, 2)
					moved := dies.claims(topic)

					die(wire)
					died := time.Now()
					group.forget(dies)
					group.settleWithin(t, time.Minute, topic, 4)
					// It was last heard of within a heartbeat's time before it died.
					if took := time.Since(died); took < 4*time.Second {
						t.Errorf("its partitions moved after %v, with a session time-out of 6 s", took)
					}
					produce(t, theBroker, topic, moved[0], "for whoever has it now")
					if got := lives.take(t, 1)[0]; got.Partition != moved[0] {
						t.Errorf("got a message of partition %d", got.Partition)
					}
				})
			})
		}
	}
}

// Members come and go, one of them without a word, while messages come in: each message is handed to some member.
func TestNothingIsLostWhileMembersComeAndGo(t *testing.T) {
	t.Parallel()
	for _, user := range []user{users[0], users[2], users[6]} {
		t.Run(user.name, func(t *testing.T) {
			scenarioWithin(t, memberPatience, func(t testing.TB) {
				needsVersion(t, user.version)
				const partitions, rounds = 4, 6
				topic := newTopic(t, partitions)
				group := newGroup(t, theBroker, topic)
				var mu sync.Mutex
				missing := map[string]bool{}
				var members []*member
				join := func(wire *wire) *member {
					config := user.config()
					config.Consumer.Group.Session.Timeout = 6 * time.Second
					config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
					config.Consumer.Offsets.Initial = sarama.OffsetOldest
					if wire != nil {
						wire.through(config)
					}
					member := group.joinWith(t, fmt.Sprintf("member %d", len(members)+1), config,
						func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) {
							session.MarkMessage(m, "")
							mu.Lock()
							defer mu.Unlock()
							delete(missing, string(m.Value))
						})
					members = append(members, member)
					return member
				}
				dying := newWire()
				join(nil)
				for round := range rounds {
					values := numbered(fmt.Sprintf("round-%d", round), 100)
					mu.Lock()
					for _, value := range values {
						missing[value] = true
					}
					mu.Unlock()
					for i := range partitions {
						produce(t, theBroker, topic, int32(i), values[i*25:(i+1)*25]...)
					}
					switch round {
					case 0, 1:
						join(nil)
					case 2:
						join(dying)
						t.Cleanup(dying.close) // before the member is closed, which would wait for answers
					case 3:
						members[0].leave(t)
					case 4:
						dying.silence()
					}
				}
				eventuallyWithin(t, time.Minute, "every message was consumed", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return len(missing) == 0
				})
			})
		})
	}
}
