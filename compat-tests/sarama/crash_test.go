package sarama_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// The broker is killed with SIGKILL and started again on the same port and data directory, while clients go on.

func TestGroupGoesOnAfterTheBrokersCrash(t *testing.T) {
	t.Parallel()
	for _, user := range []user{users[0], users[3], users[6]} {
		t.Run(user.name, func(t *testing.T) {
			scenarioWithin(t, 3*time.Minute, func(t testing.TB) {
				broker := ownBroker(t)
				topic := newTopicAt(t, broker, 2, nil)
				group := newGroup(t, broker, topic)
				config := user.config()
				config.Consumer.Offsets.Initial = sarama.OffsetOldest
				member := group.join(t, "only", config)
				produce(t, broker, topic, 0, numbered("before", 10)...)
				produce(t, broker, topic, 1, numbered("before", 4)...)
				member.take(t, 14)
				group.awaitCommitted(t, topic, 0, 10)
				group.awaitCommitted(t, topic, 1, 4)

				broker.kill()
				if _, err := sarama.NewClient(broker.addrs, configure(user.version)); !errors.Is(err, sarama.ErrOutOfBrokers) {
					t.Errorf("a new client sees %v, want %v", err, sarama.ErrOutOfBrokers)
				}
				eventuallyWithin(t, time.Minute, "the member's Consume has failed for want of a broker", func() bool {
					for _, err := range member.seenErrors() {
						if errors.Is(err, sarama.ErrOutOfBrokers) {
							return true
						}
					}
					return false
				})

				must(t, "restarting the broker", broker.start())
				produce(t, broker, topic, 0, numbered("after", 10)...)
				produce(t, broker, topic, 1, numbered("after", 10)...)
				next := map[int32]int64{0: 10, 1: 4}
				for _, got := range member.takeWithin(t, time.Minute, 20) {
					if got.Offset != next[got.Partition] {
						t.Fatalf("partition %d goes on at offset %d (%q), want %d", got.Partition, got.Offset, got.Value,
							next[got.Partition])
					}
					next[got.Partition]++
				}
				group.awaitCommitted(t, topic, 0, 20)
				group.awaitCommitted(t, topic, 1, 14)
			})
		})
	}
}

func TestAcknowledgedMessagesSurviveACrash(t *testing.T) {
	scenarioWithin(t, 2*time.Minute, func(t testing.TB) {
		broker := ownBroker(t)
		topic := newTopicAt(t, broker, 1, nil)
		config := configure(sarama.DefaultVersion)
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Retry.Max = 100
		producer := newSyncProducer(t, broker, config)
		var values []string
		send := func(prefix string) {
			for _, value := range numbered(prefix, 50) {
				_, _, err := producer.SendMessage(message(topic, 0, value))
				must(t, "sending", err)
				values = append(values, value)
			}
		}
		for crash := range 3 {
			send(fmt.Sprint(crash))
			broker.kill()
			must(t, "restarting the broker", broker.start())
		}
		send("last")
		wantValues(t, readAll(t, broker, configure(sarama.DefaultVersion), topic, 0, len(values)), 0, values)
	})
}

// The producer's sequence goes on across the crash: the broker finds it again in what it has on disk.
func TestIdempotentProducerGoesOnAfterTheBrokersCrash(t *testing.T) {
	scenarioWithin(t, 2*time.Minute, func(t testing.TB) {
		broker := ownBroker(t)
		topic := newTopicAt(t, broker, 1, nil)
		wire := newWire()
		config := idempotent(wire.through(configure(sarama.DefaultVersion)))
		config.Producer.Retry.Max = 10
		producer := newSyncProducer(t, broker, config)
		values := numbered("once", 6)
		for i, value := range values {
			if i%2 == 1 {
				broker.kill()
				must(t, "restarting the broker", broker.start())
				wire.loseAnswers(produceKey, 1)
			}
			_, offset, err := producer.SendMessage(message(topic, 0, value))
			must(t, "sending", err)
			if offset != int64(i) {
				t.Errorf("%s was acknowledged at %d, want %d", value, offset, i)
			}
		}
		got := readAll(t, broker, configure(sarama.DefaultVersion), topic, 0, len(values))
		wantValues(t, got, 0, values)
	})
}

// The broker dies when a group is in the middle of a rebalance; the members find each other again.
func TestRebalanceOutlivesTheBrokersCrash(t *testing.T) {
	t.Parallel()
	for _, user := range []user{users[0], users[3], users[6]} {
		t.Run(user.name, func(t *testing.T) {
			scenarioWithin(t, 3*time.Minute, func(t testing.TB) {
				broker := ownBroker(t)
				topic := newTopicAt(t, broker, 4, nil)
				group := newGroup(t, broker, topic)
				config := func() *sarama.Config {
					config := user.config()
					config.Consumer.Group.Session.Timeout = 6 * time.Second
					config.Consumer.Group.Heartbeat.Interval = time.Second
					config.Consumer.Offsets.Initial = sarama.OffsetOldest
					return config
				}
				group.join(t, "first", config())
				produce(t, broker, topic, 0, numbered("before", 5)...)
				group.settle(t, topic, 4)
				group.awaitCommitted(t, topic, 0, 5)
				// The first learns of the second with its next heartbeat, up to a second from now.
				wire := newWire()
				group.join(t, "second", wire.through(config()))
				eventually(t, "the second has asked to join", func() bool { return len(wire.versions(joinGroupKey)) > 0 })
				broker.kill()
				must(t, "restarting the broker", broker.start())
				group.settleWithin(t, time.Minute, topic, 2, 2)
				group.awaitCommitted(t, topic, 0, 5)
			})
		})
	}
}
