package sarama_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// A group is a consumer group whose members run in this process, each with a client of its own.
type group struct {
	id      string
	broker  *broker
	topics  []string
	mu      sync.Mutex
	members []*member
}

// A member consumes in a loop, as a program would: when Consume returns it joins again, after a second if there was
// an error. Every message is marked, unless onMessage does something else with it.
type member struct {
	group     *group
	name      string
	client    sarama.ConsumerGroup
	messages  chan consumed
	onMessage func(sarama.ConsumerGroupSession, *sarama.ConsumerMessage)
	stop      context.CancelFunc
	stopped   chan struct{}

	mu       sync.Mutex
	calls    []string                  // Setup, ConsumeClaim and Cleanup as they are called
	sessions []map[string][]int32      // the claims of each session, as Setup was told
	holds    map[string]map[int32]bool // the claims that are being consumed
	errors   []error
	id       string
}

type consumed struct {
	*sarama.ConsumerMessage
	lag int64 // messages that the partition had after this one, and this one
}

func newGroup(t testing.TB, b *broker, topics ...string) *group {
	return &group{id: unique(t), broker: b, topics: topics}
}

// groupConfig is the configuration of the users' consumer groups.
func groupConfig(version sarama.KafkaVersion, strategies ...sarama.BalanceStrategy) *sarama.Config {
	config := configure(version)
	config.Consumer.Group.Session.Timeout = 20 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 6 * time.Second
	config.Consumer.Group.Rebalance.GroupStrategies = strategies
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Offsets.Initial = sarama.OffsetNewest
	config.Consumer.Offsets.AutoCommit.Interval = time.Second
	return config
}

func (g *group) join(t testing.TB, name string, config *sarama.Config) *member {
	t.Helper()
	return g.joinWith(t, name, config, nil)
}

func (g *group) joinWith(
	t testing.TB, name string, config *sarama.Config,
	onMessage func(sarama.ConsumerGroupSession, *sarama.ConsumerMessage),
) *member {
	t.Helper()
	client, err := sarama.NewConsumerGroup(g.broker.addrs, g.id, config)
	if err != nil {
		t.Fatalf("making a consumer group: %v", err)
	}
	if onMessage == nil {
		onMessage = func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) {
			session.MarkMessage(m, "")
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &member{
		group: g, name: name, client: client, onMessage: onMessage, stop: stop,
		messages: make(chan consumed, 10_000), stopped: make(chan struct{}),
		holds: map[string]map[int32]bool{},
	}
	g.mu.Lock()
	g.members = append(g.members, m)
	g.mu.Unlock()
	go func() {
		for err := range client.Errors() {
			m.failedWith(err)
		}
	}()
	go m.consume(ctx)
	t.Cleanup(func() { m.close() })
	return m
}

func (m *member) consume(ctx context.Context) {
	defer close(m.stopped)
	for ctx.Err() == nil {
		err := m.client.Consume(ctx, m.group.topics, m)
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return
		}
		if err != nil {
			m.failedWith(err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (m *member) failedWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errors = append(m.errors, err)
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, "Setup")
	m.sessions = append(m.sessions, session.Claims())
	m.id = session.MemberID()
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, "Cleanup")
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.mu.Lock()
	m.calls = append(m.calls, "ConsumeClaim")
	if m.holds[claim.Topic()] == nil {
		m.holds[claim.Topic()] = map[int32]bool{}
	}
	m.holds[claim.Topic()][claim.Partition()] = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.holds[claim.Topic()], claim.Partition())
	}()
	for received := range claim.Messages() {
		m.onMessage(session, received)
		m.messages <- consumed{received, claim.HighWaterMarkOffset() - received.Offset}
	}
	return nil
}

// take receives the member's next n messages.
func (m *member) take(t testing.TB, n int) []consumed {
	t.Helper()
	return m.takeWithin(t, soon, n)
}

func (m *member) takeWithin(t testing.TB, limit time.Duration, n int) []consumed {
	t.Helper()
	var messages []consumed
	deadline := time.After(limit)
	for len(messages) < n {
		select {
		case received := <-m.messages:
			messages = append(messages, received)
		case <-deadline:
			t.Fatalf("after %v %s has only %d of %d messages; its errors: %v", limit, m.name, len(messages), n,
				m.seenErrors())
		}
	}
	return messages
}

// claims are the partitions of one topic that the member consumes now.
func (m *member) claims(topic string) []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.holds[topic]))
}

// setups is the number of sessions that the member has had.
func (m *member) setups() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sessions)
}

func (m *member) seenErrors() []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.errors)
}

func (m *member) seenCalls() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// leave ends the member as a program does that ends well: marked offsets are committed, LeaveGroup is sent.
func (m *member) leave(t testing.TB) {
	t.Helper()
	if err := m.close(); err != nil {
		t.Errorf("%s leaves: %v", m.name, err)
	}
}

func (m *member) close() error {
	m.group.mu.Lock()
	m.group.members = slices.DeleteFunc(m.group.members, func(other *member) bool { return other == m })
	m.group.mu.Unlock()
	m.stop()
	<-m.stopped
	return m.client.Close()
}

// forget takes a member that has died out of the account; it may go on trying.
func (g *group) forget(dead *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = slices.DeleteFunc(g.members, func(other *member) bool { return other == dead })
}

// settle waits until the members together hold every partition of the topic once, so many each; the order of the
// counts is of no account.
func (g *group) settle(t testing.TB, topic string, counts ...int) {
	t.Helper()
	g.settleWithin(t, soon, topic, counts...)
}

func (g *group) settleWithin(t testing.TB, limit time.Duration, topic string, counts ...int) {
	t.Helper()
	slices.Sort(counts)
	total := 0
	for _, count := range counts {
		total += count
	}
	var last string
	deadline := time.Now().Add(limit)
	for {
		g.mu.Lock()
		members := slices.Clone(g.members)
		g.mu.Unlock()
		var have []int
		held := map[int32]bool{}
		claims := map[string][]int32{}
		for _, m := range members {
			claims[m.name] = m.claims(topic)
			have = append(have, len(claims[m.name]))
			for _, partition := range claims[m.name] {
				held[partition] = true
			}
		}
		slices.Sort(have)
		if slices.Equal(have, counts) && len(held) == total {
			return
		}
		last = fmt.Sprint(claims)
		if time.Now().After(deadline) {
			var errs []error
			for _, m := range members {
				errs = append(errs, m.seenErrors()...)
			}
			t.Fatalf("after %v the members hold %s, want %v; their errors: %v", limit, last, counts, errs)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// committed is the offset that the group has committed for a partition, -1 if none.
func (g *group) committed(t testing.TB, admin sarama.ClusterAdmin, topic string, partition int32) int64 {
	t.Helper()
	answer, err := admin.ListConsumerGroupOffsets(g.id, map[string][]int32{topic: {partition}})
	must(t, "fetching offsets", err)
	block := answer.GetBlock(topic, partition)
	if block == nil {
		t.Fatalf("no answer about %s-%d", topic, partition)
	}
	if !errors.Is(block.Err, sarama.ErrNoError) {
		t.Fatalf("the offset of %s-%d: %v", topic, partition, block.Err)
	}
	return block.Offset
}

func (g *group) awaitCommitted(t testing.TB, topic string, partition int32, offset int64) {
	t.Helper()
	admin := newAdmin(t, g.broker, sarama.DefaultVersion)
	eventually(t, fmt.Sprintf("%s has committed offset %d of %s-%d", g.id, offset, topic, partition), func() bool {
		return g.committed(t, admin, topic, partition) == offset
	})
}
