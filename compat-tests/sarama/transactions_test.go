package sarama_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

var transactionVersions = []sarama.KafkaVersion{
	sarama.V0_11_0_2, sarama.V2_3_0_0, sarama.DefaultVersion, sarama.MaxVersion,
}

// transactional is the configuration of a producer with a transactional id.
func transactional(version sarama.KafkaVersion, id string) *sarama.Config {
	config := idempotent(configure(version))
	config.Producer.Transaction.ID = id
	config.Producer.Transaction.Timeout = 30 * time.Second
	config.Producer.Partitioner = sarama.NewManualPartitioner
	return config
}

// newTransactional makes a producer and registers its transactional id with the broker.
func newTransactional(t testing.TB, version sarama.KafkaVersion, id string) sarama.SyncProducer {
	t.Helper()
	return newSyncProducer(t, theBroker, transactional(version, id))
}

func committedOnly(version sarama.KafkaVersion) *sarama.Config {
	config := configure(version)
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	return config
}

// sendAll sends values in the transaction that has begun.
func sendAll(t testing.TB, producer sarama.SyncProducer, topic string, values ...string) {
	t.Helper()
	for _, value := range values {
		_, _, err := producer.SendMessage(message(topic, 0, value))
		must(t, "sending in a transaction", err)
	}
}

// values are the texts of messages.
func values(messages []*sarama.ConsumerMessage) string {
	var texts []string
	for _, m := range messages {
		texts = append(texts, string(m.Value))
	}
	return strings.Join(texts, " ")
}

func TestCommittedTransactionIsRead(t *testing.T) {
	eachVersion(t, transactionVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		producer := newTransactional(t, version, unique(t))
		for transaction := range 3 {
			must(t, "BeginTxn", producer.BeginTxn())
			sendAll(t, producer, topic, numbered(fmt.Sprint(transaction), 2)...)
			must(t, "CommitTxn", producer.CommitTxn())
		}
		got := values(readAll(t, theBroker, committedOnly(version), topic, 0, 6))
		if want := "0-0 0-1 1-0 1-1 2-0 2-1"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

func TestAbortedTransactionIsNotRead(t *testing.T) {
	eachVersion(t, transactionVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		producer := newTransactional(t, version, unique(t))
		must(t, "BeginTxn", producer.BeginTxn())
		sendAll(t, producer, topic, "aborted-0", "aborted-1")
		must(t, "AbortTxn", producer.AbortTxn())
		must(t, "BeginTxn", producer.BeginTxn())
		sendAll(t, producer, topic, "committed")
		must(t, "CommitTxn", producer.CommitTxn())
		if got := values(readAll(t, theBroker, committedOnly(version), topic, 0, 1)); got != "committed" {
			t.Errorf("read committed: %q", got)
		}
		got := values(readAll(t, theBroker, configure(version), topic, 0, 3))
		if got != "aborted-0 aborted-1 committed" {
			t.Errorf("read uncommitted: %q", got)
		}
	})
}

func TestOpenTransactionHoldsBackCommittedReaders(t *testing.T) {
	eachVersion(t, transactionVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		producer := newTransactional(t, version, unique(t))
		must(t, "BeginTxn", producer.BeginTxn())
		sendAll(t, producer, topic, "open")
		produce(t, theBroker, topic, 0, "after")
		if got := values(readAll(t, theBroker, configure(version), topic, 0, 2)); got != "open after" {
			t.Errorf("read uncommitted: %q", got)
		}
		admin := newAdmin(t, theBroker, version)
		stable, err := admin.ListOffsets(map[string]map[int32]int64{topic: {0: sarama.OffsetNewest}},
			&sarama.ListOffsetsOptions{IsolationLevel: sarama.ReadCommitted})
		must(t, "ListOffsets", err)
		if got := stable[topic][0].Offset; got != 0 {
			t.Errorf("the last stable offset is %d", got)
		}
		_, from := newConsumer(t, theBroker, committedOnly(version), topic, 0, sarama.OffsetOldest)
		must(t, "CommitTxn", producer.CommitTxn())
		if got := values(take(t, from, 2)); got != "open after" {
			t.Errorf("read committed: %q", got)
		}
	})
}

func TestSecondProducerFencesTheFirst(t *testing.T) {
	eachVersion(t, transactionVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		id := unique(t)
		first := newTransactional(t, version, id)
		must(t, "BeginTxn", first.BeginTxn())
		sendAll(t, first, topic, "of the first")
		second := newTransactional(t, version, id)
		must(t, "BeginTxn", second.BeginTxn())
		sendAll(t, second, topic, "of the second")
		must(t, "CommitTxn", second.CommitTxn())
		if err := first.CommitTxn(); err == nil {
			t.Error("the first could still commit")
		}
		if got := values(readAll(t, theBroker, committedOnly(version), topic, 0, 1)); got != "of the second" {
			t.Errorf("read committed: %q", got)
		}
	})
}

// Consume, transform, produce: what is read, what comes of it and how far it was read are one transaction.
func TestExactlyOnceFromTopicToTopic(t *testing.T) {
	eachVersion(t, transactionVersions, func(t testing.TB, version sarama.KafkaVersion) {
		source, sink := newTopic(t, 1), newTopic(t, 1)
		produce(t, theBroker, source, 0, numbered("value", 10)...)
		group := newGroup(t, theBroker, source)
		config := groupConfig(version, sarama.NewBalanceStrategyRange())
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		config.Consumer.Offsets.AutoCommit.Enable = false
		producer := newTransactional(t, version, unique(t))
		// The work on message 4 fails the first time, after its result has been sent.
		failures := 1
		transform := func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) error {
			if err := producer.BeginTxn(); err != nil {
				return err
			}
			if _, _, err := producer.SendMessage(message(sink, 0, strings.ToUpper(string(m.Value)))); err != nil {
				return err
			}
			if m.Offset == 4 && failures > 0 {
				failures--
				session.ResetOffset(m.Topic, m.Partition, m.Offset, "")
				return errors.Join(errors.New("the work failed"), producer.AbortTxn())
			}
			if err := producer.AddMessageToTxn(m, group.id, nil); err != nil {
				return err
			}
			return producer.CommitTxn()
		}
		problems := make(chan error, 100)
		member := group.joinWith(t, "first", config, func(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage) {
			if err := transform(session, m); err != nil {
				problems <- fmt.Errorf("message %d: %w", m.Offset, err)
				if err := transform(session, m); err != nil {
					problems <- fmt.Errorf("message %d again: %w", m.Offset, err)
				}
			}
		})
		member.take(t, 10)
		member.leave(t)
		if err := <-problems; len(problems) != 0 || !strings.Contains(err.Error(), "message 4: the work failed") {
			t.Errorf("problems: %v, and %d more", err, len(problems))
		}
		got := values(readAll(t, theBroker, committedOnly(version), sink, 0, 10))
		if want := strings.ToUpper(strings.Join(numbered("value", 10), " ")); got != want {
			t.Errorf("the sink has %q, want %q", got, want)
		}
		group.awaitCommitted(t, source, 0, 10)
	})
}

// A broker without transactions must say so at once: sarama tries a retriable error fifty times.
func TestTransactionalProducerIsMadeOrRefusedAtOnce(t *testing.T) {
	eachVersion(t, transactionVersions, func(t testing.TB, version sarama.KafkaVersion) {
		began := time.Now()
		producer, err := sarama.NewSyncProducer(theBroker.addrs, transactional(version, unique(t)))
		if err == nil {
			must(t, "closing the producer", producer.Close())
		} else if took := time.Since(began); took > 10*time.Second {
			t.Errorf("refused after %v: %v", took, err)
		}
	})
}
