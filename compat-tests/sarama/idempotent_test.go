package sarama_test

import (
	"fmt"
	"testing"

	"github.com/IBM/sarama"
)

// idempotent adds what sarama asks for of an idempotent producer.
func idempotent(config *sarama.Config) *sarama.Config {
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	return config
}

var idempotentVersions = []sarama.KafkaVersion{
	sarama.V0_11_0_2, sarama.V2_3_0_0, sarama.DefaultVersion, sarama.MaxVersion,
}

func TestIdempotentProducer(t *testing.T) {
	eachVersion(t, idempotentVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		producer := newSyncProducer(t, theBroker, idempotent(configure(version)))
		values := numbered("once", 200)
		var messages []*sarama.ProducerMessage
		for _, value := range values {
			messages = append(messages, message(topic, 0, value))
		}
		must(t, "sending", producer.SendMessages(messages))
		wantValues(t, readAll(t, theBroker, configure(version), topic, 0, len(values)), 0, values)
	})
}

// The answers to some requests are lost, the producer sends those batches again, and the broker knows them by their
// sequence numbers.
func TestIdempotentProducerDoublesNothing(t *testing.T) {
	eachVersion(t, idempotentVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		wire := newWire()
		config := idempotent(wire.through(configure(version)))
		config.Producer.Retry.Max = 10
		producer := newSyncProducer(t, theBroker, config)
		values := numbered("once", 30)
		for i, value := range values {
			if i%10 == 5 {
				wire.loseAnswers(produceKey, 2)
			}
			_, offset, err := producer.SendMessage(message(topic, 0, value))
			must(t, fmt.Sprint("sending ", value), err)
			if offset != int64(i) {
				t.Errorf("%s was acknowledged at %d, want %d", value, offset, i)
			}
		}
		if wire.left() > 0 {
			t.Errorf("%d answers were not lost", wire.left())
		}
		produce(t, theBroker, topic, 0, "the end")
		got := readAll(t, theBroker, configure(version), topic, 0, len(values)+1)
		wantValues(t, got, 0, append(values, "the end"))
	})
}

func TestProducerWithoutIdempotenceMayDouble(t *testing.T) {
	eachVersion(t, configuredVersions, func(t testing.TB, version sarama.KafkaVersion) {
		topic := newTopic(t, 1)
		wire := newWire()
		config := wire.through(configure(version))
		config.Producer.RequiredAcks = sarama.WaitForAll
		producer := newSyncProducer(t, theBroker, config)
		wire.loseAnswers(produceKey, 1)
		_, _, err := producer.SendMessage(message(topic, 0, "twice"))
		must(t, "sending", err)
		produce(t, theBroker, topic, 0, "the end")
		got := readAll(t, theBroker, configure(version), topic, 0, 3)
		wantValues(t, got, 0, []string{"twice", "twice", "the end"})
	})
}
